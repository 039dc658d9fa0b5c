//! How much a mailbox holds, from the names of its files, a directory at a time: what did not change since it was
//! counted is not read again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::name::stored_bytes;
use crate::model::policy::quota::Usage;
use crate::world::disk::{DirectoryStamp, Disk};

/// A directory of messages: its folder (empty for the mailbox itself) and its name in it.
type Place = (OsString, &'static str);

/// The states of a mailbox's directories, read without reading their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamps(BTreeMap<Place, DirectoryStamp>);

/// What each directory of a mailbox held when it was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count(BTreeMap<Place, (DirectoryStamp, Usage)>);

impl Stamps {
    /// Looks at the directories of a mailbox; none when it is not there.
    pub(super) fn of(disk: &dyn Disk, mailbox: &Path) -> io::Result<Self> {
        let mut stamps = BTreeMap::new();
        // In Maildir++ exactly the names with a leading dot are folders.
        let folders = names(disk, mailbox)?.into_iter().filter(|name| name.as_encoded_bytes().starts_with(b"."));
        for folder in core::iter::once(OsString::new()).chain(folders) {
            for name in ["new", "cur"] {
                match disk.stamp(&mailbox.join(&folder).join(name)) {
                    Err(error) if is_absence(&error) => {}
                    result => {
                        stamps.insert((folder.clone(), name), result?);
                    }
                }
            }
        }
        Ok(Self(stamps))
    }

    /// A number that is another one after any change of any directory. Zero for a mailbox that is not there.
    pub(super) fn fingerprint(&self) -> u64 {
        let octets = self.0.iter().flat_map(|((folder, name), stamp)| {
            [folder.as_encoded_bytes(), b"/", name.as_bytes(), b"/", &stamp.mark.to_le_bytes()].concat()
        });
        octets.fold(0, |hash: u64, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3).rotate_left(5))
    }

    /// Whether any further change would be seen by the fingerprint.
    pub(super) fn are_settled(&self) -> bool {
        self.0.values().all(|stamp| !stamp.recent)
    }
}

impl Count {
    /// Counts the directories, taking from `known` those that are as they were then. A directory that changes meanwhile
    /// bears another stamp the next time, since `stamps` were read before.
    pub(super) fn of(disk: &dyn Disk, mailbox: &Path, stamps: &Stamps, known: &Self) -> io::Result<Self> {
        let mut parts = BTreeMap::new();
        for (place, stamp) in &stamps.0 {
            let former = known.0.get(place).filter(|(former, _)| former == stamp && !stamp.recent);
            let usage = match former {
                Some((_, usage)) => *usage,
                None => count_directory(disk, &mailbox.join(&place.0).join(place.1))?,
            };
            parts.insert(place.clone(), (*stamp, usage));
        }
        Ok(Self(parts))
    }

    /// What the mailbox holds in all.
    pub(super) fn usage(&self) -> Usage {
        self.0.values().fold(Usage::default(), |sum, (_, usage)| Usage {
            bytes: sum.bytes.saturating_add(usage.bytes),
            messages: sum.messages.saturating_add(usage.messages),
        })
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The names in a directory; none when it is not there, or is a file.
fn names(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<OsString>> {
    match disk.list(directory) {
        Err(error) if is_absence(&error) => Ok(Vec::new()),
        result => result,
    }
}

fn count_directory(disk: &dyn Disk, directory: &Path) -> io::Result<Usage> {
    let mut usage = Usage::default();
    let visited = disk.visit(directory, &mut |entry| {
        let bytes = match stored_bytes(&entry.name) {
            Some(bytes) => bytes,
            None => match disk.length(&directory.join(&entry.name)) {
                // A reader moved or removed it while we were counting.
                Err(error) if is_absence(&error) => return Ok(()),
                result => result?,
            },
        };
        usage.bytes = usage.bytes.saturating_add(bytes);
        usage.messages = usage.messages.saturating_add(1);
        Ok(())
    });
    match visited {
        // It is not there, or is a file.
        Err(error) if is_absence(&error) => Ok(Usage::default()),
        result => result.map(|()| usage),
    }
}
