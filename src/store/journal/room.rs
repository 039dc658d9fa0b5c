//! Why nothing more can be taken: with the place, and the cure, since an operator reads it in the log.

use std::io;
use std::path::{Path, PathBuf};

use crate::world::disk::Space;

/// What is in the way of new records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// The file system is nearly full.
    #[error(
        "only {free_bytes} octets are free at {directory}, and {free_bytes_min} are kept free. \
         Make room there; it is noticed by itself"
    )]
    Bytes {
        /// The journal's directory.
        directory: PathBuf,
        /// What is free.
        free_bytes: u64,
        /// What has to be.
        free_bytes_min: u64,
    },
    /// The file system has nearly as many files as it can have.
    #[error(
        "only {free_files} more files can be created at {directory}, and {free_files_min} are kept for what is under \
         way. Remove files there, or give the file system more inodes; it is noticed by itself"
    )]
    Files {
        /// The journal's directory.
        directory: PathBuf,
        /// How many can be created.
        free_files: u64,
        /// How many there have to be.
        free_files_min: u64,
    },
    /// It cannot be written at all.
    #[error(
        "{directory} cannot be written: {reason}. See that its file system has room and is mounted for writing, and \
         what the system's own log says about the disk; once it can be written, it is noticed by itself"
    )]
    Unwritable {
        /// The journal's directory.
        directory: PathBuf,
        /// What the disk said.
        reason: String,
    },
}

impl Shortage {
    /// Whether it is about room, and not about a disk that fails.
    pub const fn is_of_room(&self) -> bool {
        matches!(self, Self::Bytes { .. } | Self::Files { .. })
    }
}

/// What is in the way, if these floors are to be kept.
pub(super) fn shortage(
    directory: &Path,
    space: io::Result<Space>,
    free_bytes_min: u64,
    free_files_min: u64,
) -> Option<Shortage> {
    let directory = directory.to_owned();
    match space {
        Err(error) => Some(Shortage::Unwritable { directory, reason: error.to_string() }),
        Ok(Space { free_bytes, .. }) if free_bytes < free_bytes_min => {
            Some(Shortage::Bytes { directory, free_bytes, free_bytes_min })
        }
        Ok(Space { free_inodes: free_files, .. }) if free_files < free_files_min => {
            Some(Shortage::Files { directory, free_files, free_files_min })
        }
        Ok(_) => None,
    }
}
