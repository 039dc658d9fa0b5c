//! Puts a verified backup into an empty data directory.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{Pass, pass_of};
use super::manifest::{Manifest, create, make_directories, synchronize};
use super::{Defect, disk_failure, verify};
use crate::admin::office::{Failure, Progress};

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// Where the data went.
    pub data: PathBuf,
    /// When the backup was begun, ISO 8601.
    pub taken_at: String,
    /// How many files were restored.
    pub files: u64,
    /// How many octets.
    pub bytes: u64,
    /// The configuration file in the backup, which is not put anywhere; `None` when it has none.
    pub configuration: Option<PathBuf>,
}

/// Verifies the backup in `from` and copies its data into `data`, which must be empty or not exist. The server must not
/// run. What it cannot finish it leaves behind; run again after emptying `data`.
///
/// # Errors
/// `Refused` when the backup has a defect or `data` is not empty, `NotFound` when `from` is no backup, `Unavailable`
/// when the disk fails.
pub fn restore(from: &Path, data: &Path, progress: &mut dyn FnMut(Progress)) -> Result<RestoreReport, Failure> {
    let verified = verify(from, progress)?;
    if let Some(Defect { file, problem }) = verified.defects.first() {
        let failure = Failure::refused(format!("The backup is damaged, so nothing was restored: {file} {problem}."));
        return Err(failure.cured_by(format!("franking verify {}", from.display())));
    }
    empty(data)?;
    let manifest = Manifest::read(from)?;
    let (_, total) = manifest.totals();
    let mut report = RestoreReport { data: data.to_owned(), taken_at: manifest.taken_at.clone(), ..Default::default() };
    for (name, facts) in &manifest.files {
        if let Some(relative) = name.strip_prefix("data/") {
            put(&from.join(name), &data.join(relative))?;
            report.files += 1;
            report.bytes += facts.bytes;
        } else if name.starts_with("configuration/") {
            report.configuration = Some(from.join(name));
        }
        progress(Progress { what: "restoring".to_owned(), done: report.bytes, total });
    }
    synchronize(data)?;
    Ok(report)
}

/// Copies what can be replayed of a backup, journal and directory log without mailboxes and large bodies, into `to`.
///
/// # Errors
/// `NotFound` and `Refused` as for a manifest, `Unavailable` when the disk fails.
pub(in crate::admin) fn copy_logs(from: &Path, to: &Path) -> Result<(), Failure> {
    for name in Manifest::read(from)?.files.keys() {
        let Some(relative) = name.strip_prefix("data/").map(Path::new) else { continue };
        if relative.starts_with("directory") || pass_of(relative) == Some(Pass::Journal) {
            put(&from.join(name), &to.join(relative))?;
        }
    }
    Ok(())
}

fn empty(data: &Path) -> Result<(), Failure> {
    make_directories(data)?;
    let mut entries = std::fs::read_dir(data).map_err(|error| disk_failure("list", data, &error))?;
    if entries.next().is_some() {
        let failure = Failure::refused(format!("{} is not empty, and a restore overwrites nothing.", data.display()));
        return Err(failure.cured_by("stop the server and move the directory away, or give another one with --data"));
    }
    Ok(())
}

fn put(from: &Path, to: &Path) -> Result<(), Failure> {
    let parent = to.parent().unwrap_or(to);
    make_directories(parent)?;
    let mut source = std::fs::File::open(from).map_err(|error| disk_failure("read", from, &error))?;
    let mut copy = create(to)?;
    let copied = std::io::copy(&mut source, &mut copy).and_then(|_| copy.sync_all());
    copied.map_err(|error| disk_failure("write", to, &error))?;
    synchronize(parent)
}
