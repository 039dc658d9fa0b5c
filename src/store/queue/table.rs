//! The queue in memory: what is decided (the dispatcher), and where the records of each message are.
//!
//! The replay builds it with the functions that the running queue uses.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::record::{
    self, COMMITTED, Committed, EXPANDED, Expanded, GROWN, Grown, MARKED, MOVED, Moved, RecordError, SUSPENDED,
};
use super::{Happened, Witness};
use crate::model::queue::{
    Dispatcher, Entry, FindJob, QueueId, ReplyJob, ReportJob, Shelf, Shelved, Suspensions, Target,
};
use crate::store::journal::{LargeBody, Location, Record};

/// Where a message is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    /// The record with its content.
    pub(super) committed: Location,
    /// Every other record that the replay needs.
    pub(super) facts: Vec<Location>,
    /// The file of its body.
    pub(super) large: Option<LargeBody>,
}

impl Stored {
    pub(super) const fn new(committed: Location, large: Option<LargeBody>) -> Self {
        Self { committed, facts: Vec::new(), large }
    }

    /// All records.
    pub(super) fn locations(&self) -> impl Iterator<Item = Location> {
        core::iter::once(self.committed).chain(self.facts.iter().copied())
    }
}

impl Shelved for Stored {}

/// Work for the agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Expand(QueueId),
    Report(ReportJob),
    /// Of the recipient at this place.
    Request(QueueId, u32),
    /// Below the recipient at this place.
    Branch(QueueId, u32),
    Reply(ReplyJob),
    Find(FindJob),
}

/// What is behind the queue's lock.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) dispatcher: Dispatcher,
    pub(super) stored: Shelf<Stored>,
    /// How many of them are at hand.
    pub(super) awake_max: usize,
    pub(super) asked: VecDeque<Asked>,
    pub(super) last_id: QueueId,
    /// The greatest id of any message so far, and the record that tells it to the next start when that message has
    /// gone: the clock may have been set back by then, and ids name files.
    pub(super) newest: QueueId,
    pub(super) mark: Option<Location>,
    /// The record of what is suspended.
    pub(super) suspended: Option<Location>,
}

impl Table {
    /// Takes in where a message is.
    pub(super) fn admit(&mut self, id: QueueId, stored: Stored) {
        self.stored.insert(id, stored);
        self.relieve();
    }

    /// Packs what was not looked at for a while.
    pub(super) fn relieve(&mut self) {
        self.stored.relieve(self.awake_max, |_, _| true);
    }

    /// A message has come; gives the record that need not tell of its predecessor any more.
    pub(super) fn came(&mut self, id: QueueId) -> Option<Location> {
        if id <= self.newest {
            return None;
        }
        self.newest = id;
        self.mark.take()
    }

    /// A message goes; gives the records that are not needed any more.
    pub(super) fn went(&mut self, id: QueueId, stored: &Stored) -> Vec<Location> {
        if id == self.newest {
            self.mark = Some(stored.committed);
        }
        stored.locations().filter(|location| Some(*location) != self.mark).collect()
    }
}

/// A message as far as the replay has come.
#[derive(Debug, Serialize, Deserialize)]
struct Replayed {
    entry: Entry,
    stored: Stored,
    /// Pieces of an expansion whose last one has not come yet.
    unfinished: Vec<Target>,
    /// The same of those below an approved recipient.
    growing: Vec<Target>,
}

impl Shelved for Replayed {
    fn unpacked(&mut self) {
        self.entry.share();
    }
}

/// Takes the journal's records in.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    witness: &'a dyn Witness,
    /// What the witness knows already.
    seen: u64,
    messages: Shelf<Replayed>,
    /// How many of them are at hand at once.
    awake_max: usize,
    last_id: Option<QueueId>,
    mark: Option<Location>,
    suspensions: Suspensions,
    suspended: Option<Location>,
    /// The sequence of the last record.
    pub(super) last_sequence: u64,
    /// Records about messages that are gone.
    pub(super) needless: Vec<Location>,
    /// The first record that cannot be read.
    pub(super) failure: Option<(Location, RecordError)>,
}

/// What the replay has found.
pub(super) struct Found {
    messages: Shelf<Replayed>,
    pub(super) last_id: QueueId,
    pub(super) mark: Option<Location>,
    pub(super) suspensions: Suspensions,
    pub(super) suspended: Option<Location>,
}

/// A message that the replay has found.
pub(super) enum Left {
    /// There is something to do for it.
    Open(Entry, Stored),
    /// There is not.
    Settled(Stored),
}

impl<'a> Replay<'a> {
    pub(super) fn new(witness: &'a dyn Witness, awake_max: usize) -> Self {
        let seen = witness.seen();
        Self {
            witness,
            seen,
            messages: Shelf::default(),
            awake_max,
            last_id: None,
            mark: None,
            suspensions: Suspensions::default(),
            suspended: None,
            last_sequence: 0,
            needless: Vec::new(),
            failure: None,
        }
    }

    pub(super) fn take(&mut self, record: Record<'_>, location: Location) {
        self.last_sequence = self.last_sequence.max(location.sequence);
        let taken = match record.kind {
            COMMITTED => self.committed(record.payload, location),
            EXPANDED => self.expanded(record.payload, location),
            MOVED => self.moved(record.payload, location),
            GROWN => self.grown(record.payload, location),
            SUSPENDED => record::decode::<Suspensions>(record.payload).map(|(suspensions, _)| {
                self.suspensions = suspensions;
                self.needless.extend(self.suspended.replace(location));
            }),
            MARKED => record::decode::<QueueId>(record.payload).map(|(id, _)| {
                self.last_id = self.last_id.max(Some(id));
                self.needless.extend(self.mark.replace(location));
            }),
            kind => Err(RecordError::Kind(kind)),
        };
        if let Err(error) = taken {
            self.failure.get_or_insert((location, error));
        }
        // What is half told goes on at once, in the next records.
        let is_told = |message: &mut Replayed| message.unfinished.is_empty() && message.growing.is_empty();
        self.messages.relieve(self.awake_max, |_, message| is_told(message));
    }

    fn committed(&mut self, payload: &[u8], location: Location) -> Result<(), RecordError> {
        let (committed, head, body) = Committed::decode(payload)?;
        self.last_id = self.last_id.max(Some(committed.id));
        match self.messages.get_mut(committed.id) {
            // Written anew. The former record stays until the message goes: the state after it may not be complete.
            Some(known) => {
                known.stored.facts.push(known.stored.committed);
                known.stored.committed = location;
            }
            None => {
                let body_bytes = committed.large.as_ref().map_or(body.len() as u64, |large| large.bytes);
                let entry = Entry::accepted(committed.facts(body_bytes));
                if location.sequence > self.seen {
                    self.witness.committed(location.sequence, &entry.facts, &committed.envelope, head);
                }
                let stored = Stored::new(location, committed.large);
                let (unfinished, growing) = (Vec::new(), Vec::new());
                self.messages.insert(committed.id, Replayed { entry, stored, unfinished, growing });
            }
        }
        Ok(())
    }

    fn expanded(&mut self, payload: &[u8], location: Location) -> Result<(), RecordError> {
        let (piece, _) = record::decode::<Expanded>(payload)?;
        let Some(known) = self.messages.get_mut(piece.id) else {
            self.needless.push(location);
            return Ok(());
        };
        known.stored.facts.push(location);
        if piece.first == 0 {
            known.unfinished.clear();
        }
        // A piece whose predecessors are missing belongs to an expansion that was broken off.
        if usize::try_from(piece.first) == Ok(known.unfinished.len()) {
            for mut target in piece.targets {
                if let Some(former) = known.unfinished.last() {
                    target.share(former);
                }
                known.unfinished.push(target);
            }
            if piece.last {
                // An expansion that is written anew tells nothing new.
                let first = !known.entry.is_expanded();
                known.entry.expand(core::mem::take(&mut known.unfinished));
                if first && location.sequence > self.seen {
                    self.witness.expanded(location.sequence, &known.entry.facts, known.entry.targets());
                }
            }
        }
        Ok(())
    }

    fn grown(&mut self, payload: &[u8], location: Location) -> Result<(), RecordError> {
        let (piece, _) = record::decode::<Grown>(payload)?;
        let Some(known) = self.messages.get_mut(piece.id) else {
            self.needless.push(location);
            return Ok(());
        };
        known.stored.facts.push(location);
        if piece.first == 0 {
            known.growing.clear();
        }
        if usize::try_from(piece.first) == Ok(known.growing.len()) {
            known.growing.extend(piece.targets);
            if piece.last {
                let first = known.entry.targets().len();
                let below = core::mem::take(&mut known.growing);
                // What was refused in the running server is refused here.
                let grew = known.entry.branch(piece.place, below);
                if grew && location.sequence > self.seen {
                    let targets = known.entry.targets().get(first..).unwrap_or_default();
                    let first = u32::try_from(first).unwrap_or(u32::MAX);
                    self.witness.branched(location.sequence, &known.entry.facts, piece.place, first, targets);
                }
            }
        }
        Ok(())
    }

    fn moved(&mut self, payload: &[u8], location: Location) -> Result<(), RecordError> {
        let (moved, _) = record::decode::<Moved>(payload)?;
        let Some(known) = self.messages.get_mut(moved.id) else {
            self.needless.push(location);
            return Ok(());
        };
        known.stored.facts.push(location);
        for (place, event) in &moved.events {
            // What was refused in the running server is refused here.
            let _ = known.entry.apply(*place, event);
        }
        if location.sequence > self.seen {
            let happened = Happened::of(&known.entry, &moved.events);
            self.witness.moved(location.sequence, &known.entry.facts, &happened);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Found {
        let Self { messages, last_id, mark, suspensions, suspended, .. } = self;
        let last_id = last_id.unwrap_or(QueueId(0));
        let mut found = Found { messages, last_id, mark, suspensions, suspended };
        if let Some(newest) = found.messages.get_mut(last_id) {
            // Its own record tells the id; what told a former one goes with it.
            newest.stored.facts.extend(found.mark.take());
            found.mark = newest.entry.is_settled().then_some(newest.stored.committed);
        }
        found
    }
}

impl Iterator for Found {
    type Item = Left;

    /// The messages, oldest first. Each is unpacked when it is its turn: all at once would take the memory of all.
    fn next(&mut self) -> Option<Left> {
        let (_, message) = self.messages.pop_first()?;
        let Replayed { entry, stored, .. } = message;
        Some(if entry.is_settled() { Left::Settled(stored) } else { Left::Open(entry, stored) })
    }
}
