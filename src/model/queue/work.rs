//! What goes into the dispatcher and what comes out of it.

use std::sync::Arc;

use super::entry::{EntryFacts, QueueId};
use super::lane::LaneKey;
use super::suspension::Suspensions;
use super::target::{Addressee, Attempt, Event, Outcome, ReportKind, Target};
use crate::model::mail::{Address, Timestamp};
use crate::model::policy::Route;

/// Names an attempt or another piece of work under way, within one run of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease(pub(super) u64);

/// An attempt to deliver one message to recipients that share a destination and a reverse-path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Names the attempt.
    pub lease: Lease,
    /// The message.
    pub id: QueueId,
    /// The destination.
    pub lane: LaneKey,
    /// The recipients, by their places in the message.
    pub targets: Vec<(u32, Arc<Addressee>)>,
    /// An earlier attempt may have succeeded unseen: before a restart, on a worker that was lost, or in spite of its
    /// failure.
    pub repeat_possible: bool,
}

/// A report to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportJob {
    /// The message it is about.
    pub id: QueueId,
    /// What it tells.
    pub kind: ReportKind,
    /// Who reads it.
    pub to: Address,
    /// The recipients it is about, by their places in the message.
    pub targets: Vec<u32>,
}

/// An automatic reply to judge and to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyJob {
    /// The message that is answered.
    pub id: QueueId,
    /// The mailbox that answers, by its place in the message.
    pub place: u32,
}

/// Mailboxes to look for a message in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindJob {
    /// The message.
    pub id: QueueId,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The recipients, by their places in the message.
    pub targets: Vec<(u32, Arc<Addressee>)>,
}

/// What a look into a mailbox showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The message is durable in it; the attempt tells so.
    There(Attempt),
    /// The same, and an automatic reply of that is due.
    ThereReplyDue(Attempt),
    /// It is not in it.
    NotThere,
    /// The mailbox cannot be read.
    Unclear,
}

/// What the dispatcher is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message was accepted.
    Committed(EntryFacts),
    /// A message was expanded, and its recipients are durable.
    Expanded {
        /// The message.
        id: QueueId,
        /// Its recipients.
        targets: Vec<Target>,
    },
    /// An attempt ended.
    Outcomes {
        /// The attempt.
        lease: Lease,
        /// What became of each recipient, by place. Those left out are tried again.
        outcomes: Vec<(u32, Outcome)>,
        /// Any number; it spreads the next attempts.
        jitter: u64,
    },
    /// Events are durable.
    Recorded {
        /// The message.
        id: QueueId,
        /// Recipients by place, and what happened to them.
        events: Vec<(u32, Event)>,
    },
    /// The recipients below an approved one are known, and that is durable.
    Branched {
        /// The message.
        id: QueueId,
        /// The approved recipient.
        place: u32,
        /// Those below it.
        targets: Vec<Target>,
    },
    /// A message could not be expanded now.
    Unexpanded(QueueId),
    /// Mailboxes were looked into.
    Found {
        /// The message.
        id: QueueId,
        /// What each look showed, by place. Those left out are looked for again.
        sights: Vec<(u32, Sight)>,
    },
    /// What is suspended has altered, and that is durable.
    Suspended(Suspensions),
    /// Time has passed.
    Tick,
}

/// What an administrator asks of a message. All that is not final obeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Try deferred recipients at once.
    Retry(QueueId),
    /// Drop open recipients without a report.
    Remove(QueueId),
    /// Give open recipients up, as if the attempt had ended so; their senders are told.
    GiveUp(QueueId, Attempt),
    /// Stop open recipients. Their time still runs out.
    Hold(QueueId),
    /// Let held recipients go.
    Release(QueueId),
    /// Send open recipients in other systems on another way, at once.
    Move(QueueId, Route),
}

impl Command {
    /// The message.
    pub const fn id(&self) -> QueueId {
        match self {
            Self::Retry(id)
            | Self::Remove(id)
            | Self::GiveUp(id, _)
            | Self::Hold(id)
            | Self::Release(id)
            | Self::Move(id, _) => *id,
        }
    }
}

/// What the caller is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Expand the message, and answer with [`Input::Expanded`].
    Expand(QueueId),
    /// Make events durable, and answer with [`Input::Recorded`].
    Record {
        /// The message.
        id: QueueId,
        /// Recipients by place, and what happened to them.
        events: Vec<(u32, Event)>,
    },
    /// The message is not expanded any more: what it had for recipients failed with the attempt, or is dropped unheard
    /// without one. Make that durable, and answer with [`Input::Expanded`].
    Abandon {
        /// The message.
        id: QueueId,
        /// What its sender is told.
        attempt: Option<Attempt>,
    },
    /// Write a report and queue it; durable together with its `Reported` or `Noticed` events, which come back as
    /// [`Input::Recorded`].
    Report(ReportJob),
    /// Judge an automatic reply and queue it; durable together with its `Replied` event, which comes back as
    /// [`Input::Recorded`].
    Reply(ReplyJob),
    /// Nothing is left to do: the message's content may go.
    Forget(QueueId),
    /// Write a request to the moderators of a recipient and queue it; durable together with its `Requested` event,
    /// which comes back as [`Input::Recorded`].
    Request {
        /// The message.
        id: QueueId,
        /// The recipient.
        place: u32,
    },
    /// Expand below an approved recipient, and answer with [`Input::Branched`].
    Branch {
        /// The message.
        id: QueueId,
        /// The recipient.
        place: u32,
    },
    /// Look whether earlier attempts have put the message into these mailboxes, and answer with [`Input::Found`].
    Find(FindJob),
}
