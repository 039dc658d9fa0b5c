//! The tree of mailboxes, as all who write into it share it, and how a message in it is kept.

use core::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::errand::{Kept, copy_file, is_absence};
use super::name::kept_name;
use super::occupancy::Occupancy;
use crate::world::disk::{Disk, is_linkless};

/// The tree of mailboxes.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) root: PathBuf,
    /// Becomes part of every file name.
    pub(super) hostname: Box<str>,
    /// So many octets of the file system stay free.
    pub(super) free_bytes_min: Arc<AtomicU64>,
    pub(super) occupancy: Arc<Occupancy>,
}

impl Tree {
    /// Keeps a message: its file has one more name among the held, under which it stays whatever readers do. That name
    /// is durable once the directory `held` is synchronised; the content must be by now.
    pub(super) fn keep(&self, held: &Path, message: &Path, unique: impl AsRef<[u8]>) -> io::Result<Kept> {
        let name = kept_name(unique.as_ref());
        let target = held.join(&name);
        let linked = match self.disk.link(message, &target) {
            Err(error) if is_absence(&error) => {
                self.disk.create_directories(held)?;
                self.disk.link(message, &target)
            }
            result => result,
        };
        match linked {
            Ok(()) => Ok(Kept::Now),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Kept::Before),
            Err(error) if is_absence(&error) => Ok(Kept::Gone),
            Err(error) if is_linkless(&error) => {
                if self.disk.exists(&target)? {
                    return Ok(Kept::Before);
                }
                self.room()?;
                match copy_file(&*self.disk, message, &held.join(format!(".{name}")), &target) {
                    Err(error) if is_absence(&error) => Ok(Kept::Gone),
                    result => result.map(|()| Kept::Now),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// A link takes no room; a copy leaves free what is to stay so.
    pub(super) fn room(&self) -> io::Result<()> {
        let free_bytes_min = self.free_bytes_min.load(Ordering::Relaxed);
        if free_bytes_min > 0 && self.disk.space(&self.root)?.free_bytes < free_bytes_min {
            let reason = format!("fewer than {free_bytes_min} octets are free at {}", self.root.display());
            return Err(io::Error::new(io::ErrorKind::StorageFull, reason));
        }
        Ok(())
    }
}
