//! The content of a message in the queue, for those who deliver it or report about it.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::Shared;
use super::record::Committed;
use crate::model::mail::Timestamp;
use crate::model::policy::Envelope;
use crate::model::queue::QueueId;
use crate::store::intake::locked;
use crate::store::journal::{JournalError, Location};

/// A body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredBody {
    /// A small one.
    Memory(Bytes),
    /// A large one, in a file that stays until the message is final.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its length in octets.
        bytes: u64,
        /// CRC-32 of its content, to be compared by whoever reads it.
        checksum: u32,
    },
}

/// A message in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its id.
    pub id: QueueId,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Who sends it to whom.
    pub envelope: Envelope,
    /// The header with its empty line.
    pub head: Bytes,
    /// What follows.
    pub body: StoredBody,
}

impl StoredMessage {
    /// Its size in octets.
    pub fn bytes(&self) -> u64 {
        let body = match &self.body {
            StoredBody::Memory(bytes) => bytes.len() as u64,
            StoredBody::File { bytes, .. } => *bytes,
        };
        body.saturating_add(self.head.len() as u64)
    }

    fn bytes_in_memory(&self) -> usize {
        let body = match &self.body {
            StoredBody::Memory(bytes) => bytes.len(),
            StoredBody::File { .. } => 0,
        };
        body.saturating_add(self.head.len()).saturating_add(MESSAGE_BYTES)
    }
}

/// Messages accepted or read a moment ago: one that is delivered at once is never read, one to a group is read once.
#[derive(Debug, Default)]
pub(super) struct Recent {
    messages: Mutex<Messages>,
}

#[derive(Debug, Default)]
struct Messages {
    by_id: BTreeMap<QueueId, Arc<StoredMessage>>,
    /// Octets of those in memory.
    bytes: usize,
}

/// What is kept at most, in octets: what comes in while a group of deliveries waits for the disk. One message has at
/// most three quarters of a mebibyte in memory.
const RECENT_BYTES_MAX: usize = 8 << 20;
/// A message that is older than the newest by as much is not about to be delivered: it is held, or tried again later.
const TURN_MAX: Duration = Duration::from_secs(10);
/// What a message takes beside its header and body.
const MESSAGE_BYTES: usize = 1 << 10;

impl Messages {
    fn remove(&mut self, id: QueueId) {
        if let Some(message) = self.by_id.remove(&id) {
            self.bytes = self.bytes.saturating_sub(message.bytes_in_memory());
        }
    }

    /// The oldest, if it waits for something else than its turn; else the newest. The oldest is delivered next: if it
    /// made room for the others, none of a backlog that is too large would be here when its turn comes.
    fn next_to_go(&self) -> Option<QueueId> {
        let (oldest, newest) = (*self.by_id.keys().next()?, *self.by_id.keys().next_back()?);
        let waits = newest.given_at().since(oldest.given_at()) >= TURN_MAX;
        Some(if waits { oldest } else { newest })
    }
}

impl Recent {
    pub(super) fn find(&self, id: QueueId) -> Option<Arc<StoredMessage>> {
        locked(&self.messages).by_id.get(&id).cloned()
    }

    /// Keeps a message, as far as there is room.
    pub(super) fn keep(&self, message: Arc<StoredMessage>) {
        let mut messages = locked(&self.messages);
        messages.remove(message.id);
        messages.bytes = messages.bytes.saturating_add(message.bytes_in_memory());
        messages.by_id.insert(message.id, message);
        while messages.bytes > RECENT_BYTES_MAX
            && let Some(next) = messages.next_to_go()
        {
            messages.remove(next);
        }
    }

    pub(super) fn forget(&self, id: QueueId) {
        locked(&self.messages).remove(id);
    }
}

impl Shared {
    /// Reads a message. Blocks.
    pub(super) fn message(&self, id: QueueId) -> Result<Arc<StoredMessage>, JournalError> {
        if let Some(message) = self.recent.find(id) {
            return Ok(message);
        }
        let nowhere = Location { segment: 0, offset: 0, payload_bytes: 0, sequence: 0 };
        let mut seen = None;
        loop {
            let location = locked(&self.table).stored.get(id).map(|stored| stored.committed);
            let location = location.ok_or(JournalError::NoRecord(nowhere))?;
            match self.journal.read(location) {
                Ok(payload) => {
                    let message = Arc::new(self.decode(&payload, location)?);
                    self.recent.keep(Arc::clone(&message));
                    return Ok(message);
                }
                // It was written anew at another place in between.
                Err(_) if seen != Some(location) => seen = Some(location),
                Err(error) => return Err(error),
            }
        }
    }

    fn decode(&self, payload: &[u8], location: Location) -> Result<StoredMessage, JournalError> {
        let (committed, head, body) = Committed::decode(payload).map_err(|_| JournalError::NoRecord(location))?;
        self.stored(&committed, Bytes::copy_from_slice(head), Bytes::copy_from_slice(body))
    }

    /// The message of a record; `body` counts unless it is in a file.
    pub(super) fn stored(
        &self,
        committed: &Committed,
        head: Bytes,
        body: Bytes,
    ) -> Result<StoredMessage, JournalError> {
        let body = match &committed.large {
            Some(large) => {
                let path = self.journal.bodies().path_of(large)?;
                StoredBody::File { path, bytes: large.bytes, checksum: large.checksum }
            }
            None => StoredBody::Memory(body),
        };
        let Committed { id, accepted_at, envelope, .. } = committed;
        let (id, accepted_at, envelope) = (*id, *accepted_at, envelope.clone());
        Ok(StoredMessage { id, accepted_at, envelope, head, body })
    }
}
