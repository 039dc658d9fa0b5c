//! A writing thread: takes what has gathered for its mailboxes, writes each message, synchronises each directory once.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::name::{file_name, is_message, stored_bytes};
use super::{Delivered, Delivery, Folder, MailboxFailure, Repeat};
use crate::store::intake::{Bounds, Gathered, Intake};
use crate::store::ticket::Promise;
use crate::world::disk::{AppendFile, Disk};

#[derive(Debug)]
pub(super) struct Job {
    pub(super) delivery: Delivery,
    pub(super) promise: Promise<Delivered, MailboxFailure>,
}

/// A message under its final name, and who waits for that name to be durable.
type Placed = (Promise<Delivered, MailboxFailure>, Delivered);

pub(super) struct Writer {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) root: PathBuf,
    pub(super) hostname: Arc<str>,
    pub(super) intake: Intake<Job>,
}

/// As many messages share the synchronisation of a directory at most; the first of them waits for the last.
const GROUP: Bounds = Bounds { items: 64, bytes: 16 << 20 };

/// Creates a folder and the mailbox around it, durably.
pub(super) fn create_folder(disk: &dyn Disk, mailbox: &Path, folder: &Folder) -> io::Result<()> {
    for part in ["tmp", "new", "cur"] {
        disk.create_directories(&mailbox.join(part))?;
    }
    let Folder::Named(name) = folder else { return Ok(()) };
    let directory = mailbox.join(name.as_str());
    for part in ["tmp", "new", "cur"] {
        disk.create_directories(&directory.join(part))?;
    }
    // Maildir++ tells a folder from a mailbox by this empty file.
    match disk.create_new(&directory.join("maildirfolder")) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => {
            result?;
            disk.synchronize_directory(&directory)
        }
    }
}

impl Writer {
    pub(super) fn run(self) {
        while let Gathered::Items(jobs) = self.intake.gather(GROUP) {
            self.deliver(jobs);
        }
    }

    fn deliver(&self, jobs: Vec<Job>) {
        let mut written: BTreeMap<PathBuf, Vec<Placed>> = BTreeMap::new();
        for Job { delivery, promise } in jobs {
            match self.place(&delivery) {
                Ok((directory, delivered)) => written.entry(directory).or_default().push((promise, delivered)),
                Err(failure) => promise.fulfil(Err(failure)),
            }
        }
        for (directory, deliveries) in written {
            // Also for a message that was there already: the attempt that put it there may have ended just before this.
            let durable = self.disk.synchronize_directory(&directory);
            let durable = durable.map_err(|error| MailboxFailure::of_disk(&error));
            for (promise, delivered) in deliveries {
                promise.fulfil(durable.clone().map(|()| delivered));
            }
        }
    }

    /// Puts a message where it belongs; durable once the directory that is given back is synchronised.
    fn place(&self, delivery: &Delivery) -> Result<(PathBuf, Delivered), MailboxFailure> {
        let mailbox = self.root.join(delivery.mailbox.as_str());
        let folder = match &delivery.folder {
            Folder::Inbox => mailbox.clone(),
            Folder::Named(name) => mailbox.join(name.as_str()),
        };
        let unique = delivery.name.unique(&self.hostname);
        let failed = |error: io::Error| MailboxFailure::of_disk(&error);
        if delivery.repeat == Repeat::Possible
            && let Some(found) = self.find(&folder, &unique).map_err(failed)?
        {
            return Ok(found);
        }
        let temporary = folder.join("tmp").join(&unique);
        let mut file = self.create(&mailbox, &delivery.folder, &temporary).map_err(failed)?;
        let placed = delivery.message.write(&*self.disk, &delivery.head, &mut *file).and_then(|sizes| {
            file.synchronize().map_err(failed)?;
            let (part, name) = file_name(&unique, sizes.bytes, sizes.wire_bytes, delivery.flags);
            let directory = folder.join(part);
            let path = directory.join(name);
            self.disk.rename(&temporary, &path).map_err(failed)?;
            Ok((directory, Delivered { path, bytes: sizes.bytes, was_there: false }))
        });
        if placed.is_err() {
            // What stays is replaced by the next attempt.
            let _ = self.disk.remove(&temporary);
        }
        placed
    }

    /// Looks for the message among those that are new and those that were seen.
    fn find(&self, folder: &Path, unique: &str) -> io::Result<Option<(PathBuf, Delivered)>> {
        for part in ["new", "cur"] {
            let directory = folder.join(part);
            let names = match self.disk.list(&directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                result => result?,
            };
            let Some(name) = names.into_iter().find(|name| is_message(name, unique)) else { continue };
            let path = directory.join(&name);
            // A reader may move it at this moment; then its name still tells the size, and it is there all the same.
            let bytes = stored_bytes(&name).map_or_else(|| self.disk.length(&path), Ok).unwrap_or(0);
            return Ok(Some((directory, Delivered { path, bytes, was_there: true })));
        }
        Ok(None)
    }

    fn create(&self, mailbox: &Path, folder: &Folder, temporary: &Path) -> io::Result<Box<dyn AppendFile>> {
        match self.disk.create_new(temporary) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_folder(&*self.disk, mailbox, folder)?;
                self.disk.create_new(temporary)
            }
            // Left by an attempt that a crash ended; nobody else writes under this name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.remove(temporary)?;
                self.disk.create_new(temporary)
            }
            result => result,
        }
    }
}
