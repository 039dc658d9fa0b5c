//! What is not there is no error, for work that may have been done before.

use std::io;
use std::path::Path;

use super::Disk;

fn unless_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes a file; nothing when it is not there.
///
/// # Errors
/// The system's.
pub fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    unless_absent(disk.remove(path))
}

/// Makes the names in a directory durable; nothing when it is not there.
///
/// # Errors
/// The system's.
pub fn synchronize_if_there(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    unless_absent(disk.synchronize_directory(directory))
}
