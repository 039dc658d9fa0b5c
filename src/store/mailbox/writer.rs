//! A writing thread: takes what has gathered for its mailboxes, writes all of it, then has it made durable together, as
//! `round` says. One after the other each message would cost a full round trip to the disk, and a busy mailbox could
//! not keep up with a session. While the disk makes a large round durable, the next one is written, see `under_way`.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::count::{Count, Stamps};
use super::errand::Errand;
use super::held::Held;
use super::message::Sizes;
use super::name::{MailboxName, stored_bytes};
use super::round::{Round, Written};
use super::tree::Tree;
use super::under_way::UnderWay;
use super::{Delivered, Delivery, Folder, MailboxFailure, Repeat, Sought};
use crate::model::directory::RecipientId;
use crate::model::policy::quota::Usage;
use crate::store::hands::{Hands, Labour, Turned};
use crate::store::intake::{Bounds, Gathered, Intake, Patience};
use crate::store::ticket::Promise;
use crate::world::disk::{AppendFile, Disk};

/// What a writer is asked.
#[derive(Debug)]
pub(super) enum Job {
    /// To put a message into a mailbox.
    Deliver(Delivery, Promise<Delivered, MailboxFailure>),
    /// To look for a message.
    Find(Sought, Promise<Option<Delivered>, MailboxFailure>),
    /// To compare the entry of a mailbox with its directories.
    Look(Look),
    /// What mailboxes as a whole need.
    Errand(Errand),
}

#[derive(Debug)]
pub(super) struct Look {
    pub(super) mailbox: RecipientId,
    /// Count every directory, whatever its stamp says.
    pub(super) anew: bool,
    /// None when nobody waits for the answer.
    pub(super) promise: Option<Promise<Usage, MailboxFailure>>,
}

/// What writing came to.
enum Begun {
    /// The file is in `tmp`.
    Written(Box<dyn AppendFile>, Sizes),
    /// An earlier attempt has put the message into this directory.
    There(PathBuf, Delivered),
}

pub(super) struct Writer {
    pub(super) tree: Arc<Tree>,
    pub(super) intake: Intake<Job>,
    pub(super) held: Arc<Held>,
    /// Who is on hold in this round.
    pub(super) on_hold: Arc<BTreeSet<RecipientId>>,
    /// The counts of mailboxes that were looked at lately, by directory.
    pub(super) counts: BTreeMap<RecipientId, Count>,
    /// Octets written since the room on the disk was last asked for; none in a round that has not asked yet.
    pub(super) unmeasured: Option<u64>,
    /// Whose thread writes: with none of its own, every round ends where it was written.
    pub(super) hands: Hands,
    /// The round whose messages are put in their places while the next one is written. It is waited for before anything
    /// that depends on them.
    pub(super) under_way: UnderWay,
    /// The last round had messages and has ended: the next one waits for company.
    pub(super) rests: bool,
    /// Kept between messages: each passes through it.
    pub(super) buffer: Vec<u8>,
}

/// Counts of so many mailboxes are kept at once; each takes about 200 octets for each folder.
const COUNTS_MAX: usize = 1_024;
/// The room on the disk is asked for once a round, and after as many octets.
const UNMEASURED_BYTES_MAX: u64 = 16 << 20;

/// Between two rounds with messages: what comes meanwhile shares the next one. The first after a quiet time waits for
/// nobody, and nobody waits for the others: they were accepted long ago.
const PACE: Duration = Duration::from_millis(5);
/// A busy mailbox has longer rounds: each keeps the disk from what sessions wait for, and the larger it is, the less it
/// takes for each message.
const PACE_OF_LARGE: Duration = Duration::from_millis(10);
/// So many messages are worth a thread.
const LARGE: usize = 16;

/// As many messages are made durable together at most; the first of them waits for the last.
const GROUP: Bounds = Bounds { items: 512, bytes: 16 << 20 };

/// Creates a folder and the mailbox around it, durably, and subscribes to the folder. `tmp` comes last: a crash can
/// leave a part, and a folder counts as complete when a file can be made in its `tmp`.
pub(super) fn create_folder(disk: &dyn Disk, mailbox: &Path, folder: &Folder) -> io::Result<()> {
    for part in ["cur", "new", "tmp"] {
        disk.create_directories(&mailbox.join(part))?;
    }
    let Folder::Named(name) = folder else { return Ok(()) };
    let directory = mailbox.join(name.as_str());
    for part in ["cur", "new"] {
        disk.create_directories(&directory.join(part))?;
    }
    // Maildir++ tells a folder from a mailbox by this empty file.
    match disk.create_new(&directory.join("maildirfolder")) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        result => {
            result?;
            disk.synchronize_directory(&directory)?;
        }
    }
    subscribe(disk, mailbox, name.as_str())?;
    disk.create_directories(&directory.join("tmp"))
}

/// Puts a folder on the list of those that mail clients show, a file which Dovecot keeps in the mailbox. Done once,
/// when the folder is made: whoever takes it off the list later wants it so.
///
/// Dovecot's way to alter the file is kept to: the new content is written into the file that is the lock, which then
/// takes the place of the old one. Where a lock is, the folder stays off the list: that costs nothing but comfort.
fn subscribe(disk: &dyn Disk, mailbox: &Path, directory: &str) -> io::Result<()> {
    let (list, lock) = (mailbox.join("subscriptions"), mailbox.join("subscriptions.lock"));
    let mut file = match disk.create_new(&lock) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        result => result?,
    };
    let line = format!("{}\n", directory.trim_start_matches('.'));
    let written = subscriptions(disk, &list).and_then(|mut content| {
        let listed = content.split_inclusive(|octet| *octet == b'\n').any(|other| other == line.as_bytes());
        content.extend_from_slice(if listed { b"" } else { line.as_bytes() });
        file.append(&content)?;
        file.synchronize()?;
        disk.rename(&lock, &list)
    });
    match written {
        Ok(()) => disk.synchronize_directory(mailbox),
        Err(error) => {
            // A lock that stays would keep readers from their subscriptions.
            let _ = disk.remove(&lock);
            Err(error)
        }
    }
}

/// The list as it is; empty when there is none yet.
fn subscriptions(disk: &dyn Disk, list: &Path) -> io::Result<Vec<u8>> {
    match disk.read(list) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result,
    }
}

pub(super) fn abandon(disk: &dyn Disk, temporary: &Path) {
    // What stays is replaced by the next attempt.
    let _ = disk.remove(temporary);
}

impl Labour for Writer {
    fn turn(&mut self, patience: Patience) -> Turned {
        if core::mem::take(&mut self.rests) && patience == Patience::Wait {
            thread::sleep(PACE);
        }
        match self.intake.gather(GROUP, patience) {
            Gathered::Items(jobs) => {
                self.work(jobs);
                Turned::Worked
            }
            Gathered::Nothing => Turned::Idle,
            Gathered::Closed => {
                self.under_way.wait();
                Turned::Ended
            }
        }
    }
}

impl Writer {
    pub(super) fn work(&mut self, jobs: Vec<Job>) {
        self.rests = jobs.iter().any(|job| matches!(job, Job::Deliver(..)));
        let mut round = Round::default();
        self.unmeasured = None;
        // After the jobs were taken: who was told of a change before it asked for something finds it regarded.
        self.on_hold = self.held.current();
        for job in jobs {
            match job {
                Job::Deliver(delivery, promise) => self.deliver(delivery, promise, &mut round),
                Job::Find(sought, promise) => {
                    let found = self.seek(&sought, &mut round);
                    promise.fulfil(found.map_err(|error| MailboxFailure::of_disk(&error)));
                }
                Job::Look(look) => {
                    self.under_way.wait();
                    let usage = self.look(look.mailbox, look.anew);
                    if let Err(error) = &usage {
                        tracing::warn!(%error, "what a mailbox holds cannot be counted");
                    }
                    if let Some(promise) = look.promise {
                        promise.fulfil(usage.map_err(|error| MailboxFailure::of_disk(&error)));
                    }
                }
                Job::Errand(errand) => {
                    self.under_way.wait();
                    self.tree.settle(&mut round);
                    self.run(errand, &mut round);
                }
            }
        }
        self.end(round);
    }

    /// Has what is written put in its place: a large round on a thread of its own, while the next one is written.
    fn end(&mut self, mut round: Round) {
        if self.hands == Hands::Caller || round.written.len() < LARGE {
            return self.tree.settle(&mut round);
        }
        if self.under_way.is_any() {
            thread::sleep(PACE_OF_LARGE);
        }
        self.under_way.begin(&self.tree, round);
        // What has come meanwhile is written while the disk is busy with this one.
        self.rests = false;
    }

    pub(super) fn deliver(
        &mut self,
        delivery: Delivery,
        promise: Promise<Delivered, MailboxFailure>,
        round: &mut Round,
    ) {
        let mailbox = delivery.mailbox.recipient();
        let folder = self.folder(&delivery.mailbox, &delivery.folder);
        let unique = delivery.name.unique(&self.tree.hostname);
        // The same message twice: the second must find what became of the first.
        let twice = round.written.iter().any(|other| other.unique == unique && other.folder == folder);
        if twice || round.is_full() {
            self.tree.place_all(round);
        }
        let held = self.held_place(&delivery.mailbox);
        let begun = self.judge(mailbox, &delivery, &folder, &unique, round).and_then(|found| match found {
            Some(Begun::There(directory, found)) => {
                // It may have come before the hold.
                let kept = held.as_ref().map_or(Ok(()), |held| self.tree.keep(held, &found.path, &unique).map(drop));
                kept.map(|()| Begun::There(directory, found)).map_err(|error| MailboxFailure::of_disk(&error))
            }
            Some(begun) => Ok(begun),
            None => self.write(&delivery, &folder, &unique),
        });
        match begun {
            Ok(Begun::Written(file, sizes)) => {
                let flags = delivery.flags;
                round.write(Written { mailbox, held, promise, file: Some(file), folder, unique, sizes, flags });
            }
            Ok(Begun::There(directory, found)) => round.place(directory, held, (promise, found)),
            Err(failure) => promise.fulfil(Err(failure)),
        }
    }

    /// Refuses what finds no room, on the disk or in the mailbox, unless it was delivered before.
    fn judge(
        &mut self,
        mailbox: Option<RecipientId>,
        delivery: &Delivery,
        folder: &Path,
        unique: &str,
        round: &mut Round,
    ) -> Result<Option<Begun>, MailboxFailure> {
        let failed = |error: io::Error| MailboxFailure::of_disk(&error);
        self.measure()?;
        if let Some(mailbox) = mailbox.filter(|mailbox| !self.tree.occupancy.is_verified(*mailbox)) {
            self.under_way.wait();
            // A folder that cannot be read must not keep mail out of the others: it is tried again the next time.
            if let Err(error) = self.look(mailbox, false) {
                tracing::warn!(%error, "what a mailbox holds cannot be counted");
            }
        }
        if delivery.repeat == Repeat::Possible {
            self.under_way.wait();
            if let Some((directory, found)) = self.find(folder, unique, round).map_err(failed)? {
                return Ok(Some(Begun::There(directory, found)));
            }
        }
        if let (Some(mailbox), Some(full_at)) = (mailbox, delivery.full_at)
            && self.is_full(mailbox, full_at, round)
        {
            return Err(MailboxFailure::Full);
        }
        Ok(None)
    }

    /// Whether a mailbox holds so much. What is under way in this round counts: it is put in its place first, so that
    /// nothing is refused for the sake of a message that does not arrive. Nor for what a reader has removed.
    pub(super) fn is_full(&mut self, mailbox: RecipientId, full_at: u64, round: &mut Round) -> bool {
        let reached = |bytes: u64| bytes >= full_at;
        let own = round.written.iter().filter(|message| message.mailbox == Some(mailbox));
        let under_way = own.fold(0_u64, |sum, message| sum.saturating_add(message.sizes.bytes));
        let holds = || self.tree.occupancy.usage(mailbox).unwrap_or_default().bytes.saturating_add(under_way);
        if !reached(holds().saturating_add(self.under_way.bytes())) {
            return false;
        }
        self.under_way.wait();
        if !reached(holds()) {
            return false;
        }
        self.tree.place_all(round);
        let holds = self.tree.occupancy.usage(mailbox).unwrap_or_default();
        reached(holds.bytes) && reached(self.look(mailbox, false).unwrap_or(holds).bytes)
    }

    /// Compares the entry of a mailbox with its directories, and counts what has changed.
    pub(super) fn look(&mut self, mailbox: RecipientId, anew: bool) -> io::Result<Usage> {
        let path = self.tree.root.join(MailboxName::of_recipient(mailbox).as_str());
        let stamps = Stamps::of(&*self.tree.disk, &path)?;
        let fingerprint = stamps.fingerprint();
        if !anew && self.tree.occupancy.confirm(mailbox, fingerprint) {
            return Ok(self.tree.occupancy.usage(mailbox).unwrap_or_default());
        }
        let known = self.counts.remove(&mailbox).filter(|_| !anew).unwrap_or_default();
        let count = Count::of(&*self.tree.disk, &path, &stamps, &known)?;
        let usage = count.usage();
        self.tree.occupancy.counted(mailbox, usage, fingerprint, stamps.are_settled());
        if self.counts.len() >= COUNTS_MAX {
            // Any one will do: it costs reading its names once more.
            self.counts.pop_first();
        }
        self.counts.insert(mailbox, count);
        Ok(usage)
    }

    /// Whether the disk has the room that is to be kept free.
    pub(super) fn measure(&mut self) -> Result<(), MailboxFailure> {
        let free_bytes_min = self.tree.free_bytes_min.load(Ordering::Relaxed);
        if free_bytes_min == 0 || self.unmeasured.is_some_and(|bytes| bytes < UNMEASURED_BYTES_MAX) {
            return Ok(());
        }
        self.tree.room().map_err(|error| MailboxFailure::of_disk(&error))?;
        self.unmeasured = Some(0);
        Ok(())
    }

    pub(super) fn folder(&self, mailbox: &MailboxName, folder: &Folder) -> PathBuf {
        folder.within(self.tree.root.join(mailbox.as_str()))
    }

    /// Writes a message to `tmp`. Nothing of it is durable.
    fn write(&mut self, delivery: &Delivery, folder: &Path, unique: &str) -> Result<Begun, MailboxFailure> {
        let failed = |error: io::Error| MailboxFailure::of_disk(&error);
        let mailbox = self.tree.root.join(delivery.mailbox.as_str());
        let temporary = folder.join("tmp").join(unique);
        let mut file = self.create(&mailbox, &delivery.folder, &temporary).map_err(failed)?;
        match delivery.message.write(&*self.tree.disk, &delivery.head, &mut *file, &mut self.buffer) {
            Ok(sizes) => {
                self.unmeasured = self.unmeasured.map(|bytes| bytes.saturating_add(sizes.bytes));
                Ok(Begun::Written(file, sizes))
            }
            Err(failure) => {
                abandon(&*self.tree.disk, &temporary);
                Err(failure)
            }
        }
    }

    /// Looks for the message among those that are new and those that were seen; its directory, and itself.
    fn find(&self, folder: &Path, unique: &str, round: &mut Round) -> io::Result<Option<(PathBuf, Delivered)>> {
        let Some((directory, name)) = round.listings.find(&*self.tree.disk, folder, unique)? else { return Ok(None) };
        let path = directory.join(name);
        // A reader may move it at this moment; then its name still tells the size, and it is there all the same.
        let bytes = stored_bytes(name).map_or_else(|| self.tree.disk.length(&path), Ok).unwrap_or(0);
        Ok(Some((directory, Delivered { path, bytes, was_there: true })))
    }

    /// Looks for a message, which is durable if it is found. What is written in this round has its name by then.
    fn seek(&mut self, sought: &Sought, round: &mut Round) -> io::Result<Option<Delivered>> {
        self.under_way.wait();
        self.tree.place_all(round);
        let folder = self.folder(&sought.mailbox, &sought.folder);
        let Some((directory, found)) = self.find(&folder, &sought.name.unique(&self.tree.hostname), round)? else {
            return Ok(None);
        };
        if let Some(held) = self.held_place(&sought.mailbox) {
            self.tree.keep(&held, &found.path, sought.name.unique(&self.tree.hostname))?;
            self.tree.disk.synchronize_directory(&held)?;
        }
        self.tree.disk.synchronize_directory(&directory)?;
        Ok(Some(found))
    }

    fn create(&mut self, mailbox: &Path, folder: &Folder, temporary: &Path) -> io::Result<Box<dyn AppendFile>> {
        match self.tree.disk.create_new(temporary) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_folder(&*self.tree.disk, mailbox, folder)?;
                self.tree.disk.create_new(temporary)
            }
            // Of an attempt that is under way, or left by one that a crash ended; nobody else writes under this name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.under_way.wait();
                match self.tree.disk.remove(temporary) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    Ok(()) | Err(_) => self.tree.disk.create_new(temporary),
                }
            }
            result => result,
        }
    }
}
