//! The queue in memory: what is decided (the dispatcher), and where the records of each message are.
//!
//! The replay builds it with the functions that the running queue uses.

use std::collections::{BTreeMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::hearing::{Accepted, Heard};
use super::record::{Expanded, Grown, Moved, RecordError};
use super::{Happened, Witness};
use crate::model::mail::Reply;
use crate::model::queue::{
    Dispatcher, Entry, FindJob, QueueId, ReplyJob, ReportJob, Resumption, Shelf, Shelved, Suspensions, Target,
};
use crate::store::journal::{LargeBody, Location};

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

/// Recipients whose pieces have not all come yet.
#[derive(Debug, Default)]
struct HalfTold {
    /// Those of an expansion.
    unfinished: Vec<Target>,
    /// Those below an approved recipient.
    growing: Vec<Target>,
}

/// Takes the journal's records in.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    witness: &'a dyn Witness,
    /// What the witness knows already.
    seen: u64,
    resumption: Resumption,
    stored: Shelf<Stored>,
    half_told: BTreeMap<QueueId, HalfTold>,
    /// Messages whose bodies are files.
    large: BTreeMap<QueueId, LargeBody>,
    /// How many places are at hand at once.
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
    pub(super) table: Table,
    /// The names of files that bodies are in.
    pub(super) bodies: HashSet<String>,
    /// Records of messages for which nothing is left to do.
    pub(super) needless: Vec<Location>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(witness: &'a dyn Witness, resumption: Resumption, awake_max: usize) -> Self {
        let seen = witness.seen();
        Self {
            witness,
            seen,
            resumption,
            stored: Shelf::default(),
            half_told: BTreeMap::new(),
            large: BTreeMap::new(),
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

    /// The last record that the witness knows already.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    /// Takes in the next record.
    pub(super) fn take(&mut self, heard: Result<Heard, RecordError>, location: Location) {
        self.last_sequence = self.last_sequence.max(location.sequence);
        match heard {
            Ok(Heard::Committed(accepted)) => self.committed(*accepted, location),
            Ok(Heard::Expanded(piece)) => self.expanded(piece, location),
            Ok(Heard::Moved(moved)) => self.moved(&moved, location),
            Ok(Heard::Grown(piece)) => self.grown(piece, location),
            Ok(Heard::Suspended(suspensions)) => {
                self.suspensions = suspensions;
                self.needless.extend(self.suspended.replace(location));
            }
            Ok(Heard::Marked(id)) => {
                self.last_id = self.last_id.max(Some(id));
                self.needless.extend(self.mark.replace(location));
            }
            Err(error) => {
                self.failure.get_or_insert((location, error));
            }
        }
        self.resumption.relieve();
        self.stored.relieve(self.awake_max, |_, _| true);
    }

    fn committed(&mut self, accepted: Accepted, location: Location) {
        let Accepted { facts, large, unseen } = accepted;
        let id = facts.id;
        self.last_id = self.last_id.max(Some(id));
        match self.stored.get_mut(id) {
            // Written anew. The former record stays until the message goes: the state after it may not be complete.
            Some(known) => {
                known.facts.push(known.committed);
                known.committed = location;
            }
            None => {
                let entry = Entry::accepted(facts);
                if let Some((envelope, head)) = unseen {
                    self.witness.committed(location.sequence, &entry.facts, &envelope, &head);
                }
                self.large.extend(large.clone().map(|large| (id, large)));
                self.resumption.insert(entry);
                self.stored.insert(id, Stored::new(location, large));
            }
        }
    }

    /// Notes a record about a message; false, and it is needless, when there is no such message.
    fn note(&mut self, id: QueueId, location: Location) -> bool {
        match self.stored.get_mut(id) {
            Some(stored) => stored.facts.push(location),
            None => {
                self.needless.push(location);
                return false;
            }
        }
        true
    }

    fn expanded(&mut self, piece: Expanded, location: Location) {
        if !self.note(piece.id, location) {
            return;
        }
        let unfinished = &mut self.half_told.entry(piece.id).or_default().unfinished;
        if piece.first == 0 {
            unfinished.clear();
        }
        // A piece whose predecessors are missing belongs to an expansion that was broken off.
        if usize::try_from(piece.first) == Ok(unfinished.len()) {
            for mut target in piece.targets {
                if let Some(former) = unfinished.last() {
                    target.share(former);
                }
                unfinished.push(target);
            }
            let targets = core::mem::take(unfinished);
            if !piece.last {
                *unfinished = targets;
            } else if let Some(entry) = self.resumption.entry_mut(piece.id) {
                // An expansion that is written anew tells nothing new.
                let first = !entry.is_expanded();
                entry.expand(targets);
                if first && location.sequence > self.seen {
                    self.witness.expanded(location.sequence, &entry.facts, entry.targets());
                }
            }
        }
        self.forget_told(piece.id);
    }

    fn grown(&mut self, piece: Grown, location: Location) {
        if !self.note(piece.id, location) {
            return;
        }
        let growing = &mut self.half_told.entry(piece.id).or_default().growing;
        if piece.first == 0 {
            growing.clear();
        }
        if usize::try_from(piece.first) == Ok(growing.len()) {
            growing.extend(piece.targets);
            if piece.last
                && let Some(entry) = self.resumption.entry_mut(piece.id)
            {
                let first = entry.targets().len();
                // What was refused in the running server is refused here.
                let grew = entry.branch(piece.place, core::mem::take(growing));
                if grew && location.sequence > self.seen {
                    let targets = entry.targets().get(first..).unwrap_or_default();
                    let first = u32::try_from(first).unwrap_or(u32::MAX);
                    self.witness.branched(location.sequence, &entry.facts, piece.place, first, targets);
                }
            }
        }
        self.forget_told(piece.id);
    }

    /// Most recipients come in one piece.
    fn forget_told(&mut self, id: QueueId) {
        if self.half_told.get(&id).is_some_and(|half| half.unfinished.is_empty() && half.growing.is_empty()) {
            self.half_told.remove(&id);
        }
    }

    fn moved(&mut self, moved: &Moved, location: Location) {
        if !self.note(moved.id, location) {
            return;
        }
        let Some(entry) = self.resumption.entry_mut(moved.id) else { return };
        for (place, event) in &moved.events {
            // What was refused in the running server is refused here.
            let _ = entry.apply(*place, event);
        }
        if location.sequence > self.seen {
            let happened = Happened::of(entry, &moved.events);
            self.witness.moved(location.sequence, &entry.facts, &happened);
        }
    }

    /// The queue as it stands after the last record. `expired` is the reply that a message gets whose time is up.
    pub(super) fn finish(self, expired: Reply) -> Found {
        let Self { mut resumption, mut stored, mut large, last_id, mut mark, suspensions, suspended, .. } = self;
        let last_id = last_id.unwrap_or(QueueId(0));
        if let (Some(newest), Some(entry)) = (stored.get_mut(last_id), resumption.entry_mut(last_id)) {
            // Its own record tells the id; what told a former one goes with it.
            newest.facts.extend(mark.take());
            mark = entry.is_settled().then_some(newest.committed);
        }
        let mut needless = Vec::new();
        let dispatcher = resumption.finish(expired, suspensions, |id| {
            large.remove(&id);
            let locations = stored.remove(id).map(|stored| stored.locations().collect::<Vec<_>>());
            needless.extend(locations.into_iter().flatten().filter(|location| Some(*location) != mark));
        });
        let table = Table {
            dispatcher,
            stored,
            awake_max: self.awake_max,
            asked: VecDeque::new(),
            last_id,
            newest: last_id,
            mark,
            suspended,
        };
        Found { table, bodies: large.into_values().map(|large| large.name).collect(), needless }
    }
}
