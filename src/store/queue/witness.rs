//! Somebody who is told of everything that becomes durable in the queue: the message trace.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::model::policy::Envelope;
use crate::model::queue::{Addressee, Entry, EntryFacts, Event, Target};

/// Is told of everything that has become durable in the queue, by several threads, for one message in order. Must not
/// block for long: delivery waits for it.
///
/// `sequence` is the record's place in the queue's journal: it grows for ever and is never used twice. After a restart
/// the replay tells again what comes after [`Witness::seen`], so nothing is missing that was durable in the queue; what
/// is told twice has the same sequence. Only of messages that ended just before a crash something may be missing: once
/// their records are needed no more, the queue may have let them go. A message that
/// was written anew may be told twice as committed and expanded, with different sequences.
pub trait Witness: Send + Sync + fmt::Debug {
    /// The last sequence up to which the witness has made everything durable itself; 0 when nothing. Only what was
    /// [settled](Witness::settled) is known to be complete.
    fn seen(&self) -> u64;

    /// A message was accepted. `head` is its header.
    fn committed(&self, sequence: u64, facts: &EntryFacts, envelope: &Envelope, head: &[u8]);

    /// Its recipients are known.
    fn expanded(&self, sequence: u64, facts: &EntryFacts, targets: &[Target]);

    /// Those whom the approval of the recipient at `place` led to are known; they have the places from `first` on.
    fn branched(&self, sequence: u64, facts: &EntryFacts, place: u32, first: u32, targets: &[Target]);

    /// Something happened to recipients.
    fn moved(&self, sequence: u64, facts: &EntryFacts, happened: &[Happened]);

    /// Everything up to `sequence` that is to be told has been told. Said once at the end of the replay, and then
    /// whenever it grows; several threads may overtake each other with it.
    fn settled(&self, sequence: u64) {
        let _ = sequence;
    }

    /// The queue's own thread has told of all expansions, branches and moves that became durable together. Whoever
    /// gathers what follows from them writes it now: a message that goes to a mailbox is not forgotten before, so after
    /// a crash the replay tells of it again.
    fn paused(&self) {}
}

/// Two of them. Of what the replay tells each hears what it has not seen itself.
#[derive(Debug)]
pub struct Witnesses {
    all: [(Arc<dyn Witness>, u64); 2],
    /// The replay is over. A queue that was begun anew may count from the beginning again.
    replayed: AtomicBool,
}

impl Witnesses {
    /// Both of these.
    pub fn new(first: Arc<dyn Witness>, second: Arc<dyn Witness>) -> Self {
        // What they have seen before the queue tells them anything.
        let all = [first, second].map(|own| (Arc::clone(&own), own.seen()));
        Self { all, replayed: AtomicBool::new(false) }
    }

    fn told_of(&self, sequence: u64) -> impl Iterator<Item = &dyn Witness> {
        let replayed = self.replayed.load(Ordering::Relaxed);
        let all = self.all.iter().filter(move |(_, seen)| replayed || sequence > *seen);
        all.map(|(own, _)| &**own)
    }
}

impl Witness for Witnesses {
    fn seen(&self) -> u64 {
        self.all.iter().map(|(own, _)| own.seen()).min().unwrap_or(0)
    }

    fn committed(&self, sequence: u64, facts: &EntryFacts, envelope: &Envelope, head: &[u8]) {
        self.told_of(sequence).for_each(|own| own.committed(sequence, facts, envelope, head));
    }

    fn expanded(&self, sequence: u64, facts: &EntryFacts, targets: &[Target]) {
        self.told_of(sequence).for_each(|own| own.expanded(sequence, facts, targets));
    }

    fn branched(&self, sequence: u64, facts: &EntryFacts, place: u32, first: u32, targets: &[Target]) {
        self.told_of(sequence).for_each(|own| own.branched(sequence, facts, place, first, targets));
    }

    fn moved(&self, sequence: u64, facts: &EntryFacts, happened: &[Happened]) {
        self.told_of(sequence).for_each(|own| own.moved(sequence, facts, happened));
    }

    fn settled(&self, sequence: u64) {
        self.replayed.store(true, Ordering::Relaxed);
        self.all.iter().for_each(|(own, _)| own.settled(sequence));
    }

    fn paused(&self) {
        self.all.iter().for_each(|(own, _)| own.paused());
    }
}

/// What happened to one recipient.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Its place in the message.
    pub place: u32,
    /// Who it is.
    pub addressee: Arc<Addressee>,
    /// What happened.
    pub event: Event,
}

impl Happened {
    /// The events of a record with their recipients. Places that the message does not have are passed over.
    pub(super) fn of(entry: &Entry, events: &[(u32, Event)]) -> Vec<Self> {
        let known = |(place, event): &(u32, Event)| {
            let addressee = Arc::clone(&entry.target(*place)?.addressee);
            Some(Self { place: *place, addressee, event: event.clone() })
        };
        events.iter().filter_map(known).collect()
    }
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwitnessed;

impl Witness for Unwitnessed {
    fn seen(&self) -> u64 {
        u64::MAX
    }

    fn committed(&self, _: u64, _: &EntryFacts, _: &Envelope, _: &[u8]) {}

    fn expanded(&self, _: u64, _: &EntryFacts, _: &[Target]) {}

    fn branched(&self, _: u64, _: &EntryFacts, _: u32, _: u32, _: &[Target]) {}

    fn moved(&self, _: u64, _: &EntryFacts, _: &[Happened]) {}
}
