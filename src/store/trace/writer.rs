//! The one who writes the trace: in groups, synchronised at most about once a second, rolled by day and size.
//!
//! Whatever is not durable yet stays in memory. When a write or a synchronisation fails, the file is cut to what was
//! durable and given up, and all of that goes into a new one once the disk works again (a failed synchronisation must
//! not be believed later, see the journal). A crash loses what is not durable here; the queue tells it again.
//!
//! A mark is written only when everything that it vouches for has been synchronised before, so no order in which a
//! disk writes its pages can make it lie.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Shared;
use super::file::{self, Day, HEADER_BYTES, Header, Name};
use super::inbox::Item;
use super::record::{self, Gap};
use crate::store::hands::{Labour, Turned};
use crate::store::intake::Patience;
use crate::world::disk::{AppendFile, remove_if_there};

/// Between two synchronisations.
const SYNCHRONIZATION_INTERVAL: Duration = Duration::from_secs(1);
/// Between two attempts while the disk fails.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks at the age and size of the files.
const RETENTION_INTERVAL: Duration = Duration::from_secs(3_600);
/// So much is synchronised before the time, in octets.
const PENDING_BYTES_MAX: usize = 4 << 20;

pub(super) struct Writer {
    shared: Arc<Shared>,
    /// All files with their lengths in octets, oldest first; the last one may be being written.
    files: Vec<(Name, u64)>,
    next_number: u64,
    current: Option<Current>,
    /// What is not durable yet, in order.
    pending: Vec<Item>,
    pending_bytes: usize,
    /// How many of them are in the current file.
    written: usize,
    /// Everything up to here has been told, and is durable or pending.
    told: u64,
    /// Everything up to here is durable.
    durable: u64,
    /// No mark has come since the trace was opened.
    first_mark: bool,
    /// The disk fails since the last attempt.
    failing: bool,
    last_attempt: Duration,
    last_synchronization: Duration,
    next_retention: Duration,
}

/// The file that is being written.
#[derive(Debug)]
struct Current {
    name: Name,
    path: PathBuf,
    file: Box<dyn AppendFile>,
    bytes: u64,
    durable_bytes: u64,
    /// The last mark in it, or in its header.
    mark: u64,
}

impl Labour for Writer {
    fn turn(&mut self, patience: Patience) -> Turned {
        let by_hand = patience == Patience::Glance;
        let wait = if by_hand { Duration::ZERO } else { self.next_due() };
        let gathered = self.shared.inbox.gather(wait, self.pending_bytes < PENDING_BYTES_MAX);
        let came = !gathered.items.is_empty() || gathered.lost.is_some();
        self.take(gathered.items, gathered.settled, gathered.lost);
        let at_once = by_hand || gathered.closed || gathered.asked.is_some();
        self.work(at_once, gathered.closed);
        if let Some(number) = gathered.asked {
            self.shared.inbox.answer(number);
        }
        match (gathered.closed && !came, came) {
            (true, _) => Turned::Ended,
            (false, true) => Turned::Worked,
            (false, false) => Turned::Idle,
        }
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, files: Vec<(Name, u64)>) -> Self {
        let seen = shared.seen.load(Ordering::Relaxed);
        let now = shared.clock.elapsed();
        Self {
            shared,
            next_number: files.last().map_or(0, |(name, _)| name.number).saturating_add(1),
            files,
            current: None,
            pending: Vec::new(),
            pending_bytes: 0,
            written: 0,
            told: seen,
            durable: seen,
            first_mark: true,
            failing: false,
            last_attempt: now,
            last_synchronization: now,
            next_retention: now,
        }
    }

    /// How long nothing needs to be done unless something comes.
    fn next_due(&self) -> Duration {
        let now = self.shared.clock.elapsed();
        let retention = self.next_retention.saturating_sub(now);
        let due = match (self.pending.is_empty(), self.failing) {
            (true, _) => retention,
            (false, true) => self.last_attempt.saturating_add(RETRY_INTERVAL).saturating_sub(now),
            (false, false) => self.last_synchronization.saturating_add(SYNCHRONIZATION_INTERVAL).saturating_sub(now),
        };
        due.min(retention)
    }

    fn take(&mut self, items: Vec<Item>, settled: Option<u64>, lost: Option<Gap>) {
        let gap = lost.map(|gap| {
            tracing::error!(records = gap.count, from = %gap.from, to = %gap.to, "the message trace lost events");
            record::gap(&gap)
        });
        for item in items.into_iter().chain(gap) {
            self.pending_bytes = self.pending_bytes.saturating_add(item.weight());
            self.pending.push(item);
        }
        if let Some(settled) = settled {
            // The queue may have been begun anew: what it says first counts, even if it is less.
            self.told = if core::mem::take(&mut self.first_mark) { settled } else { self.told.max(settled) };
            self.durable = self.durable.min(self.told);
        }
    }

    fn work(&mut self, at_once: bool, closing: bool) {
        let now = self.shared.clock.elapsed();
        if now >= self.next_retention {
            self.next_retention = now.saturating_add(RETENTION_INTERVAL);
            self.retain();
        }
        if self.failing && !at_once && now < self.last_attempt.saturating_add(RETRY_INTERVAL) {
            return;
        }
        let due = now >= self.last_synchronization.saturating_add(SYNCHRONIZATION_INTERVAL);
        let synchronize = at_once || due || self.pending_bytes >= PENDING_BYTES_MAX;
        self.last_attempt = now;
        let outcome = self.write(synchronize).and_then(|()| if closing { self.close() } else { Ok(()) });
        match outcome {
            Ok(()) if self.failing => {
                self.failing = false;
                self.shared.inbox.set_hopeless(false);
                tracing::info!("the message trace is written again");
            }
            Ok(()) => self.shared.inbox.set_hopeless(false),
            Err(error) => self.fail(&error),
        }
    }

    /// Writes what is pending, and makes it durable if asked to.
    fn write(&mut self, synchronize: bool) -> io::Result<()> {
        while self.written < self.pending.len() {
            let (day, full) = (Day::of(self.shared.clock.now()), self.shared.file_bytes_max);
            if self.current.as_ref().is_some_and(|current| current.name.day != day || current.bytes >= full) {
                self.synchronize()?;
                self.current = None;
                self.retain();
            }
            let mut current = match self.current.take() {
                Some(current) => current,
                None => self.begin(day)?,
            };
            // Kept also when it fails: then it must be cut.
            let appended = self.append(&mut current, full);
            self.note_length(current.name, current.bytes);
            self.current = Some(current);
            appended?;
        }
        if synchronize { self.synchronize() } else { Ok(()) }
    }

    /// Appends as many pending items as the file takes.
    fn append(&mut self, current: &mut Current, bytes_max: u64) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mark = self.durable;
        if mark != current.mark {
            file::encode_mark(&mut buffer, self.shared.salt, mark);
        }
        let mut end = self.written;
        let mut bytes = current.bytes;
        while let Some(item) = self.pending.get(end).filter(|_| bytes < bytes_max) {
            file::encode(&mut buffer, self.shared.salt, item);
            bytes = bytes.saturating_add(file::bytes_of(item));
            end = end.saturating_add(1);
        }
        current.bytes = current.bytes.saturating_add(buffer.len() as u64);
        current.file.append(&buffer)?;
        current.mark = mark;
        self.written = end;
        Ok(())
    }

    /// Makes what was written durable.
    fn synchronize(&mut self) -> io::Result<()> {
        if self.written > 0 {
            if let Some(current) = &mut self.current {
                current.file.synchronize()?;
                current.durable_bytes = current.bytes;
            }
            self.pending.drain(..self.written.min(self.pending.len()));
            self.pending_bytes = self.pending.iter().map(Item::weight).sum();
            self.written = 0;
            self.last_synchronization = self.shared.clock.elapsed();
        }
        if self.pending.is_empty() {
            self.durable = self.told;
            self.shared.seen.store(self.durable, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The last mark, so that the next start hears nothing twice.
    fn close(&mut self) -> io::Result<()> {
        let (durable, salt) = (self.durable, self.shared.salt);
        let Some(current) = self.current.as_mut().filter(|current| current.mark != durable) else { return Ok(()) };
        let mut buffer = Vec::new();
        file::encode_mark(&mut buffer, salt, durable);
        current.file.append(&buffer)?;
        current.mark = durable;
        current.file.synchronize()
    }

    /// Begins a file, durable with its name.
    fn begin(&mut self, day: Day) -> io::Result<Current> {
        let (disk, directory) = (&*self.shared.disk, &self.shared.directory);
        disk.create_directories(directory)?;
        if disk.space(directory)?.free_bytes < self.shared.free_bytes_floor {
            let text = "what is left on the disk is for the queue";
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        let (number, seen) = (self.next_number, self.durable);
        let name = Name { number, day };
        self.next_number = number.saturating_add(1);
        let path = name.within(directory);
        let mut file = disk.create_new(&path)?;
        self.files.push((name, HEADER_BYTES as u64));
        let header = Header { number, seen, salt: self.shared.salt }.encode();
        let begun =
            file.append(&header).and_then(|()| file.synchronize()).and_then(|()| disk.synchronize_directory(directory));
        if let Err(error) = begun {
            // Perhaps it stays: its number is not used again.
            let _ = disk.remove(&path);
            return Err(error);
        }
        let bytes = HEADER_BYTES as u64;
        Ok(Current { name, path, file, bytes, durable_bytes: bytes, mark: seen })
    }

    fn note_length(&mut self, name: Name, bytes: u64) {
        if let Some((_, length)) = self.files.last_mut().filter(|(last, _)| *last == name) {
            *length = bytes;
        }
    }

    /// Gives the file up. What is pending may stand in it all the same.
    fn fail(&mut self, error: &io::Error) {
        if let Some(current) = self.current.take() {
            let _ = self.shared.disk.truncate(&current.path, current.durable_bytes);
            self.note_length(current.name, current.durable_bytes);
        }
        self.written = 0;
        self.pending.iter_mut().for_each(|item| item.retold = true);
        if !core::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "the message trace cannot be written; mail goes on, and the trace when it can");
        }
        self.shared.inbox.set_hopeless(true);
    }

    /// Removes files that are too old, and the oldest while there is too much.
    fn retain(&mut self) {
        let now = Day::of(self.shared.clock.now());
        let oldest = now.back(u64::from(self.shared.days));
        if self.pending.is_empty() && self.current.as_ref().is_some_and(|current| current.name.day < oldest) {
            self.current = None;
        }
        let current = self.current.as_ref().map(|current| current.name);
        let mut bytes: u64 = self.files.iter().map(|(_, length)| *length).sum();
        let mut kept = Vec::with_capacity(self.files.len());
        let mut removed = 0_usize;
        for (name, length) in core::mem::take(&mut self.files) {
            let goes = name.day < oldest || bytes > self.shared.bytes_max;
            if Some(name) == current || !goes {
                kept.push((name, length));
                continue;
            }
            match remove_if_there(&*self.shared.disk, &name.within(&self.shared.directory)) {
                Err(error) => {
                    tracing::warn!(%error, "an old file of the message trace stays for now");
                    kept.push((name, length));
                }
                Ok(()) => {
                    bytes = bytes.saturating_sub(length);
                    removed = removed.saturating_add(1);
                }
            }
        }
        self.files = kept;
        if removed > 0 {
            // A name that comes back after a power cut is removed again.
            let _ = self.shared.disk.synchronize_directory(&self.shared.directory);
            tracing::info!(files = removed, "old files of the message trace were removed");
        }
    }
}
