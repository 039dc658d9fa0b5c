//! Messages as they came in, with their envelopes: what a test asks the server for.

use std::collections::VecDeque;

use crate::model::mail::Timestamp;

/// Messages that are remembered; the oldest go first.
pub const MESSAGES_MAX: usize = 1_000;
/// Octets of one message that are kept; of a longer one the beginning.
pub const CONTENT_BYTES_MAX: usize = 1 << 20;
/// Octets of all of them.
const TOTAL_BYTES_MAX: usize = 64 << 20;

/// A message before it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The session that it came by.
    pub session: String,
    /// The account that sent it; `None` for mail from other servers.
    pub account: Option<String>,
    /// The reverse-path, without brackets.
    pub sender: String,
    /// The recipients, as RCPT named them.
    pub recipients: Vec<String>,
    /// Octets in all.
    pub bytes: u64,
    /// Header and body, [`CONTENT_BYTES_MAX`] at most.
    pub content: Vec<u8>,
}

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Its number since the server began, from 1.
    pub number: u64,
    /// When it was accepted.
    pub at: Timestamp,
    /// The queue's name for it.
    pub queue_id: String,
    /// The rest.
    pub message: Draft,
}

/// Messages that came in, the latest of them.
#[derive(Debug, Default)]
pub struct Messages {
    kept: VecDeque<Captured>,
    bytes: usize,
    accepted: u64,
    /// Those that came before the last [`Self::clear`].
    cleared: u64,
}

impl Messages {
    /// Remembers a message, at the cost of the oldest when there are too many.
    pub fn keep(&mut self, at: Timestamp, queue_id: String, mut message: Draft) {
        message.content.truncate(CONTENT_BYTES_MAX);
        message.content.shrink_to_fit();
        self.accepted = self.accepted.saturating_add(1);
        self.bytes = self.bytes.saturating_add(weight(&message));
        self.kept.push_back(Captured { number: self.accepted, at, queue_id, message });
        while self.kept.len() > MESSAGES_MAX || self.bytes > TOTAL_BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(weight(&oldest.message));
        }
    }

    /// Those that are remembered, the oldest first.
    pub const fn kept(&self) -> &VecDeque<Captured> {
        &self.kept
    }

    /// The message of this number.
    pub fn find(&self, number: u64) -> Option<&Captured> {
        self.kept.iter().find(|captured| captured.number == number)
    }

    /// How many came since they were cleared, remembered or not.
    pub const fn count(&self) -> u64 {
        self.accepted.saturating_sub(self.cleared)
    }

    /// Forgets all; says how many there were. Numbers go on.
    pub fn clear(&mut self) -> u64 {
        let count = self.count();
        (self.kept, self.bytes, self.cleared) = (VecDeque::new(), 0, self.accepted);
        count
    }
}

/// What a message takes of the memory that is set aside.
fn weight(message: &Draft) -> usize {
    message.content.len() + message.recipients.iter().map(String::len).sum::<usize>() + 256
}
