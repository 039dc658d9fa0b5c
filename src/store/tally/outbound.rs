//! Recipients outside of what accounts, each of their devices, and the clients of a connector have submitted: within an
//! hour in steps of ten minutes, and within a day.

use core::sync::atomic::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::files::Record;
use super::{Held, Hour, Slot, Tally};
use crate::model::policy::restricted::Submitter;
use crate::model::queue::QueueId;
use crate::store::intake::locked;

/// A number that stands for who hands mail in, the same after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) u64);

impl Key {
    pub(super) fn of(submitter: &Submitter) -> Self {
        let mut digest = Sha256::new();
        // Nobody's account has this number.
        digest.update(submitter.account().map_or(u64::MAX, |account| account.0).to_le_bytes());
        // Names are told apart by letters alone, and no name is empty.
        let name = submitter.device().or_else(|| submitter.connector()).unwrap_or_default();
        digest.update(name.to_ascii_lowercase().as_bytes());
        Self(digest.finalize().first_chunk::<8>().map_or(0, |octets| u64::from_le_bytes(*octets)))
    }
}

/// What one of them has submitted.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    steps: BTreeMap<Slot, u32>,
    /// About to be accepted.
    held: Vec<Held>,
}

impl Outbound {
    pub(super) fn add(&mut self, slot: Slot, recipients: u32) {
        let own = self.steps.entry(slot).or_default();
        *own = own.saturating_add(recipients);
        self.forget(slot.hour());
    }

    /// What is counted, and held of those whose message counts now is held no more.
    pub(super) fn accepted(&mut self, id: QueueId, slot: Slot, recipients: u32) {
        self.held.retain(|held| held.id != Some(id));
        self.add(slot, recipients);
    }

    pub(super) fn take_back(&mut self, slot: Slot, recipients: u32) {
        if let Some(own) = self.steps.get_mut(&slot) {
            *own = own.saturating_sub(recipients);
        }
    }

    /// Drops what is no part of the day that ends with the hour `now`.
    pub(super) fn forget(&mut self, now: Hour) {
        self.steps.retain(|slot, _| slot.hour().is_within_day_of(now));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.held.is_empty()
    }

    /// The amounts of the steps of one hour.
    pub(super) fn of(&self, hour: Hour) -> impl Iterator<Item = (Slot, u32)> {
        self.steps.iter().map(|(slot, recipients)| (*slot, *recipients)).filter(move |(slot, _)| slot.hour() == hour)
    }

    fn sum(&self, counts: impl Fn(Slot) -> bool) -> u32 {
        let held = self.held.iter().map(|held| held.recipients);
        let counted = self.steps.iter().filter(|(slot, _)| counts(**slot)).map(|(_, recipients)| *recipients);
        held.chain(counted).fold(0, u32::saturating_add)
    }

    fn sent(&self, now: Slot) -> SentOutside {
        SentOutside {
            of_hour: self.sum(|slot| slot.is_within_hour_of(now)),
            of_day: self.sum(|slot| slot.hour().is_within_day_of(now.hour())),
        }
    }
}

/// Recipients outside of what somebody submitted, and of what it is submitting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentOutside {
    /// Within the last hour.
    pub of_hour: u32,
    /// Within the last day.
    pub of_day: u32,
}

/// Recipients outside that are held for a message until it is accepted; dropping it before gives them back.
#[derive(Debug)]
#[must_use = "what is not held is given back at once"]
pub struct OutboundHold {
    tally: Arc<Tally>,
    key: Key,
    number: u64,
}

impl OutboundHold {
    /// Says by which id the queue will tell of the message.
    pub fn bind(&self, id: QueueId) {
        let mut shard = self.tally.shard(self.key.0);
        let held = shard.outbound.get_mut(&self.key).into_iter().flat_map(|own| &mut own.held);
        held.filter(|held| held.number == self.number).for_each(|held| held.id = Some(id));
    }
}

impl Drop for OutboundHold {
    fn drop(&mut self) {
        if let Some(own) = self.tally.shard(self.key.0).outbound.get_mut(&self.key) {
            own.held.retain(|held| held.number != self.number);
        }
    }
}

impl Tally {
    /// Holds the recipients outside of a message, if as many are left of the hour and of the day.
    ///
    /// # Errors
    /// What there would be with them.
    pub fn hold_outbound(
        self: &Arc<Self>,
        submitter: &Submitter,
        recipients: u32,
        per_hour: Option<u32>,
        per_day: Option<u32>,
    ) -> Result<OutboundHold, SentOutside> {
        let (now, key) = (Slot::of(self.clock.now()), Key::of(submitter));
        let mut shard = self.shard(key.0);
        let own = shard.outbound.entry(key).or_default();
        let sent = own.sent(now);
        let with = SentOutside {
            of_hour: sent.of_hour.saturating_add(recipients),
            of_day: sent.of_day.saturating_add(recipients),
        };
        let exceeds = |count: u32, bound: Option<u32>| bound.is_some_and(|bound| count > bound);
        // Mail that stays inside is not what this is about.
        if recipients > 0 && (exceeds(with.of_hour, per_hour) || exceeds(with.of_day, per_day)) {
            return Err(with);
        }
        let number = self.holds.fetch_add(1, Ordering::Relaxed);
        if recipients > 0 {
            own.held.push(Held { number, id: None, recipients });
        }
        drop(shard);
        Ok(OutboundHold { tally: Arc::clone(self), key, number })
    }

    /// What somebody has submitted to recipients outside, with what is held.
    pub fn sent_outside(&self, submitter: &Submitter) -> SentOutside {
        let (now, key) = (Slot::of(self.clock.now()), Key::of(submitter));
        self.shard(key.0).outbound.get(&key).map_or_else(SentOutside::default, |own| own.sent(now))
    }

    /// Forgets what somebody has submitted: who was released begins anew.
    pub fn forget_outside(&self, submitter: &Submitter) {
        let (key, now) = (Key::of(submitter), Slot::of(self.clock.now()));
        let forgotten = match self.shard(key.0).outbound.get_mut(&key) {
            Some(own) => core::mem::take(&mut own.steps),
            None => return,
        };
        // What is in the files is undone there, in each hour of its own.
        for (slot, recipients) in forgotten.into_iter().filter(|(slot, _)| slot.hour().is_within_day_of(now.hour())) {
            locked(&self.files).append_sent(slot.hour(), &[Record::Pardon { submitter: key.0, recipients, slot }]);
        }
    }
}
