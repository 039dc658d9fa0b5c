//! What every mailbox holds, in memory, so that nobody counts files to answer a command.
//!
//! **The Maildir is the truth**, and this is an index of it. The thread that writes into a mailbox is the only one that
//! alters its entry, or the one that ends a round for it, never both at once: it adds each message under its final
//! name, and counts again where a reader (Dovecot) has changed the directories. An entry that was counted remembers the
//! state of the directories by their stamps; after a restart it is believed when they still bear them, else the mailbox
//! is counted anew. So a crash at any moment, and a delivery that is repeated after it, count nothing twice and miss
//! nothing.
//!
//! **What readers do** is noticed when a mailbox is looked at: before a message is refused because it is full, soon
//! after each delivery and each such refusal, and in turn, a few each round ([`Occupancy::due`]). Until then the entry
//! lags behind. A directory that changed within the last tick of the file system's clock is looked at once more. Large
//! mailboxes are looked at less often, so that counting costs a bounded share of the time.
//!
//! **On disk** is one file of entries, see `log`: what is in it when the power goes need not be durable, since every
//! entry is compared with the directories. About 60 octets of memory for each mailbox.

use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::log::{Log, Record};
use crate::model::directory::RecipientId;
use crate::model::mail::Timestamp;
use crate::model::policy::quota::Usage;
use crate::store::intake::locked;
use crate::world::disk::Disk;

/// One mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holding {
    usage: Usage,
    /// Of the directories when they were counted last.
    fingerprint: u64,
    /// Compared with the directories in this life of the process.
    verified: bool,
    /// As the file has it, and any change since will be noticed by its stamp.
    settled: bool,
}

/// When to look at mailboxes.
#[derive(Debug, Default)]
struct Attention {
    round: u64,
    /// The rounds in which these are due.
    due: BTreeMap<RecipientId, u64>,
    /// The mailbox that was looked at last in turn.
    turn: Option<RecipientId>,
}

/// A round looks at so many of those that are due, and at so many others in turn.
const DUE_OF_A_ROUND: usize = 256;
const TURNS_OF_A_ROUND: usize = 16;
/// A touched mailbox is looked at after so many rounds: by then the clock of the file system has ticked.
const ROUNDS_TO_SETTLE: u64 = 3;
/// One round more for as many messages.
const MESSAGES_OF_A_ROUND: u64 = 4_096;
/// Mailboxes whose owners may have to be warned; more wait for the next time they are looked at.
const JUDGED_MAX: usize = 4_096;
const SHARDS: usize = 64;

/// The index. Shared by the writers, who alter it, and everybody who asks.
#[derive(Debug)]
pub(super) struct Occupancy {
    shards: Vec<Mutex<BTreeMap<RecipientId, Holding>>>,
    attention: Mutex<Attention>,
    /// Looked at or grown since somebody last took them.
    judged: Mutex<BTreeSet<RecipientId>>,
    /// When owners were last warned.
    warned: Mutex<BTreeMap<RecipientId, Timestamp>>,
    log: Mutex<Log>,
}

impl Occupancy {
    /// Reads what the last life left behind. A file that cannot be read is begun anew: then everything is counted.
    pub(super) fn open(disk: Arc<dyn Disk>, root: &Path) -> Self {
        let (log, found) = Log::open(disk, root);
        let occupancy = Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            attention: Mutex::default(),
            judged: Mutex::default(),
            warned: Mutex::new(found.warned),
            log: Mutex::new(log),
        };
        for (id, (usage, fingerprint)) in found.settled {
            let holding = Holding { usage, fingerprint, verified: false, settled: true };
            occupancy.shard(id).insert(id, holding);
        }
        for id in &found.touched {
            occupancy.shard(*id).entry(*id).or_default().settled = false;
        }
        locked(&occupancy.attention).due = found.touched.into_iter().map(|id| (id, 0)).collect();
        occupancy
    }

    fn shard(&self, id: RecipientId) -> MutexGuard<'_, BTreeMap<RecipientId, Holding>> {
        let place = usize::try_from(id.0 % SHARDS as u64).unwrap_or(0);
        // There are as many as the remainder can say.
        locked(self.shards.get(place).unwrap_or(&self.shards[0]))
    }

    /// What a mailbox holds as far as is known; none when it was never counted.
    pub(super) fn usage(&self, id: RecipientId) -> Option<Usage> {
        self.shard(id).get(&id).map(|holding| holding.usage)
    }

    /// Whether the entry was compared with the directories in this life.
    pub(super) fn is_verified(&self, id: RecipientId) -> bool {
        self.shard(id).get(&id).is_some_and(|holding| holding.verified)
    }

    /// Somebody wants to know it exactly: it is looked at in the next round, whatever it costs.
    pub(super) fn ask(&self, id: RecipientId) {
        locked(&self.attention).due.insert(id, 0);
    }

    /// Whether the directories are as they were when the entry was made; then it is right.
    pub(super) fn confirm(&self, id: RecipientId, fingerprint: u64) -> bool {
        let mut shard = self.shard(id);
        let Some(holding) = shard.get_mut(&id) else { return false };
        let right = holding.settled && holding.fingerprint == fingerprint;
        holding.verified |= right;
        drop(shard);
        if right {
            self.judge(id);
        }
        right
    }

    /// A writer has counted the mailbox, whose directories were in the state of `fingerprint` before; `settled` when
    /// any change since has another one.
    pub(super) fn counted(&self, id: RecipientId, usage: Usage, fingerprint: u64, settled: bool) {
        let next = Holding { usage, fingerprint, verified: true, settled };
        let former = self.shard(id).insert(id, next);
        if settled {
            locked(&self.attention).due.remove(&id);
            if former.is_none_or(|former| Holding { verified: true, ..former } != next) {
                locked(&self.log).append(&Record::Settled { id, usage, fingerprint });
            }
        } else {
            self.touch_log(id, former);
            self.expect(id, usage);
        }
        self.judge(id);
    }

    /// A writer has put a message into a mailbox that was [verified](Self::is_verified).
    pub(super) fn added(&self, id: RecipientId, bytes: u64) {
        let mut shard = self.shard(id);
        let holding = shard.entry(id).or_default();
        let former = *holding;
        holding.usage.bytes = holding.usage.bytes.saturating_add(bytes);
        holding.usage.messages = holding.usage.messages.saturating_add(1);
        holding.settled = false;
        let usage = holding.usage;
        drop(shard);
        self.touch_log(id, Some(former));
        self.expect(id, usage);
        self.judge(id);
    }

    /// The mailbox is gone for good, and nothing is known of it any more.
    pub(super) fn forget(&self, id: RecipientId) {
        self.shard(id).remove(&id);
        locked(&self.attention).due.remove(&id);
        locked(&self.judged).remove(&id);
        locked(&self.warned).remove(&id);
        locked(&self.log).append(&Record::Forgotten { id });
    }

    /// The file learns that its entry is not to be believed: after a crash the mailbox is counted before anybody asks.
    fn touch_log(&self, id: RecipientId, former: Option<Holding>) {
        if former.is_none_or(|former| former.settled) {
            locked(&self.log).append(&Record::Touched { id });
        }
    }

    /// To be looked at when the clock of the file system has ticked, and not too often.
    fn expect(&self, id: RecipientId, usage: Usage) {
        let mut attention = locked(&self.attention);
        let later = ROUNDS_TO_SETTLE.saturating_add(usage.messages / MESSAGES_OF_A_ROUND);
        let due = attention.round.saturating_add(later);
        attention.due.entry(id).or_insert(due);
    }

    fn judge(&self, id: RecipientId) {
        let mut judged = locked(&self.judged);
        if judged.len() < JUDGED_MAX {
            judged.insert(id);
        }
    }

    /// Mailboxes that grew, or were looked at, since the last call.
    pub(super) fn take_judged(&self) -> Vec<RecipientId> {
        core::mem::take(&mut *locked(&self.judged)).into_iter().collect()
    }

    /// Begins a round, and gives the mailboxes to look at in it: those that are due, and some in turn.
    pub(super) fn due(&self) -> Vec<RecipientId> {
        let mut attention = locked(&self.attention);
        attention.round = attention.round.saturating_add(1);
        let round = attention.round;
        let due = attention.due.iter().filter(|(_, due)| **due <= round).map(|(id, _)| *id);
        let mut ids: Vec<RecipientId> = due.take(DUE_OF_A_ROUND).collect();
        ids.iter().for_each(|id| {
            attention.due.remove(id);
        });
        let from = attention.turn;
        drop(attention);
        let turn = self.after(from, TURNS_OF_A_ROUND);
        let mut attention = locked(&self.attention);
        attention.turn = turn.last().copied();
        // Those that are expected have a time of their own: a large one that mail comes into is not counted each round.
        ids.extend(
            turn.into_iter().filter(|id| !ids.contains(id) && !attention.due.contains_key(id)).collect::<Vec<_>>(),
        );
        ids
    }

    /// The mailboxes that follow another one, all around.
    fn after(&self, from: Option<RecipientId>, count: usize) -> Vec<RecipientId> {
        let begin = from.map_or(Bound::Unbounded, Bound::Excluded);
        let of_shard = |shard: &Mutex<BTreeMap<RecipientId, Holding>>| -> Vec<RecipientId> {
            locked(shard).range((begin, Bound::Unbounded)).take(count).map(|(id, _)| *id).collect()
        };
        let mut found: Vec<RecipientId> = self.shards.iter().flat_map(of_shard).collect();
        found.sort_unstable();
        found.truncate(count);
        found
    }

    /// Mailboxes that changed after they were looked at last.
    pub(super) fn touched(&self) -> Vec<RecipientId> {
        locked(&self.attention).due.keys().copied().collect()
    }

    /// Whether there is an entry for a mailbox.
    pub(super) fn knows(&self, id: RecipientId) -> bool {
        self.shard(id).contains_key(&id)
    }

    /// When the owner of a mailbox was last warned that it is full.
    pub(super) fn warned_at(&self, id: RecipientId) -> Option<Timestamp> {
        locked(&self.warned).get(&id).copied()
    }

    /// Records that the owner is warned now; durable on return.
    pub(super) fn warn(&self, id: RecipientId, at: Timestamp) -> io::Result<()> {
        locked(&self.log).append_durably(&Record::Warned { id, at })?;
        locked(&self.warned).insert(id, at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::disk::SimulatedDisk;

    #[test]
    fn a_large_mailbox_that_mail_comes_into_is_not_looked_at_in_turn() {
        const ONE: RecipientId = RecipientId(7);
        let occupancy = Occupancy::open(Arc::new(SimulatedDisk::new(1)), Path::new("/mail"));
        let usage = Usage { bytes: 1, messages: 10 * MESSAGES_OF_A_ROUND };
        occupancy.counted(ONE, usage, 5, true);
        assert_eq!(occupancy.due(), [ONE], "in turn");
        occupancy.added(ONE, 1);
        for round in 1..ROUNDS_TO_SETTLE + 10 {
            occupancy.added(ONE, 1);
            assert_eq!(occupancy.due(), [], "{round}");
        }
        assert_eq!(occupancy.due(), [ONE], "it is due");
        assert_eq!(occupancy.due(), [ONE], "in turn");
    }
}
