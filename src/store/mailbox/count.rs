//! How much a mailbox holds, from the names of its files.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::name::stored_bytes;
use crate::world::disk::Disk;

/// What a mailbox holds, over all its folders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Octets as stored.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// The names in a directory; none when it is not there, or is a file.
fn names(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<OsString>> {
    match disk.list(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        result => result,
    }
}

pub(super) fn count(disk: &dyn Disk, mailbox: &Path) -> io::Result<Usage> {
    let mut usage = Usage::default();
    count_folder(disk, mailbox, &mut usage)?;
    for name in names(disk, mailbox)? {
        // In Maildir++ exactly the names with a leading dot are folders.
        if name.as_encoded_bytes().starts_with(b".") {
            count_folder(disk, &mailbox.join(name), &mut usage)?;
        }
    }
    Ok(usage)
}

fn count_folder(disk: &dyn Disk, folder: &Path, usage: &mut Usage) -> io::Result<()> {
    for part in ["new", "cur"] {
        let directory = folder.join(part);
        for name in names(disk, &directory)? {
            let bytes = match stored_bytes(&name) {
                Some(bytes) => bytes,
                None => match disk.length(&directory.join(&name)) {
                    // A reader moved or removed it while we were counting.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    result => result?,
                },
            };
            usage.bytes = usage.bytes.saturating_add(bytes);
            usage.messages = usage.messages.saturating_add(1);
        }
    }
    Ok(())
}
