//! What accounts and mailboxes have used up of their minutes, hours and days (decision D6), exact over restarts.
//!
//! **What counts** is a function of the queue's journal: a message counts its recipients for the account that submitted
//! it, in the hour in which it was accepted, and one message for every mailbox that it is expanded to, in the same
//! hour. The queue tells of both, as a `Witness`, before anything else happens to the message; then they are appended
//! to the file of that hour (`files`), without waiting for the disk. After a kill the replay of the queue tells again
//! what is in its journal, and what stands in the file already is not counted a second time; so an accepted message
//! counts once. After a power cut the last second of the file may be missing: of it only messages that had left the
//! queue by then are counted too little.
//!
//! **Nobody overshoots** by being quick: what is about to be accepted is held ([`Tally::hold`], [`Tally::take`]) from
//! the judgement on until it counts, or is given back.
//!
//! **Hours** are those of the clock, in UTC. A day is the present hour and the 23 before it, so each hour's amount
//! frees itself 24 hours later. Memory is taken by those who were active within a day only, and pairs of senders and
//! mailboxes are forgotten, the least busy first, when there are too many in one hour.
//!
//! **A minute** is not kept over restarts: at most one more is had by it.

mod files;
mod hours;
mod replay;
mod taken;
#[cfg(test)]
mod tests;
mod turns;

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};

use super::intake::locked;
use crate::model::directory::RecipientId;
use crate::model::mail::{ReversePath, Timestamp};
use crate::model::policy::limits::Received;
use crate::model::queue::QueueId;
use crate::world::clock::Clock;
use crate::world::disk::Disk;
use files::{Files, Record};
use hours::Hours;
use replay::Replay;
pub use taken::Taken;
use turns::Turns;
pub use turns::{Turn, TurnFailure};

/// Hours since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Hour(u32);

impl Hour {
    pub(super) fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.unix_seconds() / 3_600).unwrap_or(u32::MAX))
    }

    /// Whether what was counted in this hour counts in the day that ends with `now`.
    const fn is_within_day_of(self, now: Self) -> bool {
        self.0.saturating_add(DAY_HOURS) > now.0
    }
}

/// A day is the present hour and the 23 before it.
const DAY_HOURS: u32 = 24;
const SHARDS: usize = 64;
/// Pairs of sender and mailbox of one shard that are remembered at once: a million in all, of 24 octets each.
const PAIRS_OF_A_SHARD: usize = 16_384;

/// What an account has submitted.
#[derive(Debug, Default)]
struct Sender {
    recipients: Hours,
    /// About to be accepted.
    held: Vec<Held>,
    turns: Turns,
}

/// Recipients of a message that is about to be accepted.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: u64,
    /// Once the message has one.
    id: Option<QueueId>,
    recipients: u32,
}

/// A count of one hour.
#[derive(Clone, Copy, Debug, Default)]
struct InHour {
    hour: Hour,
    count: u32,
}

impl InHour {
    const fn of(self, hour: Hour) -> u32 {
        if self.hour.0 == hour.0 { self.count } else { 0 }
    }

    /// Adds one; an older hour than the one that is counted is over.
    const fn add(&mut self, hour: Hour) {
        if hour.0 > self.hour.0 {
            *self = Self { hour, count: 1 };
        } else if hour.0 == self.hour.0 {
            self.count = self.count.saturating_add(1);
        }
    }

    const fn take_back(&mut self, hour: Hour) {
        if hour.0 == self.hour.0 {
            self.count = self.count.saturating_sub(1);
        }
    }
}

#[derive(Debug, Default)]
struct Shard {
    senders: HashMap<RecipientId, Sender>,
    mailboxes: HashMap<RecipientId, InHour>,
    pairs: HashMap<u64, InHour>,
}

/// The counts. Shared by sessions, delivery and the queue.
pub struct Tally {
    shards: Vec<Mutex<Shard>>,
    clock: Arc<dyn Clock>,
    files: Mutex<Files>,
    /// What the queue tells at the start, until it has told all of it.
    replay: Mutex<Option<Replay>>,
    /// Deliveries that are counted already, and not yet told by the queue.
    taken: Mutex<HashMap<QueueId, Vec<Delivered>>>,
    swept: Mutex<usize>,
    /// How many holds there were, to tell them apart.
    holds: AtomicU64,
}

impl core::fmt::Debug for Tally {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Tally").finish_non_exhaustive()
    }
}

/// One message for one mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Delivered {
    mailbox: RecipientId,
    pair: u64,
    hour: Hour,
}

/// What an account has used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sent {
    /// Messages within the last minute.
    pub messages_of_minute: u32,
    /// Recipients within the last day.
    pub recipients_of_day: u32,
}

/// Recipients that are held for a message until it is accepted; dropping it before gives them back.
#[derive(Debug)]
#[must_use = "what is not held is given back at once"]
pub struct Hold {
    tally: Arc<Tally>,
    account: RecipientId,
    number: u64,
}

impl Hold {
    /// Says by which id the queue will tell of the message.
    pub fn bind(&self, id: QueueId) {
        let mut shard = self.tally.shard(self.account.0);
        let held = shard.senders.get_mut(&self.account).into_iter().flat_map(|sender| &mut sender.held);
        held.filter(|held| held.number == self.number).for_each(|held| held.id = Some(id));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // What was accepted in the meantime is held no more.
        if let Some(sender) = self.tally.shard(self.account.0).senders.get_mut(&self.account) {
            sender.held.retain(|held| held.number != self.number);
        }
    }
}

impl Tally {
    /// Reads what the last life counted in `directory`, which is made if it is not there. A disk that fails is logged
    /// and keeps nobody from starting: then what is counted lasts as long as the process. Blocks.
    pub fn open(disk: Arc<dyn Disk>, directory: &Path, clock: Arc<dyn Clock>) -> Self {
        let tally = Self::unkept(clock);
        let now = Hour::of(tally.clock.now());
        let mut replay = Replay::default();
        let files = Files::open(disk, directory, now, |hour, record| {
            replay.note(hour, &record);
            tally.count(hour, &record);
        });
        *locked(&tally.files) = files;
        *locked(&tally.replay) = Some(replay);
        tally
    }

    /// Counts that are kept in memory only.
    pub fn unkept(clock: Arc<dyn Clock>) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            clock,
            files: Mutex::default(),
            replay: Mutex::default(),
            taken: Mutex::default(),
            swept: Mutex::default(),
            holds: AtomicU64::default(),
        }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        let place = usize::try_from(key % SHARDS as u64).unwrap_or(0);
        // There are as many as the remainder can say.
        locked(self.shards.get(place).unwrap_or(&self.shards[0]))
    }

    /// Counts what a file says.
    fn count(&self, hour: Hour, record: &Record) {
        match record {
            Record::Sent { account, recipients, .. } | Record::Sum { account, recipients } => {
                self.shard(account.0).senders.entry(*account).or_default().recipients.add(hour, *recipients);
            }
            Record::Received { mailbox, pair, .. } => {
                self.received_one(Delivered { mailbox: *mailbox, pair: *pair, hour });
            }
        }
    }

    fn received_one(&self, one: Delivered) {
        self.shard(one.mailbox.0).mailboxes.entry(one.mailbox).or_default().add(one.hour);
        let mut shard = self.shard(one.pair);
        if shard.pairs.len() >= PAIRS_OF_A_SHARD && !shard.pairs.contains_key(&one.pair) {
            shard.forget_pairs(one.hour);
        }
        shard.pairs.entry(one.pair).or_default().add(one.hour);
    }

    fn take_back_one(&self, one: Delivered) {
        if let Some(count) = self.shard(one.mailbox.0).mailboxes.get_mut(&one.mailbox) {
            count.take_back(one.hour);
        }
        if let Some(count) = self.shard(one.pair).pairs.get_mut(&one.pair) {
            count.take_back(one.hour);
        }
    }

    /// Holds the recipients of a message, if the account has as many left of its day.
    ///
    /// # Errors
    /// How many are left.
    pub fn hold(self: &Arc<Self>, account: RecipientId, recipients: u32, bound: Option<u32>) -> Result<Hold, u32> {
        let now = Hour::of(self.clock.now());
        let mut shard = self.shard(account.0);
        let sender = shard.senders.entry(account).or_default();
        let used = sender.recipients.of_day(now).saturating_add(sender.held());
        let left = bound.map_or(u32::MAX, |bound| bound.saturating_sub(used));
        if recipients > left {
            return Err(left);
        }
        let number = self.holds.fetch_add(1, Ordering::Relaxed);
        sender.held.push(Held { number, id: None, recipients });
        drop(shard);
        Ok(Hold { tally: Arc::clone(self), account, number })
    }

    /// What an account has used up, with what is held.
    pub fn sent(&self, account: RecipientId) -> Sent {
        let (now, elapsed) = (Hour::of(self.clock.now()), self.clock.elapsed());
        let shard = self.shard(account.0);
        let Some(sender) = shard.senders.get(&account) else { return Sent::default() };
        Sent {
            messages_of_minute: sender.turns.within_minute(elapsed),
            recipients_of_day: sender.recipients.of_day(now).saturating_add(sender.held()),
        }
    }

    /// What a mailbox has taken in the hour of `at`, and from this sender.
    pub fn received(&self, mailbox: RecipientId, sender: &ReversePath, at: Timestamp) -> Received {
        let (hour, pair) = (Hour::of(at), pair_of(mailbox, sender));
        let of_all = self.shard(mailbox.0).mailboxes.get(&mailbox).map_or(0, |count| count.of(hour));
        let of_pair = self.shard(pair).pairs.get(&pair).map_or(0, |count| count.of(hour));
        Received { of_all, of_pair }
    }

    /// Looks after files and memory: call it about once a second. Blocks.
    pub fn tend(&self) {
        let now = self.clock.now();
        let settled = locked(&self.replay).is_none();
        locked(&self.files).tend(now, settled, |hour| self.sums(hour));
        let mut swept = locked(&self.swept);
        *swept = swept.saturating_add(1) % SHARDS;
        let (place, elapsed) = (*swept, self.clock.elapsed());
        drop(swept);
        if let Some(shard) = self.shards.get(place) {
            locked(shard).sweep(Hour::of(now), elapsed);
        }
    }

    /// What every account has submitted in an hour.
    fn sums(&self, hour: Hour) -> Vec<Record> {
        let of_shard = |shard: &Mutex<Shard>| -> Vec<Record> {
            let shard = locked(shard);
            let sums = shard.senders.iter().map(|(account, sender)| (*account, sender.recipients.of(hour)));
            sums.filter(|(_, recipients)| *recipients > 0)
                .map(|(account, recipients)| Record::Sum { account, recipients })
                .collect()
        };
        self.shards.iter().flat_map(of_shard).collect()
    }
}

impl Sender {
    fn held(&self) -> u32 {
        self.held.iter().fold(0, |sum, held| sum.saturating_add(held.recipients))
    }
}

impl Shard {
    /// Makes room for another pair: those of former hours go, then the least busy.
    fn forget_pairs(&mut self, hour: Hour) {
        self.pairs.retain(|_, count| count.hour >= hour);
        let mut least = 1;
        while self.pairs.len() >= PAIRS_OF_A_SHARD {
            self.pairs.retain(|_, count| count.count > least);
            least = u32::saturating_mul(least, 2);
        }
    }

    /// Forgets what counts no more.
    fn sweep(&mut self, now: Hour, elapsed: Duration) {
        self.senders.retain(|_, sender| {
            sender.recipients.forget(now);
            !sender.recipients.is_empty() || !sender.held.is_empty() || sender.turns.within_minute(elapsed) > 0
        });
        self.mailboxes.retain(|_, count| count.hour >= now);
        self.pairs.retain(|_, count| count.hour >= now);
        // A burst need not be paid for for ever.
        self.senders.shrink_to(self.senders.len().saturating_mul(2));
        self.mailboxes.shrink_to(self.mailboxes.len().saturating_mul(2));
        self.pairs.shrink_to(self.pairs.len().saturating_mul(2));
    }
}

/// A number for a sender and a mailbox that nobody finds a second pair for.
fn pair_of(mailbox: RecipientId, sender: &ReversePath) -> u64 {
    let mut digest = Sha256::new();
    digest.update(mailbox.0.to_le_bytes());
    if let ReversePath::Mailbox(address) = sender {
        digest.update(address.key().as_str().as_bytes());
    }
    digest.finalize().first_chunk::<8>().map_or(0, |octets| u64::from_le_bytes(*octets))
}
