//! The queue on disk: a message whose commit answered `Ok` survives a power cut and ends once for every recipient.
//!
//! A journal of its own is the truth (law 6): accepted messages, their expansion, every step of every recipient. What
//! the dispatcher decides is written first and applied afterwards, in one order, by one thread; reports are
//! committed in one batch with the record that the debt is paid, so a crash can neither lose nor double one.
//!
//! **Order of effects**: an agent reports an outcome only once it is durable where it belongs (the mailbox file, the
//! other server's `250`). Then it is recorded here. A crash in between repeats the attempt: in a mailbox nothing
//! happens, since the file name is a function of queue id and place; at another server it is the one window for a
//! duplicate.
//!
//! **Space**: messages that keep old segments, or have gathered a long history, are written anew (see `renewal`).

mod backlog;
mod content;
mod control;
mod failure;
mod hearing;
mod list;
mod moderation;
mod pace;
mod record;
mod recorder;
mod renewal;
mod room;
mod table;
mod telling;
#[cfg(test)]
mod tests;
mod witness;

use core::sync::atomic::{AtomicBool, Ordering};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Notify;

use super::hands::{Hands, Worker};
use super::insisting::insisting;
use super::intake::locked;
use super::journal::{Journal, JournalError, JournalOptions, JournalUsage, LargeBody, Location, Recovery};
use super::spool::SpooledBody;
use super::ticket::{Stopped, Ticket, ticket};
use crate::model::mail::{Reply, Timestamp};
use crate::model::policy::Envelope;
use crate::model::queue::{
    Effect, EntryFacts, Event, FindJob, Input, Job, Lease, Limits, Outcome, QueueId, ReplyJob, ReportJob, Resumption,
    Schedule, Sight, Target,
};
use crate::world::clock::Clock;
use crate::world::disk::Disk;
use crate::world::offload;

pub use content::{StoredBody, StoredMessage};
pub use control::{Obeyed, Order, Page, SuspendError, Unsettled};
pub use failure::{CommitFailure, OpenError};
pub use list::{DestinationSummary, RecipientSummary, Summary};
pub use moderation::{Decided, Moderation};
pub use record::RecordError;
pub use witness::{Happened, Unwitnessed, Witness, Witnesses};

use backlog::Backlog;
use content::Recent;
use pace::Pace;
use record::{COMMITTED, Committed};
use recorder::{Fact, Recorder};
use table::{Asked, Found, Replay, Stored, Table};
use telling::{Begun, Telling};

/// What the queue needs to know at its start.
#[derive(Clone, Debug)]
pub struct QueueOptions {
    /// The journal's sizes.
    pub journal: JournalOptions,
    /// When deliveries are tried again and given up.
    pub schedule: Schedule,
    /// How many are under way at once.
    pub limits: Limits,
    /// The reply that a message gets whose time is up.
    pub expired: Reply,
    /// Who is told of everything.
    pub witness: Arc<dyn Witness>,
}

/// What the start found.
#[derive(Debug)]
pub struct Opened {
    /// What the journal says of its replay.
    pub recovery: Recovery,
    /// Messages that are still to be delivered.
    pub messages: usize,
}

/// Work for an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Expand the message, then [`Queue::expanded`].
    Expand(QueueId),
    /// Attempt a delivery, then [`Queue::outcomes`].
    Attempt(Job),
    /// Write a report, then [`Queue::reported`].
    Report(ReportJob),
    /// Write a request to the moderators of the recipient at this place, then [`Queue::requested`].
    Request(QueueId, u32),
    /// Expand below the approved recipient at this place, then [`Queue::branched`].
    Branch(QueueId, u32),
    /// Judge and write an automatic reply, then [`Queue::replied`].
    Reply(ReplyJob),
    /// Look whether mailboxes have the message, then [`Queue::found`].
    Find(FindJob),
}

/// A message that the server writes itself.
#[derive(Clone, Debug)]
pub struct OwnMessage {
    /// Who gets it.
    pub envelope: Envelope,
    /// The whole message.
    pub content: Vec<u8>,
}

struct Shared {
    journal: Journal,
    clock: Arc<dyn Clock>,
    table: Mutex<Table>,
    facts: Sender<Fact>,
    pace: Pace,
    recent: Recent,
    witness: Arc<dyn Witness>,
    telling: Telling,
    changed: Arc<Notify>,
    came: Notify,
    backlog: Backlog,
    hands: Hands,
    /// The queue is being dropped: a failing disk is not waited for any longer.
    closing: AtomicBool,
}

/// The queue. Share it in an `Arc`; dropping the last one records what was said and closes.
pub struct Queue {
    shared: Arc<Shared>,
    recorder: Worker<Recorder>,
    /// What is suspended is recorded as a whole: one change at a time.
    suspending: Mutex<()>,
}

impl core::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    /// Opens or creates the queue in `directory` and takes up what was left in it. Blocks while it reads everything.
    ///
    /// # Errors
    /// Those of the journal, and `Record` for a record of another version; nothing is dropped or skipped then.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: QueueOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Opened), OpenError> {
        let hands = options.journal.hands;
        let witness = options.witness;
        let limits = options.limits;
        let resumption = Resumption::new(clock.now(), options.schedule, limits);
        let mut replay = Replay::new(&*witness, resumption, limits.awake_max);
        let (journal, recovery) = hearing::open(disk, directory, options.journal, &mut replay)?;
        if let Some((location, error)) = replay.failure {
            return Err(OpenError::Record { segment: location.segment, offset: location.offset, error });
        }
        replay.needless.drain(..).for_each(|location| journal.release(location));
        let last_sequence = replay.last_sequence;
        witness.settled(last_sequence);
        let Found { table, bodies, needless } = replay.finish(options.expired);
        needless.into_iter().for_each(|location| journal.release(location));
        journal.bodies().sweep(|name| bodies.contains(name))?;
        let messages = table.dispatcher.count();
        let (facts, inbox) = std::sync::mpsc::channel();
        let shared = Arc::new(Shared {
            journal,
            clock,
            table: Mutex::new(table),
            facts,
            pace: Pace::default(),
            recent: Recent::default(),
            witness,
            telling: Telling::new(last_sequence),
            changed: Arc::default(),
            came: Notify::new(),
            backlog: Backlog::default(),
            hands,
            closing: AtomicBool::new(false),
        });
        let recorder = Worker::start(hands, "queue", Recorder::new(Arc::clone(&shared), inbox, hands))?;
        shared.route(&mut locked(&shared.table));
        Ok((Self { shared, recorder, suspending: Mutex::new(()) }, Opened { recovery, messages }))
    }

    /// A fresh id, for the trace field of a message about to be committed. No message of the queue ever has the id of
    /// another; that of one which was never accepted may come again after a crash, when the clock was set back.
    pub fn reserve_id(&self) -> QueueId {
        self.shared.reserve_id()
    }

    /// Makes a message durable; after `Ok` it survives a power cut (law 5). `head` is the header with its empty line,
    /// `body` what follows. The commit goes on when the future is dropped. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`CommitFailure`]; then the message is not in the queue, although a crash at once may still bring it back.
    pub async fn commit(
        &self,
        id: QueueId,
        envelope: Envelope,
        head: Vec<u8>,
        body: SpooledBody,
    ) -> Result<QueueId, CommitFailure> {
        let shared = Arc::clone(&self.shared);
        // A session that goes away must not leave a durable message that nobody delivers until the next start.
        insisting(async move { shared.commit(id, envelope, head, body).await }).await
    }

    /// The same for a message of the server's own, of any size.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn commit_own(&self, message: OwnMessage) -> Result<QueueId, CommitFailure> {
        let (promise, ticket) = ticket();
        self.shared.say(Fact::Own { message: Box::new(message), promise });
        ticket.await
    }

    /// The content of a message that was accepted or read a moment ago; none of one that would have to be read.
    pub fn at_hand(&self, id: QueueId) -> Option<Arc<StoredMessage>> {
        self.shared.recent.find(id)
    }

    /// The content of a message.
    ///
    /// # Errors
    /// `NoRecord` when it is not in the queue any more, else what the journal found.
    pub async fn message(&self, id: QueueId) -> Result<Arc<StoredMessage>, JournalError> {
        // What was accepted a moment ago is at hand. Another thread is woken only for the disk.
        if let Some(message) = self.at_hand(id) {
            return Ok(message);
        }
        let shared = Arc::clone(&self.shared);
        offload(move || shared.message(id)).await?
    }

    /// Something to do now; none when everything possible is under way. Attempts count as under way from here on.
    pub fn take_work(&self) -> Option<Work> {
        let now = self.shared.clock.now();
        let mut table = locked(&self.shared.table);
        if table.dispatcher.next_tick().is_some_and(|at| at <= now) {
            table.dispatcher.handle(now, Input::Tick);
            self.shared.route(&mut table);
        }
        match table.asked.pop_front() {
            Some(Asked::Expand(id)) => Some(Work::Expand(id)),
            Some(Asked::Report(job)) => Some(Work::Report(job)),
            Some(Asked::Request(id, place)) => Some(Work::Request(id, place)),
            Some(Asked::Branch(id, place)) => Some(Work::Branch(id, place)),
            Some(Asked::Reply(job)) => Some(Work::Reply(job)),
            Some(Asked::Find(job)) => Some(Work::Find(job)),
            // What a crash would repeat is not added to while the disk cannot keep up, or fails.
            None if self.shared.backlog.is_full() || self.shared.journal.failure().is_some() => None,
            None => table.dispatcher.next_job(now).map(Work::Attempt),
        }
    }

    /// Says that the workers of these attempts are alive: what nobody speaks for is tried again after its lease. After
    /// the wall clock was set, say it before [`Self::take_work`].
    pub fn renew(&self, leases: impl IntoIterator<Item = Lease>) {
        let now = self.shared.clock.now();
        locked(&self.shared.table).dispatcher.renew(now, leases);
    }

    /// When [`Self::take_work`] may have something that it does not have now, unless [`Self::changed`] says so before.
    pub fn next_tick(&self) -> Option<Timestamp> {
        locked(&self.shared.table).dispatcher.next_tick()
    }

    /// Waits until something has changed since the last call: there may be work. For one caller at a time. Of messages
    /// that were accepted [`Self::came`] tells.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Waits until a message was accepted since the last call: it is to be expanded. For one caller at a time.
    pub async fn came(&self) {
        self.shared.came.notified().await;
    }

    /// Records the recipients of a message; durable when the ticket answers.
    pub fn expanded(&self, id: QueueId, targets: Vec<Target>) -> Ticket<(), Stopped> {
        let (promise, ticket) = ticket();
        self.shared.say(Fact::Expanded { id, targets, promise });
        ticket
    }

    /// Takes in that a message could not be expanded now; it is asked for again soon.
    pub fn unexpanded(&self, id: QueueId) {
        self.shared.handle(Input::Unexpanded(id));
    }

    /// Takes in what looks into mailboxes showed.
    pub fn found(&self, id: QueueId, sights: Vec<(u32, Sight)>) {
        self.shared.handle(Input::Found { id, sights });
    }

    /// Takes in how an attempt went. `jitter` is any random number.
    pub fn outcomes(&self, lease: Lease, outcomes: Vec<(u32, Outcome)>, jitter: u64) {
        self.shared.handle(Input::Outcomes { lease, outcomes, jitter });
    }

    /// Queues the report of a job (none when nobody can or wants to read it) and records that the debt is paid, both or
    /// neither. Durable when the ticket answers; `None` when the debt was paid before.
    pub fn reported(&self, job: ReportJob, report: Option<OwnMessage>) -> Ticket<Option<QueueId>, Stopped> {
        let (promise, ticket) = ticket();
        self.shared.say(Fact::Report { job, report: report.map(Box::new), promise });
        ticket
    }

    /// The same for the automatic reply of a job; none when it turned out that none is to be sent. Who was answered
    /// must be durable before.
    pub fn replied(&self, job: ReplyJob, reply: Option<OwnMessage>) -> Ticket<Option<QueueId>, Stopped> {
        let (promise, ticket) = ticket();
        self.shared.say(Fact::Reply { job, reply: reply.map(Box::new), promise });
        ticket
    }

    /// How many attempts are under way.
    pub fn running(&self) -> usize {
        locked(&self.shared.table).dispatcher.running()
    }

    /// With [`Hands::Caller`]: writes what has gathered and records what was said; true when there was something.
    pub fn turn(&self) -> bool {
        let written = self.shared.journal.turn();
        self.recorder.turn() || written
    }

    /// How much the journal holds.
    pub fn usage(&self) -> JournalUsage {
        self.shared.journal.usage()
    }
}

impl Drop for Queue {
    /// Blocks until what was said is recorded.
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.shared.say(Fact::Close);
        self.recorder.finish();
    }
}

impl Shared {
    fn reserve_id(&self) -> QueueId {
        let now = self.clock.now();
        let mut table = locked(&self.table);
        table.last_id = QueueId::after(table.last_id, now);
        table.last_id
    }

    async fn commit(
        self: Arc<Self>,
        id: QueueId,
        envelope: Envelope,
        head: Vec<u8>,
        body: SpooledBody,
    ) -> Result<QueueId, CommitFailure> {
        let accepted_at = self.clock.now();
        let head_bytes = u32::try_from(head.len()).map_err(|_| CommitFailure::TooLarge(RecordError::Content))?;
        let (bytes, large) = match body {
            SpooledBody::Memory(bytes) => (Bytes::from(bytes), None),
            SpooledBody::File(file) => {
                let shared = Arc::clone(&self);
                let adopted = offload(move || file.into_large_body(shared.journal.bodies(), &id.to_string()));
                (Bytes::new(), Some(adopted.await??))
            }
        };
        let body_bytes = large.as_ref().map_or(bytes.len() as u64, |large| large.bytes);
        let committed = Committed { id, accepted_at, envelope, head_bytes, large };
        let head = Bytes::from(head);
        let payload = committed.payload(&head, &bytes).map_err(CommitFailure::TooLarge)?;
        let begun = self.telling.begin();
        let appended = match self.journal.append(COMMITTED, payload).await {
            Ok(ticket) => ticket.await,
            Err(failure) => Err(failure),
        };
        let location = match appended {
            Ok(location) => location,
            Err(failure) => {
                self.told(begun, None);
                return Err(match self.journal.shortage(0) {
                    Some(shortage) if shortage.is_of_room() => CommitFailure::NoRoom,
                    Some(_) | None => failure.into(),
                });
            }
        };
        let facts = committed.facts(body_bytes);
        self.witness.committed(location.sequence, &facts, &committed.envelope, &head);
        self.told(begun, Some(location.sequence));
        // It is wanted at once, to be expanded and then delivered, and need not be read back for that.
        if let Ok(message) = self.stored(&committed, head, bytes) {
            self.recent.keep(Arc::new(message));
        }
        self.admit(facts, committed.large, location);
        Ok(id)
    }

    /// What has begun is told up to this sequence, or was not written.
    fn told(&self, begun: Begun, sequence: Option<u64>) {
        if let Some(settled) = self.telling.end(begun, sequence) {
            self.witness.settled(settled);
        }
    }

    /// A durable message begins its way.
    fn admit(&self, facts: EntryFacts, large: Option<LargeBody>, location: Location) {
        let mut table = locked(&self.table);
        table.admit(facts.id, Stored::new(location, large));
        let needless = table.came(facts.id);
        drop(table);
        needless.into_iter().for_each(|location| self.journal.release(location));
        self.take_in(Input::Committed(facts));
        self.came.notify_one();
    }

    fn handle(&self, input: Input) {
        self.take_in(input);
        self.changed.notify_one();
    }

    /// The same without waking the worker, for those who have more to say first, or nothing that is in haste.
    fn take_in(&self, input: Input) {
        let now = self.clock.now();
        let mut table = locked(&self.table);
        table.dispatcher.handle(now, input);
        self.route(&mut table);
    }

    /// Passes on what the dispatcher wants done.
    fn route(&self, table: &mut Table) {
        while let Some(effect) = table.dispatcher.poll_effect() {
            match effect {
                Effect::Expand(id) => table.asked.push_back(Asked::Expand(id)),
                Effect::Report(job) => table.asked.push_back(Asked::Report(job)),
                Effect::Request { id, place } => table.asked.push_back(Asked::Request(id, place)),
                Effect::Branch { id, place } => table.asked.push_back(Asked::Branch(id, place)),
                Effect::Reply(job) => table.asked.push_back(Asked::Reply(job)),
                Effect::Find(job) => table.asked.push_back(Asked::Find(job)),
                Effect::Record { id, events } => {
                    let departs = events.iter().any(|(_, event)| matches!(event, Event::Relayed { .. }));
                    let unrecorded = departs.then(|| self.backlog.depart(&self.changed));
                    self.say(Fact::Moved { id, events, unrecorded });
                }
                Effect::Abandon { id, attempt } => self.say(Fact::Abandon { id, attempt }),
                Effect::Forget(id) => {
                    let Some(stored) = table.stored.remove(id) else { continue };
                    table.went(id, &stored).into_iter().for_each(|location| self.journal.release(location));
                    self.recent.forget(id);
                    if let Some(large) = stored.large {
                        self.say(Fact::Discard(large));
                    }
                }
            }
        }
    }

    /// Tells the recorder. It outlives every caller but those of a queue that is being dropped.
    fn say(&self, fact: Fact) {
        self.pace.hear(&fact);
        let _ = self.facts.send(fact);
    }
}
