//! What an administrator sees of the queue. The queue itself is behind [`QueueDesk`].

use serde::{Deserialize, Serialize};

use super::desk::QueueDesk;
use super::failure::Failure;
use super::response::Response;

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

fn failed(text: String) -> Failure {
    Failure::unavailable(format!("The queue cannot be reached: {text}.")).cured_by("franking serve")
}

fn unknown(id: &str) -> Failure {
    let shown: String = id.chars().take(40).collect();
    Failure::not_found(format!("There is no message \"{shown}\" in the queue.")).cured_by("franking queue list")
}

pub(super) fn list(queue: &dyn QueueDesk, limit: usize) -> Result<Response, Failure> {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let (messages, total) = queue.list(limit).map_err(failed)?;
    Ok(Response::Queue { total, messages })
}

pub(super) fn show(queue: &dyn QueueDesk, id: &str) -> Result<Response, Failure> {
    queue.show(id).map_err(failed)?.map(Response::QueueMessage).ok_or_else(|| unknown(id))
}

pub(super) fn retry(queue: &dyn QueueDesk, id: Option<&str>) -> Result<Response, Failure> {
    if let Some(id) = id
        && queue.show(id).map_err(failed)?.is_none()
    {
        return Err(unknown(id));
    }
    let due = queue.retry(id).map_err(failed)?;
    let message = match due {
        0 => "Nothing waits for another attempt.".to_owned(),
        1 => "One delivery is tried again now.".to_owned(),
        count => format!("{count} deliveries are tried again now."),
    };
    Ok(Response::Done { message, notes: Vec::new(), password: None })
}

pub(super) fn remove(queue: &dyn QueueDesk, id: &str, silently: bool) -> Result<Response, Failure> {
    if !queue.remove(id, silently).map_err(failed)? {
        return Err(unknown(id));
    }
    let hears = if silently { "Nobody is told." } else { "Its sender gets a report." };
    Ok(Response::Done { message: format!("The message {id} is removed. {hears}"), notes: Vec::new(), password: None })
}
