//! When the recorder writes again: what nobody waits for waits for company.
//!
//! Each batch of facts is a group of the journal's own, or makes one wait. That a message is in its mailbox need not be
//! known at once: after a crash it is put there again, under the same name, which changes nothing. A departure is
//! repeated, and an answer is waited for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::recorder::Fact;
use crate::store::intake::locked;

/// Between two batches, in any case: what is said meanwhile shares the next one.
const HASTE: Duration = Duration::from_millis(3);
/// So much longer, if nobody is in haste.
const LEISURE: Duration = Duration::from_millis(17);

/// The time between two batches.
#[derive(Debug, Default)]
pub(super) struct Pace {
    hurried: Mutex<bool>,
    changed: Condvar,
}

impl Pace {
    /// Hears that `fact` was said, or is about to be.
    pub(super) fn hear(&self, fact: &Fact) {
        if !is_leisurely(fact) && !core::mem::replace(&mut *locked(&self.hurried), true) {
            self.changed.notify_one();
        }
    }

    /// Waits until it is time for the next batch.
    pub(super) fn rest(&self) {
        let hurried = locked(&self.hurried);
        let rested = self.changed.wait_timeout_while(hurried, LEISURE, |hurried| !*hurried);
        let (mut hurried, _) = rested.unwrap_or_else(PoisonError::into_inner);
        *hurried = false;
        drop(hurried);
        thread::sleep(HASTE);
    }
}

/// Nobody waits for it, and a repetition changes nothing.
const fn is_leisurely(fact: &Fact) -> bool {
    matches!(fact, Fact::Moved { unrecorded: None, .. } | Fact::Discard(_))
}
