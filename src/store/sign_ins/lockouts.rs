//! Failures to sign in and the locks they led to, over restarts (see `model::policy::lockout`).
//!
//! The table is written every few seconds while something alters in it, and at the end: a kill or a power cut forgets
//! the failures of the last seconds before it, and locks that began in them. Without that, whoever can make a server
//! start again could go on guessing.

use core::time::Duration;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::kept::Kept;
use crate::model::directory::RecipientId;
use crate::model::mail::Network;
use crate::model::policy::lockout::{Attempt, Claimed, Consequence, Entry, Lockouts, Rules};
use crate::store::intake::locked;
use crate::world::clock::Clock;
use crate::world::disk::Disk;

/// How often the table is written, at most.
const PERIOD: Duration = Duration::from_secs(5);

/// The failures of a server.
pub struct LockoutStore {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

struct State {
    own: Lockouts,
    kept: Option<Kept>,
    altered: bool,
    /// By the monotonic clock.
    written: Duration,
}

impl core::fmt::Debug for LockoutStore {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("LockoutStore").finish_non_exhaustive()
    }
}

impl LockoutStore {
    /// Reads what the last life noted in `directory`. A disk that fails is logged and keeps nobody from starting.
    pub fn open(disk: Arc<dyn Disk>, directory: &Path, clock: Arc<dyn Clock>) -> Self {
        let own = Self::unkept(clock);
        let opened = Kept::within(disk, directory, "lockouts").and_then(|kept| Ok((kept.read::<Lockouts>()?, kept)));
        match opened {
            Ok((read, kept)) => {
                let mut state = locked(&own.state);
                (state.own, state.kept) = (read, Some(kept));
            }
            Err(error) => tracing::error!(%error, "failures to sign in are remembered in memory only"),
        }
        own
    }

    /// Remembers in memory only.
    pub fn unkept(clock: Arc<dyn Clock>) -> Self {
        let state = State { own: Lockouts::default(), kept: None, altered: false, written: clock.elapsed() };
        Self { state: Mutex::new(state), clock }
    }

    /// Whether an attempt is refused whatever it shows.
    pub fn is_locked(&self, rules: &Rules, attempt: &Attempt) -> bool {
        locked(&self.state).own.is_locked(rules, attempt, self.clock.now())
    }

    /// Notes that an attempt failed, and says what follows.
    pub fn failed(&self, rules: &Rules, attempt: &Attempt) -> Consequence {
        let mut state = locked(&self.state);
        state.altered = true;
        state.own.failed(rules, attempt, self.clock.now())
    }

    /// Notes that somebody signed in.
    pub fn succeeded(&self, attempt: &Attempt) {
        let mut state = locked(&self.state);
        state.altered |= state.own.succeeded(attempt);
    }

    /// Everything that is remembered, locks first.
    pub fn entries(&self, rules: &Rules) -> Vec<Entry> {
        locked(&self.state).own.entries(rules, self.clock.now())
    }

    /// Forgets an account; how many entries that were.
    pub fn clear_account(&self, account: RecipientId) -> usize {
        self.clear(|own| own.clear_account(Claimed::Account(account)))
    }

    /// Forgets the sources within a network; how many entries that were.
    pub fn clear_sources(&self, network: &Network) -> usize {
        self.clear(|own| own.clear_sources(network))
    }

    fn clear(&self, clear: impl FnOnce(&mut Lockouts) -> usize) -> usize {
        let cleared = {
            let mut state = locked(&self.state);
            state.altered = true;
            clear(&mut state.own)
        };
        // An administrator's word is not forgotten by a kill.
        self.tend(true);
        cleared
    }

    /// Writes what is new, when it is time or `at_once`. Blocks.
    pub fn tend(&self, at_once: bool) {
        let now = self.clock.elapsed();
        let (own, kept) = {
            let mut state = locked(&self.state);
            let due = at_once || now.saturating_sub(state.written) >= PERIOD;
            let Some(kept) = state.kept.clone().filter(|_| due && state.altered) else { return };
            (state.altered, state.written) = (false, now);
            (state.own.clone(), kept)
        };
        if let Err(error) = kept.write(&own) {
            tracing::warn!(%error, "failures to sign in could not be written; it is tried again");
            locked(&self.state).altered = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mail::Timestamp;
    use crate::world::ManualClock;
    use crate::world::disk::SimulatedDisk;

    fn open(disk: &SimulatedDisk, clock: &Arc<ManualClock>) -> LockoutStore {
        let clock = Arc::<ManualClock>::clone(clock) as Arc<dyn Clock>;
        LockoutStore::open(Arc::new(disk.clone()), Path::new("/sign-ins"), clock)
    }

    fn attempt(shown: u64) -> Attempt {
        let source = Network::of_client([192, 0, 2, 7].into());
        Attempt { who: Claimed::Account(RecipientId(1)), source, shown }
    }

    #[test]
    fn a_lock_outlasts_a_restart_and_a_kill_forgets_seconds_at_most() {
        let now = Timestamp::from_unix_milliseconds(1_000_000_000);
        let (disk, clock) = (SimulatedDisk::new(1), Arc::new(ManualClock::new(now)));
        let first = open(&disk, &clock);
        for number in 0..10 {
            first.failed(&Rules::USUAL, &attempt(number));
        }
        assert!(first.is_locked(&Rules::USUAL, &attempt(0)));
        first.tend(false);
        assert!(!open(&disk, &clock).is_locked(&Rules::USUAL, &attempt(0)), "killed before it was time");
        clock.advance(PERIOD);
        first.tend(false);
        let second = open(&disk, &clock);
        assert!(second.is_locked(&Rules::USUAL, &attempt(0)));
        assert_eq!(second.entries(&Rules::USUAL), first.entries(&Rules::USUAL));
        clock.advance(Rules::USUAL.first);
        assert!(!second.is_locked(&Rules::USUAL, &attempt(0)), "and it ends in time");
    }

    #[test]
    fn what_an_administrator_clears_stays_cleared() {
        let now = Timestamp::from_unix_milliseconds(1_000_000_000);
        let (disk, clock) = (SimulatedDisk::new(1), Arc::new(ManualClock::new(now)));
        let own = open(&disk, &clock);
        for number in 0..10 {
            own.failed(&Rules::USUAL, &attempt(number));
        }
        own.tend(true);
        assert_eq!(own.clear_account(RecipientId(1)), 2);
        assert!(!open(&disk, &clock).is_locked(&Rules::USUAL, &attempt(0)), "killed at once");
        assert_eq!(own.clear_sources(&"192.0.2.0/24".parse().unwrap()), 1);
        assert!(open(&disk, &clock).entries(&Rules::USUAL).is_empty());
    }
}
