//! Mailboxes as Maildir++ trees, which Dovecot, mutt and every backup understand.
//!
//! A message is written to `tmp/`, synchronised (many together, see `round`), renamed into `new/` (or `cur/` when it
//! carries flags), and that directory is synchronised; only then its ticket answers. Its name is a function of the
//! queue id and the recipient, so delivering it again after a crash finds the earlier file and changes nothing.
//!
//! Each writing thread serves its own share of the mailboxes and synchronises a directory once for all messages that
//! have gathered for it. More threads in *one* mailbox would only wait for each other, hence the share by mailbox; only
//! what the disk takes its time for goes on beside it, see `under_way`.
//!
//! Lines are stored with LF alone, as Maildir readers expect: mutt shows CR as `^M`, Dovecot accepts both and sends
//! CRLF. A carriage return without line feed is content and stays. The name carries both sizes (`S=` as stored, `W=`
//! with CRLF), so that Dovecot's quota and a recount need not open the file.
//!
//! What each mailbox holds is known without counting, see `occupancy`; [`MailboxStore::usage`] answers at once.
//!
//! The files beside the mailboxes begin with a dot, as no mailbox does: `.occupancy`, `.held` (the copies of messages
//! in mailboxes on hold, see `held`) and `.purged` (what is being deleted for good, see `custody`).
//!
//! Every failure but a full mailbox is transient: the message stays in the queue and is tried again, with
//! [`Repeat::Possible`].

use core::hash::{Hash as _, Hasher as _};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::hands::{Hands, Worker};
use super::intake::{Bounds, Intake};
use super::ticket::{Stopped, Ticket, ticket};
use crate::world::disk::Disk;

mod copying;
mod count;
mod custody;
mod errand;
mod exporting;
mod held;
mod listing;
mod log;
mod message;
mod name;
mod occupancy;
mod recoverable;
mod round;
#[cfg(test)]
mod tests;
mod tree;
mod under_way;
mod usage;
mod walk;
mod writer;

pub use custody::{CustodyError, Progress, Watch};
pub use message::Message;
pub use name::{DeliveryName, Flags, Folder, MailboxName, NameError};
pub use recoverable::RecoverableMessage;

use custody::Rests;
use held::{Held, Rounds};
use occupancy::Occupancy;
use tree::Tree;
use under_way::UnderWay;
use writer::{Job, Writer};

/// Whether a delivery may have been made before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// This is the first attempt since the message was accepted, in this life of the process.
    Never,
    /// An attempt may have been made and its outcome lost: look whether the message is there. Reads the directories,
    /// which takes a while when they hold a hundred thousand messages.
    Possible,
}

/// One message for one mailbox.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Whose mailbox.
    pub mailbox: MailboxName,
    /// Which folder in it; created when it is not there.
    pub folder: Folder,
    /// What makes the message this one.
    pub name: DeliveryName,
    /// Header lines to put in front (such as Return-Path and Delivered-To), each with its line end.
    pub head: Vec<u8>,
    /// The message.
    pub message: Message,
    /// Flags it has from the start; with any the message is not "new".
    pub flags: Flags,
    /// Whether it may be there already.
    pub repeat: Repeat,
    /// Refuse it when the mailbox holds so many octets already; only for mailboxes of recipients. Judged by the one
    /// thread that writes there, so of any number of deliveries at once no more than one crosses the line.
    pub full_at: Option<u64>,
}

/// A message to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// In whose mailbox.
    pub mailbox: MailboxName,
    /// In which folder of it.
    pub folder: Folder,
    /// What makes the message this one.
    pub name: DeliveryName,
}

/// A message that is durably in its mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its file.
    pub path: PathBuf,
    /// Its size as stored, in octets.
    pub bytes: u64,
    /// Whether it was there before this attempt.
    pub was_there: bool,
}

/// Why a message is not in its mailbox. All of these are transient but `Full`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxFailure {
    /// The mailbox holds what it may.
    #[error("the mailbox is full")]
    Full,
    /// The file system is full, or the quota that it keeps is.
    #[error("no room for the mailbox: {reason}")]
    NoRoom {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The file system cannot be written or read.
    #[error("the disk of the mailbox failed: {reason}")]
    Disk {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The message itself could not be read; the mailbox is not at fault.
    #[error("the message could not be read: {reason}")]
    Message {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The mailboxes are closed.
    #[error("the mailboxes are closed")]
    Closed,
}

impl From<Stopped> for MailboxFailure {
    fn from(_: Stopped) -> Self {
        Self::Closed
    }
}

impl MailboxFailure {
    fn of_disk(error: &io::Error) -> Self {
        let reason = error.to_string().into();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom { reason },
            _ => Self::Disk { reason },
        }
    }
}

/// The answer to a delivery.
pub type DeliveryTicket = Ticket<Delivered, MailboxFailure>;

const QUEUE: Bounds = Bounds { items: 512, bytes: 16 << 20 };

/// All mailboxes of this machine. Dropping it finishes what was handed over.
#[derive(Debug)]
pub struct MailboxStore {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    free_bytes_min: Arc<AtomicU64>,
    occupancy: Arc<Occupancy>,
    held: Arc<Held>,
    rounds: Mutex<Rounds>,
    rests: Rests,
    intakes: Vec<Intake<Job>>,
    workers: Vec<Worker<Writer>>,
    hands: Hands,
    stopping: AtomicBool,
}

impl MailboxStore {
    /// Opens or creates the tree of mailboxes below `root`. `hostname` becomes part of every file name; `writers`
    /// threads write, at least one (16 to 32 serve many mailboxes well). Blocks.
    ///
    /// # Errors
    /// The system's.
    pub fn open(disk: Arc<dyn Disk>, root: &Path, hostname: &str, writers: usize) -> io::Result<Self> {
        Self::open_with(disk, root, hostname, writers, Hands::Threads)
    }

    /// The same, with the choice of whose thread writes.
    ///
    /// # Errors
    /// The system's.
    pub fn open_with(
        disk: Arc<dyn Disk>,
        root: &Path,
        hostname: &str,
        writers: usize,
        hands: Hands,
    ) -> io::Result<Self> {
        disk.create_directories(root)?;
        let mut store = Self {
            disk: Arc::clone(&disk),
            root: root.to_owned(),
            free_bytes_min: Arc::default(),
            occupancy: Arc::new(Occupancy::open(Arc::clone(&disk), root)),
            held: Arc::new(Held::open(&*disk, root)?),
            rounds: Mutex::default(),
            rests: Rests::open(&*disk, root),
            intakes: Vec::new(),
            workers: Vec::new(),
            hands,
            stopping: AtomicBool::new(false),
        };
        let tree = Arc::new(Tree {
            disk: Arc::clone(&disk),
            root: root.to_owned(),
            hostname: name::in_file_name(hostname).into(),
            free_bytes_min: Arc::clone(&store.free_bytes_min),
            occupancy: Arc::clone(&store.occupancy),
        });
        for _ in 0..writers.max(1) {
            let intake = Intake::new(QUEUE);
            let writer = Writer {
                tree: Arc::clone(&tree),
                intake: intake.clone(),
                held: Arc::clone(&store.held),
                on_hold: Arc::default(),
                counts: BTreeMap::new(),
                unmeasured: None,
                hands,
                under_way: UnderWay::default(),
                rests: false,
                buffer: Vec::new(),
            };
            store.intakes.push(intake);
            store.workers.push(Worker::start(hands, "mailbox", writer)?);
        }
        store.take_up();
        Ok(store)
    }

    /// Leaves this many octets of the file system free from now on: deliveries fail with `NoRoom` before that. What is
    /// in the queue is safe, while a full disk keeps the queue from recording what happens.
    pub fn keep_free(&self, bytes: u64) {
        self.free_bytes_min.store(bytes, Ordering::Relaxed);
    }

    /// Says that the process is going to end: whoever watches over long work may end it at the next file.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether that was said.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// With [`Hands::Caller`]: writes what has gathered, each writer once; true when there was something.
    pub fn turn(&self) -> bool {
        self.workers.iter().filter(|worker| worker.turn()).count() > 0
    }

    /// Where the mailboxes are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a mailbox, which need not exist yet.
    pub fn path_of(&self, mailbox: &MailboxName) -> PathBuf {
        self.root.join(mailbox.as_str())
    }

    /// The thread for a mailbox: always the same one, so that its messages share synchronisations.
    fn intake(&self, mailbox: &MailboxName) -> Result<&Intake<Job>, MailboxFailure> {
        let mut hasher = DefaultHasher::new();
        mailbox.hash(&mut hasher);
        let share = hasher.finish().checked_rem(self.intakes.len() as u64).unwrap_or(0);
        let share = usize::try_from(share).unwrap_or(0);
        self.intakes.get(share).ok_or(MailboxFailure::Closed)
    }

    /// Hands a message over, waiting without blocking while too much is under way. The ticket answers when the message
    /// is durably in its mailbox.
    ///
    /// # Errors
    /// `Closed`; all others come with the ticket.
    pub async fn deliver(&self, delivery: Delivery) -> Result<DeliveryTicket, MailboxFailure> {
        let (promise, ticket) = ticket();
        let bytes = delivery.message.bytes_in_memory();
        let intake = self.intake(&delivery.mailbox)?;
        intake.push(Job::Deliver(delivery, promise), bytes).await.map_err(|_| MailboxFailure::Closed)?;
        Ok(ticket)
    }

    /// The same from a thread; blocks while too much is under way.
    ///
    /// # Errors
    /// As [`Self::deliver`].
    pub fn deliver_blocking(&self, delivery: Delivery) -> Result<DeliveryTicket, MailboxFailure> {
        let (promise, ticket) = ticket();
        let bytes = delivery.message.bytes_in_memory();
        let intake = self.intake(&delivery.mailbox)?;
        intake.push_blocking(Job::Deliver(delivery, promise), bytes).map_err(|_| MailboxFailure::Closed)?;
        Ok(ticket)
    }

    /// Looks whether a message is in its mailbox, new or seen. What is found is durable before the answer, though the
    /// attempt that put it there may have ended before it could say so.
    ///
    /// # Errors
    /// Those of the disk, and `Closed`. A mailbox that is not there has no messages.
    pub async fn find(&self, sought: Sought) -> Result<Option<Delivered>, MailboxFailure> {
        let (promise, ticket) = ticket();
        self.intake(&sought.mailbox)?.push(Job::Find(sought, promise), 0).await.map_err(|_| MailboxFailure::Closed)?;
        ticket.await
    }

    /// Creates an empty mailbox, durably; nothing when it exists. Deliveries create theirs by themselves. Blocks.
    ///
    /// # Errors
    /// The system's.
    pub fn create(&self, mailbox: &MailboxName) -> io::Result<()> {
        writer::create_folder(&*self.disk, &self.path_of(mailbox), &Folder::Inbox)
    }
}

impl Drop for MailboxStore {
    /// Blocks until what was handed over is written and answered.
    fn drop(&mut self) {
        self.intakes.iter().for_each(Intake::close);
        self.workers.iter_mut().for_each(Worker::finish);
    }
}
