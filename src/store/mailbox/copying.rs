//! Copies what one mailbox holds into another, as Exchange's New-MailboxRestoreRequest does.
//!
//! Every message goes into the folder of the same name with its flags, and what is recoverable of a source on hold into
//! [`RECOVERED_FOLDER`]. The name of a copy is a function of the original's, so a copy that is begun again after a
//! crash, or after the target was full, goes on where it was and makes nothing twice; what the owner of the target has
//! moved to another folder meanwhile comes again. The source is not changed. Memory is bounded, however many messages
//! there are.
//!
//! A message may be one file in both mailboxes: files of mailboxes are never altered, and removing it from one leaves
//! it in the other. So a copy costs little room, and keeps the time at which a message came.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::custody::{CustodyError, Progress, Watch};
use super::errand::{Adopt, Errand, Original};
use super::name::{Flags, Folder, MailboxName, flags_of, kept_name, unique_of};
use super::walk::{Parts, folders, messages};
use super::{MailboxFailure, MailboxStore};

/// Where recoverable messages go, and those of folders whose names the target cannot have.
const RECOVERED_FOLDER: &str = "Recovered Items";

/// So many messages share a synchronisation.
const BATCH: usize = 32;

/// Copies into one folder, a batch at a time.
struct Copier<'a> {
    store: &'a MailboxStore,
    target: &'a MailboxName,
    folder: Folder,
    full_at: Option<u64>,
    /// What an archive held before, whose size nobody else follows.
    archived: u64,
    batch: Vec<Original>,
    progress: Progress,
    watch: Watch<'a>,
}

impl Copier<'_> {
    fn take(&mut self, original: Original) -> Result<(), CustodyError> {
        self.batch.push(original);
        if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    /// Also with nothing: then what an attempt before has left undone is made durable.
    fn flush(&mut self) -> Result<(), CustodyError> {
        let is_archive = self.target.recipient().is_none();
        let held = self.archived.saturating_add(self.progress.bytes);
        if is_archive && !self.batch.is_empty() && self.full_at.is_some_and(|full_at| held >= full_at) {
            return Err(MailboxFailure::Full.into());
        }
        let adopt = Adopt {
            mailbox: self.target.clone(),
            folder: self.folder.clone(),
            originals: core::mem::take(&mut self.batch),
            full_at: self.full_at,
        };
        self.progress.add(self.store.ask(self.target, |promise| Errand::Adopt(adopt, promise))?);
        self.progress.tell(self.watch)
    }

    fn path(&self) -> PathBuf {
        self.folder.within(self.store.path_of(self.target))
    }

    /// Which part of a folder's messages the target has already.
    fn known(&self, parts: Parts, part: u64) -> io::Result<HashSet<String>> {
        let mut known = HashSet::new();
        messages(&*self.store.disk, &self.path(), &mut |_, entry| {
            let name = String::from_utf8(unique_of(&entry.name).to_vec()).ok();
            known.extend(name.filter(|name| parts.has(part, name)));
            Ok(())
        })?;
        Ok(known)
    }

    fn parts(&self) -> io::Result<Parts> {
        let mut names = 0_u64;
        messages(&*self.store.disk, &self.path(), &mut |_, _| {
            names = names.saturating_add(1);
            Ok(())
        })?;
        Ok(Parts::of(names))
    }

    /// Copies the messages of a folder.
    fn copy_folder(&mut self, source: &Path) -> Result<(), CustodyError> {
        let (disk, parts) = (&*self.store.disk, self.parts()?);
        for part in parts.numbers() {
            let known = self.known(parts, part)?;
            messages(disk, source, &mut |directory, entry| {
                let name = kept_name(unique_of(&entry.name));
                if !parts.has(part, &name) || known.contains(&name) {
                    return Ok(());
                }
                let flags = flags_of(&entry.name);
                let path = source.join(directory).join(entry.name);
                Ok(self.take(Original { path, is_new: directory == "new", flags })?)
            })?;
        }
        self.flush()
    }

    /// Copies what was removed from the source and is kept.
    fn copy_removed(&mut self, source: &MailboxName) -> Result<(), CustodyError> {
        let (held, parts) = (self.store.held_path(source), self.parts()?);
        for part in parts.numbers() {
            let known = self.known(parts, part)?;
            self.store.removed(source, &mut |name| {
                let copy = kept_name(name.as_bytes());
                if !parts.has(part, &copy) || known.contains(&copy) {
                    return Ok(());
                }
                // Nothing tells whether it was read; as new it would only alarm its reader.
                Ok(self.take(Original { path: held.join(name), is_new: false, flags: Flags::SEEN })?)
            })?;
        }
        self.flush()
    }
}

impl MailboxStore {
    /// Copies all that `source` holds into `target`, durably on return, and what was removed from it while it was on
    /// hold. With `full_at`, the target takes no more once it holds so many octets; an archive, whose size is not
    /// followed, up to a batch more. The progress is of what was not there before. Blocks.
    ///
    /// # Errors
    /// `Itself`, `Interrupted`, `Full`, `NoRoom` (also for the room that is to be kept free), those of the disk, and
    /// `Closed`. What was copied until then stays.
    pub fn copy_contents(
        &self,
        source: &MailboxName,
        target: &MailboxName,
        full_at: Option<u64>,
        watch: Watch<'_>,
    ) -> Result<Progress, CustodyError> {
        if source == target {
            return Err(CustodyError::Itself);
        }
        let recovered = Folder::named(RECOVERED_FOLDER);
        let recovered = recovered.map_err(|error| MailboxFailure::Message { reason: error.to_string().into() })?;
        let path = self.path_of(source);
        let mut copier = Copier {
            store: self,
            target,
            folder: Folder::Inbox,
            full_at,
            archived: if target.recipient().is_none() { self.recount(target)?.bytes } else { 0 },
            batch: Vec::new(),
            progress: Progress::default(),
            watch,
        };
        for folder in folders(&*self.disk, &path)? {
            copier.folder = match folder.is_empty() {
                true => Folder::Inbox,
                false => Folder::of_directory(&folder).unwrap_or_else(|| recovered.clone()),
            };
            copier.copy_folder(&path.join(&folder))?;
        }
        copier.folder = recovered;
        copier.copy_removed(source)?;
        Ok(copier.progress)
    }
}
