//! What stands in the trace's records: the queue's events in a form of their own, so that the queue's may alter.
//!
//! A record belongs to one message and begins with a version, the message's id and a time; a part in postcard follows.
//! Long lists (recipients given, expanded, moved) are divided into records that are parts of one sequence, so no record
//! is large and none is built as a whole.
//!
//! The time of an acceptance or an attempt is its own. That of everything else is when the trace was told: after a
//! crash it may be that of the restart.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::heading::{Heading, bounded};
use super::inbox::Item;
use crate::model::mail::{Address, Domain, ForwardPath, ReversePath, Timestamp};
use crate::model::policy::{Envelope, Origin, Route};
use crate::model::queue::{Attempt, Decision, EntryFacts, Event, Hop, QueueId, State, Target};
use crate::store::queue::Happened;

/// A message was accepted: part 0 says what it is, with its first recipients; those after it go on with the recipients.
pub(super) const ACCEPTED: u8 = 1;
/// A part of its recipients after expansion.
pub(super) const EXPANDED: u8 = 2;
/// Something happened to recipients.
pub(super) const MOVED: u8 = 3;
/// Everything before this in the queue's sequence is in the trace; the sequence is all it says.
pub(super) const MARK: u8 = 4;
/// Events were lost.
pub(super) const GAP: u8 = 5;

const VERSION: u8 = 1;
/// Version, id and time.
const PREFIX_BYTES: usize = 17;
/// Recipients of one record. Each takes some hundred octets, with a long answer more than a thousand.
pub(super) const RECIPIENTS_OF_A_RECORD: usize = 50;
/// The longest answer that is kept, in characters.
const REPLY_CHARACTERS_MAX: usize = 1_000;

/// Who handed a message in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Source {
    /// An account: its address, or its identity when it is gone.
    Account(Box<str>),
    /// Another server, as the trace field names it.
    Peer(Box<str>),
    /// This server itself.
    System,
    /// A device of an account, by its credential's name.
    Device(Box<str>, Box<str>),
    /// A client of a connector: as the trace field names it, and the connector.
    Connector(Box<str>, Box<str>),
}

/// A message was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accepted {
    pub(super) source: Source,
    pub(super) reverse_path: ReversePath,
    pub(super) session: Option<Box<str>>,
    pub(super) message_id: Box<str>,
    pub(super) subject: Box<str>,
    pub(super) bytes: u64,
    pub(super) given: Vec<ForwardPath>,
}

/// More recipients of an accepted message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) given: Vec<ForwardPath>,
}

/// A part of an expansion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Expanded {
    /// The place of the first recipient here.
    pub(super) first: u32,
    pub(super) recipients: Vec<(Recipient, State, Option<Said>)>,
}

/// Where a copy goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    Mailbox(u64),
    SentItems(u64),
    Postmaster,
    Host(Box<str>),
    Domain(Domain),
    Nowhere,
    Moderators,
}

impl Way {
    fn of(hop: &Hop) -> Self {
        match hop {
            Hop::Mailbox(id) => Self::Mailbox(id.0),
            Hop::SentItems(id) => Self::SentItems(id.0),
            Hop::Postmaster => Self::Postmaster,
            Hop::Relay { route: Route::NextHost(host), .. } => Self::Host(host.clone()),
            Hop::Relay { address, route: Route::Domain } => Self::Domain(address.domain().clone()),
            Hop::Nowhere => Self::Nowhere,
            Hop::Approval(_) => Self::Moderators,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(id) => write!(formatter, "mailbox {id}"),
            Self::SentItems(id) => write!(formatter, "sent items of mailbox {id}"),
            Self::Postmaster => formatter.write_str("postmaster"),
            Self::Host(host) => write!(formatter, "host {host}"),
            Self::Domain(domain) => write!(formatter, "domain {domain}"),
            Self::Nowhere => formatter.write_str("nowhere"),
            Self::Moderators => formatter.write_str("moderators"),
        }
    }
}

/// A recipient after expansion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recipient {
    pub(super) address: Address,
    /// The path that led here, where it is another one.
    pub(super) given: Option<ForwardPath>,
    pub(super) way: Way,
}

/// An answer, of a host or of this server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) at: Timestamp,
    pub(super) host: Option<Box<str>>,
    pub(super) reply: Box<str>,
}

impl Said {
    /// Who decided, who entered that, and the comment.
    fn by(decision: &Decision) -> Self {
        let Decision { at, by, actor, comment } = decision;
        let entered = if by == actor { String::new() } else { format!(", entered by {actor}") };
        let comment = if comment.is_empty() { String::new() } else { format!(": {comment}") };
        let text: String = format!("by {by}{entered}{comment}").chars().take(REPLY_CHARACTERS_MAX).collect();
        Self { at: *at, host: None, reply: text.into() }
    }

    fn of(attempt: &Attempt) -> Self {
        let reply: String = attempt.reply.to_string().chars().take(REPLY_CHARACTERS_MAX).collect();
        Self { at: attempt.at, host: attempt.host.as_deref().map(bounded), reply: reply.into() }
    }
}

/// A step of one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    Deferred(Said, Timestamp),
    Delivered(Said),
    Relayed(Said),
    Failed(Said),
    Held,
    Released,
    Removed,
    Reported,
    Noticed,
    Redirected(Box<str>),
    Requested,
    Approved(Said),
    Rejected(Said),
    Branched,
    ReplyDue,
    Replied(Option<QueueId>),
    GivenUp(Said),
}

impl Step {
    /// Every event of the queue has its step: a new one does not compile without.
    fn of(event: &Event) -> Self {
        match event {
            Event::Deferred { attempt, next_attempt } => Self::Deferred(Said::of(attempt), *next_attempt),
            Event::Delivered(attempt) => Self::Delivered(Said::of(attempt)),
            Event::Relayed { attempt, .. } => Self::Relayed(Said::of(attempt)),
            Event::Failed(attempt) => Self::Failed(Said::of(attempt)),
            Event::Held => Self::Held,
            Event::Released => Self::Released,
            Event::Removed => Self::Removed,
            Event::Reported => Self::Reported,
            Event::Noticed => Self::Noticed,
            Event::ReplyDue => Self::ReplyDue,
            Event::Replied(reply) => Self::Replied(*reply),
            Event::Redirected(Route::NextHost(host)) => Self::Redirected(host.clone()),
            Event::Redirected(Route::Domain) => Self::Redirected("mx".into()),
            Event::Requested => Self::Requested,
            Event::Approved(decision) => Self::Approved(Said::by(decision)),
            Event::Rejected(decision) => Self::Rejected(Said::by(decision)),
            Event::Branched(_) => Self::Branched,
            Event::GivenUp(attempt) => Self::GivenUp(Said::of(attempt)),
        }
    }

    /// What was answered, if anything.
    pub(super) const fn said(&self) -> Option<&Said> {
        match self {
            Self::Deferred(said, _)
            | Self::Delivered(said)
            | Self::Relayed(said)
            | Self::Failed(said)
            | Self::Approved(said)
            | Self::Rejected(said)
            | Self::GivenUp(said) => Some(said),
            Self::Held
            | Self::Released
            | Self::Removed
            | Self::Reported
            | Self::Noticed
            | Self::Redirected(_)
            | Self::Requested
            | Self::Branched
            | Self::ReplyDue
            | Self::Replied(_) => None,
        }
    }
}

/// What happened to recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moved {
    pub(super) happened: Vec<(u32, Recipient, Step)>,
}

/// Events that the trace could not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gap {
    /// How many records.
    pub(super) count: u64,
    /// When the first was lost.
    pub(super) from: Timestamp,
    /// When the last was lost.
    pub(super) to: Timestamp,
}

impl Recipient {
    fn of(addressee: &crate::model::queue::Addressee) -> Self {
        let same = matches!(&addressee.path, ForwardPath::Mailbox(address) if *address == addressee.address);
        Self {
            address: addressee.address.clone(),
            given: (!same).then(|| addressee.path.clone()),
            way: Way::of(&addressee.hop),
        }
    }
}

/// Makes the records of an accepted message.
pub(super) fn accepted(
    sequence: u64,
    facts: &EntryFacts,
    envelope: &Envelope,
    head: &[u8],
    account: impl FnOnce(crate::model::directory::RecipientId) -> Option<Box<str>>,
    mut push: impl FnMut(Item),
) {
    let Heading { subject, message_id, peer } = Heading::of(head);
    let source = match facts.origin {
        Origin::Account(id) => {
            let name = account(id).unwrap_or_else(|| format!("recipient {id}").into());
            match envelope.device() {
                Some(device) => Source::Device(name, bounded(device)),
                None => Source::Account(name),
            }
        }
        Origin::Anonymous | Origin::Connector { .. } => match envelope.connector() {
            Some(connector) => Source::Connector(peer, bounded(connector)),
            None => Source::Peer(peer),
        },
        Origin::System => Source::System,
    };
    let paths = |permits: &[crate::model::policy::Permit]| permits.iter().map(|permit| permit.path().clone()).collect();
    let mut parts = envelope.permits().chunks(RECIPIENTS_OF_A_RECORD);
    let first = Accepted {
        source,
        reverse_path: facts.reverse_path.clone(),
        session: facts.parameters.session.as_deref().map(bounded),
        message_id,
        subject,
        bytes: facts.bytes,
        given: paths(parts.next().unwrap_or_default()),
    };
    push(item(ACCEPTED, sequence, 0, facts.id, facts.accepted_at, &first));
    for (part, permits) in (1..).zip(parts) {
        push(item(ACCEPTED, sequence, part, facts.id, facts.accepted_at, &Given { given: paths(permits) }));
    }
}

/// Makes the records of an expansion, from the place `first` on; there is always one.
pub(super) fn expanded(
    sequence: u64,
    id: QueueId,
    at: Timestamp,
    first: u32,
    targets: &[Target],
    mut push: impl FnMut(Item),
) {
    let (mut begin, mut place) = (0_usize, first);
    for part in 0.. {
        let end = begin.saturating_add(RECIPIENTS_OF_A_RECORD).min(targets.len());
        let one =
            |target: &Target| (Recipient::of(&target.addressee), target.state, target.last.as_deref().map(Said::of));
        let recipients = targets.get(begin..end).unwrap_or_default().iter().map(one).collect();
        push(item(EXPANDED, sequence, part, id, at, &Expanded { first: place, recipients }));
        place = place.saturating_add(u32::try_from(end.saturating_sub(begin)).unwrap_or(u32::MAX));
        begin = end;
        if end >= targets.len() {
            return;
        }
    }
}

/// Makes the records of what happened.
pub(super) fn moved(sequence: u64, id: QueueId, at: Timestamp, happened: &[Happened], mut push: impl FnMut(Item)) {
    for (part, chunk) in (0..).zip(happened.chunks(RECIPIENTS_OF_A_RECORD)) {
        let one = |own: &Happened| (own.place, Recipient::of(&own.addressee), Step::of(&own.event));
        push(item(MOVED, sequence, part, id, at, &Moved { happened: chunk.iter().map(one).collect() }));
    }
}

/// Makes the record of a gap.
pub(super) fn gap(gap: &Gap) -> Item {
    item(GAP, 0, 0, QueueId(0), gap.to, gap)
}

fn item(kind: u8, sequence: u64, part: u32, id: QueueId, at: Timestamp, body: &impl Serialize) -> Item {
    let mut payload = Vec::with_capacity(256);
    payload.push(VERSION);
    payload.extend_from_slice(&id.0.to_le_bytes());
    payload.extend_from_slice(&at.unix_milliseconds().to_le_bytes());
    // Writing into memory fails for no value of these types; an empty body would be passed over by readers.
    let payload = postcard::to_extend(body, payload).unwrap_or_default();
    Item { kind, part, sequence, retold: false, payload }
}

/// What a record begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) id: QueueId,
    pub(super) at: Timestamp,
}

/// The beginning and the body of a record; `None` for those of another version.
pub(super) fn divide(payload: &[u8]) -> Option<(Prefix, &[u8])> {
    let (prefix, body) = payload.split_at_checked(PREFIX_BYTES)?;
    let (version, rest) = prefix.split_first()?;
    let (id, at) = rest.split_first_chunk::<8>()?;
    let at = at.first_chunk::<8>()?;
    let prefix =
        Prefix { id: QueueId(u64::from_le_bytes(*id)), at: Timestamp::from_unix_milliseconds(u64::from_le_bytes(*at)) };
    (*version == VERSION).then_some((prefix, body))
}

/// The body as what its kind says; `None` when it is something else.
pub(super) fn body<'payload, T: Deserialize<'payload>>(body: &'payload [u8]) -> Option<T> {
    postcard::from_bytes(body).ok()
}
