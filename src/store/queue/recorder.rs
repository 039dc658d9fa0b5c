//! The one thread that writes facts about messages in the queue, in the order in which they were said.
//!
//! What has gathered is written as one batch and applied afterwards; nothing is applied that is not durable. A failing
//! disk makes it wait and try again: attempts that ended stay ended, and no new ones begin for them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use super::backlog::Unrecorded;
use super::record::{self, COMMITTED, Committed, EXPANDED, MOVED, Moved, Part, RecordError, SUSPENDED};
use super::renewal::{Renewal, is_overgrown};
use super::table::Table;
use super::{CommitFailure, Happened, OwnMessage, Shared};
use crate::model::queue::{Attempt, Event, Input, QueueId, ReplyJob, ReportJob, ReportKind, Suspensions, Target};
use crate::store::hands::{Hands, Labour, Turned};
use crate::store::intake::{Patience, locked};
use crate::store::journal::{JournalFailure, LargeBody, Location, Records};
use crate::store::ticket::{Promise, Stopped, Ticket, ticket};

/// What is said to the recorder. Thousands may wait: messages of our own, rare and large, are boxed.
pub(super) enum Fact {
    Expanded {
        id: QueueId,
        targets: Vec<Target>,
        promise: Promise<(), Stopped>,
    },
    Moved {
        id: QueueId,
        events: Vec<(u32, Event)>,
        unrecorded: Option<Unrecorded>,
    },
    Report {
        job: ReportJob,
        report: Option<Box<OwnMessage>>,
        promise: Promise<Option<QueueId>, Stopped>,
    },
    Request {
        id: QueueId,
        place: u32,
        request: Option<Box<OwnMessage>>,
        promise: Promise<Option<QueueId>, Stopped>,
    },
    Branched {
        id: QueueId,
        place: u32,
        targets: Vec<Target>,
        promise: Promise<(), Stopped>,
    },
    Reply {
        job: ReplyJob,
        reply: Option<Box<OwnMessage>>,
        promise: Promise<Option<QueueId>, Stopped>,
    },
    Own {
        message: Box<OwnMessage>,
        promise: Promise<QueueId, CommitFailure>,
    },
    Abandon {
        id: QueueId,
        attempt: Option<Attempt>,
    },
    Suspend {
        suspensions: Suspensions,
        promise: Promise<(), CommitFailure>,
    },
    /// Answered when everything said before is durable.
    Barrier(Promise<(), Stopped>),
    Discard(LargeBody),
    Close,
}

/// What follows when a record is durable.
pub(super) enum Then {
    Trace(QueueId),
    Expanded(QueueId, Vec<Target>, Promise<(), Stopped>),
    Moved(QueueId, Vec<(u32, Event)>),
    Branched(QueueId, u32, Vec<Target>, Promise<(), Stopped>),
    Committed(Box<Own>),
    Answer(Promise<Option<QueueId>, Stopped>, Option<QueueId>),
    AnswerOwn(Promise<QueueId, CommitFailure>, QueueId),
    Suspended(Suspensions, Promise<(), CommitFailure>),
    Passed(Promise<(), Stopped>),
    /// Dropping it is all.
    Recorded(Unrecorded),
}

/// A message of the server's own.
pub(super) struct Own {
    committed: Committed,
    head: Vec<u8>,
    body_bytes: u64,
}

pub(super) struct Recorder {
    pub(super) shared: Arc<Shared>,
    inbox: Receiver<Fact>,
    hands: Hands,
    records: Vec<(u8, Vec<u8>)>,
    pub(super) bytes: usize,
    /// For each record by its place, or after all records before it: what follows.
    pub(super) then: Vec<(Option<usize>, Then)>,
    /// Messages whose records have become many.
    pub(super) overgrown: Vec<QueueId>,
    /// What is being written anew, a slice at a time.
    pub(super) renewal: Option<Renewal>,
    /// Something was written in the last turn, and nothing waited. The first batch after a quiet time waits for nobody.
    paced: bool,
}

/// A batch of the journal takes 4 MiB; a record is at most 1 MiB.
pub(super) const BATCH_BYTES: usize = 2 << 20;
pub(super) const BATCH_RECORDS: usize = 512;
/// Larger reports go to a file.
const INLINE_BYTES_MAX: usize = 256 << 10;
/// The journal's bound for one record.
const RECORD_BYTES_MAX: usize = 1 << 20;
/// Events of one record; each takes up to a few kilobytes.
const EVENTS_OF_A_RECORD: usize = 200;
/// Between two attempts to write while the disk fails; tests have no time.
const PAUSE: Duration = if cfg!(test) { Duration::from_millis(1) } else { Duration::from_secs(1) };

/// What is tried so often on the caller's thread will not work any more in this life.
const ATTEMPTS_BY_HAND: u32 = 1_000;

impl Labour for Recorder {
    fn turn(&mut self, patience: Patience) -> Turned {
        if core::mem::take(&mut self.paced) && patience == Patience::Wait {
            self.shared.pace.rest();
        }
        let mut next = match patience {
            // Renewal that is under way does not wait for the next fact.
            Patience::Wait if self.renewal.is_none() => self.inbox.recv().ok(),
            Patience::Wait | Patience::Glance => match self.inbox.try_recv() {
                Ok(fact) => Some(fact),
                Err(TryRecvError::Empty) if self.renewal.is_some() => {
                    self.renew();
                    return Turned::Worked;
                }
                Err(TryRecvError::Empty) => return Turned::Idle,
                Err(TryRecvError::Disconnected) => None,
            },
        };
        if next.is_none() {
            return Turned::Ended;
        }
        let mut is_full = false;
        while let Some(fact) = next.take() {
            if matches!(fact, Fact::Close) {
                self.flush();
                return Turned::Ended;
            }
            self.take(fact);
            if self.bytes >= BATCH_BYTES || self.records.len() >= BATCH_RECORDS {
                is_full = true;
                break;
            }
            next = self.inbox.try_recv().ok();
        }
        self.paced = !self.records.is_empty() && !is_full;
        self.flush();
        self.renew();
        Turned::Worked
    }
}

impl Recorder {
    pub(super) const fn new(shared: Arc<Shared>, inbox: Receiver<Fact>, hands: Hands) -> Self {
        Self {
            shared,
            inbox,
            hands,
            records: Vec::new(),
            bytes: 0,
            then: Vec::new(),
            overgrown: Vec::new(),
            renewal: None,
            paced: false,
        }
    }

    fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Expanded { id, targets, promise } => self.expanded(id, targets, promise),
            Fact::Moved { id, events, unrecorded } => {
                self.moved(id, events);
                self.then.extend(unrecorded.map(|departure| (None, Then::Recorded(departure))));
            }
            Fact::Report { job, report, promise } => {
                // Whether the debt still stands is only known when everything said before is applied.
                self.flush();
                self.report(&job, report, promise);
            }
            Fact::Request { id, place, request, promise } => {
                self.flush();
                self.request(id, place, request, promise);
            }
            Fact::Branched { id, place, targets, promise } => {
                self.flush();
                self.branched(id, place, targets, promise);
            }
            Fact::Reply { job, reply, promise } => {
                self.flush();
                self.reply(&job, reply, promise);
            }
            Fact::Own { message, promise } => match self.commit(message) {
                Ok(id) => self.then.push((None, Then::AnswerOwn(promise, id))),
                Err(failure) => promise.fulfil(Err(failure)),
            },
            Fact::Abandon { id, attempt } => self.abandon(id, attempt),
            Fact::Suspend { suspensions, promise } => match record::encode(&suspensions) {
                Ok(payload) => self.push(SUSPENDED, payload, Then::Suspended(suspensions, promise)),
                Err(error) => promise.fulfil(Err(CommitFailure::TooLarge(error))),
            },
            Fact::Barrier(promise) => self.then.push((None, Then::Passed(promise))),
            Fact::Discard(body) => {
                if let Err(error) = self.shared.journal.bodies().remove(&body.name) {
                    tracing::warn!(%error, "a body that is not needed stays until the next start");
                }
            }
            Fact::Close => {}
        }
    }

    pub(super) fn push(&mut self, kind: u8, payload: Vec<u8>, then: Then) {
        self.bytes = self.bytes.saturating_add(payload.len());
        self.then.push((Some(self.records.len()), then));
        self.records.push((kind, payload));
    }

    fn expanded(&mut self, id: QueueId, targets: Vec<Target>, promise: Promise<(), Stopped>) {
        // Asked twice of two workers: the first answer stands.
        let already = locked(&self.shared.table).dispatcher.entry(id).is_none_or(|entry| entry.is_expanded());
        if already {
            return promise.fulfil(Ok(()));
        }
        let piece = |part: &Part, targets: &[Target]| part.expanded(id, targets);
        self.push_pieces(EXPANDED, id, targets, piece, |targets| Then::Expanded(id, targets, promise));
    }

    /// Records of recipients that only count together, made one by one, so that no more than a batch of them is in
    /// memory; `then` follows on the last. One that is missing makes the others void.
    pub(super) fn push_pieces(
        &mut self,
        kind: u8,
        id: QueueId,
        targets: Vec<Target>,
        piece: impl Fn(&Part, &[Target]) -> Result<Vec<u8>, RecordError>,
        then: impl FnOnce(Vec<Target>) -> Then,
    ) {
        let mut parts = record::parts(targets.len()).peekable();
        while let Some(part) = parts.next() {
            let record = match piece(&part, &targets) {
                Ok(record) => record,
                Err(error) => return tracing::error!(queue_id = %id, %error, "recipients cannot be written"),
            };
            if parts.peek().is_none() {
                return self.push(kind, record, then(targets));
            }
            self.push(kind, record, Then::Trace(id));
            if self.bytes >= BATCH_BYTES {
                self.flush();
            }
        }
    }

    /// Ends a message that was never expanded: each of its recipients failed, or nobody hears of it.
    fn abandon(&mut self, id: QueueId, attempt: Option<Attempt>) {
        // Its expansion may have been said just before.
        self.flush();
        let facts = locked(&self.shared.table).dispatcher.entry(id).map(|entry| entry.facts.clone());
        let Some(facts) = facts else { return };
        let targets = attempt.map_or_else(Vec::new, |attempt| match self.shared.message(id) {
            Ok(message) => {
                let permits = message.envelope.permits().iter();
                permits.map(|permit| Target::unexpanded(permit, &facts.reverse_path, attempt.clone())).collect()
            }
            Err(error) => {
                tracing::error!(queue_id = %id, %error, "a message that cannot be read is given up");
                vec![Target::unreadable(&facts.reverse_path, attempt)]
            }
        });
        self.expanded(id, targets, ticket().0);
    }

    pub(super) fn moved(&mut self, id: QueueId, events: Vec<(u32, Event)>) {
        for events in events.chunks(EVENTS_OF_A_RECORD) {
            let moved = Moved { id, events: events.to_vec() };
            match record::encode(&moved) {
                Ok(payload) => self.push(MOVED, payload, Then::Moved(id, moved.events)),
                Err(error) => tracing::error!(queue_id = %id, %error, "events cannot be written"),
            }
        }
    }

    /// Queues a report about those of whom it is owed still.
    fn report(&mut self, job: &ReportJob, report: Option<Box<OwnMessage>>, promise: Promise<Option<QueueId>, Stopped>) {
        let owed = |target: &Target| match job.kind {
            ReportKind::Delayed => target.may_be_noticed(),
            ReportKind::Failed | ReportKind::Delivered | ReportKind::Relayed | ReportKind::Rejected => {
                target.owes() == Some(job.kind)
            }
        };
        let table = locked(&self.shared.table);
        let entry = table.dispatcher.entry(job.id);
        let stands = |place: &u32| entry.as_deref().and_then(|entry| entry.target(*place)).is_some_and(owed);
        let places: Vec<u32> = job.targets.iter().copied().filter(stands).collect();
        drop(entry);
        drop(table);
        if places.is_empty() {
            return promise.fulfil(Ok(None));
        }
        let event = || if job.kind == ReportKind::Delayed { Event::Noticed } else { Event::Reported };
        let events = |_| places.into_iter().map(|place| (place, event())).collect();
        self.pay(job.id, report, "a report", events, promise);
    }

    /// The same for an automatic reply.
    fn reply(&mut self, job: &ReplyJob, reply: Option<Box<OwnMessage>>, promise: Promise<Option<QueueId>, Stopped>) {
        let table = locked(&self.shared.table);
        let entry = table.dispatcher.entry(job.id);
        let owed = entry.as_deref().and_then(|entry| entry.target(job.place)).is_some_and(Target::owes_reply);
        drop(entry);
        drop(table);
        if !owed {
            return promise.fulfil(Ok(None));
        }
        let events = |reply| vec![(job.place, Event::Replied(reply))];
        self.pay(job.id, reply, "an automatic reply", events, promise);
    }

    /// Queues a message of our own about message `id`, if there is to be one, and records what it is paid with. Both go
    /// into one batch: between them nothing is flushed. When it cannot be queued, the debt stands and is called in
    /// again after a lease.
    pub(super) fn pay(
        &mut self,
        id: QueueId,
        own: Option<Box<OwnMessage>>,
        what: &str,
        events: impl FnOnce(Option<QueueId>) -> Vec<(u32, Event)>,
        promise: Promise<Option<QueueId>, Stopped>,
    ) {
        match own.map(|own| self.commit(own)).transpose() {
            Ok(own) => {
                self.moved(id, events(own));
                self.then.push((None, Then::Answer(promise, own)));
            }
            Err(failure) => tracing::warn!(queue_id = %id, %failure, "{what} cannot be queued now"),
        }
    }

    pub(super) fn commit(&mut self, message: Box<OwnMessage>) -> Result<QueueId, CommitFailure> {
        let id = self.shared.reserve_id();
        let OwnMessage { envelope, content } = *message;
        let split = memchr::memmem::find(&content, b"\r\n\r\n").map_or(content.len(), |at| at.saturating_add(4));
        let (head, body) = content.split_at_checked(split).unwrap_or((&content, &[]));
        let head_bytes = u32::try_from(head.len()).map_err(|_| CommitFailure::TooLarge(RecordError::Content))?;
        let large = if body.len() > INLINE_BYTES_MAX { Some(self.write_body(id, body)?) } else { None };
        let accepted_at = self.shared.clock.now();
        let body_bytes = body.len() as u64;
        let inline = if large.is_some() { &[] } else { body };
        let committed = Committed { id, accepted_at, envelope, head_bytes, large };
        let payload = committed.encode(head, inline).map_err(CommitFailure::TooLarge)?;
        if payload.len() > RECORD_BYTES_MAX {
            return Err(CommitFailure::TooLarge(RecordError::Content));
        }
        let own = Own { committed, head: head.to_vec(), body_bytes };
        self.push(COMMITTED, payload, Then::Committed(Box::new(own)));
        Ok(id)
    }

    fn write_body(&self, id: QueueId, body: &[u8]) -> std::io::Result<LargeBody> {
        let mut writer = self.shared.journal.bodies().create()?;
        for part in body.chunks(1 << 20) {
            writer.write(part)?;
        }
        writer.finish(&id.to_string())
    }

    /// Writes what has gathered, durable on return, and applies it.
    pub(super) fn flush(&mut self) {
        let records = core::mem::take(&mut self.records);
        let then = core::mem::take(&mut self.then);
        self.bytes = 0;
        let begun = self.shared.telling.begin();
        let locations = if records.is_empty() { Some(Vec::new()) } else { self.append(records) };
        // Without locations the queue closes or the batch was refused: the promises are broken by dropping them.
        let Some(locations) = locations else { return self.shared.told(begun, None) };
        for (place, then) in then {
            let location = place.and_then(|place| locations.get(place).copied());
            self.apply(then, location);
        }
        self.shared.witness.paused();
        self.shared.changed.notify_one();
        self.shared.told(begun, locations.last().map(|location| location.sequence));
    }

    /// Notes where a record about a message is.
    pub(super) fn note(&mut self, id: QueueId, location: Option<Location>) {
        let Some(location) = location else { return };
        let mut table = locked(&self.shared.table);
        let Table { dispatcher, stored, .. } = &mut *table;
        let target_count = || dispatcher.entry(id).map_or(0, |entry| entry.targets().len());
        let Some(stored) = stored.get_mut(id) else {
            // The message went in the meantime: nobody needs its facts.
            return self.shared.journal.release(location);
        };
        stored.facts.push(location);
        if is_overgrown(stored, target_count) && self.overgrown.last() != Some(&id) {
            self.overgrown.push(id);
        }
        table.relieve();
    }

    fn apply(&mut self, then: Then, location: Option<Location>) {
        match then {
            Then::Trace(id) => self.note(id, location),
            Then::Expanded(id, targets, promise) => {
                self.note(id, location);
                let facts = locked(&self.shared.table).dispatcher.entry(id).map(|entry| entry.facts.clone());
                if let (Some(facts), Some(location)) = (facts, location) {
                    self.shared.witness.expanded(location.sequence, &facts, &targets);
                }
                self.shared.take_in(Input::Expanded { id, targets });
                promise.fulfil(Ok(()));
            }
            Then::Moved(id, events) => {
                self.note(id, location);
                let happened = locked(&self.shared.table)
                    .dispatcher
                    .entry(id)
                    .map(|entry| (entry.facts.clone(), Happened::of(&entry, &events)));
                if let (Some((facts, happened)), Some(location)) = (happened, location) {
                    self.shared.witness.moved(location.sequence, &facts, &happened);
                }
                self.shared.take_in(Input::Recorded { id, events });
            }
            Then::Branched(id, place, targets, promise) => {
                self.grew(id, place, targets, location);
                promise.fulfil(Ok(()));
            }
            Then::Committed(own) => {
                if let Some(location) = location {
                    let Own { committed, head, body_bytes } = *own;
                    let facts = committed.facts(body_bytes);
                    self.shared.witness.committed(location.sequence, &facts, &committed.envelope, &head);
                    self.shared.admit(facts, committed.large, location);
                }
            }
            Then::Answer(promise, id) => promise.fulfil(Ok(id)),
            Then::AnswerOwn(promise, id) => promise.fulfil(Ok(id)),
            Then::Suspended(suspensions, promise) => {
                if let Some(location) = location {
                    let former = locked(&self.shared.table).suspended.replace(location);
                    former.into_iter().for_each(|location| self.shared.journal.release(location));
                    self.shared.take_in(Input::Suspended(suspensions));
                }
                promise.fulfil(Ok(()));
            }
            Then::Passed(promise) => promise.fulfil(Ok(())),
            Then::Recorded(departure) => drop(departure),
        }
    }

    /// Appends a batch, trying again while the disk fails; none when the queue closes or the batch is refused for good.
    pub(super) fn append(&self, records: impl Into<Records>) -> Option<Vec<Location>> {
        let records = records.into();
        let journal = &self.shared.journal;
        let mut attempts = 0_u32;
        loop {
            let failure = match journal.append_all_blocking(Records::clone(&records)).and_then(Ticket::wait) {
                Ok(locations) => return Some(locations),
                Err(failure) => failure,
            };
            match failure {
                JournalFailure::Failed { reason } => {
                    tracing::error!(%reason, "the queue cannot record what happened; trying again");
                    attempts = attempts.saturating_add(1);
                    match self.hands {
                        _ if self.shared.closing.load(Ordering::Relaxed) => return None,
                        Hands::Threads => std::thread::sleep(PAUSE),
                        // No time passes while the caller's thread is here; a disk that is dead stays so.
                        Hands::Caller if attempts >= ATTEMPTS_BY_HAND => return None,
                        Hands::Caller => {}
                    }
                    if let Err(failure) = journal.recover_blocking() {
                        tracing::debug!(%failure, "the journal has not recovered yet");
                    }
                }
                JournalFailure::Closed => return None,
                failure @ (JournalFailure::TooLarge { .. } | JournalFailure::Refused) => {
                    tracing::error!(%failure, "a record of the queue is refused");
                    return None;
                }
            }
        }
    }
}
