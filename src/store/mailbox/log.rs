//! The file of what mailboxes hold: records that are appended, each with a checksum, the last one of a mailbox counts.
//!
//! ```text
//! magic, 8 octets | record | record | …        (see `slip`; the first number of each is the mailbox)
//! ```
//!
//! Nothing in it is truth: each entry is compared with the directories before it is believed, and a file that is
//! damaged or gone costs time only. What cannot be written is not missed until the next start. Only a warning is
//! synchronised, since it is said at most once a day.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::directory::RecipientId;
use crate::model::mail::Timestamp;
use crate::model::policy::quota::Usage;
use crate::store::slip::{self, Slip};
use crate::world::disk::{AppendFile, Disk, replace};

/// A leading dot, which no name of a mailbox has.
pub(super) const LOG_NAME: &str = ".occupancy";
const DRAFT_NAME: &str = ".occupancy.new";
const MAGIC: [u8; 8] = *b"FRNKOCC1";
/// So many needless records are no reason to write the file anew.
const NEEDLESS_MAX: usize = 65_536;

const SETTLED: u32 = 1;
const TOUCHED: u32 = 2;
const WARNED: u32 = 3;
const FORGOTTEN: u32 = 4;

/// What the file can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// The mailbox was counted, and its directories were in this state.
    Settled { id: RecipientId, usage: Usage, fingerprint: u64 },
    /// It has changed since.
    Touched { id: RecipientId },
    /// Its owner was warned that it fills up.
    Warned { id: RecipientId, at: Timestamp },
    /// It is gone for good, and its owner with it.
    Forgotten { id: RecipientId },
}

/// What the file said at the start.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) settled: BTreeMap<RecipientId, (Usage, u64)>,
    pub(super) touched: BTreeSet<RecipientId>,
    pub(super) warned: BTreeMap<RecipientId, Timestamp>,
}

impl Record {
    const fn slip(&self) -> Slip {
        match self {
            Self::Settled { id, usage, fingerprint } => {
                Slip { kind: SETTLED, numbers: [id.0, usage.bytes, usage.messages, *fingerprint] }
            }
            Self::Touched { id } => Slip { kind: TOUCHED, numbers: [id.0, 0, 0, 0] },
            Self::Warned { id, at } => Slip { kind: WARNED, numbers: [id.0, at.unix_milliseconds(), 0, 0] },
            Self::Forgotten { id } => Slip { kind: FORGOTTEN, numbers: [id.0, 0, 0, 0] },
        }
    }

    /// The record, unless it is of a later version.
    const fn of(slip: Slip) -> Option<Self> {
        let [id, first, second, third] = slip.numbers;
        let id = RecipientId(id);
        match slip.kind {
            SETTLED => Some(Self::Settled { id, usage: Usage { bytes: first, messages: second }, fingerprint: third }),
            TOUCHED => Some(Self::Touched { id }),
            WARNED => Some(Self::Warned { id, at: Timestamp::from_unix_milliseconds(first) }),
            FORGOTTEN => Some(Self::Forgotten { id }),
            _ => None,
        }
    }
}

impl Found {
    fn take(&mut self, record: Record) {
        match record {
            Record::Settled { id, usage, fingerprint } => {
                self.touched.remove(&id);
                // A mailbox that is not there any more needs no entry.
                if usage == Usage::default() && fingerprint == 0 {
                    self.settled.remove(&id);
                } else {
                    self.settled.insert(id, (usage, fingerprint));
                }
            }
            Record::Touched { id } => {
                self.touched.insert(id);
            }
            Record::Warned { id, at } => {
                self.warned.insert(id, at);
            }
            Record::Forgotten { id } => {
                self.settled.remove(&id);
                self.touched.remove(&id);
                self.warned.remove(&id);
            }
        }
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        let settled = self.settled.iter();
        let settled = settled.map(|(id, (usage, fingerprint))| Record::Settled {
            id: *id,
            usage: *usage,
            fingerprint: *fingerprint,
        });
        let touched = self.touched.iter().map(|id| Record::Touched { id: *id });
        settled.chain(touched).chain(self.warned.iter().map(|(id, at)| Record::Warned { id: *id, at: *at }))
    }
}

/// The file, to be written on.
#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    /// None once it cannot be written: then the next start counts.
    file: Option<Box<dyn AppendFile>>,
}

impl Log {
    /// Reads the file, and writes it anew where much of it is needless or some of it damaged.
    pub(super) fn open(disk: Arc<dyn Disk>, root: &Path) -> (Self, Found) {
        let mut log = Self { disk, root: root.to_owned(), file: None };
        let (found, sound) = match log.read() {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(%error, "what mailboxes hold cannot be read, and is counted anew");
                (Found::default(), None)
            }
        };
        let path = log.root.join(LOG_NAME);
        let opened = match sound {
            Some(()) => log.disk.open_append(&path),
            None => log.begin(&found),
        };
        match opened {
            Ok(file) => log.file = Some(file),
            Err(error) => tracing::warn!(%error, "what mailboxes hold cannot be recorded; the next start counts it"),
        }
        (log, found)
    }

    /// What the file says, and whether it can be continued.
    fn read(&self) -> io::Result<(Found, Option<()>)> {
        let mut found = Found::default();
        let octets = match self.disk.read(&self.root.join(LOG_NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((found, None)),
            result => result?,
        };
        let Some(records) = octets.strip_prefix(&MAGIC) else {
            return Ok((found, None));
        };
        // What follows a damaged one may be older than what is lost, so nothing of it is believed.
        let (slips, bytes) = slip::read(records);
        slips.iter().filter_map(|slip| Record::of(*slip)).for_each(|record| found.take(record));
        let (sound, needed) = (bytes == records.len(), found.records().count());
        let tidy = slips.len() <= needed.saturating_mul(2).saturating_add(NEEDLESS_MAX);
        Ok((found, (sound && tidy).then_some(())))
    }

    /// Writes the file anew, whole or not at all.
    fn begin(&self, found: &Found) -> io::Result<Box<dyn AppendFile>> {
        let (path, draft) = (self.root.join(LOG_NAME), self.root.join(DRAFT_NAME));
        let slips = found.records().map(|record| record.slip().encode().to_vec());
        replace(&*self.disk, &path, &draft, core::iter::once(MAGIC.to_vec()).chain(slips))
    }

    /// Appends a record, if that is possible. A record that is cut off makes void what follows, so it is the last.
    pub(super) fn append(&mut self, record: &Record) {
        if let Err(error) = self.try_append(record) {
            tracing::warn!(%error, "what mailboxes hold is recorded no more; the next start counts it");
        }
    }

    fn try_append(&mut self, record: &Record) -> io::Result<()> {
        let Some(file) = self.file.as_mut() else { return Ok(()) };
        let appended = file.append(&record.slip().encode());
        if appended.is_err() {
            self.file = None;
        }
        appended
    }

    /// The same, durable on return.
    pub(super) fn append_durably(&mut self, record: &Record) -> io::Result<()> {
        self.try_append(record)?;
        let Some(file) = self.file.as_mut() else {
            return Err(io::Error::other("the file of what mailboxes hold cannot be written"));
        };
        file.synchronize()
    }
}
