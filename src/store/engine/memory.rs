//! An engine that forgets everything at the end: for tests and simulation, and the simplest statement of the laws.

use core::ops::Bound;
use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Batch, CommitTicket, Engine, EngineError, Hear, KeyRange, Tree, place, places};
use crate::store::intake::locked;
use crate::store::ticket::ticket;

/// Keys and values in memory.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    entries: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemoryEngine {
    /// An empty engine.
    pub fn new() -> Self {
        Self::default()
    }

    fn apply(&self, batch: Batch) -> Result<(), EngineError> {
        batch.judge_sizes()?;
        let mut entries = locked(&self.entries);
        let read = |place: &[u8]| Ok::<_, EngineError>(entries.get(place).cloned());
        if let Some(precondition) = batch.conflict(read)? {
            return Err(EngineError::Conflict { precondition });
        }
        for (place, value) in batch.changes {
            match value {
                Some(value) => entries.insert(place, value),
                None => entries.remove(&place),
            };
        }
        Ok(())
    }
}

impl Engine for MemoryEngine {
    fn read(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(locked(&self.entries).get(&place(tree, key)).cloned())
    }

    fn walk(&self, tree: Tree, range: KeyRange<'_>, hear: Hear<'_>) -> Result<(), EngineError> {
        let (from, until) = places(tree, range);
        // The map panics on a range that ends before it begins.
        if until.as_ref().is_some_and(|until| *until <= from) {
            return Ok(());
        }
        let end = until.map_or(Bound::Unbounded, Bound::Excluded);
        for (place, value) in locked(&self.entries).range((Bound::Included(from), end)) {
            if hear(place.get(1..).unwrap_or_default(), value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> CommitTicket {
        let (promise, ticket) = ticket();
        promise.fulfil(self.apply(batch));
        ticket
    }
}
