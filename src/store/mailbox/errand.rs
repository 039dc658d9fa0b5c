//! What a writing thread does for whole mailboxes, between two deliveries, so that neither gets in the other's way.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::MailboxFailure;
use super::custody::{PURGED, Progress};
use super::held::HELD;
use super::name::{Flags, Folder, MailboxName, copied_name, kept_name, unique_of};
use super::round::Round;
use super::writer::{Writer, create_folder};
use crate::store::ticket::Promise;
use crate::world::disk::{AppendFile, Disk, Kind, is_linkless, remove_if_there, synchronize_if_there};

/// What a writer is asked.
#[derive(Debug)]
pub(super) enum Errand {
    /// To take trees of a mailbox out of reach.
    Detach(MailboxName, Trees, Promise<(), MailboxFailure>),
    /// To keep these messages of a mailbox, durably. The answer is none when it is not on hold.
    Keep(MailboxName, Vec<PathBuf>, Promise<Option<Progress>, MailboxFailure>),
    /// To put messages of another mailbox into one.
    Adopt(Adopt, Promise<Progress, MailboxFailure>),
}

/// Which trees of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trees {
    /// The mailbox, and what was kept of it.
    All,
    /// What was kept.
    Held,
}

/// Messages to put into a folder, durably; those that are there already are left as they are.
#[derive(Debug)]
pub(super) struct Adopt {
    pub(super) mailbox: MailboxName,
    pub(super) folder: Folder,
    pub(super) originals: Vec<Original>,
    /// Take no more when the mailbox holds so many octets.
    pub(super) full_at: Option<u64>,
}

/// A message of another mailbox.
#[derive(Debug)]
pub(super) struct Original {
    pub(super) path: PathBuf,
    /// No reader has seen it.
    pub(super) is_new: bool,
    pub(super) flags: Flags,
}

/// What came of keeping a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Now,
    Before,
    /// Its file is not there any more.
    Gone,
}

impl Trees {
    /// What the tree of a mailbox is called once it is out of reach, without its number.
    pub(super) fn rest_name(mailbox: &MailboxName) -> String {
        mailbox.as_str().to_owned()
    }

    /// The same of what was kept.
    pub(super) fn held_name(mailbox: &MailboxName) -> String {
        format!("held-{}", mailbox.as_str())
    }
}

/// Writes what a file holds into a draft, in the place of one that an earlier attempt has left. Nothing of it is
/// durable.
pub(super) fn write_draft(disk: &dyn Disk, source: &Path, draft: &Path) -> io::Result<Box<dyn AppendFile>> {
    const PART_BYTES: usize = 64 << 10;
    let from = disk.open_read(source)?;
    let length = from.length()?;
    remove_if_there(disk, draft)?;
    let mut to = disk.create_new(draft)?;
    let (mut part, mut offset) = (vec![0; PART_BYTES], 0);
    while offset < length {
        part.truncate(usize::try_from(length.saturating_sub(offset)).unwrap_or(PART_BYTES));
        from.read_exact_at(&mut part, offset)?;
        to.append(&part)?;
        offset = offset.saturating_add(part.len() as u64);
    }
    Ok(to)
}

/// Copies a file where it can have no second name: whole and durable, or not at all. The name is not durable yet.
pub(super) fn copy_file(disk: &dyn Disk, source: &Path, draft: &Path, target: &Path) -> io::Result<()> {
    let copied = write_draft(disk, source, draft).and_then(|mut to| {
        to.synchronize()?;
        disk.rename(draft, target)
    });
    if copied.is_err() {
        // What stays is replaced by the next attempt.
        let _ = disk.remove(draft);
    }
    copied
}

pub(super) fn is_absence(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

impl Writer {
    pub(super) fn run(&mut self, errand: Errand, round: &mut Round) {
        let failed = |error: io::Error| MailboxFailure::of_disk(&error);
        match errand {
            Errand::Detach(mailbox, trees, promise) => promise.fulfil(self.detach(&mailbox, trees).map_err(failed)),
            Errand::Keep(mailbox, files, promise) => {
                let kept = match self.held_place(&mailbox) {
                    Some(held) => self.keep_all(&held, &files).map(Some),
                    None => Ok(None),
                };
                promise.fulfil(kept.map_err(failed));
            }
            Errand::Adopt(adopt, promise) => promise.fulfil(self.adopt(&adopt, round)),
        }
    }

    /// Where the messages of a mailbox are kept, if it is on hold.
    pub(super) fn held_place(&self, mailbox: &MailboxName) -> Option<PathBuf> {
        let owner = mailbox.owner().filter(|owner| self.on_hold.contains(owner));
        owner.map(|_| self.tree.root.join(HELD).join(mailbox.as_str()))
    }

    /// Keeps messages that somebody else may have written. The directory is made and synchronised in any case: an
    /// attempt before may have failed at that.
    fn keep_all(&self, held: &Path, files: &[PathBuf]) -> io::Result<Progress> {
        let mut progress = Progress::default();
        self.tree.disk.create_directories(held)?;
        for file in files {
            match self.tree.disk.synchronize_file(file) {
                Err(error) if is_absence(&error) => continue,
                result => result?,
            }
            let name = file.file_name().unwrap_or_default();
            if self.tree.keep(held, file, unique_of(name))? == Kept::Now {
                let bytes = super::name::stored_bytes(name).unwrap_or(0);
                progress.add(Progress { files: 1, bytes });
            }
        }
        self.tree.disk.synchronize_directory(held)?;
        Ok(progress)
    }

    /// Moves trees out of reach, durably. What was kept goes first, so that a mailbox that is there is never without.
    fn detach(&mut self, mailbox: &MailboxName, trees: Trees) -> io::Result<()> {
        let held = self.tree.root.join(HELD);
        self.move_away(&held.join(mailbox.as_str()), &Trees::held_name(mailbox))?;
        if trees == Trees::All {
            self.move_away(&self.tree.root.join(mailbox.as_str()), &Trees::rest_name(mailbox))?;
            if let Some(recipient) = mailbox.recipient() {
                self.counts.remove(&recipient);
                self.tree.occupancy.forget(recipient);
            }
        }
        // Also when nothing was there: an attempt before may have failed at this.
        for directory in [self.tree.root.join(PURGED), held, self.tree.root.clone()] {
            synchronize_if_there(&*self.tree.disk, &directory)?;
        }
        Ok(())
    }

    fn move_away(&self, tree: &Path, name: &str) -> io::Result<()> {
        match self.tree.disk.facts(tree) {
            Err(error) if is_absence(&error) => return Ok(()),
            Err(error) => return Err(error),
            Ok(facts) if facts.kind != Kind::Directory => {
                let what = "it is no directory; what a symbolic link leads to must be deleted by hand, then the link";
                return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("purge {}: {what}", tree.display())));
            }
            Ok(_) => {}
        }
        let purged = self.tree.root.join(PURGED);
        self.tree.disk.create_directories(&purged)?;
        // Earlier rests of the same mailbox may not be deleted yet.
        let mut number = 0_u64;
        loop {
            let place = purged.join(format!("{name}.{number}"));
            match self.tree.disk.facts(&place) {
                Err(error) if is_absence(&error) => return self.tree.disk.rename_directory(tree, &place),
                result => result?,
            };
            number = number.saturating_add(1);
        }
    }

    fn adopt(&mut self, adopt: &Adopt, round: &mut Round) -> Result<Progress, MailboxFailure> {
        let failed = |error: io::Error| MailboxFailure::of_disk(&error);
        let folder = self.folder(&adopt.mailbox, &adopt.folder);
        if let Some(recipient) = adopt.mailbox.recipient()
            && !self.tree.occupancy.is_verified(recipient)
        {
            self.look(recipient, false).map_err(failed)?;
        }
        let mut progress = Progress::default();
        let adopted = adopt.originals.iter().try_for_each(|original| {
            progress.add(self.adopt_one(adopt, original, &folder, round)?);
            Ok(())
        });
        // Also after a failure, and for what an attempt before has put there.
        let held = self.held_place(&adopt.mailbox);
        let mut places = held.into_iter().chain(["new", "cur"].map(|part| folder.join(part)));
        let durable = places.try_for_each(|directory| synchronize_if_there(&*self.tree.disk, &directory));
        adopted.and_then(|()| durable.map_err(failed)).map(|()| progress)
    }

    fn adopt_one(
        &mut self,
        adopt: &Adopt,
        original: &Original,
        folder: &Path,
        round: &mut Round,
    ) -> Result<Progress, MailboxFailure> {
        let failed = |error: io::Error| MailboxFailure::of_disk(&error);
        let recipient = adopt.mailbox.recipient();
        self.measure()?;
        if let (Some(recipient), Some(full_at)) = (recipient, adopt.full_at)
            && self.is_full(recipient, full_at, round)
        {
            return Err(MailboxFailure::Full);
        }
        let bytes = match self.tree.disk.facts(&original.path) {
            Ok(facts) if facts.kind == Kind::File => facts.bytes,
            // A reader has moved or removed it.
            Ok(_) => return Ok(Progress::default()),
            Err(error) if is_absence(&error) => return Ok(Progress::default()),
            Err(error) => return Err(failed(error)),
        };
        let name = copied_name(original.path.file_name().unwrap_or_default(), bytes);
        let (part, name) = if original.is_new && original.flags == Flags::NONE {
            ("new", name)
        } else {
            ("cur", format!("{name}:2,{}", original.flags.letters()))
        };
        if !self.tree.disk.exists(&folder.join("tmp")).map_err(failed)? {
            create_folder(&*self.tree.disk, &self.tree.root.join(adopt.mailbox.as_str()), &adopt.folder)
                .map_err(failed)?;
        }
        let unique = unique_of(OsStr::new(&name));
        let placed = self.place_copy(adopt, &original.path, folder, &folder.join(part).join(&name), unique);
        match placed.map_err(failed)? {
            Kept::Now => {}
            Kept::Before | Kept::Gone => return Ok(Progress::default()),
        }
        if let Some(recipient) = recipient {
            self.tree.occupancy.added(recipient, bytes);
        }
        Ok(Progress { files: 1, bytes })
    }

    /// Gives a message its name in another mailbox. One file may have it in both: what a mailbox holds is never
    /// altered, only renamed and removed, and the time when it came is kept.
    fn place_copy(
        &mut self,
        adopt: &Adopt,
        source: &Path,
        folder: &Path,
        path: &Path,
        unique: &[u8],
    ) -> io::Result<Kept> {
        match self.tree.disk.synchronize_file(source) {
            Err(error) if is_absence(&error) => return Ok(Kept::Gone),
            result => result?,
        }
        if let Some(held) = self.held_place(&adopt.mailbox) {
            self.tree.keep(&held, source, unique)?;
        }
        match self.tree.disk.link(source, path) {
            Ok(()) => Ok(Kept::Now),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Kept::Before),
            Err(error) if is_absence(&error) => Ok(Kept::Gone),
            Err(error) if is_linkless(&error) => {
                if self.tree.disk.exists(path)? {
                    return Ok(Kept::Before);
                }
                let bytes = self.tree.disk.facts(source)?.bytes;
                self.unmeasured = self.unmeasured.map(|written| written.saturating_add(bytes));
                let draft = folder.join("tmp").join(kept_name(unique));
                copy_file(&*self.tree.disk, source, &draft, path).map(|()| Kept::Now)
            }
            Err(error) => Err(error),
        }
    }
}
