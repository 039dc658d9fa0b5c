//! Moderation in the queue: decisions, the requests to moderators, and the recipients that an approval leads to.
//!
//! A decision is durable when it is answered, and a second one is told of the first. The request and the record that it
//! was made are one batch, as with reports: after a crash there is neither none nor a second one. So are an approved
//! recipient's end and those below it: the last of their records carries both.

use bytes::Bytes;

use super::control::Unsettled;
use super::record::{self, GROWN, Grown, Part};
use super::recorder::{Fact, Recorder, Then};
use super::{OwnMessage, Queue};
use crate::model::queue::{
    ApprovalId, Decision, Dispatcher, Entry, Event, Input, QueueId, State, Target, Undecidable, Verdict,
};
use crate::store::intake::locked;
use crate::store::journal::{JournalError, Location};
use crate::store::ticket::{Promise, Stopped, Ticket, ticket};

/// A recipient that is or was moderated, as far as the queue knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moderation {
    /// The message.
    pub message: QueueId,
    /// The recipient's place in it.
    pub place: u32,
    /// The message's reverse-path; empty for the null path.
    pub sender: String,
    /// Its size in octets.
    pub bytes: u64,
    /// The recipient, with what is known of its moderation.
    pub target: Target,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is durable and in force.
    Now(Moderation),
    /// Something else was first, or its time was up; the recipient as it stands.
    Before(Moderation),
    /// The message, or this recipient of it, is not in the queue (any more), or is not moderated.
    Unknown,
    /// Several recipients of the message wait: these. Nothing was decided.
    Ambiguous(Vec<ApprovalId>),
}

impl Moderation {
    fn of(entry: &Entry, place: u32) -> Option<Self> {
        let target = entry.target(place).filter(|target| target.addressee.approval().is_some())?;
        let facts = &entry.facts;
        let sender = facts.reverse_path.to_string();
        Some(Self { message: facts.id, place, sender, bytes: facts.bytes, target: target.clone() })
    }

    /// As it stands after a decision.
    fn after(mut self, verdict: Verdict, decision: &Decision) -> Decided {
        let event = match verdict {
            Verdict::Approve => Event::Approved(decision.clone()),
            Verdict::Reject => Event::Rejected(decision.clone()),
        };
        match self.target.apply(&event) {
            Ok(()) => Decided::Now(self),
            Err(_) => Decided::Before(self),
        }
    }

    /// Its name in commands.
    pub const fn id(&self) -> ApprovalId {
        ApprovalId { message: self.message, place: Some(self.place) }
    }
}

/// The places of a message that wait for a moderator.
fn waiting(entry: &Entry) -> impl Iterator<Item = u32> {
    (0_u32..).zip(entry.targets()).filter(|(_, target)| target.state == State::Moderated).map(|(place, _)| place)
}

/// The one place that is meant: the given one, else the only one that waits, else the only one that is moderated.
fn meant(dispatcher: &Dispatcher, id: ApprovalId) -> Result<u32, Decided> {
    let entry = dispatcher.entry(id.message).ok_or(Decided::Unknown)?;
    if let Some(place) = id.place {
        return Ok(place);
    }
    let mut places: Vec<u32> = waiting(&entry).collect();
    if places.is_empty() {
        let moderated = |target: &Target| target.addressee.approval().is_some();
        let all = (0_u32..).zip(entry.targets());
        places = all.filter(|(_, target)| moderated(target)).map(|(place, _)| place).collect();
    }
    match places.as_slice() {
        [] => Err(Decided::Unknown),
        [place] => Ok(*place),
        several => {
            let ids = several.iter().map(|place| ApprovalId { message: id.message, place: Some(*place) });
            Err(Decided::Ambiguous(ids.collect()))
        }
    }
}

impl Queue {
    /// Decides about a recipient that waits for a moderator. The decision is durable on return. Blocks.
    ///
    /// # Errors
    /// When the queue closes, or its disk fails; what was decided counts once the disk works again.
    pub fn decide(&self, id: ApprovalId, verdict: Verdict, decision: &Decision) -> Result<Decided, Unsettled> {
        let mut table = locked(&self.shared.table);
        let place = match meant(&table.dispatcher, id) {
            Ok(place) => place,
            Err(otherwise) => return Ok(otherwise),
        };
        let before = table.dispatcher.entry(id.message).and_then(|entry| Moderation::of(&entry, place));
        let asked = table.dispatcher.decide(id.message, place, verdict, decision.clone());
        self.shared.route(&mut table);
        drop(table);
        self.shared.changed.notify_one();
        match asked {
            Err(Undecidable::Unknown) => return Ok(Decided::Unknown),
            // Whatever is being decided is known once it is settled.
            Ok(()) | Err(Undecidable::NotWaiting | Undecidable::UnderWay) => self.settled()?,
        }
        let Some(found) = self.moderation(ApprovalId { message: id.message, place: Some(place) }) else {
            // A decision may end the message at once: nobody is to hear of a rejection, or a group has no members.
            let own = before.filter(|_| asked.is_ok());
            return Ok(own.map_or(Decided::Unknown, |own| own.after(verdict, decision)));
        };
        let own = found.target.addressee.approval().and_then(|approval| approval.decision.as_ref());
        let is_own = asked.is_ok() && own.is_some_and(|(_, made)| made == decision);
        Ok(if is_own { Decided::Now(found) } else { Decided::Before(found) })
    }

    /// One moderated recipient that is in the queue.
    pub fn moderation(&self, id: ApprovalId) -> Option<Moderation> {
        let table = locked(&self.shared.table);
        let place = meant(&table.dispatcher, id).ok()?;
        Moderation::of(&*table.dispatcher.entry(id.message)?, place)
    }

    /// The oldest `limit` recipients that wait for a moderator, and how many there are.
    pub fn moderations(&self, limit: usize) -> (Vec<Moderation>, usize) {
        let (mut found, mut total) = (Vec::new(), 0_usize);
        self.each(|_, entry| {
            for place in waiting(entry) {
                total = total.saturating_add(1);
                if found.len() < limit {
                    found.extend(Moderation::of(entry, place));
                }
            }
        });
        (found, total)
    }

    /// The header of a message. Blocks.
    ///
    /// # Errors
    /// `NoRecord` when it is not in the queue any more, else what the journal found.
    pub fn head(&self, id: QueueId) -> Result<Bytes, JournalError> {
        self.shared.message(id).map(|message| message.head.clone())
    }

    /// Queues the request to the moderators of a recipient (none when nobody can read it) and records that it was made,
    /// both or neither. Durable when the ticket answers; `None` when they were asked before.
    pub fn requested(&self, id: QueueId, place: u32, request: Option<OwnMessage>) -> Ticket<Option<QueueId>, Stopped> {
        let (promise, ticket) = ticket();
        self.shared.say(Fact::Request { id, place, request: request.map(Box::new), promise });
        ticket
    }

    /// Records the recipients below an approved one; durable when the ticket answers.
    pub fn branched(&self, id: QueueId, place: u32, targets: Vec<Target>) -> Ticket<(), Stopped> {
        let (promise, ticket) = ticket();
        self.shared.say(Fact::Branched { id, place, targets, promise });
        ticket
    }
}

impl Recorder {
    /// Queues a request to the moderators of a recipient that waits for them still.
    pub(super) fn request(
        &mut self,
        id: QueueId,
        place: u32,
        request: Option<Box<OwnMessage>>,
        promise: Promise<Option<QueueId>, Stopped>,
    ) {
        let stands = |target: &Target| target.state == State::Moderated && !target.noticed;
        let table = locked(&self.shared.table);
        let entry = table.dispatcher.entry(id);
        let wanted = entry.as_deref().and_then(|entry| entry.target(place)).is_some_and(stands);
        drop(entry);
        drop(table);
        if !wanted {
            return promise.fulfil(Ok(None));
        }
        self.pay(id, request, "a request", |_| vec![(place, Event::Requested)], promise);
    }

    /// Those below an approved recipient, in pieces; the last one makes them count.
    pub(super) fn branched(&mut self, id: QueueId, place: u32, targets: Vec<Target>, promise: Promise<(), Stopped>) {
        let table = locked(&self.shared.table);
        let entry = table.dispatcher.entry(id);
        let target = entry.as_deref().and_then(|entry| entry.target(place));
        let wanted = target.is_some_and(|target| target.state == State::Approved);
        drop(entry);
        drop(table);
        // Asked twice of two workers: the first answer stands.
        if !wanted {
            return promise.fulfil(Ok(()));
        }
        let piece = |part: &Part, targets: &[Target]| {
            part.record(targets, |first, last, targets| record::encode(&Grown { id, place, first, last, targets }))
        };
        self.push_pieces(GROWN, id, targets, piece, |targets| Then::Branched(id, place, targets, promise));
    }

    /// What follows when those below an approved recipient are durable.
    pub(super) fn grew(&mut self, id: QueueId, place: u32, targets: Vec<Target>, location: Option<Location>) {
        self.note(id, location);
        let table = locked(&self.shared.table);
        let entry = table.dispatcher.entry(id);
        let before = entry.map(|entry| (entry.facts.clone(), entry.targets().len()));
        drop(table);
        if let (Some((facts, first)), Some(location)) = (before, location) {
            let first = u32::try_from(first).unwrap_or(u32::MAX);
            self.shared.witness.branched(location.sequence, &facts, place, first, &targets);
        }
        self.shared.handle(Input::Branched { id, place, targets });
    }
}
