//! Amounts of the last hours, oldest first.

use std::collections::VecDeque;

use super::Hour;

/// How much there was in each hour that had any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hours(VecDeque<(Hour, u32)>);

impl Hours {
    /// Adds an amount to an hour, usually the last. No more hours are kept than a day has on either side of it.
    pub(super) fn add(&mut self, hour: Hour, amount: u32) {
        let place = self.0.iter().rposition(|(own, _)| *own <= hour);
        match place.and_then(|place| self.0.get_mut(place)).filter(|(own, _)| *own == hour) {
            Some((_, sum)) => *sum = sum.saturating_add(amount),
            None => self.0.insert(place.map_or(0, |place| place.saturating_add(1)), (hour, amount)),
        }
        self.forget(hour);
    }

    /// The amount of the day that ends with the hour `now`.
    pub(super) fn of_day(&self, now: Hour) -> u32 {
        let within = self.0.iter().filter(|(hour, _)| hour.is_within_day_of(now));
        within.fold(0, |sum, (_, amount)| sum.saturating_add(*amount))
    }

    /// The amount of one hour.
    pub(super) fn of(&self, hour: Hour) -> u32 {
        self.0.iter().find(|(own, _)| *own == hour).map_or(0, |(_, amount)| *amount)
    }

    /// Drops hours that are no part of the day that ends with `now`.
    pub(super) fn forget(&mut self, now: Hour) {
        self.0.retain(|(hour, _)| hour.is_within_day_of(now));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
