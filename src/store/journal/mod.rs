//! The journal: a checksummed log that only grows, on which everything else can be rebuilt.
//!
//! What is acknowledged survives. A ticket answers only after the record and every record before it is durable; all
//! that gathered while the disk was busy shares one synchronisation, so the cost per record falls as load rises. A
//! batch ([`Journal::append_all`]) is replayed whole or not at all. At open a torn tail, which was never
//! acknowledged, is cut; damage anywhere else is an error that names file and offset and is never skipped unasked.
//!
//! **After a failed write or synchronisation** every ticket of the group fails, and so does everything after it, until
//! [`Journal::recover`] succeeds or the journal is opened again. A failed `fdatasync` must not be tried again: the
//! kernel has marked the lost pages clean and the second call would succeed over a hole. So `recover` cuts the segment
//! to what was durable before and goes on in a *new* file; and `open` copies the last segment to a new file before
//! believing it, because a process that was restarted reads the page cache, not the disk. Refused alternative: going on
//! in the same file. Records of a failed group may still be replayed after a crash (they were refused, not undone).
//!
//! **Space**: the caller releases records that it does not need; segments go oldest first (see [`SegmentUsage`]). When
//! few records keep the oldest segment, the caller appends their present state anew, awaits the ticket and releases
//! the old ones. Bodies too large for a record live in files of their own ([`LargeBodies`]).

use core::sync::atomic::{AtomicU64, Ordering};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::hands::{Hands, Worker};
use super::intake::{Bounds, Intake, locked};
use super::ticket::{Ticket, ticket};
use crate::world::disk::{DirectoryLock, Disk, ReadFile};

mod bodies;
mod error;
pub(super) mod format;
mod payload;
mod repair;
mod replay;
mod room;
mod spare;
#[cfg(test)]
mod tests;
mod usage;
mod walk;
mod writer;

pub use bodies::{LargeBodies, LargeBody, LargeBodyWriter};
pub use error::{JournalError, JournalFailure};
pub use format::Flaw;
pub use payload::Payload;
pub use repair::{Skipped, repair};
pub use replay::{Cut, Recovery};
pub use room::Shortage;
pub use usage::{JournalUsage, SegmentUsage};
pub use walk::walk;

use payload::Append;
use usage::Usage;
use writer::{Appended, Work, Writer};

/// The greatest kind a caller may use; those above are the journal's own.
pub const KIND_MAX: u8 = 239;

/// Sizes and bounds of a journal.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// A segment is closed once it has grown to this many octets; at most 1 GiB counts.
    pub segment_bytes: u32,
    /// The largest payload of one record, in octets; at most 64 MiB counts.
    pub record_bytes_max: usize,
    /// The most octets that share one synchronisation; a larger batch goes alone.
    pub group_bytes_max: usize,
    /// How many appends may wait; more make their callers wait.
    pub queue_items_max: usize,
    /// How many octets may wait; more make their callers wait.
    pub queue_bytes_max: usize,
    /// [`Journal::shortage`] keeps this many octets of the file system free.
    pub free_bytes_floor: u64,
    /// [`Journal::shortage`] keeps this many files of the file system free.
    pub free_inodes_floor: u64,
    /// A secret random number that makes checksums unpredictable for those who write mails.
    pub salt: u64,
    /// Who writes.
    pub hands: Hands,
}

impl JournalOptions {
    /// What fits a mail server: segments of 32 MiB, records up to 1 MiB, 16 MiB waiting, 256 MiB kept free. `salt` is a
    /// fresh random number.
    pub const fn new(salt: u64) -> Self {
        Self {
            segment_bytes: 32 << 20,
            record_bytes_max: 1 << 20,
            group_bytes_max: 4 << 20,
            queue_items_max: 4096,
            queue_bytes_max: 16 << 20,
            free_bytes_floor: 256 << 20,
            free_inodes_floor: 1_000,
            salt,
            hands: Hands::Threads,
        }
    }

    fn bounded(mut self) -> Self {
        self.segment_bytes = self.segment_bytes.min(1 << 30);
        self.record_bytes_max = self.record_bytes_max.min(64 << 20);
        self.group_bytes_max = self.group_bytes_max.min(256 << 20);
        self
    }
}

/// Where a record is. Stays valid until the record is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// The number of the segment.
    pub segment: u64,
    /// Where the record begins in it, in octets.
    pub offset: u32,
    /// The size of the payload, in octets.
    pub payload_bytes: u32,
    /// The record's place in the order of all records; never used twice.
    pub sequence: u64,
}

impl Location {
    /// The octets the record takes on disk.
    pub const fn record_bytes(&self) -> u64 {
        self.payload_bytes as u64 + format::RECORD_HEADER_BYTES as u64
    }
}

/// A record as the replay shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the caller said the record is, 0 to [`KIND_MAX`].
    pub kind: u8,
    /// Its place in the order of all records.
    pub sequence: u64,
    /// Its content.
    pub payload: &'a [u8],
}

/// Records of one batch: kind and payload of each, in order. Shared, so that whoever may have to append them once more
/// need not copy them.
pub type Records = Arc<[(u8, Vec<u8>)]>;

/// The answer to an append of one record: its location once it is durable.
pub type AppendTicket = Ticket<Location, JournalFailure>;
/// The answer to an append of a batch: the locations, in the order given.
pub type BatchTicket = Ticket<Vec<Location>, JournalFailure>;

/// What the journal has done since it was opened; for benchmarks and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalCounts {
    /// Records made durable.
    pub records: u64,
    /// Octets made durable, headers included.
    pub bytes: u64,
    /// Synchronisations of segments; `synchronizations / records` is the cost of durability per record.
    pub synchronizations: u64,
}

#[derive(Debug, Default)]
struct Counters {
    records: AtomicU64,
    bytes: AtomicU64,
    synchronizations: AtomicU64,
}

/// What the callers and the writing thread share.
#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    options: JournalOptions,
    intake: Intake<Work>,
    usage: Mutex<Usage>,
    failure: Mutex<Option<Arc<str>>>,
    counters: Counters,
}

/// An open journal. Share it in an `Arc`; dropping the last one writes what has gathered and closes.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    bodies: LargeBodies,
    readers: Mutex<Vec<(u64, Arc<dyn ReadFile>)>>,
    writer: Worker<Writer>,
    _lock: Box<dyn DirectoryLock>,
}

/// Open files kept for reading; older ones are opened again when needed.
const READERS_MAX: usize = 8;

impl Journal {
    /// Opens or creates the journal in `directory` and shows every record to `replay`, in order. All of them count as
    /// needed until released. Blocks while it reads everything.
    ///
    /// # Errors
    /// `InUse`, `Damaged` and `Missing` as described there; `Io` when the disk fails, also for want of space: the last
    /// segment is copied (see the head of this module).
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: JournalOptions,
        mut replay: impl FnMut(Record<'_>, Location),
    ) -> Result<(Self, Recovery), JournalError> {
        let options = options.bounded();
        let lock = replay::take_directory(&*disk, directory)?;
        let bodies = LargeBodies::open(Arc::clone(&disk), directory.join("bodies"))?;
        let replayed = replay::replay(&*disk, directory, &options, &mut replay)?;
        let bounds = Bounds { items: options.queue_items_max, bytes: options.queue_bytes_max };
        let shared = Arc::new(Shared {
            disk,
            directory: directory.to_owned(),
            options,
            intake: Intake::new(bounds),
            usage: Mutex::new(replayed.usage),
            failure: Mutex::new(None),
            counters: Counters::default(),
        });
        let hands = shared.options.hands;
        let writer = Worker::start(hands, "journal", Writer::new(Arc::clone(&shared), replayed.position)?)?;
        let journal = Self { shared, bodies, readers: Mutex::default(), writer, _lock: lock };
        Ok((journal, replayed.recovery))
    }

    /// Hands over one record, waiting without blocking while too much is under way. The ticket answers when it is
    /// durable.
    ///
    /// # Errors
    /// `TooLarge` or `Refused` for the record, `Failed` or `Closed` when nothing is accepted.
    pub async fn append(&self, kind: u8, payload: impl Into<Payload>) -> Result<AppendTicket, JournalFailure> {
        let (bytes, work, ticket) = self.one(kind, payload.into())?;
        self.shared.intake.push(work, bytes).await.map_err(|_| JournalFailure::Closed)?;
        Ok(ticket)
    }

    /// The same from a thread; blocks while too much is under way.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_blocking(&self, kind: u8, payload: impl Into<Payload>) -> Result<AppendTicket, JournalFailure> {
        let (bytes, work, ticket) = self.one(kind, payload.into())?;
        self.hand_over(work, bytes)?;
        Ok(ticket)
    }

    /// Hands over records (kind and payload) that will be replayed all or none, and side by side.
    ///
    /// # Errors
    /// As [`Self::append`]; the bound of one group holds for all of them together.
    pub async fn append_all(&self, records: impl Into<Records>) -> Result<BatchTicket, JournalFailure> {
        let (bytes, work, ticket) = self.batch(records.into())?;
        self.shared.intake.push(work, bytes).await.map_err(|_| JournalFailure::Closed)?;
        Ok(ticket)
    }

    /// The same from a thread; blocks while too much is under way.
    ///
    /// # Errors
    /// As [`Self::append_all`].
    pub fn append_all_blocking(&self, records: impl Into<Records>) -> Result<BatchTicket, JournalFailure> {
        let (bytes, work, ticket) = self.batch(records.into())?;
        self.hand_over(work, bytes)?;
        Ok(ticket)
    }

    /// Gives the writer work from a thread, which waits for it: where the writer has no thread, it writes at once.
    fn hand_over(&self, work: Work, bytes: usize) -> Result<(), JournalFailure> {
        if self.shared.options.hands == Hands::Caller {
            while self.turn() {}
        }
        self.shared.intake.push_blocking(work, bytes).map_err(|_| JournalFailure::Closed)?;
        self.turn();
        Ok(())
    }

    /// With [`Hands::Caller`]: writes what has gathered; true when there was something.
    pub fn turn(&self) -> bool {
        self.writer.turn()
    }

    fn one(&self, kind: u8, payload: Payload) -> Result<(usize, Work, AppendTicket), JournalFailure> {
        let bytes = self.judge(&[(kind, payload.bytes())])?;
        let (promise, ticket) = ticket();
        Ok((bytes, Work::Append(Append::One(kind, payload), Appended::One(promise)), ticket))
    }

    fn batch(&self, records: Records) -> Result<(usize, Work, BatchTicket), JournalFailure> {
        let sizes: Vec<(u8, usize)> = records.iter().map(|(kind, payload)| (*kind, payload.len())).collect();
        let bytes = self.judge(&sizes)?;
        let (promise, ticket) = ticket();
        Ok((bytes, Work::Append(Append::All(records), Appended::All(promise)), ticket))
    }

    /// The octets that records of these kinds and sizes will take, if they may be appended.
    fn judge(&self, records: &[(u8, usize)]) -> Result<usize, JournalFailure> {
        if let Some(reason) = locked(&self.shared.failure).clone() {
            return Err(JournalFailure::Failed { reason });
        }
        if records.is_empty() || records.iter().any(|(kind, _)| *kind > KIND_MAX) {
            return Err(JournalFailure::Refused);
        }
        let options = &self.shared.options;
        let largest = records.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        if largest > options.record_bytes_max {
            return Err(JournalFailure::TooLarge { bytes: largest, bytes_max: options.record_bytes_max });
        }
        let bytes = records
            .iter()
            .fold(0_usize, |sum, (_, bytes)| sum.saturating_add(*bytes).saturating_add(format::RECORD_HEADER_BYTES));
        let bytes_max = options.group_bytes_max.max(options.record_bytes_max);
        if records.len() > 1 && bytes > bytes_max {
            return Err(JournalFailure::TooLarge { bytes, bytes_max });
        }
        Ok(bytes)
    }

    /// Reads a record again and verifies it. Blocks.
    ///
    /// # Errors
    /// `NoRecord` after it was released and its segment went, `Damaged` when the disk changed it, `Io`.
    pub fn read(&self, location: Location) -> Result<Vec<u8>, JournalError> {
        let salt = locked(&self.shared.usage).salt(location.segment).ok_or(JournalError::NoRecord(location))?;
        let payload_bytes = usize::try_from(location.payload_bytes).unwrap_or(usize::MAX);
        if payload_bytes > self.shared.options.record_bytes_max {
            return Err(JournalError::NoRecord(location));
        }
        let file = self.reader(location.segment)?;
        let mut bytes = vec![0; payload_bytes.saturating_add(format::RECORD_HEADER_BYTES)];
        file.read_exact_at(&mut bytes, u64::from(location.offset))?;
        let damaged = |flaw| JournalError::Damaged {
            file: replay::segment_path(&self.shared.directory, location.segment),
            offset: u64::from(location.offset),
            flaw,
        };
        let found = format::decode_record(&bytes, salt, 0).map_err(damaged)?;
        if found.label.sequence != location.sequence || found.payload.len() != payload_bytes {
            return Err(damaged(Flaw::Sequence));
        }
        bytes.drain(..format::RECORD_HEADER_BYTES);
        Ok(bytes)
    }

    fn reader(&self, segment: u64) -> Result<Arc<dyn ReadFile>, JournalError> {
        let mut readers = locked(&self.readers);
        if let Some((_, file)) = readers.iter().find(|(number, _)| *number == segment) {
            return Ok(Arc::clone(file));
        }
        let path = replay::segment_path(&self.shared.directory, segment);
        let file: Arc<dyn ReadFile> = Arc::from(self.shared.disk.open_read(&path)?);
        // An open file of a removed segment would keep its space.
        let usage = locked(&self.shared.usage);
        readers.retain(|(number, _)| usage.salt(*number).is_some());
        drop(usage);
        if readers.len() >= READERS_MAX {
            readers.remove(0);
        }
        readers.push((segment, Arc::clone(&file)));
        Ok(file)
    }

    /// Says that a record is not needed any more; saying it twice does no harm. Call it once the fact that makes the
    /// record needless is itself durable. Never blocks on the disk.
    pub fn release(&self, location: Location) {
        let removable = locked(&self.shared.usage).release(location);
        if removable {
            self.shared.intake.nudge();
        }
    }

    /// The oldest segment that is needed, once closed: its records are to be appended anew when they are few.
    pub fn oldest_segment(&self) -> Option<SegmentUsage> {
        locked(&self.shared.usage).oldest()
    }

    /// The number of the segment that is written to; those that come are greater.
    pub fn newest_segment(&self) -> u64 {
        locked(&self.shared.usage).newest().unwrap_or(0)
    }

    /// How much the journal holds.
    pub fn usage(&self) -> JournalUsage {
        locked(&self.shared.usage).total()
    }

    /// What is in the way of `bytes` more octets, with the configured space and files still free afterwards. Asks the
    /// file system, which takes microseconds.
    pub fn shortage(&self, bytes: u64) -> Option<Shortage> {
        let space = self.shared.disk.space(&self.shared.directory);
        let options = &self.shared.options;
        let free_bytes_min = options.free_bytes_floor.saturating_add(bytes);
        room::shortage(&self.shared.directory, space, free_bytes_min, options.free_inodes_floor)
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Why nothing is accepted, if so.
    pub fn failure(&self) -> Option<Arc<str>> {
        locked(&self.shared.failure).clone()
    }

    /// After a failure: cuts what is not durable, goes on in a new segment. Does nothing when all is well.
    ///
    /// # Errors
    /// `Failed` when the disk still fails; then nothing has changed. `Closed`.
    pub async fn recover(&self) -> Result<(), JournalFailure> {
        let (promise, ticket) = ticket();
        self.shared.intake.push(Work::Recover(promise), 0).await.map_err(|_| JournalFailure::Closed)?;
        ticket.await
    }

    /// [`Self::recover`] from a thread; blocks.
    ///
    /// # Errors
    /// As [`Self::recover`].
    pub fn recover_blocking(&self) -> Result<(), JournalFailure> {
        let (promise, ticket) = ticket();
        self.hand_over(Work::Recover(promise), 0)?;
        ticket.wait()
    }

    /// The files for bodies too large for a record.
    pub const fn bodies(&self) -> &LargeBodies {
        &self.bodies
    }

    /// What was done since the journal was opened.
    pub fn counts(&self) -> JournalCounts {
        let counters = &self.shared.counters;
        JournalCounts {
            records: counters.records.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            synchronizations: counters.synchronizations.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Journal {
    /// Blocks until the gathered records are written and answered.
    fn drop(&mut self) {
        self.shared.intake.close();
        self.writer.finish();
    }
}
