//! Time as the server has seen it pass: what a mailbox is kept for counts in days that the server was there, not in
//! what a clock says.
//!
//! A clock that jumps ahead by years, or a server that was switched off for months, would else delete at the first
//! look whatever was kept, before anybody could want it back. So whatever time the clock claims to have passed beyond
//! [`UNSEEN_MAX`], and nobody has seen pass, is a [`Gap`] that does not count: periods are longer by it. A night off,
//! or a correction of the clock by hours, is no gap. A clock that goes back takes gaps ahead of it away again; it
//! neither undoes nor repeats what was done.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::mail::Timestamp;

/// As much may pass unseen and counts all the same.
pub const UNSEEN_MAX: Duration = Duration::from_secs(24 * 3600);
/// More gaps are not remembered apart: two become one, with what lies between them.
const GAPS_MAX: usize = 64;

/// Time that nobody has seen pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last moment before it.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

impl Gap {
    /// How long it is.
    pub fn length(&self) -> Duration {
        self.to.since(self.from)
    }
}

/// What a look at the clock found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The time is what it should be.
    AsUsual,
    /// The clock is ahead: this has passed unseen.
    Ahead(Gap),
    /// The clock went back by so much.
    Back(Duration),
}

/// When the server was there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calendar {
    /// What the time was at the last look, going by what has passed since the one before: a clock that creeps ahead in
    /// small steps is found out when they add up.
    seen: Option<Timestamp>,
    /// Gaps, none of which touches another, oldest first.
    gaps: Vec<Gap>,
}

impl Calendar {
    /// One without gaps.
    pub const WITHOUT_GAPS: &'static Self = &Self { seen: None, gaps: Vec::new() };

    /// The gaps, oldest first.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// When the server was seen running last.
    pub const fn seen(&self) -> Option<Timestamp> {
        self.seen
    }

    /// The first look after a start.
    pub fn start(&mut self, now: Timestamp) -> Look {
        let look = self.compare(now, self.seen.unwrap_or(now), Duration::ZERO);
        self.seen = Some(now);
        look
    }

    /// Another look, after so much has passed since the one before by a clock that nobody sets.
    pub fn look(&mut self, now: Timestamp, passed: Duration) -> Look {
        let Some(seen) = self.seen else { return self.start(now) };
        let expected = seen.plus(passed);
        let look = self.compare(now, expected, passed);
        // Hours back are gone along with, so that as many ahead do not count twice.
        self.seen = Some(if look == Look::AsUsual { expected.min(now) } else { now });
        look
    }

    fn compare(&mut self, now: Timestamp, expected: Timestamp, passed: Duration) -> Look {
        if now > expected.plus(UNSEEN_MAX) {
            let gap = Gap { from: expected, to: now };
            self.add(gap);
            return Look::Ahead(gap);
        }
        if now.plus(UNSEEN_MAX) < expected {
            // What lay ahead was a mistake of the clock, and what has passed since the last look was seen.
            let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
            let before = Timestamp::from_unix_milliseconds(now.unix_milliseconds().saturating_sub(passed));
            self.gaps.retain(|gap| gap.from < before);
            if let Some(last) = self.gaps.last_mut() {
                last.to = last.to.min(before);
            }
            return Look::Back(expected.since(now));
        }
        Look::AsUsual
    }

    fn add(&mut self, gap: Gap) {
        match self.gaps.last_mut().filter(|last| gap.from <= last.to) {
            Some(last) => last.to = last.to.max(gap.to),
            None => self.gaps.push(gap),
        }
        if self.gaps.len() > GAPS_MAX {
            // The two oldest: what they concern is the first to be forgotten.
            let second = self.gaps.remove(1);
            if let Some(first) = self.gaps.first_mut() {
                first.to = second.to;
            }
        }
    }

    /// Forgets every gap: what passed unseen counts. Gives how many there were.
    pub fn count_everything(&mut self) -> usize {
        core::mem::take(&mut self.gaps).len()
    }

    /// When a period that began then is over: so much later, gaps not counted. Never when that is beyond the end of all
    /// time: a clock that stands there says nothing.
    pub fn after(&self, since: Timestamp, period: Duration) -> Option<Timestamp> {
        let mut length = period;
        for gap in &self.gaps {
            if gap.to > since && gap.from < since.plus(length) {
                length = length.saturating_add(gap.to.since(gap.from.max(since)));
            }
        }
        let end = since.plus(length);
        (end.since(since) >= length).then_some(end)
    }
}

/// What the length of periods depends on.
#[derive(Clone, Copy, Debug)]
pub struct Time<'a> {
    /// The time.
    pub now: Timestamp,
    /// When the server was there.
    pub calendar: &'a Calendar,
    /// How long a mailbox stays on hold after the last one was taken away (`DelayHoldApplied`).
    pub delay_hold: Duration,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: u32) -> Timestamp {
        Timestamp::from_unix_milliseconds(1_700_000_000_000).plus(DAY * days)
    }

    #[test]
    fn what_nobody_has_seen_pass_does_not_count() {
        let mut calendar = Calendar::default();
        assert_eq!(calendar.start(at(0)), Look::AsUsual);
        assert_eq!(calendar.look(at(10), DAY * 10), Look::AsUsual);
        // Switched off for 90 days, after ten of thirty.
        let gap = Gap { from: at(10), to: at(100) };
        assert_eq!(calendar.start(at(100)), Look::Ahead(gap));
        assert_eq!((gap.length(), calendar.gaps()), (DAY * 90, &[gap][..]));
        assert_eq!(calendar.after(at(0), DAY * 30), Some(at(120)));
        // Begun in the gap, or after it.
        assert_eq!(calendar.after(at(60), DAY * 30), Some(at(130)));
        assert_eq!(calendar.after(at(100), DAY * 30), Some(at(130)));
        // Over before it.
        assert_eq!(calendar.after(at(0), DAY * 10), Some(at(10)));
        assert_eq!(calendar.count_everything(), 1);
        assert_eq!(calendar.after(at(0), DAY * 30), Some(at(30)));
    }

    #[test]
    fn a_night_off_and_a_correction_by_hours_count() {
        let mut calendar = Calendar::default();
        calendar.start(at(0));
        for day in 1..30 {
            assert_eq!(calendar.start(at(day)), Look::AsUsual, "a day off");
        }
        assert_eq!(calendar.look(at(29).plus(DAY / 2), Duration::ZERO), Look::AsUsual);
        // Small steps add up.
        assert!(matches!(calendar.look(at(31), Duration::ZERO), Look::Ahead(_)));
    }

    #[test]
    fn a_clock_that_goes_back_takes_what_was_ahead_of_it_away() {
        let mut calendar = Calendar::default();
        calendar.start(at(0));
        calendar.look(at(1), DAY);
        assert!(matches!(calendar.look(at(4_000), Duration::ZERO), Look::Ahead(_)));
        assert_eq!(calendar.after(at(0), DAY * 30), Some(at(4_029)));
        assert_eq!(calendar.look(at(2), DAY), Look::Back(DAY * 3_999));
        assert_eq!(calendar.after(at(0), DAY * 30), Some(at(30)));
        assert_eq!(calendar.look(at(3), DAY), Look::AsUsual);
        // The same of several jumps.
        for ahead in [1_000, 2_000, 3_000] {
            assert!(matches!(calendar.look(at(ahead), DAY), Look::Ahead(_)));
        }
        assert!(matches!(calendar.look(at(4), DAY), Look::Back(_)));
        assert_eq!((calendar.gaps(), calendar.after(at(0), DAY * 30)), (&[][..], Some(at(30))));
    }

    #[test]
    fn gaps_never_grow_many_and_two_that_become_one_make_nothing_end_sooner() {
        let (mut calendar, mut all) = (Calendar::default(), Duration::ZERO);
        calendar.start(at(0));
        for number in 1..200 {
            calendar.look(at(number * 4 - 3), DAY);
            calendar.start(at(number * 4));
            all += DAY * 3;
            assert!(calendar.gaps().len() <= GAPS_MAX);
            assert!(calendar.after(at(0), DAY * 900) >= Some(at(900).plus(all.min(DAY * 600))), "{number}");
        }
    }

    #[test]
    fn at_the_end_of_all_time_nothing_is_over() {
        let mut calendar = Calendar::default();
        let end = Timestamp::from_unix_milliseconds(u64::MAX);
        calendar.start(at(0));
        calendar.look(end, Duration::ZERO);
        assert_eq!(calendar.after(at(0), DAY), None);
        assert_eq!(calendar.after(end, DAY), None);
        calendar.look(at(0), Duration::ZERO);
        assert_eq!(calendar.after(at(0), DAY), Some(at(1)));
    }

    proptest! {
        /// Days pass seen or unseen, and clocks are set; what began after the first of them is over no sooner than
        /// after its days, but for what may pass unseen at each start.
        #[test]
        fn no_period_is_over_before_its_days_were_seen(
            steps in prop::collection::vec((0_u8..4, 1_u32..50), 1..60),
            days in 1_u32..40,
        ) {
            let mut calendar = Calendar::default();
            let (mut now, mut seen, mut pardoned) = (at(0), Duration::ZERO, Duration::ZERO);
            calendar.start(now);
            let since = now;
            for (kind, length) in steps {
                match kind {
                    0 => {
                        now = now.plus(DAY * length);
                        seen += DAY * length;
                        calendar.look(now, DAY * length);
                    }
                    1 => {
                        now = now.plus(DAY * length);
                        calendar.start(now);
                        pardoned += UNSEEN_MAX;
                    }
                    2 => {
                        now = now.plus(DAY * length);
                        calendar.look(now, Duration::ZERO);
                        pardoned += UNSEEN_MAX;
                    }
                    _ => {
                        now = Timestamp::from_unix_milliseconds(
                            now.unix_milliseconds().saturating_sub((DAY * length).as_millis() as u64),
                        );
                        calendar.look(now, Duration::ZERO);
                    }
                }
                prop_assert!(calendar.gaps().is_sorted_by(|left, right| left.to < right.from));
                if calendar.after(since, DAY * days).is_some_and(|end| now >= end) {
                    prop_assert!(seen + pardoned >= DAY * days, "{:?} {:?}", seen, calendar);
                }
            }
        }
    }
}
