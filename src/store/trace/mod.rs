//! The message trace: who sent what to whom, when, how it was judged, and each hop's answer; kept for a time.
//!
//! Append-only files below the data directory, rolled by day and size, with checksummed records. The queue tells it of
//! everything that has become durable there ([`Witness`]); a thread of its own writes. **Mail comes first**: nobody
//! waits long for the trace, and when its disk fails mail goes on. What finds no room meanwhile is lost, which a record
//! and the log say; a crash alone loses nothing that the queue still knows, since it tells again what comes after
//! [`Witness::seen`].
//!
//! Nothing but the writer needs the lock: [`search()`] and [`history`] read the files as they are, beside a running
//! server and without one. What stands there twice is shown once. Damage costs the damaged records.

mod file;
mod heading;
mod inbox;
mod record;
mod search;
mod show;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::hands::{Hands, Worker};
use super::queue::{Happened, Witness};
use crate::model::directory::RecipientId;
use crate::model::policy::Envelope;
use crate::model::queue::{EntryFacts, Target};
use crate::world::clock::Clock;
use crate::world::disk::{DirectoryLock, Disk};

pub use search::{Query, Scanned, search};
pub use show::history;
pub use view::{Entry, History, Line, Page, Status, StatusError};

use file::{Content, HEADER_BYTES, Name};
use inbox::{Inbox, Item};
use writer::Writer;

/// How the trace is kept.
#[derive(Clone)]
pub struct TraceOptions {
    /// Files are kept so many days after that of their beginning, at least 1.
    pub days: u32,
    /// The most octets of all files together, but for the last one. A file is at most an eighth of it, or 8 MiB.
    pub bytes_max: u64,
    /// Nothing is begun while the file system has less room than this, in octets: the queue needs it.
    pub free_bytes_floor: u64,
    /// A secret random number that makes checksums unpredictable for those who write mails.
    pub salt: u64,
    /// Who writes.
    pub hands: Hands,
    /// The address of an account, as far as it has one now.
    pub account_name: Arc<dyn Fn(RecipientId) -> Option<Box<str>> + Send + Sync>,
}

impl fmt::Debug for TraceOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("TraceOptions");
        shown.field("days", &self.days).field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}

impl TraceOptions {
    /// Ninety days in at most 1 GiB, with 128 MiB of the disk left alone, written by a thread; accounts have no
    /// names. `salt` is a fresh random number.
    pub fn new(salt: u64) -> Self {
        Self {
            days: 90,
            bytes_max: 1 << 30,
            free_bytes_floor: 128 << 20,
            salt,
            hands: Hands::Threads,
            account_name: Arc::new(|_| None),
        }
    }
}

/// The largest file, in octets, before it is closed.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// What may wait to be written, in octets.
const INBOX_BYTES_MAX: usize = 8 << 20;
/// How long mail waits for a trace that is slow.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long a start does, which tells much at once.
const PATIENCE_AT_START: Duration = Duration::from_secs(10);
/// How long somebody who wants to read waits until everything is written.
const PATIENCE_OF_READERS: Duration = Duration::from_secs(5);

struct Shared {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    days: u32,
    bytes_max: u64,
    file_bytes_max: u64,
    free_bytes_floor: u64,
    salt: u64,
    inbox: Inbox,
    /// Everything up to here is durable.
    seen: AtomicU64,
}

/// The trace of a running queue. Dropping it writes what has gathered.
pub struct Trace {
    shared: Arc<Shared>,
    writer: Worker<Writer>,
    hands: Hands,
    /// The queue tells what is in its journal: some of it may be here already.
    replaying: AtomicBool,
    account_name: Arc<dyn Fn(RecipientId) -> Option<Box<str>> + Send + Sync>,
    _lock: Option<Box<dyn DirectoryLock>>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Trace").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

impl Trace {
    /// Opens or creates the trace in `directory`. A disk that fails is logged and does not keep anybody from starting:
    /// it is tried again. Blocks while it reads the last file.
    ///
    /// # Errors
    /// `WouldBlock` when another process has it, and the system's when there can be no thread.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: TraceOptions,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let lock = match disk.create_directories(directory).and_then(|()| disk.lock(directory)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Err(error) => {
                tracing::error!(%error, "the message trace cannot be opened; mail goes on without it");
                None
            }
        };
        let found = if lock.is_some() { look(&*disk, directory) } else { Ok(Found::default()) };
        let found = found.unwrap_or_else(|error| {
            tracing::error!(%error, "the message trace cannot be read; it is begun anew beside what is there");
            Found::default()
        });
        let shared = Arc::new(Shared {
            disk,
            directory: directory.to_owned(),
            clock,
            days: options.days.max(1),
            bytes_max: options.bytes_max,
            file_bytes_max: FILE_BYTES_MAX.min(options.bytes_max / 8),
            free_bytes_floor: options.free_bytes_floor,
            salt: options.salt,
            inbox: Inbox::new(INBOX_BYTES_MAX),
            seen: AtomicU64::new(found.seen),
        });
        let writer = Worker::start(options.hands, "trace", Writer::new(Arc::clone(&shared), found.files))?;
        let TraceOptions { hands, account_name, .. } = options;
        Ok(Self { shared, writer, hands, replaying: AtomicBool::new(true), account_name, _lock: lock })
    }

    /// Writes what was told up to now, so that a reader finds it; false when the disk does not take it. Blocks, at most
    /// some seconds.
    pub fn flush(&self) -> bool {
        if self.hands == Hands::Caller {
            self.writer.turn();
            return true;
        }
        let number = self.shared.inbox.ask();
        self.shared.inbox.wait_heard(number, PATIENCE_OF_READERS)
    }

    /// With [`Hands::Caller`]: writes what has gathered, durably; true when there was something.
    pub fn turn(&self) -> bool {
        self.writer.turn()
    }

    /// Where the files are.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    fn push(&self, mut item: Item) {
        item.retold = self.replaying.load(Ordering::Relaxed);
        if self.hands == Hands::Caller && self.shared.inbox.is_full_for(item.weight()) {
            self.writer.turn();
        }
        let patience = match (self.hands, item.retold) {
            (Hands::Caller, _) => Duration::ZERO,
            (Hands::Threads, true) => PATIENCE_AT_START,
            (Hands::Threads, false) => PATIENCE,
        };
        self.shared.inbox.push(item, self.shared.clock.now(), patience);
    }
}

impl Witness for Trace {
    fn seen(&self) -> u64 {
        self.shared.seen.load(Ordering::Relaxed)
    }

    fn committed(&self, sequence: u64, facts: &EntryFacts, envelope: &Envelope, head: &[u8]) {
        let name = |id| (self.account_name)(id);
        record::accepted(sequence, facts, envelope, head, name, |item| self.push(item));
    }

    fn expanded(&self, sequence: u64, facts: &EntryFacts, targets: &[Target]) {
        record::expanded(sequence, facts.id, self.shared.clock.now(), 0, targets, |item| self.push(item));
    }

    fn branched(&self, sequence: u64, facts: &EntryFacts, _: u32, first: u32, targets: &[Target]) {
        // That nobody was found is no news: it was approved.
        if !targets.is_empty() {
            record::expanded(sequence, facts.id, self.shared.clock.now(), first, targets, |item| self.push(item));
        }
    }

    fn moved(&self, sequence: u64, facts: &EntryFacts, happened: &[Happened]) {
        record::moved(sequence, facts.id, self.shared.clock.now(), happened, |item| self.push(item));
    }

    fn settled(&self, sequence: u64) {
        // Said first when the replay is over.
        self.replaying.store(false, Ordering::Relaxed);
        self.shared.inbox.settle(sequence);
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.shared.inbox.close();
        self.writer.finish();
    }
}

/// Removes a trace that is not to be kept any more; nothing when there is none.
///
/// # Errors
/// The system's; `WouldBlock` when another process writes it.
pub fn remove(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    let names = file::list(disk, directory)?;
    if names.is_empty() {
        return Ok(());
    }
    let _lock = disk.lock(directory)?;
    names.iter().try_for_each(|name| disk.remove(&name.within(directory)))?;
    disk.synchronize_directory(directory)
}

/// Reads every file and says what is damaged: the file's name and the problem. A last record that was cut off is none.
///
/// # Errors
/// The system's.
pub fn examine(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<(String, String)>> {
    let names = file::list(disk, directory)?;
    let mut found = Vec::new();
    for name in &names {
        let path = name.within(directory);
        let content = file::read(disk, &path)?;
        let sound = content.sound();
        // The last file may be being written, or was when the power went.
        let torn = sound.torn_at.is_some() && Some(name) != names.last();
        let places = sound.damaged.saturating_add(usize::from(torn));
        if places > 0 {
            let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.push((shown, format!("{places} damaged places, whose records are lost")));
        }
    }
    Ok(found)
}

/// What an earlier life left behind.
#[derive(Debug, Default)]
struct Found {
    files: Vec<(Name, u64)>,
    seen: u64,
}

fn look(disk: &dyn Disk, directory: &Path) -> io::Result<Found> {
    let names = file::list(disk, directory)?;
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        files.push((name, disk.length(&name.within(directory))?));
    }
    let mut seen = None;
    for (name, length) in files.iter_mut().rev() {
        let path = name.within(directory);
        let content = file::read(disk, &path)?;
        mend(disk, &path, &content, length);
        seen = content.seen();
        if seen.is_some() {
            break;
        }
    }
    Ok(Found { files, seen: seen.unwrap_or(0) })
}

/// Cuts what a power cut left at the end of a file. Damage in the middle stays, and is passed over by readers.
fn mend(disk: &dyn Disk, path: &Path, content: &Content, length: &mut u64) {
    let sound = content.sound();
    if sound.damaged > 0 {
        let (path, places) = (path.display(), sound.damaged);
        tracing::warn!(%path, places, "the message trace is damaged; what is damaged is passed over");
    }
    // A file that lost its header holds nothing that can be read, and nothing that was durable when it was begun.
    let Some(torn_at) = sound.torn_at.filter(|at| *at >= HEADER_BYTES) else { return };
    let bytes = torn_at as u64;
    match disk.truncate(path, bytes) {
        Ok(()) => {
            tracing::info!(path = %path.display(), "the message trace ended in an unfinished record; it was cut off");
            *length = bytes;
        }
        Err(error) => tracing::warn!(%error, "the unfinished end of the message trace stays"),
    }
}
