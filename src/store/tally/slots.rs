//! A count of the last hour, in steps of ten minutes.

use super::Hour;
use crate::model::mail::Timestamp;

/// Ten minutes since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(u32);

const SLOT_SECONDS: u64 = 600;
const SLOTS_OF_AN_HOUR: u32 = 6;
/// The present one, and those that an hour before any moment of it reaches into.
const SLOTS: u32 = 7;

impl Slot {
    pub(super) fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.unix_seconds() / SLOT_SECONDS).unwrap_or(u32::MAX))
    }

    /// As it stands in a file; 0 is none.
    pub(super) fn stored(number: u64) -> Option<Self> {
        u32::try_from(number).ok().filter(|number| *number > 0).map(Self)
    }

    pub(super) fn number(self) -> u64 {
        u64::from(self.0)
    }

    pub(super) const fn last_of(hour: Hour) -> Self {
        Self(hour.0.saturating_mul(SLOTS_OF_AN_HOUR).saturating_add(SLOTS_OF_AN_HOUR - 1))
    }

    pub(super) const fn hour(self) -> Hour {
        Hour(self.0 / SLOTS_OF_AN_HOUR)
    }

    /// Whether what was counted then counts in the hour that ends with `now`. A clock that was set back by less than an
    /// hour counts what is in its future; what lies further ahead was counted by a clock that was wrong.
    pub(super) const fn is_within_hour_of(self, now: Self) -> bool {
        self.0.abs_diff(now.0) <= SLOTS_OF_AN_HOUR
    }

    fn place(self) -> usize {
        usize::try_from(self.0 % SLOTS).unwrap_or(0)
    }
}

/// How many there were in the newest step that had any, and in the six before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slots {
    newest: Slot,
    counts: [u32; SLOTS as usize],
}

impl Slots {
    /// Counts one. What is older than the newest by an hour is over already, and what is ahead of `now` by more than
    /// that was never now; where the newest is, a clock was wrong and the count begins anew.
    pub(super) fn add(&mut self, slot: Slot, now: Slot) {
        if slot > now && !slot.is_within_hour_of(now) {
            return;
        }
        let wrong = !now.is_within_hour_of(self.newest) && self.newest > slot;
        if wrong {
            *self = Self::default();
        }
        if slot > self.newest {
            let passed = slot.0.saturating_sub(self.newest.0).min(SLOTS);
            for back in 0..passed {
                self.set(Slot(slot.0.saturating_sub(back)), 0);
            }
            self.newest = slot;
        }
        if slot.is_within_hour_of(self.newest) {
            self.set(slot, self.at(slot).saturating_add(1));
        }
    }

    pub(super) fn take_back(&mut self, slot: Slot) {
        if slot.is_within_hour_of(self.newest) && slot <= self.newest {
            self.set(slot, self.at(slot).saturating_sub(1));
        }
    }

    /// The count of the hour that ends with `now`.
    pub(super) fn of_hour(&self, now: Slot) -> u32 {
        let kept = (0..SLOTS).filter_map(|back| self.newest.0.checked_sub(back)).map(Slot);
        let within = kept.filter(|slot| slot.is_within_hour_of(now));
        within.fold(0, |sum, slot| sum.saturating_add(self.at(slot)))
    }

    /// Whether nothing of it counts any more.
    pub(super) const fn is_over(&self, now: Slot) -> bool {
        !self.newest.is_within_hour_of(now)
    }

    fn at(&self, slot: Slot) -> u32 {
        self.counts.get(slot.place()).copied().unwrap_or(0)
    }

    fn set(&mut self, slot: Slot, count: u32) {
        if let Some(own) = self.counts.get_mut(slot.place()) {
            *own = count;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slot(minutes: u64) -> Slot {
        Slot::of(Timestamp::from_unix_milliseconds((1_000_000 + minutes) * 60_000))
    }

    #[test]
    fn a_clock_that_was_wrong_silences_no_limit() {
        let mut slots = Slots::default();
        slots.add(slot(600_000), slot(600_000));
        assert_eq!(slots.of_hour(slot(600_000)), 1);
        // Set back by little it is still the same hour; by more, that one was none.
        assert_eq!(slots.of_hour(slot(599_950)), 1);
        assert_eq!(slots.of_hour(slot(0)), 0);
        assert!(slots.is_over(slot(0)));
        slots.add(slot(0), slot(0));
        slots.add(slot(600_000), slot(5));
        slots.add(slot(5), slot(5));
        assert_eq!(slots.of_hour(slot(5)), 2);
    }

    proptest! {
        /// Whatever the limit: who is judged by this count never has more than it in any sixty minutes, and what is
        /// older than seventy minutes does not count.
        #[test]
        fn no_sixty_minutes_have_more_than_the_limit(
            gaps in prop::collection::vec(prop_oneof![0..4_u64, 0..90_u64], 1..200),
            limit in 1..8_u32,
        ) {
            let (mut slots, mut minute, mut taken) = (Slots::default(), 0, Vec::new());
            for gap in gaps {
                minute += gap;
                let now = slot(minute);
                let older = taken.iter().filter(|at| minute - **at < 70).count();
                prop_assert!(slots.of_hour(now) as usize <= older);
                if slots.of_hour(now) < limit {
                    slots.add(now, now);
                    taken.push(minute);
                }
                let within = taken.iter().filter(|at| minute - **at < 60).count();
                prop_assert!(within <= limit as usize, "{taken:?}");
            }
        }

        /// What comes late counts where it belongs, and what is taken back is as if it had never been.
        #[test]
        fn counts_are_those_of_a_list(
            steps in prop::collection::vec((0..30_u64, 0..100_u64, any::<bool>()), 1..60),
        ) {
            let (mut slots, mut minute, mut all) = (Slots::default(), 100, Vec::new());
            for (gap, late, back) in steps {
                minute += gap;
                let (at, now) = (slot(minute - late.min(minute)), slot(minute));
                slots.add(at, now);
                if back && at.is_within_hour_of(slots.newest) {
                    slots.take_back(at);
                } else {
                    all.push(at);
                }
                let expected = all.iter().filter(|at| at.is_within_hour_of(now)).count();
                prop_assert_eq!(slots.of_hour(now) as usize, expected);
            }
        }
    }
}
