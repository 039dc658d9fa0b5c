//! The queue as administrators see it.

use serde::Serialize;

use crate::model::mail::Timestamp;
use crate::model::queue::{Destination, DestinationName, Dispatcher, Entry, LaneKey, State, Suspension, Target};

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
    pub(super) fn of(entry: &Entry, dispatcher: &Dispatcher, now: Timestamp, with_recipients: bool) -> Self {
        let targets = entry.targets();
        let open = || targets.iter().filter(|target| target.state.is_open());
        let waits = open().all(|target| dispatcher.next_attempt(target).is_some());
        let next = open().filter_map(|target| dispatcher.next_attempt(target)).min();
        let last = open().filter_map(|target| dispatcher.last_attempt(target)).max_by_key(|last| last.at);
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
            recipients: if with_recipients { of_recipients(targets, dispatcher) } else { Vec::new() },
        }
    }
}

fn of_recipients(targets: &[Target], dispatcher: &Dispatcher) -> Vec<RecipientSummary> {
    targets.iter().map(|target| RecipientSummary::of(target, dispatcher)).collect()
}

impl RecipientSummary {
    fn of(target: &Target, dispatcher: &Dispatcher) -> Self {
        let last = dispatcher.last_attempt(target);
        Self {
            address: target.addressee.address.to_string(),
            destination: destination_of(target),
            state: target.state,
            attempts: target.attempts,
            next_attempt: dispatcher.next_attempt(target).map(|at| at.to_string()),
            last_host: last.and_then(|last| last.host.as_deref()).map(str::to_owned),
            last_reply: last.map(|last| last.reply.to_string()),
        }
    }
}

fn destination_of(target: &Target) -> String {
    match target.addressee.approval() {
        Some(_) => "moderators".to_owned(),
        None => target.addressee.hop.lane().to_string(),
    }
}

/// A destination outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DestinationSummary {
    /// Its name: a domain, or a next host.
    pub name: String,
    /// How many recipients have not ended.
    pub recipients: usize,
    /// How many of them an administrator holds.
    pub held: usize,
    /// When it is tried again, if it pauses since none of its hosts could be used, or all that waits is deferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// It pauses.
    pub paused: bool,
    /// Since when it is suspended, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_since: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last answer from there, or about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_reply: Option<String>,
    #[serde(skip)]
    last_at: Timestamp,
}

impl DestinationSummary {
    pub(super) fn of(destination: &Destination) -> Self {
        let name = match &destination.lane {
            LaneKey::Host(host) => host.to_string(),
            LaneKey::Domain(domain) => domain.to_string(),
            local @ (LaneKey::Mailbox(_) | LaneKey::Postmaster) => local.to_string(),
        };
        let paused = destination.paused.as_ref();
        let last = paused.and_then(|paused| paused.last.as_ref());
        let suspension = destination.suspension.as_ref();
        Self {
            name,
            recipients: 0,
            held: 0,
            next_attempt: paused.map(|paused| paused.until.to_string()),
            paused: paused.is_some(),
            suspended_since: suspension.map(|own| own.since.to_string()),
            reason: suspension.map(|own| own.reason.to_string()),
            last_reply: last.map(|last| last.reply.to_string()),
            last_at: last.map_or(Timestamp::EPOCH, |last| last.at),
        }
    }

    /// A suspended destination that nothing waits for.
    pub(super) fn suspended(name: &DestinationName, suspension: &Suspension) -> Self {
        Self {
            name: name.to_string(),
            recipients: 0,
            held: 0,
            next_attempt: None,
            paused: false,
            suspended_since: Some(suspension.since.to_string()),
            reason: Some(suspension.reason.to_string()),
            last_reply: None,
            last_at: Timestamp::EPOCH,
        }
    }

    pub(super) fn is_named(&self, name: &DestinationName) -> bool {
        name.is_host(&self.name) || self.name == name.to_string()
    }

    /// Takes in what a recipient that waits knows.
    pub(super) fn learn(&mut self, target: &Target) {
        if let Some(last) = target.last.as_ref().filter(|last| last.at >= self.last_at) {
            (self.last_at, self.last_reply) = (last.at, Some(last.reply.to_string()));
        }
        if !self.paused && target.state == State::Deferred {
            let next = target.next_attempt.to_string();
            let earlier = self.next_attempt.as_ref().is_none_or(|known| next < *known);
            if earlier {
                self.next_attempt = Some(next);
            }
        }
    }
}
