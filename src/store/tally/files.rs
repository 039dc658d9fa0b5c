//! The files of the counts: one for each hour and kind, slips that are appended (see `slip`).
//!
//! ```text
//! sent-0000490880.log       slips for each message that somebody submitted in that hour since 1970
//! sent-0000490879.sum       the same of an hour that is over, summed up by account; its log means nothing any more
//! sent-0000490879.late      what came for that hour after it was summed up
//! received-0000490880.log   a slip for each message for a mailbox; of the present hour and the one before it
//! ```
//!
//! A file whose end was cut off is cut to its last whole slip. A disk that fails is logged once, and counting goes on
//! in memory.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Hour, Slot};
use crate::model::directory::RecipientId;
use crate::model::mail::Timestamp;
use crate::model::queue::QueueId;
use crate::store::slip::{self, Slip};
use crate::world::disk::{AppendFile, Disk, replace};

const SENT: u32 = 1;
const SUM: u32 = 2;
const RECEIVED: u32 = 3;
const OUTBOUND: u32 = 4;
const PARDON: u32 = 5;
/// An hour is summed up so long after its end: what was accepted in its last moments has been counted by then.
const GRACE_SECONDS: u64 = 300;

/// What a slip says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// An account submitted a message to so many recipients.
    Sent { id: QueueId, account: RecipientId, recipients: u32 },
    /// So many recipients of an account in the whole hour.
    Sum { account: RecipientId, recipients: u32 },
    /// A message was expanded to a mailbox. Older files do not say in which ten minutes of their hour.
    Received { id: QueueId, mailbox: RecipientId, pair: u64, slot: Option<Slot> },
    /// An account, a device or a connector's clients submitted to so many recipients outside: with a message, or, where
    /// no message is named, in all of a step of an hour that is summed up.
    Outbound { id: Option<QueueId>, submitter: u64, recipients: u32, slot: Slot },
    /// So many of them count no more, since an administrator released it.
    Pardon { submitter: u64, recipients: u32, slot: Slot },
}

impl Record {
    fn slip(&self) -> Slip {
        match self {
            Self::Sent { id, account, recipients } => {
                Slip { kind: SENT, numbers: [id.0, account.0, u64::from(*recipients), 0] }
            }
            Self::Sum { account, recipients } => Slip { kind: SUM, numbers: [0, account.0, u64::from(*recipients), 0] },
            Self::Received { id, mailbox, pair, slot } => {
                Slip { kind: RECEIVED, numbers: [id.0, mailbox.0, *pair, slot.map_or(0, Slot::number)] }
            }
            Self::Outbound { id, submitter, recipients, slot } => {
                let id = id.map_or(0, |id| id.0);
                Slip { kind: OUTBOUND, numbers: [id, *submitter, u64::from(*recipients), slot.number()] }
            }
            Self::Pardon { submitter, recipients, slot } => {
                Slip { kind: PARDON, numbers: [0, *submitter, u64::from(*recipients), slot.number()] }
            }
        }
    }

    fn of(slip: &Slip) -> Option<Self> {
        let [id, recipient, number, slot] = slip.numbers;
        let (id, recipient, recipients) = (QueueId(id), RecipientId(recipient), u32::try_from(number));
        match slip.kind {
            SENT => Some(Self::Sent { id, account: recipient, recipients: recipients.ok()? }),
            SUM => Some(Self::Sum { account: recipient, recipients: recipients.ok()? }),
            RECEIVED => Some(Self::Received { id, mailbox: recipient, pair: number, slot: Slot::stored(slot) }),
            OUTBOUND => {
                let (recipients, slot) = (recipients.ok()?, Slot::stored(slot)?);
                Some(Self::Outbound { id: Some(id).filter(|id| id.0 > 0), submitter: recipient.0, recipients, slot })
            }
            PARDON => {
                let (recipients, slot) = (recipients.ok()?, Slot::stored(slot)?);
                Some(Self::Pardon { submitter: recipient.0, recipients, slot })
            }
            _ => None,
        }
    }
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Sent,
    Sum,
    Late,
    Received,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    kind: Kind,
    hour: Hour,
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let (stem, ending) = text.split_once('.')?;
        let (what, hour) = stem.split_once('-')?;
        let kind = match (what, ending) {
            ("sent", "log") => Kind::Sent,
            ("sent", "sum") => Kind::Sum,
            ("sent", "late") => Kind::Late,
            ("received", "log") => Kind::Received,
            _ => return None,
        };
        Some(Self { kind, hour: Hour(hour.parse().ok()?) })
    }

    fn within(self, directory: &Path) -> PathBuf {
        let (what, ending) = match self.kind {
            Kind::Sent => ("sent", "log"),
            Kind::Sum => ("sent", "sum"),
            Kind::Late => ("sent", "late"),
            Kind::Received => ("received", "log"),
        };
        directory.join(format!("{what}-{:010}.{ending}", self.hour.0))
    }

    /// Whether anybody will ask for it, now or later.
    fn is_needed(self, now: Hour) -> bool {
        match self.kind {
            Kind::Sent | Kind::Sum | Kind::Late => self.hour.is_within_day_of(now),
            Kind::Received => self.hour.0.abs_diff(now.0) <= 1,
        }
    }
}

/// An open file.
#[derive(Debug)]
struct Open {
    name: Name,
    file: Box<dyn AppendFile>,
    /// Something in it is not synchronised.
    dirty: bool,
}

/// The directory of the counts; none when they are kept in memory only.
#[derive(Debug, Default)]
pub(super) struct Files {
    place: Option<(Arc<dyn Disk>, PathBuf)>,
    names: BTreeSet<Name>,
    /// A name is new, and not durable.
    unnamed: bool,
    /// One for what is sent and one for what is received.
    open: Vec<Open>,
    /// What mailboxes received and the file has not yet.
    gathered: Vec<u8>,
    gathered_for: Option<Hour>,
    failing: bool,
}

impl Files {
    /// Reads every file that is needed, and removes the others.
    pub(super) fn open(disk: Arc<dyn Disk>, directory: &Path, now: Hour, mut take: impl FnMut(Hour, Record)) -> Self {
        let mut files = Self { place: Some((disk, directory.to_owned())), ..Self::default() };
        if let Err(error) = files.read(now, &mut take) {
            tracing::error!(%error, "what accounts have used up of their limits cannot be read; it is counted anew");
        }
        files
    }

    fn read(&mut self, now: Hour, take: &mut impl FnMut(Hour, Record)) -> io::Result<()> {
        let Some((disk, directory)) = self.place.clone() else { return Ok(()) };
        disk.create_directories(&directory)?;
        let listed = disk.list(&directory)?;
        self.names = listed.iter().filter_map(|name| Name::parse(name.to_str()?)).collect();
        for name in self.names.clone() {
            let summed = self.names.contains(&Name { kind: Kind::Sum, hour: name.hour });
            if !name.is_needed(now) || (name.kind == Kind::Sent && summed) {
                disk.remove(&name.within(&directory))?;
                self.names.remove(&name);
                continue;
            }
            let path = name.within(&directory);
            let octets = disk.read(&path)?;
            let (slips, sound) = slip::read(&octets);
            if sound < octets.len() {
                disk.truncate(&path, sound as u64)?;
            }
            slips.iter().filter_map(Record::of).for_each(|record| take(name.hour, record));
        }
        Ok(())
    }

    /// Keeps what a message counts for mailboxes until [`Self::write_gathered`], which happens before one of another
    /// hour.
    pub(super) fn gather(&mut self, hour: Hour, records: impl Iterator<Item = Record>) {
        if self.gathered_for != Some(hour) {
            self.write_gathered();
            self.gathered_for = Some(hour);
        }
        records.for_each(|record| self.gathered.extend_from_slice(&record.slip().encode()));
    }

    /// Appends what has gathered with one call, without waiting for the disk.
    pub(super) fn write_gathered(&mut self) {
        let Some(hour) = self.gathered_for.filter(|_| !self.gathered.is_empty()) else { return };
        let octets = core::mem::take(&mut self.gathered);
        let appended = self.append_to(Name { kind: Kind::Received, hour }, &octets);
        self.note(appended);
    }

    /// Appends what counts for those who submit, all with one call and without waiting for the disk.
    pub(super) fn append_sent(&mut self, hour: Hour, records: &[Record]) {
        if records.is_empty() {
            return;
        }
        let summed = self.names.contains(&Name { kind: Kind::Sum, hour });
        let kind = if summed { Kind::Late } else { Kind::Sent };
        let octets: Vec<u8> = records.iter().flat_map(|record| record.slip().encode()).collect();
        let appended = self.append_to(Name { kind, hour }, &octets);
        self.note(appended);
    }

    fn note(&mut self, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !core::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "what accounts use up of their limits is counted in memory only");
                }
            }
        }
    }

    fn append_to(&mut self, name: Name, octets: &[u8]) -> io::Result<()> {
        let Some((disk, directory)) = self.place.clone() else { return Ok(()) };
        let place = match self.open.iter().position(|open| open.name == name) {
            Some(place) => place,
            None => {
                // That of another hour has done its work.
                let received = name.kind == Kind::Received;
                self.synchronize()?;
                self.open.retain(|open| (open.name.kind == Kind::Received) != received);
                let path = name.within(&directory);
                let file = match disk.open_append(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create_new(&path)?,
                    result => result?,
                };
                self.unnamed |= self.names.insert(name);
                self.open.push(Open { name, file, dirty: true });
                self.open.len().saturating_sub(1)
            }
        };
        let Some(open) = self.open.get_mut(place) else { return Ok(()) };
        open.dirty = true;
        let appended = open.file.append(octets);
        if appended.is_err() {
            // Its end may be cut off; the next one is appended to a file that was looked at.
            self.open.remove(place);
            let path = name.within(&directory);
            let length = disk.read(&path).map(|octets| slip::read(&octets).1);
            length.and_then(|length| disk.truncate(&path, length as u64))?;
        }
        appended
    }

    fn synchronize(&mut self) -> io::Result<()> {
        for open in self.open.iter_mut().filter(|open| open.dirty) {
            open.file.synchronize()?;
            open.dirty = false;
        }
        if let Some((disk, directory)) = self.place.as_ref().filter(|_| self.unnamed) {
            disk.synchronize_directory(directory)?;
            self.unnamed = false;
        }
        Ok(())
    }

    /// Synchronises what was appended, sums up hours that are over, and removes what nobody asks for any more. Nothing
    /// is summed up before everything is `settled` that the queue tells at its start: it looks at single messages.
    pub(super) fn tend(&mut self, now: Timestamp, settled: bool, sums: impl Fn(Hour) -> Vec<Record>) {
        self.write_gathered();
        let outcome = self.synchronize().and_then(|()| self.remove_old(Hour::of(now)));
        self.note(outcome);
        let over = |name: &Name| {
            let end = (u64::from(name.hour.0).saturating_add(1)).saturating_mul(3_600);
            name.kind == Kind::Sent && end.saturating_add(GRACE_SECONDS) <= now.unix_seconds()
        };
        let hour = self.names.iter().find(|name| settled && over(name)).map(|name| name.hour);
        if let Some(hour) = hour {
            let outcome = self.sum_up(hour, &sums(hour));
            self.note(outcome);
        }
    }

    fn remove_old(&mut self, now: Hour) -> io::Result<()> {
        let Some((disk, directory)) = self.place.clone() else { return Ok(()) };
        let old: Vec<Name> = self.names.iter().copied().filter(|name| !name.is_needed(now)).collect();
        for name in old {
            self.open.retain(|open| open.name != name);
            disk.remove(&name.within(&directory))?;
            self.names.remove(&name);
        }
        Ok(())
    }

    fn sum_up(&mut self, hour: Hour, sums: &[Record]) -> io::Result<()> {
        let Some((disk, directory)) = self.place.clone() else { return Ok(()) };
        let (log, sum) = (Name { kind: Kind::Sent, hour }, Name { kind: Kind::Sum, hour });
        let slips = sums.iter().map(|record| record.slip().encode());
        replace(&*disk, &sum.within(&directory), &directory.join("sum.new"), slips)?;
        self.names.insert(sum);
        self.open.retain(|open| open.name != log);
        disk.remove(&log.within(&directory))?;
        self.names.remove(&log);
        Ok(())
    }
}
