//! When a delivery is tried again, when its sender hears of the delay, and when its time is up.
//!
//! Chance comes in as a number, so that the same inputs give the same times.

use core::time::Duration;

use crate::model::mail::Timestamp;

/// The times of a queue. The defaults follow Exchange: soon at first, then every quarter of an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The pause after the first, second, third … attempt; the last one repeats. An empty list means one minute.
    pub delays: Vec<Duration>,
    /// How long after acceptance a message is given up (spec section 2.2: 24 hours in the cloud, two days on premises).
    pub expiry: Duration,
    /// How long after acceptance the sender is told that the message still waits (spec section 6.2: four hours).
    pub delay_notice: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

impl Schedule {
    /// The cloud's times.
    pub fn exchange_online() -> Self {
        let minutes = [1, 1, 5, 5, 10, 15];
        Self {
            delays: minutes.iter().map(|count| MINUTE * *count).collect(),
            expiry: HOUR * 24,
            delay_notice: HOUR * 4,
        }
    }

    /// The times of a server on premises: the same, but two days until a message is given up.
    pub fn exchange_server() -> Self {
        Self { expiry: HOUR * 48, ..Self::exchange_online() }
    }

    /// When a message accepted at `accepted_at` is given up.
    pub fn expires_at(&self, accepted_at: Timestamp) -> Timestamp {
        accepted_at.plus(self.expiry)
    }

    /// When the sender of a message accepted at `accepted_at` is told of the delay.
    pub fn notice_at(&self, accepted_at: Timestamp) -> Timestamp {
        accepted_at.plus(self.delay_notice)
    }

    /// The pause after `attempts` attempts (at least one), before any jitter.
    pub fn pause(&self, attempts: u16) -> Duration {
        let index = usize::from(attempts.saturating_sub(1));
        self.delays.get(index).or_else(|| self.delays.last()).copied().unwrap_or(MINUTE)
    }

    /// When to try again after `attempts` attempts (at least one), the last of them at `now`. `jitter`, any number,
    /// moves the pause by up to a tenth, so that messages deferred together do not come back together. Never later
    /// than `expires_at`: the last attempt is made when the time is up.
    pub fn next_attempt(&self, attempts: u16, now: Timestamp, expires_at: Timestamp, jitter: u64) -> Timestamp {
        let milliseconds = u64::try_from(self.pause(attempts).as_millis()).unwrap_or(u64::MAX).max(1_000);
        let tenth = milliseconds / 10;
        // From nine to eleven tenths.
        let moved = milliseconds.saturating_sub(tenth).saturating_add(jitter % tenth.saturating_mul(2).max(1));
        now.plus(Duration::from_millis(moved)).min(expires_at.max(now.plus(Duration::from_secs(1))))
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::exchange_online()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_the_last_one_repeats() {
        let schedule = Schedule::exchange_online();
        let now = Timestamp::from_unix_milliseconds(1_000_000);
        let expires = schedule.expires_at(now);
        let pause = |attempts| schedule.next_attempt(attempts, now, expires, 0).since(now);
        assert_eq!(pause(1), Duration::from_secs(54));
        assert_eq!(pause(3), Duration::from_secs(270));
        assert_eq!(pause(6), pause(60_000));
    }

    #[test]
    fn jitter_stays_within_a_tenth_and_expiry_is_never_passed() {
        let schedule = Schedule::exchange_server();
        let now = Timestamp::from_unix_milliseconds(1_000_000);
        let expires = schedule.expires_at(now);
        for jitter in [0, 1, 11_999, 12_000, u64::MAX] {
            let pause = schedule.next_attempt(1, now, expires, jitter).since(now).as_secs();
            assert!((54..=66).contains(&pause), "{pause}");
        }
        let late = expires.plus(Duration::ZERO);
        let soon = Timestamp::from_unix_milliseconds(late.unix_milliseconds() - 5_000);
        assert_eq!(schedule.next_attempt(9, soon, expires, 7), expires);
        // Past the end time still moves on, so that nothing spins.
        assert!(schedule.next_attempt(9, expires, expires, 7) > expires);
    }

    #[test]
    fn a_schedule_without_delays_still_pauses() {
        let schedule = Schedule { delays: Vec::new(), ..Schedule::default() };
        let now = Timestamp::EPOCH;
        assert!(schedule.next_attempt(0, now, schedule.expires_at(now), 3).since(now) >= Duration::from_secs(54));
    }
}
