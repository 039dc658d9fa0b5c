//! The clock: wall time for what is written down, monotonic time for how long something took.
//!
//! The only place that asks the operating system for the time. Everything else takes a [`Clock`] or a value that came
//! from one, so that a test moves thirty days in a microsecond and a simulation repeats itself exactly.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::mail::Timestamp;

/// A source of time, shared by all tasks.
pub trait Clock: Send + Sync {
    /// Wall time. It may step backwards when the system clock is set; see [`Timestamp::since`].
    fn now(&self) -> Timestamp;

    /// Time since this clock was made. It never goes backwards, whatever happens to the wall clock.
    fn elapsed(&self) -> Duration;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[allow(clippy::disallowed_methods, reason = "this is the clock that everything else must ask")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }

    /// Wall time as microseconds since 1970, for a log: lines of the same millisecond stand in their order. A machine
    /// whose clock stands before 1970 reads as 1970.
    #[allow(clippy::disallowed_methods, reason = "this is the clock that everything else must ask")]
    pub fn unix_microseconds() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    /// A machine whose clock stands before 1970 reads as 1970.
    #[allow(clippy::disallowed_methods, reason = "this is the clock that everything else must ask")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH.plus(since)
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that moves only when told to, for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<ManualState>,
}

#[derive(Clone, Copy, Debug)]
struct ManualState {
    now: Timestamp,
    elapsed: Duration,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub const fn new(start: Timestamp) -> Self {
        Self { state: Mutex::new(ManualState { now: start, elapsed: Duration::ZERO }) }
    }

    /// Lets `duration` pass, on the wall and on the monotonic clock alike.
    pub fn advance(&self, duration: Duration) {
        self.change(|state| {
            state.now = state.now.plus(duration);
            state.elapsed = state.elapsed.saturating_add(duration);
        });
    }

    /// Sets the wall clock, also backwards. Monotonic time does not move.
    pub fn set(&self, now: Timestamp) {
        self.change(|state| state.now = now);
    }

    fn change(&self, step: impl FnOnce(&mut ManualState)) {
        step(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn read(&self) -> ManualState {
        *self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.read().now
    }

    fn elapsed(&self) -> Duration {
        self.read().elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let start = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
        let clock = ManualClock::new(start);
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(30 * 86_400));
        assert_eq!(clock.now().to_string(), "2026-02-04T09:00:00.000Z");
        assert_eq!(clock.elapsed(), Duration::from_secs(30 * 86_400));
    }

    #[test]
    fn setting_the_wall_clock_back_leaves_monotonic_time_alone() {
        let clock = ManualClock::new(Timestamp::from_unix_milliseconds(10_000));
        clock.advance(Duration::from_secs(5));
        clock.set(Timestamp::EPOCH);
        assert_eq!(clock.now(), Timestamp::EPOCH);
        assert_eq!(clock.elapsed(), Duration::from_secs(5));
    }

    #[test]
    fn the_system_clock_is_past_the_day_this_was_written() {
        let clock = SystemClock::new();
        assert!(clock.now() > Timestamp::parse_iso8601("2025-01-01T00:00:00Z").unwrap());
        assert!(SystemClock::unix_microseconds() > clock.now().unix_milliseconds() * 999);
        let before = clock.elapsed();
        assert!(clock.elapsed() >= before);
    }
}
