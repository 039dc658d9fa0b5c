//! What an administrator sees of the queue. The queue itself is behind [`QueueDesk`].

use serde::{Deserialize, Serialize};

use super::Progress;
use super::desk::QueueDesk;
use super::failure::Failure;
use super::response::Response;
use super::trace::{TraceDesk, attempts};
use crate::model::queue::{DestinationName, QueueId, Selection, State, Suspendable};
use crate::store::trace::Entry;

/// One line of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSummary {
    /// The message's id: 16 hexadecimal digits.
    pub id: String,
    /// When it was accepted, ISO 8601.
    pub accepted_at: String,
    /// Its reverse-path; empty for the null path.
    pub from: String,
    /// Its size in octets.
    pub bytes: u64,
    /// How many recipients it has after expansion.
    pub recipients: usize,
    /// How many of them still wait.
    pub waiting: usize,
    /// When the next attempt is due, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// The last answer that kept it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<String>,
}

/// One message of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDetail {
    /// Its line.
    pub summary: QueueSummary,
    /// Its recipients.
    pub recipients: Vec<QueueRecipient>,
    /// Every attempt that the message trace knows, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Entry>,
}

/// One recipient of a message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRecipient {
    /// Its address.
    pub address: String,
    /// Where the copy goes: a mailbox, or the next host.
    pub destination: String,
    /// Its state in a word: due, deferred, held, delivered, relayed, failed, removed or reported.
    pub state: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the next one is due, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// The last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<String>,
}

/// What an administrator orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum QueueOrder {
    /// Try again at once.
    Retry,
    /// Stop.
    Hold,
    /// Let go what is held.
    Release,
    /// Give up: the senders get a report, or nobody hears of it.
    Remove {
        /// Nobody hears of it.
        silently: bool,
    },
    /// Send what goes to other systems to this host, `host` or `host:port`; by the domain's own way without one.
    Move {
        /// The host.
        to: Option<DestinationName>,
    },
}

impl QueueOrder {
    /// What has happened to that which obeyed.
    const fn participle(&self) -> &'static str {
        match self {
            Self::Retry => "tried again now",
            Self::Hold => "held",
            Self::Release => "released",
            Self::Remove { .. } => "removed",
            Self::Move { .. } => "moved",
        }
    }
}

/// How much obeyed an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueObeyed {
    /// Messages of which something obeyed.
    pub messages: usize,
    /// Their recipients that obeyed; a message that is not expanded yet counts as one.
    pub recipients: usize,
}

/// A destination outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDestination {
    /// Its name: a domain, or a next host.
    pub name: String,
    /// `active`, `waiting` (everything is deferred), `retry` (no host could be used), or `suspended`.
    pub state: String,
    /// How many recipients have not ended.
    pub recipients: usize,
    /// How many of them are held.
    pub held: usize,
    /// When something is tried next, ISO 8601, if all of it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// Since when it is suspended, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_since: Option<String>,
    /// Why it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last answer from there, or about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<String>,
}

/// A sender whose mail waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspendedSender {
    /// An address, or a domain with an `@` before it.
    pub sender: String,
    /// Since when, ISO 8601.
    pub since: String,
    /// Why; may be empty.
    pub reason: String,
}

fn failed(text: String) -> Failure {
    Failure::unavailable(format!("The queue cannot be reached: {text}.")).cured_by("franking serve")
}

fn unknown(id: &str) -> Failure {
    let shown: String = id.chars().take(40).collect();
    Failure::not_found(format!("There is no message \"{shown}\" in the queue.")).cured_by("franking queue list")
}

pub(super) fn list(
    queue: &dyn QueueDesk,
    selection: &Selection,
    after: Option<QueueId>,
    limit: usize,
) -> Result<Response, Failure> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let (messages, total) = queue.list(selection, after, limit).map_err(failed)?;
    Ok(Response::Queue { total, messages })
}

pub(super) fn show(queue: &dyn QueueDesk, trace: &dyn TraceDesk, id: &str) -> Result<Response, Failure> {
    let mut detail = queue.show(id).map_err(failed)?.ok_or_else(|| unknown(id))?;
    detail.attempts = id.parse().map(|id| attempts(trace, id)).unwrap_or_default();
    Ok(Response::QueueMessage(detail))
}

pub(super) fn order(
    queue: &dyn QueueDesk,
    selection: &Selection,
    order: &QueueOrder,
    dry_run: bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let mut told = |done: usize, total: usize| {
        let (done, total) = (done as u64, total as u64);
        progress(Progress { what: "going through the queue".to_owned(), done, total });
    };
    let late = |text| {
        Failure::unavailable(format!("The queue has not carried it out: {text}.")).cured_by("franking queue list")
    };
    let obeyed = queue.order(selection, order, dry_run, &mut told).map_err(late)?;
    // Who names one message wants to hear that it is gone.
    if obeyed.messages == 0
        && let [id] = selection.ids.as_slice()
        && queue.show(&id.to_string()).map_err(failed)?.is_none()
    {
        return Err(unknown(&id.to_string()));
    }
    let mut message = words(order, obeyed, dry_run);
    message.push_str(&left_to_moderators(queue, selection, order)?);
    Ok(Response::QueueObeyed { dry_run, messages: obeyed.messages, recipients: obeyed.recipients, message })
}

fn words(order: &QueueOrder, obeyed: QueueObeyed, dry_run: bool) -> String {
    let counted = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let (messages, recipients) = (counted(obeyed.messages, "message"), counted(obeyed.recipients, "recipient"));
    let done = order.participle();
    let verb = match (dry_run, obeyed.recipients) {
        (_, 0) => return format!("Nothing in the queue can be {done}."),
        (true, _) => "would be",
        (false, 1) => "is",
        (false, _) => "are",
    };
    let hears = match order {
        QueueOrder::Remove { silently: true } if !dry_run => " Nobody is told.",
        QueueOrder::Remove { silently: false } if !dry_run => " Their senders get reports.",
        QueueOrder::Retry
        | QueueOrder::Hold
        | QueueOrder::Release
        | QueueOrder::Remove { .. }
        | QueueOrder::Move { .. } => "",
    };
    format!("{recipients} of {messages} {verb} {done}.{hears}")
}

/// Nothing but a decision moves what waits for a moderator: who tries otherwise is told where it is made.
fn left_to_moderators(queue: &dyn QueueDesk, selection: &Selection, order: &QueueOrder) -> Result<String, Failure> {
    match order {
        QueueOrder::Remove { .. } => return Ok(String::new()),
        QueueOrder::Retry | QueueOrder::Hold | QueueOrder::Release | QueueOrder::Move { .. } => {}
    }
    if selection.state.is_some_and(|state| state != State::Moderated) {
        return Ok(String::new());
    }
    let waiting = Selection { state: Some(State::Moderated), ..selection.clone() };
    let (_, count) = queue.list(&waiting, None, 0).map_err(failed)?;
    Ok(match (count, waiting.ids.as_slice()) {
        (0, _) => String::new(),
        (1, [id]) => format!(" It waits for a moderator: franking moderation approve {id}, or reject."),
        (1, _) => " 1 message waits for a moderator: franking moderation list".to_owned(),
        (count, _) => format!(" {count} messages wait for moderators: franking moderation list"),
    })
}

pub(super) fn destinations(queue: &dyn QueueDesk) -> Result<Response, Failure> {
    let (destinations, suspended_senders) = queue.destinations().map_err(failed)?;
    Ok(Response::QueueDestinations { destinations, suspended_senders })
}

fn named(what: &Suspendable) -> String {
    match what {
        Suspendable::Destination(name) => format!("Mail to {name}"),
        Suspendable::Sender(party) => format!("Mail from {party}"),
    }
}

pub(super) fn suspend(queue: &dyn QueueDesk, what: Suspendable, reason: &str) -> Result<Response, Failure> {
    let name = named(&what);
    queue.suspend(what, reason).map_err(|text| Failure::refused(format!("{name} is not suspended: {text}.")))?;
    let notes = vec!["It is still accepted, and expires as ever; attempts under way end by themselves.".to_owned()];
    Ok(Response::Done { message: format!("{name} waits until it is resumed."), notes, password: None })
}

pub(super) fn resume(queue: &dyn QueueDesk, what: &Suspendable) -> Result<Response, Failure> {
    let name = named(what);
    if !queue.resume(what).map_err(failed)? {
        let failure = Failure::not_found(format!("{name} is not suspended."));
        return Err(failure.cured_by("franking queue destinations"));
    }
    Ok(Response::Done { message: format!("{name} goes on."), notes: Vec::new(), password: None })
}
