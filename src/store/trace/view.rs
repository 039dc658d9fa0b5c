//! What a reader of the trace gets: lines of a list, and the history of one message. The same values are the answers in
//! JSON, where they say times in ISO 8601.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::record::{Said, Step, Way};
use crate::model::queue::State;

/// Where a recipient of a message stands, as far as the trace knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The message was accepted, and who gets it is not known yet.
    Accepted,
    /// The message came to nobody: a group without members, for example.
    Expanded,
    /// To be tried now.
    Due,
    /// To be tried later.
    Deferred,
    /// Stopped by an administrator.
    Held,
    /// In its mailbox.
    Delivered,
    /// With another system.
    Relayed,
    /// Refused for good, or given up.
    Failed,
    /// Dropped by an administrator.
    Removed,
    /// Waits for a moderator.
    Moderated,
    /// A moderator approved; those whom that led to have lines of their own.
    Approved,
    /// A moderator rejected.
    Rejected,
}

/// A text that is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a status is one of accepted, expanded, due, deferred, held, delivered, relayed, failed, removed, moderated, \
     approved, rejected"
)]
pub struct StatusError;

impl Status {
    const ALL: [(&'static str, Self); 12] = [
        ("accepted", Self::Accepted),
        ("expanded", Self::Expanded),
        ("due", Self::Due),
        ("deferred", Self::Deferred),
        ("held", Self::Held),
        ("delivered", Self::Delivered),
        ("relayed", Self::Relayed),
        ("failed", Self::Failed),
        ("removed", Self::Removed),
        ("moderated", Self::Moderated),
        ("approved", Self::Approved),
        ("rejected", Self::Rejected),
    ];

    /// The status after a step; none when the step leaves it as it was.
    pub(super) const fn after(step: &Step) -> Option<Self> {
        match step {
            Step::Deferred(..) => Some(Self::Deferred),
            Step::Delivered(_) => Some(Self::Delivered),
            Step::Relayed(_) => Some(Self::Relayed),
            Step::Failed(_) => Some(Self::Failed),
            Step::Held | Step::GivenUp(_) => Some(Self::Held),
            Step::Released => Some(Self::Due),
            Step::Removed => Some(Self::Removed),
            Step::Approved(_) | Step::Branched => Some(Self::Approved),
            Step::Rejected(_) => Some(Self::Rejected),
            Step::Reported | Step::Noticed | Step::Redirected(_) | Step::Requested => None,
            Step::ReplyDue | Step::Replied(_) => None,
        }
    }

    /// The status of a recipient as an expansion says it, which may have been written anew later.
    pub(super) fn of(state: State, way: &Way, last: Option<&Said>) -> Self {
        let succeeded = last.is_some_and(|said| said.reply.starts_with('2'));
        match (state, way) {
            (State::Due, _) => Self::Due,
            (State::Deferred, _) => Self::Deferred,
            (State::Held, _) => Self::Held,
            (State::Delivered, _) => Self::Delivered,
            (State::Relayed, _) => Self::Relayed,
            (State::Failed, _) => Self::Failed,
            (State::Removed, _) => Self::Removed,
            (State::Moderated, _) => Self::Moderated,
            (State::Approved | State::Branched, _) => Self::Approved,
            (State::Rejected, _) => Self::Rejected,
            (State::Reported, Way::Moderators) => Self::Failed,
            // What was reported is told by the last answer.
            (State::Reported, _) if !succeeded => Self::Failed,
            (State::Reported, Way::Host(_) | Way::Domain(_)) => Self::Relayed,
            (State::Reported, Way::Mailbox(_) | Way::SentItems(_) | Way::Postmaster | Way::Nowhere) => Self::Delivered,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, status)| status == self).map_or("", |(name, _)| *name);
        formatter.pad(name)
    }
}

impl FromStr for Status {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<Self, StatusError> {
        let found = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, status)| *status).ok_or(StatusError)
    }
}

/// One message and one of its recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The message's id, 16 hexadecimal digits.
    pub id: String,
    /// When it was accepted.
    pub accepted_at: String,
    /// Its reverse-path; empty for the null path.
    pub from: String,
    /// The recipient's address: after expansion, or as given before.
    pub recipient: String,
    /// The path that led to it, where it is another one: a group's address, or an alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// Where the recipient stands.
    pub status: Status,
    /// When it came to that, or when the last answer came.
    pub at: String,
    /// The decoded subject, at most 255 characters of it.
    pub subject: String,
    /// The Message-ID, as it stands in the header.
    pub message_id: String,
    /// The message's size in octets.
    pub bytes: u64,
    /// Where its copy goes; empty before expansion.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub destination: String,
    /// The host that answered last; none when the answer is this server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The newest messages first; a message's recipients in their order.
    pub lines: Vec<Line>,
    /// There may be more.
    pub more: bool,
    /// How many damaged places were passed over.
    pub damaged: usize,
    /// How many records the trace could not keep in that time, since its disk failed or was full.
    pub lost: u64,
}

/// Everything that happened to one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// When it was accepted; what follows is missing when the trace does not go back so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<String>,
    /// Its reverse-path; empty for the null path.
    pub from: String,
    /// Who handed it in: `account alice@contoso.example`, followed by `, device=scanner-2` where one did, `peer
    /// mail.fabrikam.example (…)`, followed by `, connector=printers` where one vouched for it, or `this server`.
    pub origin: String,
    /// The session it came by, as in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The decoded subject, at most 255 characters of it.
    pub subject: String,
    /// The Message-ID, as it stands in the header.
    pub message_id: String,
    /// Its size in octets.
    pub bytes: u64,
    /// The recipients that its client gave.
    pub given: Vec<String>,
    /// What happened, in order.
    pub events: Vec<Entry>,
    /// There is more than is shown.
    pub more: bool,
    /// How many damaged places were passed over.
    pub damaged: usize,
    /// How many records the trace could not keep in that time, since its disk failed or was full.
    pub lost: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: String,
    /// What: `accepted`, `expanded`, `deferred`, `delivered`, `relayed`, `failed`, `held`, `released`, `removed`,
    /// `reported` (a report is in the queue), `noticed` (a notice of delay is), `redirected`, `moderated`, `requested`
    /// (the request to moderators is in the queue), `approved`, `rejected`, or `branched`.
    pub event: String,
    /// The recipient it happened to; none when it is about the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The path that led to it, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// Where the copy goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The host that answered; none when the answer is this server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
}

impl Entry {
    /// One to be filled in.
    pub(super) const fn nothing() -> Self {
        Self {
            at: String::new(),
            event: String::new(),
            recipient: None,
            given: None,
            destination: None,
            host: None,
            reply: None,
            next_attempt: None,
        }
    }

    /// Whether an attempt ended so.
    pub fn is_attempt(&self) -> bool {
        self.reply.is_some() && !matches!(&*self.event, "expanded" | "approved" | "rejected")
    }
}
