//! What is handed over to be appended: the content of one record, in parts that need not be copied together before, or
//! the records of a batch.

use bytes::Bytes;

use super::{Records, format};

/// The content of one record. Its parts become one, in their order.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    start: Vec<u8>,
    rest: [Bytes; 2],
}

impl Payload {
    /// `start` and behind it `rest`, which others may hold as well.
    pub const fn new(start: Vec<u8>, rest: [Bytes; 2]) -> Self {
        Self { start, rest }
    }

    /// The parts in their order; some may be empty.
    pub(super) fn parts(&self) -> [&[u8]; 3] {
        let [second, third] = &self.rest;
        [&self.start, second, third]
    }

    /// Octets of all parts.
    pub(super) fn bytes(&self) -> usize {
        format::payload_bytes(&self.parts())
    }
}

impl From<Vec<u8>> for Payload {
    fn from(start: Vec<u8>) -> Self {
        Self { start, ..Self::default() }
    }
}

/// What one caller appends at once.
#[derive(Debug)]
pub(super) enum Append {
    /// A record by itself: kind and content.
    One(u8, Payload),
    /// Those of a batch.
    All(Records),
}

impl Append {
    /// How many records these are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::All(records) => records.len(),
        }
    }

    /// Kind and parts of each record, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = (u8, [&[u8]; 3])> {
        let (one, all) = match self {
            Self::One(kind, payload) => (Some((*kind, payload.parts())), &[] as &[(u8, Vec<u8>)]),
            Self::All(records) => (None, &**records),
        };
        one.into_iter().chain(all.iter().map(|(kind, payload)| (*kind, [payload.as_slice(), &[], &[]])))
    }
}
