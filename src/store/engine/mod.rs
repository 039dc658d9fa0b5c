//! The engine: a narrow, ordered key-value store whose content can be rebuilt from the journal.
//!
//! Laws, which `tests/engine_laws.rs` holds against every engine:
//!
//! 1. A batch is applied whole or not at all, also across a crash.
//! 2. Batches are applied one after another; a precondition sees every batch that came before.
//! 3. A commit that answered is durable; one that failed with `Conflict` or `TooLarge` has changed nothing.
//! 4. A read or scan sees every commit that answered before it began. It may see one that has not answered yet.
//! 5. A walk, and so a scan, gives keys in the order of their octets, each once, from one tree only.
//!
//! Reads are quick but may touch the disk; async code that reads much does so on a blocking pool.

use core::fmt;
use core::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use super::ticket::{Stopped, Ticket};

mod embedded;
mod memory;

pub use embedded::EmbeddedEngine;
pub use memory::MemoryEngine;

/// The longest key, in octets.
pub const KEY_BYTES_MAX: usize = 512;
/// The largest value, in octets: the embedded engine stores larger ones outside of what it synchronises.
pub const VALUE_BYTES_MAX: usize = 4096;
/// The most changes, and the most preconditions, of one batch.
pub const BATCH_CHANGES_MAX: usize = 1024;

/// One of a few separate key spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tree(pub u8);

/// Which keys a scan gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRange<'a> {
    /// Those that begin with these octets; all keys for none.
    Prefix(&'a [u8]),
    /// Those from `from` on, up to before `until`. To go on after a key, start from it with a zero octet appended.
    Between {
        /// The first key, if there.
        from: &'a [u8],
        /// The first key too far; none means the end of the tree.
        until: Option<&'a [u8]>,
    },
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Hears a key and its value, and says whether the next one is wanted.
pub type Hear<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Something that must hold for a batch to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    Absent,
    Equals(Vec<u8>),
}

/// Changes that are applied together, if all preconditions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    preconditions: Vec<(Vec<u8>, Expected)>,
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The place of a key among all keys of all trees.
fn place(tree: Tree, key: &[u8]) -> Vec<u8> {
    let mut place = Vec::with_capacity(key.len().saturating_add(1));
    place.push(tree.0);
    place.extend_from_slice(key);
    place
}

impl Batch {
    /// A batch that changes nothing yet.
    pub const fn new() -> Self {
        Self { preconditions: Vec::new(), changes: Vec::new() }
    }

    /// Sets a key. Of several changes to one key in a batch the last counts.
    #[must_use]
    pub fn put(mut self, tree: Tree, key: &[u8], value: &[u8]) -> Self {
        self.changes.push((place(tree, key), Some(value.to_vec())));
        self
    }

    /// Removes a key; one that is not there is no error.
    #[must_use]
    pub fn delete(mut self, tree: Tree, key: &[u8]) -> Self {
        self.changes.push((place(tree, key), None));
        self
    }

    /// Demands that a key is not there before the batch.
    #[must_use]
    pub fn require_absent(mut self, tree: Tree, key: &[u8]) -> Self {
        self.preconditions.push((place(tree, key), Expected::Absent));
        self
    }

    /// Demands that a key has this value before the batch.
    #[must_use]
    pub fn require_equal(mut self, tree: Tree, key: &[u8], value: &[u8]) -> Self {
        self.preconditions.push((place(tree, key), Expected::Equals(value.to_vec())));
        self
    }

    fn judge_sizes(&self) -> Result<(), EngineError> {
        let keys = self.preconditions.iter().map(|(place, _)| place).chain(self.changes.iter().map(|(place, _)| place));
        let values = self.changes.iter().filter_map(|(_, value)| value.as_ref());
        let bounds = [
            ("a key", keys.map(|place| place.len().saturating_sub(1)).max(), KEY_BYTES_MAX),
            ("a value", values.map(Vec::len).max(), VALUE_BYTES_MAX),
            ("a batch", Some(self.changes.len().max(self.preconditions.len())), BATCH_CHANGES_MAX),
        ];
        for (what, size, size_max) in bounds {
            if let Some(size) = size.filter(|size| *size > size_max) {
                return Err(EngineError::TooLarge { what, size, size_max });
            }
        }
        Ok(())
    }

    /// The weight of a batch under way, in octets.
    fn bytes(&self) -> usize {
        let conditions = self.preconditions.iter().map(|(place, expected)| match expected {
            Expected::Absent => place.len(),
            Expected::Equals(value) => place.len().saturating_add(value.len()),
        });
        let changes =
            self.changes.iter().map(|(place, value)| place.len().saturating_add(value.as_ref().map_or(0, Vec::len)));
        conditions.chain(changes).fold(0, usize::saturating_add)
    }

    /// The first precondition that does not hold, when `read` gives the values before the batch.
    fn conflict<E>(&self, mut read: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, E>) -> Result<Option<usize>, E> {
        for (number, (place, expected)) in self.preconditions.iter().enumerate() {
            let value = read(place)?;
            let holds = match expected {
                Expected::Absent => value.is_none(),
                Expected::Equals(expected) => value.as_ref() == Some(expected),
            };
            if !holds {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }
}

/// The places of a range: from the first, up to before the second; none means the end of everything.
fn places(tree: Tree, range: KeyRange<'_>) -> (Vec<u8>, Option<Vec<u8>>) {
    match range {
        KeyRange::Prefix(prefix) => {
            let from = place(tree, prefix);
            let until = after_prefix(&from);
            (from, until)
        }
        KeyRange::Between { from, until } => {
            let until = until.map_or_else(|| after_prefix(&[tree.0]), |until| Some(place(tree, until)));
            (place(tree, from), until)
        }
    }
}

/// The first place that comes after everything that begins with `prefix`.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|octet| *octet != u8::MAX)?;
    let mut after = prefix.get(..=last)?.to_vec();
    if let Some(octet) = after.last_mut() {
        *octet = octet.saturating_add(1);
    }
    Some(after)
}

/// Why an engine did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A precondition did not hold; nothing was changed.
    #[error("precondition {precondition} of the batch does not hold")]
    Conflict {
        /// Its number, in the order in which they were added, from zero.
        precondition: usize,
    },
    /// A key, a value or a batch exceeds its bound; nothing was changed.
    #[error("{what} of size {size} exceeds the bound of {size_max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, in octets or changes.
        size: usize,
        /// The bound.
        size_max: usize,
    },
    /// Too much is under way; nothing was changed, try later.
    #[error("too many commits are under way")]
    Busy,
    /// Another process has the store.
    #[error("{} is in use by another process", .directory.display())]
    InUse {
        /// The store's directory.
        directory: PathBuf,
    },
    /// The store is damaged. It is an index: it can be deleted while the server is stopped, and is rebuilt at the
    /// start.
    #[error(
        "{} is damaged: {reason}. Stop the server and delete it; it is rebuilt from the journal",
        .directory.display()
    )]
    Corrupt {
        /// The store's directory.
        directory: PathBuf,
        /// What the engine said.
        reason: Arc<str>,
    },
    /// The disk failed. A commit that failed so may or may not have been applied; the engine accepts no further ones.
    #[error("the store's disk failed: {reason}")]
    Io {
        /// What the disk said.
        reason: Arc<str>,
    },
    /// The engine was closed.
    #[error("the store is closed")]
    Closed,
}

impl From<Stopped> for EngineError {
    fn from(_: Stopped) -> Self {
        Self::Closed
    }
}

/// The answer to a commit: nothing, once it is durable.
pub type CommitTicket = Ticket<(), EngineError>;

/// A store of ordered keys, as the laws at the head of this module describe it.
pub trait Engine: Send + Sync + fmt::Debug + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// `Corrupt` and `Io`.
    fn read(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Shows the entries of a range where they are, in the order of their keys, until no more are wanted. `hear` must
    /// not use the engine.
    ///
    /// # Errors
    /// `Corrupt` and `Io`.
    fn walk(&self, tree: Tree, range: KeyRange<'_>, hear: Hear<'_>) -> Result<(), EngineError>;

    /// At most `limit` entries of a range, in the order of their keys.
    ///
    /// # Errors
    /// `Corrupt` and `Io`.
    fn scan(&self, tree: Tree, range: KeyRange<'_>, limit: usize) -> Result<Vec<Entry>, EngineError> {
        let mut entries = Vec::new();
        if limit > 0 {
            self.walk(tree, range, &mut |key, value| {
                entries.push((key.to_vec(), value.to_vec()));
                if entries.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(entries)
    }

    /// Hands a batch over; the ticket answers when it is durable. Never blocks. The ticket's errors are `Conflict`,
    /// `TooLarge`, `Busy`, `Io`, `Corrupt` and `Closed`.
    fn commit(&self, batch: Batch) -> CommitTicket;
}
