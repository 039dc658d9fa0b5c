//! The directory as it is at this moment, for everyone who judges by it.
//!
//! Readers take an `Arc` and never wait; a published snapshot is what the very next reader sees. Who publishes has made
//! the change durable before.

use core::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::model::directory::Snapshot;

/// The current snapshot.
pub struct LiveDirectory {
    current: ArcSwap<Snapshot>,
}

impl LiveDirectory {
    /// Starts with `snapshot`.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { current: ArcSwap::new(snapshot) }
    }

    /// The snapshot of this moment. It stays whole for as long as it is held, whatever is published meanwhile.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Puts `snapshot` in force from the next [`Self::current`] on. For the one writer of the directory: two that
    /// publish at once would overtake each other.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.current.store(snapshot);
    }
}

impl fmt::Debug for LiveDirectory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.current.load().version();
        formatter.debug_struct("LiveDirectory").field("version", &version).finish_non_exhaustive()
    }
}
