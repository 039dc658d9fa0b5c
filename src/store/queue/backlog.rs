//! Departures that are not recorded yet. After a crash each of them is repeated, so they are bounded: while the disk is
//! slow, or fails, the queue does not go on sending what it could not remember.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use tokio::sync::Notify;

/// All of them share one write of the journal, so even a slow disk lets a thousand messages depart in a second.
pub(super) const UNRECORDED_MAX: usize = 16;

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    count: Arc<AtomicUsize>,
}

/// A departure, until it is recorded or it is known that it will not be.
#[derive(Debug)]
pub(super) struct Unrecorded {
    count: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

impl Backlog {
    /// Another departure; `changed` hears when it does not count any more.
    pub(super) fn depart(&self, changed: &Arc<Notify>) -> Unrecorded {
        self.count.fetch_add(1, Ordering::Relaxed);
        Unrecorded { count: Arc::clone(&self.count), changed: Arc::clone(changed) }
    }

    /// Whether no more should depart.
    pub(super) fn is_full(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= UNRECORDED_MAX
    }
}

impl Drop for Unrecorded {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.changed.notify_one();
    }
}
