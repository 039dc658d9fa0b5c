//! The queue's journal records: a version, a part in postcard, and for accepted messages head and body as they are.
//!
//! Six kinds: a message was *committed*; its recipients were *expanded* (in pieces, complete with the last one, and
//! once more whenever the present state is written anew); recipients were *moved* by events; a message has *grown* by
//! those whom the approval of a recipient led to (in pieces, too); destinations and senders
//! are *suspended* (all that are, the last record counts); the greatest id so far is *marked*, where no message tells
//! it.

use core::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::model::mail::Timestamp;
use crate::model::policy::Envelope;
use crate::model::queue::encoding::append;
use crate::model::queue::{EntryFacts, Event, QueueId, Target};
use crate::store::journal::{LargeBody, Payload};

/// The journal's kind of an accepted message.
pub(super) const COMMITTED: u8 = 1;
/// The journal's kind of a piece of an expansion.
pub(super) const EXPANDED: u8 = 2;
/// The journal's kind of events.
pub(super) const MOVED: u8 = 3;
/// The journal's kind of everything that is suspended.
pub(super) const SUSPENDED: u8 = 4;
/// The journal's kind of the greatest id of any message so far.
pub(super) const MARKED: u8 = 5;

/// The journal's kind of a piece of the recipients below an approved one.
pub(super) const GROWN: u8 = 6;

const VERSION: u8 = 2;

/// A record that this version cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by another version.
    #[error("written in version {0} of the format; this program reads version {VERSION}")]
    Version(u8),
    /// Of a kind that does not exist in this version.
    #[error("of the unknown kind {0}")]
    Kind(u8),
    /// Not what its kind says.
    #[error("not readable as what it claims to be")]
    Content,
}

/// What comes first in the record of an accepted message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Committed {
    pub(super) id: QueueId,
    pub(super) accepted_at: Timestamp,
    pub(super) envelope: Envelope,
    /// The head follows at once.
    pub(super) head_bytes: u32,
    /// The body follows the head, unless it is in a file.
    pub(super) large: Option<LargeBody>,
}

impl Committed {
    /// The record: this, head and body, which stay where they are.
    pub(super) fn payload(&self, head: &Bytes, body: &Bytes) -> Result<Payload, RecordError> {
        Ok(Payload::new(encode(self)?, [head.clone(), body.clone()]))
    }

    /// The same, copied together.
    pub(super) fn encode(&self, head: &[u8], body: &[u8]) -> Result<Vec<u8>, RecordError> {
        let mut payload = encode(self)?;
        payload.reserve(head.len().saturating_add(body.len()));
        payload.extend_from_slice(head);
        payload.extend_from_slice(body);
        Ok(payload)
    }

    /// This, head and body of a record.
    pub(super) fn decode(payload: &[u8]) -> Result<(Self, &[u8], &[u8]), RecordError> {
        let (committed, rest) = decode::<Self>(payload)?;
        let head_bytes = usize::try_from(committed.head_bytes).unwrap_or(usize::MAX);
        let (head, body) = rest.split_at_checked(head_bytes).ok_or(RecordError::Content)?;
        Ok((committed, head, body))
    }

    /// What the queue keeps in memory of a message with a body of `body_bytes` octets.
    pub(super) fn facts(&self, body_bytes: u64) -> EntryFacts {
        let bytes = u64::from(self.head_bytes).saturating_add(body_bytes);
        EntryFacts::new(self.id, self.accepted_at, &self.envelope, bytes)
    }
}

/// A piece of an expansion.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Expanded {
    pub(super) id: QueueId,
    /// The place of the first recipient here; 0 begins an expansion and makes void what was not finished.
    pub(super) first: u32,
    pub(super) last: bool,
    pub(super) targets: Vec<Target>,
}

/// What happened to recipients.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Moved {
    pub(super) id: QueueId,
    pub(super) events: Vec<(u32, Event)>,
}

/// A piece of the recipients below an approved one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Grown {
    pub(super) id: QueueId,
    /// The approved recipient.
    pub(super) place: u32,
    /// How many of them came before; 0 begins anew and makes void what was not finished.
    pub(super) first: u32,
    /// With this piece they are complete, and the approved recipient is done.
    pub(super) last: bool,
    pub(super) targets: Vec<Target>,
}

/// Recipients of one piece of an expansion; each takes a few hundred octets, with a long last answer a few thousand.
pub(super) const TARGETS_OF_A_PIECE: usize = 200;

/// A piece of many recipients, by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    places: Range<usize>,
    last: bool,
}

/// How many recipients are taken apart: at least one piece, also for none of them.
pub(super) fn parts(count: usize) -> impl Iterator<Item = Part> {
    let pieces = count.div_ceil(TARGETS_OF_A_PIECE).max(1);
    (0..pieces).map(move |piece| {
        let first = piece.saturating_mul(TARGETS_OF_A_PIECE);
        let end = first.saturating_add(TARGETS_OF_A_PIECE).min(count);
        Part { places: first..end, last: end == count }
    })
}

impl Part {
    /// The record of this piece; `encode` writes it, given the place of its first, whether it is the last, and who they
    /// are.
    pub(super) fn record(
        &self,
        targets: &[Target],
        encode: impl FnOnce(u32, bool, Vec<Target>) -> Result<Vec<u8>, RecordError>,
    ) -> Result<Vec<u8>, RecordError> {
        let first = u32::try_from(self.places.start).map_err(|_| RecordError::Content)?;
        encode(first, self.last, targets.get(self.places.clone()).unwrap_or_default().to_vec())
    }

    /// The record of this piece of an expansion.
    pub(super) fn expanded(&self, id: QueueId, targets: &[Target]) -> Result<Vec<u8>, RecordError> {
        self.record(targets, |first, last, targets| encode(&Expanded { id, first, last, targets }))
    }
}

/// Encodes behind the version.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, RecordError> {
    append(value, vec![VERSION]).map_err(|_| RecordError::Content)
}

/// Decodes what follows the version, and gives the rest.
pub(super) fn decode<'payload, T: Deserialize<'payload>>(
    payload: &'payload [u8],
) -> Result<(T, &'payload [u8]), RecordError> {
    let (version, rest) = payload.split_first().ok_or(RecordError::Content)?;
    if *version != VERSION {
        return Err(RecordError::Version(*version));
    }
    postcard::take_from_bytes(rest).map_err(|_| RecordError::Content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_each_other_and_the_last_one_says_so() {
        let piece = TARGETS_OF_A_PIECE;
        for count in [0, 1, piece - 1, piece, piece + 1, 3 * piece] {
            let all: Vec<Part> = parts(count).collect();
            let places: Vec<usize> = all.iter().flat_map(|part| part.places.clone()).collect();
            assert_eq!(places, (0..count).collect::<Vec<_>>());
            assert_eq!(all.iter().map(|part| part.last).rposition(|last| !last).map_or(0, |at| at + 1), all.len() - 1);
            assert!(all.last().is_some_and(|part| part.last));
        }
    }
}
