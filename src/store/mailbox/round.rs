//! What a writing thread has taken together: files that are written and not durable, then messages under their final
//! names, whose directories are synchronised before anybody hears of them.
//!
//! Few files are synchronised one by one. Of many, where the file system can be relied upon, only the first stays open
//! and answers for all that were opened after it; thus a hundred messages take as long as two, and no more descriptors.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::listing::Listings;
use super::message::Sizes;
use super::name::file_name;
use super::tree::Tree;
use super::writer::abandon;
use super::{Delivered, Flags, MailboxFailure};
use crate::model::directory::RecipientId;
use crate::store::ticket::Promise;
use crate::world::disk::{APART_MAX, AppendFile};

/// A message under its final name, and who waits for that name to be durable.
type Placed = (Promise<Delivered, MailboxFailure>, Delivered);

/// Messages in one directory.
#[derive(Default)]
struct Group {
    /// Where they were kept as well, if their mailbox is on hold.
    held: Option<PathBuf>,
    deliveries: Vec<Placed>,
}

/// A message that is written and not durable yet.
pub(super) struct Written {
    pub(super) mailbox: Option<RecipientId>,
    pub(super) held: Option<PathBuf>,
    pub(super) promise: Promise<Delivered, MailboxFailure>,
    /// None when it is closed, and the first file of the round answers for it.
    pub(super) file: Option<Box<dyn AppendFile>>,
    pub(super) folder: PathBuf,
    pub(super) unique: String,
    pub(super) sizes: Sizes,
    pub(super) flags: Flags,
}

/// What has come of the jobs that were taken together.
#[derive(Default)]
pub(super) struct Round {
    /// In `tmp`, in order.
    pub(super) written: Vec<Written>,
    /// How many of them are open.
    open: usize,
    /// Where the first of them is, if it can answer for others.
    file_system: Option<u64>,
    /// Under their final names, by directory.
    placed: BTreeMap<PathBuf, Group>,
    /// Folders in which earlier copies were looked for.
    pub(super) listings: Listings,
}

/// As many files are open at once: each writer has its own, and sessions need descriptors, too.
const OPEN_MAX: usize = 16;

impl Round {
    pub(super) fn place(&mut self, directory: PathBuf, held: Option<PathBuf>, placed: Placed) {
        let group = self.placed.entry(directory).or_default();
        group.held = held;
        group.deliveries.push(placed);
    }

    /// Whether nothing more may be written before what is there is in its place.
    pub(super) const fn is_full(&self) -> bool {
        self.open >= OPEN_MAX
    }

    /// The octets of what is written and has no place yet.
    pub(super) fn bytes(&self) -> u64 {
        self.written.iter().fold(0, |sum, message| sum.saturating_add(message.sizes.bytes))
    }

    /// Takes in a file that is written, and closes those for which the first can answer.
    pub(super) fn write(&mut self, written: Written) {
        if self.written.is_empty() {
            self.file_system = written.file_system();
        }
        self.written.push(written);
        self.open = self.open.saturating_add(1);
        if self.written.len() <= APART_MAX || self.file_system.is_none() {
            return;
        }
        // All of them at the first time, and the last one each time after that.
        for other in self.written.iter_mut().skip(1).rev() {
            if other.file.is_none() {
                break;
            }
            if other.file_system() == self.file_system {
                other.file = None;
                self.open = self.open.saturating_sub(1);
            }
        }
    }
}

impl Written {
    fn file_system(&self) -> Option<u64> {
        self.file.as_ref()?.file_system()
    }
}

/// Makes the content of all files durable; what came of each.
fn synchronize(written: &mut [Written]) -> Vec<io::Result<()>> {
    let several = written.len() > 1;
    let Some((first, others)) = written.split_first_mut() else { return Vec::new() };
    let alone = others.iter().all(|other| other.file.is_some());
    if alone && several {
        core::iter::once(&mut *first).chain(others.iter_mut()).filter_map(|each| each.file.as_mut()).for_each(|file| {
            file.begin_synchronizing();
        });
    }
    let of_first = first
        .file
        .as_mut()
        .map_or(Ok(()), |file| if alone { file.synchronize() } else { file.synchronize_file_system() });
    let again = |result: &io::Result<()>| match result {
        Ok(()) => Ok(()),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    };
    let of_others: Vec<_> = others
        .iter_mut()
        .map(|other| other.file.as_mut().map_or_else(|| again(&of_first), |file| file.synchronize()))
        .collect();
    core::iter::once(of_first).chain(of_others).collect()
}

impl Tree {
    /// Puts what is written in its place, makes that durable and answers. Nothing is remembered of the folders.
    pub(super) fn settle(&self, round: &mut Round) {
        self.place_all(round);
        let Round { placed, .. } = core::mem::take(round);
        let held: BTreeSet<&Path> = placed.values().filter_map(|group| group.held.as_deref()).collect();
        let kept = self.durable(held);
        // Also for a message that was there already: the attempt that put it there may have ended just before this.
        let seen = self.durable(placed.keys().map(PathBuf::as_path));
        let outcomes: Vec<Result<(), MailboxFailure>> = placed
            .iter()
            .map(|(directory, group)| {
                let kept = group.held.as_deref().and_then(|held| kept.get(held).cloned()).unwrap_or(Ok(()));
                kept.and_then(|()| seen.get(directory.as_path()).cloned().unwrap_or(Ok(())))
            })
            .collect();
        for (group, durable) in placed.into_values().zip(outcomes) {
            for (promise, delivered) in group.deliveries {
                promise.fulfil(durable.clone().map(|()| delivered));
            }
        }
    }

    /// Makes the names in directories durable; what came of each.
    fn durable<'a>(
        &self,
        directories: impl IntoIterator<Item = &'a Path>,
    ) -> BTreeMap<&'a Path, Result<(), MailboxFailure>> {
        let directories: Vec<&Path> = directories.into_iter().collect();
        let outcomes = self.disk.synchronize_directories(&directories).into_iter();
        let outcomes = outcomes.map(|durable| durable.map_err(|error| MailboxFailure::of_disk(&error)));
        directories.into_iter().zip(outcomes).collect()
    }

    /// Makes what is written durable and gives it its names; these are durable once their directories are synchronised.
    pub(super) fn place_all(&self, round: &mut Round) {
        let mut written = core::mem::take(&mut round.written);
        round.open = 0;
        let outcomes = synchronize(&mut written);
        for (message, durable) in written.into_iter().zip(outcomes) {
            let Written { mailbox, held, promise, file, folder, unique, sizes, flags } = message;
            drop(file);
            let temporary = folder.join("tmp").join(&unique);
            let (part, name) = file_name(&unique, sizes.bytes, sizes.wire_bytes, flags);
            let directory = folder.join(part);
            let path = directory.join(&name);
            // Kept before a reader can see it, and remove it.
            let keep = || held.as_ref().map_or(Ok(()), |held| self.keep(held, &temporary, &unique).map(drop));
            match durable.and_then(|()| keep()).and_then(|()| self.disk.rename(&temporary, &path)) {
                Ok(()) => {
                    // Whatever comes of the directory: a count would find the message, too, and an attempt that repeats
                    // this one finds it there.
                    if let Some(mailbox) = mailbox {
                        self.occupancy.added(mailbox, sizes.bytes);
                    }
                    round.listings.placed(&folder, &unique, part, name.as_ref());
                    let delivered = Delivered { path, bytes: sizes.bytes, was_there: false };
                    round.place(directory, held, (promise, delivered));
                }
                Err(error) => {
                    abandon(&*self.disk, &temporary);
                    promise.fulfil(Err(MailboxFailure::of_disk(&error)));
                }
            }
        }
    }
}
