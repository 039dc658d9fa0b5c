//! What was in folders when messages that may have been delivered before were looked for.
//!
//! After a restart every message that waits is such a one. Reading the directories for each of them would cost the
//! square of what a busy mailbox holds, so they are read once for all that are delivered together. Readers may move or
//! remove messages meanwhile: what was there was delivered, and that is all that counts.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::name::unique_of;
use crate::world::disk::Disk;

/// A folder's messages by the unique part of their names: the directory's part, and the whole name.
type Messages = HashMap<Vec<u8>, (&'static str, OsString)>;

/// More names are not kept at once, but for a single folder that has more: some 20 MB for each writing thread.
const NAMES_MAX: usize = 100_000;

/// Folders as they were read.
#[derive(Debug, Default)]
pub(super) struct Listings {
    folders: BTreeMap<PathBuf, Messages>,
    names: usize,
}

impl Listings {
    /// The directory and the name of a message, new or seen. A folder is read at the first question about it.
    ///
    /// # Errors
    /// The system's; a folder that is not there is empty.
    pub(super) fn find(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        unique: &str,
    ) -> io::Result<Option<(PathBuf, &OsStr)>> {
        if !self.folders.contains_key(folder) {
            let messages = read(disk, folder)?;
            if self.names.saturating_add(messages.len()) > NAMES_MAX {
                (self.names, self.folders) = (0, BTreeMap::new());
            }
            self.names = self.names.saturating_add(messages.len());
            self.folders.insert(folder.to_owned(), messages);
        }
        let found = self.folders.get(folder).and_then(|messages| messages.get(unique.as_bytes()));
        Ok(found.map(|(part, name)| (folder.join(part), name.as_os_str())))
    }

    /// A message has been put in its place since.
    pub(super) fn placed(&mut self, folder: &Path, unique: &str, part: &'static str, name: &OsStr) {
        if let Some(messages) = self.folders.get_mut(folder) {
            messages.insert(unique.as_bytes().to_vec(), (part, name.to_owned()));
            self.names = self.names.saturating_add(1);
        }
    }
}

/// What is new comes first: a message that a reader moves meanwhile is found in one of the two.
fn read(disk: &dyn Disk, folder: &Path) -> io::Result<Messages> {
    let mut messages = Messages::new();
    for part in ["new", "cur"] {
        let names = match disk.list(&folder.join(part)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result?,
        };
        messages.reserve(names.len());
        for name in names {
            messages.entry(unique_of(&name).to_vec()).or_insert((part, name));
        }
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::disk::SimulatedDisk;

    fn disk_with(names: &[&str]) -> SimulatedDisk {
        let disk = SimulatedDisk::new(1);
        for part in ["new", "cur"] {
            disk.create_directories(&Path::new("/alice").join(part)).unwrap();
        }
        names.iter().for_each(|name| drop(disk.create_new(&Path::new("/alice").join(name)).unwrap()));
        disk
    }

    #[test]
    fn a_folder_is_read_once_and_knows_what_was_placed_since() {
        let (disk, folder) = (disk_with(&["new/1.a.mx,S=3,W=4", "cur/2.b.mx:2,S"]), Path::new("/alice"));
        let mut listings = Listings::default();
        let find = |listings: &mut Listings, unique: &str| {
            let found = listings.find(&disk, folder, unique).unwrap();
            found.map(|(directory, name)| directory.join(name))
        };
        assert_eq!(find(&mut listings, "1.a.mx"), Some(folder.join("new/1.a.mx,S=3,W=4")));
        assert_eq!(find(&mut listings, "2.b.mx"), Some(folder.join("cur/2.b.mx:2,S")));
        assert_eq!(find(&mut listings, "2.b"), None);
        disk.create_new(&folder.join("new/3.c.mx,S=1,W=2")).unwrap();
        assert_eq!(find(&mut listings, "3.c.mx"), None, "the folder was read again");
        listings.placed(folder, "3.c.mx", "new", OsStr::new("3.c.mx,S=1,W=2"));
        assert_eq!(find(&mut listings, "3.c.mx"), Some(folder.join("new/3.c.mx,S=1,W=2")));
        assert_eq!(Listings::default().find(&disk, Path::new("/bob"), "1.a.mx").unwrap(), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (disk, folder) = (disk_with(&["new/1.a.mx"]), Path::new("/alice"));
        let mut listings =
            Listings { folders: BTreeMap::from([(PathBuf::from("/bob"), Messages::new())]), names: NAMES_MAX };
        listings.find(&disk, folder, "1.a.mx").unwrap();
        assert_eq!((listings.folders.len(), listings.names), (1, 1));
    }
}
