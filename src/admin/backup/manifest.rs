//! The list of a backup's files with size and SHA-256, and the comparison with what is there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Defect, disk_failure};
use crate::admin::office::{Failure, Progress};
use crate::world::disk::{open_regular, read_regular};

/// The manifest's name in a backup.
pub(super) const MANIFEST_NAME: &str = "manifest.json";
/// The form of the backup; a change that older programs cannot read raises it.
const FORM: u32 = 1;
/// The longest manifest that is read, in octets: some millions of files.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;
/// Read at once; memory use does not depend on the size of files.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// Size and digest of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Its size in octets.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// The list of a backup's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    form: u32,
    /// When the backup was begun, ISO 8601.
    pub taken_at: String,
    /// The version of the program that took it.
    pub version: String,
    /// Every file by its path in the backup, with `/` between names.
    pub files: BTreeMap<String, FileFacts>,
}

impl Manifest {
    pub(super) fn new(taken_at: String) -> Self {
        Self { form: FORM, taken_at, version: env!("CARGO_PKG_VERSION").to_owned(), files: BTreeMap::new() }
    }

    /// Number and size of all files.
    pub fn totals(&self) -> (u64, u64) {
        let bytes = self.files.values().map(|facts| facts.bytes).sum();
        (u64::try_from(self.files.len()).unwrap_or(u64::MAX), bytes)
    }

    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Refused` for one that is damaged, newer than this program, or names files
    /// outside.
    pub fn read(directory: &Path) -> Result<Self, Failure> {
        let path = directory.join(MANIFEST_NAME);
        let text = read_regular(&path, MANIFEST_BYTES_MAX).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::not_found(format!(
                "{} is no backup, or one that was cut short: it has no {MANIFEST_NAME}.",
                directory.display()
            )),
            _ => disk_failure("read", &path, &error),
        })?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| Failure::refused(format!("{} is damaged: {error}", path.display())))?;
        if manifest.form != FORM {
            let failure =
                Failure::refused(format!("The backup has form {}, this program reads {FORM}.", manifest.form));
            return Err(failure.cured_by(format!("use franking {}", manifest.version)));
        }
        // A manifest that was tampered with must not make us read or write elsewhere.
        if let Some(bad) = manifest.files.keys().find(|name| !is_inside(name)) {
            let shown: String = bad.escape_debug().take(80).collect();
            return Err(Failure::refused(format!("{} names a file outside of the backup: {shown}", path.display())));
        }
        Ok(manifest)
    }

    /// Writes the manifest, which makes the backup whole.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Failure> {
        let path = directory.join(MANIFEST_NAME);
        let text = serde_json::to_vec_pretty(self).map_err(|error| Failure::unavailable(error.to_string()))?;
        let mut file = create(&path)?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        written.map_err(|error| disk_failure("write", &path, &error))?;
        synchronize(directory)
    }

    /// Compares every file with its facts.
    pub(super) fn compare(&self, directory: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Defect>, Failure> {
        let (_, total) = self.totals();
        let mut done = 0;
        let mut defects = Vec::new();
        for (name, facts) in &self.files {
            let problem = match digest(&directory.join(name)) {
                Ok(found) if found == *facts => None,
                Ok(found) if found.bytes != facts.bytes => {
                    Some(format!("has {} octets instead of {}", found.bytes, facts.bytes))
                }
                Ok(_) => Some("has other content than when it was backed up".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            defects.extend(problem.map(|problem| Defect { file: name.clone(), problem }));
            done += facts.bytes;
            progress(Progress { what: "verifying".to_owned(), done, total });
        }
        Ok(defects)
    }
}

/// Whether a name of a manifest is relative and stays below.
fn is_inside(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|component| matches!(component, Component::Normal(_)))
}

/// A path of a backup as a manifest writes it; `None` for names that are not UTF-8, which no part of Franking makes.
pub(super) fn name_of(path: &Path) -> Option<String> {
    let names: Option<Vec<&str>> = path.iter().map(|name| name.to_str()).collect();
    names.map(|names| names.join("/"))
}

fn digest(path: &Path) -> std::io::Result<FileFacts> {
    let mut file = open_regular(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut bytes = 0_u64;
    loop {
        let count = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else { break };
        hasher.update(part);
        bytes += count as u64;
    }
    Ok(FileFacts { bytes, sha256: hexadecimal(&hasher.finalize()) })
}

pub(super) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A new file that only its owner may read.
pub(super) fn create(path: &Path) -> Result<File, Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| disk_failure("create", path, &error))
}

/// Makes the names in a directory durable.
pub(super) fn synchronize(directory: &Path) -> Result<(), Failure> {
    let synchronised = File::open(directory).and_then(|directory| directory.sync_all());
    synchronised.map_err(|error| disk_failure("synchronise", directory, &error))
}

/// A directory and its parents, open to the owner only.
pub(super) fn make_directories(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| disk_failure("create", path, &error))
}

/// Every regular file below `directory`, relative to it, sorted; symbolic links are not followed.
pub(super) fn files_below(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let place = directory.join(&relative);
        let entries = match std::fs::read_dir(&place) {
            Ok(entries) => entries,
            // A directory that vanished while we looked has nothing to copy.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !relative.as_os_str().is_empty() => continue,
            Err(error) => return Err(disk_failure("list", &place, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| disk_failure("list", &place, &error))?;
            let path = relative.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(path),
                Ok(kind) if kind.is_file() => found.push(path),
                Ok(_) | Err(_) => {}
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
