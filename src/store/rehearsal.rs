//! A rehearsal: what a server has that developers test against, and that a server in service never has: scripted
//! faults, and a memory of what came in.
//!
//! Both are in this process's memory and bounded. Only the test doubles (`franking demo`, `franking serve --ephemeral`)
//! make one; everything else holds `None`, so nothing there can be made to misbehave.

mod captured;

use core::fmt;
use core::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use captured::{CONTENT_BYTES_MAX, Captured, Draft, MESSAGES_MAX, Messages};

use crate::model::faults::{Door, FaultSource, Faults, Occasion, Rule, Visit};
use crate::model::mail::Timestamp;

/// The script, what it did, and what came in.
#[derive(Default)]
pub struct Rehearsal {
    faults: Mutex<Faults>,
    captured: Mutex<Messages>,
}

impl Rehearsal {
    /// Begins with these rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        let rehearsal = Self::default();
        rehearsal.faults().set(rules);
        rehearsal
    }

    /// The script and its state, while nobody else has it. Sessions wait meanwhile: hold it briefly.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came in, likewise.
    pub fn captured(&self) -> MutexGuard<'_, Messages> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client came.
    pub fn visit(&self, client: IpAddr, port: u16, door: Door) -> Visit {
        Visit { session: self.faults().begin_session(), client, port, door }
    }
}

impl FaultSource for Rehearsal {
    fn strike(&self, now: Timestamp, occasion: &Occasion<'_>) -> Option<Arc<Rule>> {
        let rule = self.faults().judge(now, occasion)?;
        let step = occasion.step.name();
        tracing::info!(rule = &*rule.name, step, deed = rule.deed.name(), "a fault of the script strikes");
        Some(rule)
    }
}

impl fmt::Debug for Rehearsal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rehearsal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
