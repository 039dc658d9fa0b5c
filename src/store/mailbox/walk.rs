//! Goes through all messages of a mailbox, however many there are, without keeping their names in memory.

use core::ops::Range;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::path::Path;

use crate::world::disk::{Disk, Entry, Kind};

/// So many names are compared with others at a time: some 15 MB.
pub(super) const NAMES_MAX: usize = if cfg!(test) { 8 } else { 131_072 };

/// The folders of a mailbox by their directories' names; the first is the mailbox itself. Links are no folders.
pub(super) fn folders(disk: &dyn Disk, mailbox: &Path) -> io::Result<Vec<OsString>> {
    let mut folders = vec![OsString::new()];
    visit(disk, mailbox, &mut |entry| {
        // In Maildir++ exactly the names with a leading dot are folders.
        if entry.kind == Kind::Directory && entry.name.as_encoded_bytes().starts_with(b".") {
            folders.push(entry.name);
        }
        Ok(())
    })?;
    Ok(folders)
}

/// Tells each message of a folder, with the directory in it. What is new comes first: a message that a reader moves
/// meanwhile is told at least once. One that gets other flags meanwhile may be missed.
pub(super) fn messages(
    disk: &dyn Disk,
    folder: &Path,
    each: &mut dyn FnMut(&'static str, Entry) -> io::Result<()>,
) -> io::Result<()> {
    for part in ["new", "cur"] {
        let directory = folder.join(part);
        match disk.facts(&directory) {
            Ok(facts) if facts.kind == Kind::Directory => files(disk, &directory, &mut |entry| each(part, entry))?,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells each file in a directory that is no draft; none when the directory is not there.
pub(super) fn files(
    disk: &dyn Disk,
    directory: &Path,
    each: &mut dyn FnMut(Entry) -> io::Result<()>,
) -> io::Result<()> {
    visit(disk, directory, &mut |entry| {
        let is_message = entry.kind == Kind::File && !entry.name.as_encoded_bytes().starts_with(b".");
        if is_message { each(entry) } else { Ok(()) }
    })
}

/// How many there are of them.
pub(super) fn file_count(disk: &dyn Disk, directory: &Path) -> io::Result<u64> {
    let mut count = 0_u64;
    files(disk, directory, &mut |_| {
        count = count.saturating_add(1);
        Ok(())
    })?;
    Ok(count)
}

fn visit(disk: &dyn Disk, directory: &Path, each: &mut dyn FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
    match disk.visit(directory, each) {
        // The callers' own errors are of another kind.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Splits names among so many parts that each fits in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts(u64);

impl Parts {
    /// For so many names.
    pub(super) fn of(names: u64) -> Self {
        Self((names / NAMES_MAX as u64).saturating_add(1))
    }

    pub(super) fn numbers(self) -> Range<u64> {
        0..self.0
    }

    /// Whether a name belongs to a part.
    pub(super) fn has(self, part: u64, name: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        hasher.finish().checked_rem(self.0).unwrap_or(0) == part
    }
}
