//! Backup, verify, restore: everything that matters, as plain files with a list of their digests.
//!
//! A backup is a directory: `data/` mirrors the data directory, `configuration/` holds the configuration file,
//! `directory.json` the whole directory for people (password hashes included), `manifest.json` the size and SHA-256 of
//! each of them. The manifest is written last and everything is synchronised before it, so a backup that was cut short
//! has none and is refused.
//!
//! # Why a backup of a running server is whole
//!
//! Files of the data directory only grow (a journal's segments within the headroom that was made for them), or are
//! written once under a final name. They are copied in the order in which a message travels, so that a message which
//! moves on meanwhile is met again further on, never missed:
//!
//! 1. everything that stands alone (keys, the directory's log, the message trace),
//! 2. large bodies, then the journal that names them, then large bodies again, for those that appeared in between,
//! 3. mailboxes.
//!
//! A message whose delivery ends in between is in the copied journal as waiting and in the copied mailbox as delivered;
//! after a restore it is delivered again under the same file name, which changes nothing (law 7). A relayed one may
//! leave a second time. A file that ends in the middle of a record is a torn tail, which replaying cuts. A journal
//! segment is dropped only when it is the oldest and nothing in it waits: when one vanishes while it is being copied,
//! older copies are dropped as well, so that the copied journal has no gap.
//!
//! What can be rebuilt (the database, which is only an index), locks and sockets are left out.

mod copy;
mod layout;
mod manifest;
mod restore;
mod segment;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use manifest::{FileFacts, Manifest};
pub(in crate::admin) use restore::copy_logs;
pub use restore::{RestoreReport, restore};

use super::office::{Failure, Office, Progress};
use super::transfer::{self, Form};
use crate::model::directory::document::{Document, Secrets};

/// What a backup came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// Where it lies.
    pub directory: PathBuf,
    /// When it was begun, ISO 8601.
    pub taken_at: String,
    /// How many files it has.
    pub files: u64,
    /// How many octets.
    pub bytes: u64,
    /// How many recipients the directory had.
    pub recipients: usize,
}

/// A problem that a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defect {
    /// The file, relative to the backup.
    pub file: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// What was verified.
    pub directory: PathBuf,
    /// When the backup was begun, ISO 8601.
    pub taken_at: String,
    /// How many files were read.
    pub files: u64,
    /// How many octets.
    pub bytes: u64,
    /// What is wrong; nothing when the backup is whole.
    pub defects: Vec<Defect>,
}

/// Takes a backup of the office's data into `to`, which must be empty or not exist.
///
/// # Errors
/// `Refused` for a target that is not empty or lies in the data directory, `Unavailable` when the disk fails.
pub fn take(office: &Office, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<BackupReport, Failure> {
    let target = copy::empty_target(to, &office.data)?;
    let taken_at = office.clock.now().iso8601().to_string();
    let mut manifest = Manifest::new(taken_at.clone());
    let mut copier = copy::Copier::new(&office.data, &target, &mut manifest, progress);
    copier.run()?;
    if let Some(file) = &office.configuration {
        copier.configuration(file)?;
    }
    // Taken after the log that it describes was copied: the log is what a restore reads, this is for people.
    let snapshot = office.directory.snapshot();
    let text = transfer::write(Form::Json, &Document::of(&snapshot, Secrets::Include))
        .map_err(|error| Failure::unavailable(error.to_string()))?;
    copier.text("directory.json", text.as_bytes())?;
    manifest.write(&target)?;
    let (files, bytes) = manifest.totals();
    Ok(BackupReport { directory: target, taken_at, files, bytes, recipients: snapshot.recipient_count() })
}

/// Reads a backup again and compares every file with the manifest.
///
/// # Errors
/// `NotFound` when there is no manifest, `Refused` when it cannot be read. Defects of files are no errors but the
/// report.
pub fn verify(directory: &Path, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, Failure> {
    let manifest = Manifest::read(directory)?;
    let (files, bytes) = manifest.totals();
    let mut defects = manifest.compare(directory, progress)?;
    defects.extend(directory_defect(directory));
    Ok(VerifyReport { directory: directory.to_owned(), taken_at: manifest.taken_at, files, bytes, defects })
}

/// The directory's document must be one, too: a backup that cannot be read is none.
fn directory_defect(directory: &Path) -> Option<Defect> {
    let file = "directory.json";
    let problem = match std::fs::read(directory.join(file)) {
        Ok(octets) => transfer::parse(Form::Json, &octets, file).err()?.to_string(),
        Err(error) => error.to_string(),
    };
    Some(Defect { file: file.to_owned(), problem })
}

/// What went wrong with a file, as a failure.
fn disk_failure(operation: &str, path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::unavailable(format!("cannot {operation} {}: {error}", path.display()));
    match error.kind() {
        std::io::ErrorKind::StorageFull => failure.cured_by("make room there, or give another place"),
        std::io::ErrorKind::PermissionDenied => {
            failure.cured_by("the server writes the backup: give a place that its user may write to")
        }
        _ => failure,
    }
}

/// Makes a directory and its parents, open to the owner only; nothing happens when it exists.
///
/// # Errors
/// `Unavailable`, with what the system said.
pub(super) fn make_directory(path: &Path) -> Result<(), Failure> {
    manifest::make_directories(path)
}

/// Writes a new file that only its owner may read, and makes it durable.
///
/// # Errors
/// `Refused` when it exists, `Unavailable` when the disk fails.
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    if path.exists() {
        return Err(Failure::refused(format!("{} is already there, and nothing is overwritten.", path.display())));
    }
    let mut file = manifest::create(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| disk_failure("write", path, &error))
}
