//! What accounts and mailboxes have used up of their minutes, hours and days (decision D6), exact over restarts.
//!
//! **What counts** is a function of the queue's journal: a message counts its recipients for the account that submitted
//! it, and one message for every mailbox that it is expanded to, both at the time at which it was accepted; below a
//! moderated recipient at that of the approval. The queue tells of both, as a `Witness`, before anything else happens
//! to the message; then they are appended to the file of that hour (`files`), without waiting for the disk. After a
//! kill the replay of the queue tells again what is in its journal, and what stands in the file already is not counted
//! a second time; so an accepted message counts once. After a power cut the last second of the file may be missing: of
//! it only messages that had left the queue by then are counted too little.
//!
//! **Nobody overshoots** by being quick: what is about to be accepted is held ([`Tally::hold`], [`Tally::take`]) from
//! the judgement on until it counts, or is given back.
//!
//! **A day** is the present hour of the clock and the 24 before it, so each hour's amount frees itself 24 hours after
//! its end; **an hour** is the present ten minutes and the six before them. Either counts a little longer than its name
//! says, and so nobody has more than the limit in any day or hour, whenever it begins. Memory is taken by those who
//! were active within that time only, and pairs of senders and mailboxes are forgotten, the least busy first, when
//! there are too many.
//!
//! **A clock that was wrong** for a while, even by years, neither uses up a limit for good nor silences it: what it
//! counted is as far from the present as if it were old.
//!
//! **What goes outside** is counted beside it, for the account and for each of its devices ([`Tally::hold_outbound`]).
//!
//! **A minute** is not kept over restarts: at most one more is had by it.

mod files;
mod hours;
mod outbound;
mod replay;
mod slots;
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
use outbound::{Key, Outbound};
pub use outbound::{OutboundHold, SentOutside};
use replay::Replay;
use slots::{Slot, Slots};
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

    /// Whether what was counted in this hour counts in the day that ends with `now`. A clock that was set back by less
    /// than a day counts what is in its future; what lies further ahead was counted by a clock that was wrong.
    const fn is_within_day_of(self, now: Self) -> bool {
        self.0.abs_diff(now.0) < DAY_HOURS
    }
}

/// A day is the present hour and the 24 before it: less would let through up to twice as many within 24 hours.
const DAY_HOURS: u32 = 25;
const SHARDS: usize = 64;
/// Pairs of sender and mailbox of one shard that are remembered at once: a million in all, of 40 octets each.
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

#[derive(Debug, Default)]
struct Shard {
    senders: HashMap<RecipientId, Sender>,
    outbound: HashMap<Key, Outbound>,
    mailboxes: HashMap<RecipientId, Slots>,
    pairs: HashMap<u64, Slots>,
}

/// The counts. Shared by sessions, delivery and the queue.
pub struct Tally {
    shards: Vec<Mutex<Shard>>,
    /// The last minute of each connector, by its name.
    connectors: Mutex<HashMap<Box<str>, Turns>>,
    clock: Arc<dyn Clock>,
    files: Mutex<Files>,
    /// What the queue tells at the start, until it has told all of it.
    replay: Mutex<Option<Replay>>,
    /// Deliveries that are counted already, and not yet told by the queue.
    taken: Mutex<HashMap<Branch, Vec<Delivered>>>,
    /// When moderators approved what the queue has not yet told the expansion of.
    approved: Mutex<HashMap<Branch, Timestamp>>,
    swept: Mutex<usize>,
    /// How many holds there were, to tell them apart.
    holds: AtomicU64,
}

impl core::fmt::Debug for Tally {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Tally").finish_non_exhaustive()
    }
}

/// A message, or what is below the approved recipient at a place of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Branch {
    /// The message.
    pub id: QueueId,
    /// The place; none for the message itself.
    pub below: Option<u32>,
}

/// One message for one mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Delivered {
    mailbox: RecipientId,
    pair: u64,
    slot: Slot,
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
            connectors: Mutex::default(),
            clock,
            files: Mutex::default(),
            replay: Mutex::default(),
            taken: Mutex::default(),
            approved: Mutex::default(),
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
            Record::Outbound { submitter, recipients, slot, .. } => {
                self.shard(*submitter).outbound.entry(Key(*submitter)).or_default().add(*slot, *recipients);
            }
            Record::Pardon { submitter, recipients, slot } => {
                if let Some(own) = self.shard(*submitter).outbound.get_mut(&Key(*submitter)) {
                    own.take_back(*slot, *recipients);
                }
            }
            Record::Received { mailbox, pair, slot, .. } => {
                // Older files say the hour only: all of it counts as long as its end would.
                let slot = slot.unwrap_or_else(|| Slot::last_of(hour));
                self.received_one(Delivered { mailbox: *mailbox, pair: *pair, slot });
            }
        }
    }

    fn received_one(&self, one: Delivered) {
        let now = Slot::of(self.clock.now());
        self.shard(one.mailbox.0).mailboxes.entry(one.mailbox).or_default().add(one.slot, now);
        let mut shard = self.shard(one.pair);
        if shard.pairs.len() >= PAIRS_OF_A_SHARD && !shard.pairs.contains_key(&one.pair) {
            shard.forget_pairs(now);
        }
        shard.pairs.entry(one.pair).or_default().add(one.slot, now);
    }

    fn take_back_one(&self, one: Delivered) {
        if let Some(count) = self.shard(one.mailbox.0).mailboxes.get_mut(&one.mailbox) {
            count.take_back(one.slot);
        }
        if let Some(count) = self.shard(one.pair).pairs.get_mut(&one.pair) {
            count.take_back(one.slot);
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

    /// What a mailbox has taken in the hour that ends with `at`, and from this sender.
    pub fn received(&self, mailbox: RecipientId, sender: &ReversePath, at: Timestamp) -> Received {
        let (now, pair) = (Slot::of(at), pair_of(mailbox, sender));
        let of_all = self.shard(mailbox.0).mailboxes.get(&mailbox).map_or(0, |count| count.of_hour(now));
        let of_pair = self.shard(pair).pairs.get(&pair).map_or(0, |count| count.of_hour(now));
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
            locked(shard).sweep(now, elapsed);
        }
    }

    /// What every account has submitted in an hour, and to recipients outside in each step of it.
    fn sums(&self, hour: Hour) -> Vec<Record> {
        let of_shard = |shard: &Mutex<Shard>| -> Vec<Record> {
            let shard = locked(shard);
            let sums = shard.senders.iter().map(|(account, sender)| (*account, sender.recipients.of(hour)));
            let sums = sums.filter(|(_, recipients)| *recipients > 0);
            let sums = sums.map(|(account, recipients)| Record::Sum { account, recipients });
            let outbound = shard.outbound.iter().flat_map(|(key, own)| {
                let of = |(slot, recipients)| Record::Outbound { id: None, submitter: key.0, recipients, slot };
                own.of(hour).map(of)
            });
            sums.chain(outbound).collect()
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
    /// Makes room for another pair: those that are over go, then the least busy.
    fn forget_pairs(&mut self, now: Slot) {
        self.pairs.retain(|_, count| !count.is_over(now));
        let mut least = 1;
        while self.pairs.len() >= PAIRS_OF_A_SHARD {
            self.pairs.retain(|_, count| count.of_hour(now) > least);
            least = u32::saturating_mul(least, 2);
        }
    }

    /// Forgets what counts no more.
    fn sweep(&mut self, now: Timestamp, elapsed: Duration) {
        let (hour, now) = (Hour::of(now), Slot::of(now));
        self.senders.retain(|_, sender| {
            sender.recipients.forget(hour);
            !sender.recipients.is_empty() || !sender.held.is_empty() || sender.turns.within_minute(elapsed) > 0
        });
        self.outbound.retain(|_, own| {
            own.forget(hour);
            !own.is_empty()
        });
        self.mailboxes.retain(|_, count| !count.is_over(now));
        self.pairs.retain(|_, count| !count.is_over(now));
        // A burst need not be paid for for ever.
        self.senders.shrink_to(self.senders.len().saturating_mul(2));
        self.outbound.shrink_to(self.outbound.len().saturating_mul(2));
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
