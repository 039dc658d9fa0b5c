//! The queue as administrators see it.

use serde::Serialize;

use crate::model::mail::Timestamp;
use crate::model::queue::{Entry, State, Target};

/// A message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// When it was accepted.
    pub accepted_at: String,
    /// How long ago that was, in seconds.
    pub age_seconds: u64,
    /// The reverse-path; empty for the null path.
    pub sender: String,
    /// Its size in octets.
    pub bytes: u64,
    /// How many recipients it has, or zero before it is expanded.
    pub recipient_count: usize,
    /// How many of them are not final.
    pub open_count: usize,
    /// The earliest next attempt, where all that is open waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// The last answer to any open recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_reply: Option<String>,
    /// The recipients, where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<RecipientSummary>,
}

/// A recipient of a message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecipientSummary {
    /// Its address.
    pub address: String,
    /// Where its copy goes.
    pub destination: String,
    /// Where it stands.
    pub state: State,
    /// How many attempts were made.
    pub attempts: u16,
    /// When the next one is due, if it waits for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// The host that answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_host: Option<String>,
    /// Its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_reply: Option<String>,
}

impl Summary {
    pub(super) fn of(entry: &Entry, now: Timestamp, with_recipients: bool) -> Self {
        let targets = entry.targets();
        let open = || targets.iter().filter(|target| target.state.is_open());
        let waits = open().all(|target| target.state == State::Deferred);
        let next = open().filter(|target| target.state == State::Deferred).map(|target| target.next_attempt).min();
        let last = open().filter_map(|target| target.last.as_ref()).max_by_key(|last| last.at);
        Self {
            id: entry.facts.id.to_string(),
            accepted_at: entry.facts.accepted_at.to_string(),
            age_seconds: now.since(entry.facts.accepted_at).as_secs(),
            sender: entry.facts.reverse_path.to_string(),
            bytes: entry.facts.bytes,
            recipient_count: targets.len(),
            open_count: open().count(),
            next_attempt: next.filter(|_| waits).map(|at| at.to_string()),
            last_reply: last.map(|last| last.reply.to_string()),
            recipients: if with_recipients { targets.iter().map(RecipientSummary::of).collect() } else { Vec::new() },
        }
    }
}

impl RecipientSummary {
    fn of(target: &Target) -> Self {
        let last = target.last.as_ref();
        Self {
            address: target.addressee.address.to_string(),
            destination: target.addressee.hop.lane().to_string(),
            state: target.state,
            attempts: target.attempts,
            next_attempt: (target.state == State::Deferred).then(|| target.next_attempt.to_string()),
            last_host: last.and_then(|last| last.host.as_deref()).map(str::to_owned),
            last_reply: last.map(|last| last.reply.to_string()),
        }
    }
}
