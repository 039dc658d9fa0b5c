//! Guesses at passwords: who is locked out, from where, and for how long.
//!
//! **A lock is for one account from one source**, an IPv4 address or an IPv6 network of 64 bits. Strangers' guesses at
//! an account therefore never lock its owner out, who is somewhere else; and a lock is worth having, since a guesser
//! has few sources. **A source is locked for all accounts** when it fails much more often, whoever it says it is: that
//! is one password tried on everybody. **An account is never locked as a whole**: somebody who guesses from everywhere
//! would lock it for everybody. Its failures only slow the answers to further failures down, as those of the pair and
//! of the source do; a right answer is never slowed down.
//!
//! The first lock lasts [`Rules::first`], each further one twice as long, up to [`Rules::longest`]; after the first,
//! one more failure is enough for the next. What happens during a lock counts for nothing, and neither does the same
//! wrong password shown again: that is a device whose owner has changed the password, and nobody learns anything by it.
//! A day without a failure forgets everything.
//!
//! The secret of a device, when it is right and comes from a network that it is bound to, passes every lock: it cannot
//! be guessed, and others in its network may be locked for reasons of their own. So does a token that is right. One
//! that is wrong counts for its source and for no account: anybody can write a name into it, and a client whose token
//! has run out must not lock its owner's password.
//!
//! Logins that nobody has are treated like accounts, or the difference would tell them apart. Memory is bounded: of too
//! many entries those go that say least, so a flood of names or addresses cannot wash a lock away.

use core::hash::Hash;
use core::time::Duration;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::model::directory::RecipientId;
use crate::model::mail::{Network, Timestamp};

/// After so long without a failure an entry means nothing any more.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3_600);
/// Entries of each kind. One takes some hundred octets.
const ENTRIES_MAX: usize = 65_536;
/// The slowest answer to a failure. Longer would let a guesser hold connections for nothing.
const DELAY_MAX: Duration = Duration::from_secs(30);
/// So many failures of a source or of an account slow down like one of a pair.
const FAILURES_PER_STEP: u32 = 10;

/// What an operator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Failures of one account from one source until the first lock; `None` locks nobody.
    pub failures: Option<u32>,
    /// Failures of one source, whatever the accounts, until it is locked; `None` never.
    pub source_failures: Option<u32>,
    /// How long failures are counted together until the first lock.
    pub window: Duration,
    /// How long the first lock lasts.
    pub first: Duration,
    /// How long the longest lasts.
    pub longest: Duration,
    /// What is added to the delay of answers to failures from the second one on; the sum doubles with each.
    pub delay: Duration,
    /// Networks that are never locked out.
    pub exempt: Vec<Network>,
}

impl Default for Rules {
    fn default() -> Self {
        Self::USUAL
    }
}

impl Rules {
    /// Ten failures within ten minutes, as Exchange's cloud has them, then a minute; a hundred for a source.
    pub const USUAL: Self = Self {
        failures: Some(10),
        source_failures: Some(100),
        window: Duration::from_secs(600),
        first: Duration::from_secs(60),
        longest: Duration::from_secs(3_600),
        delay: Duration::from_secs(1),
        exempt: Vec::new(),
    };
}

/// Whom somebody says to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Claimed {
    /// An account.
    Account(RecipientId),
    /// A login that nobody has, as a number that says nothing about it.
    Nobody(u64),
    /// Whoever shows a token. It cannot be guessed, so one that is wrong says nothing about the account that it names,
    /// and must not keep that account's owner out.
    Token,
}

/// One attempt to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// As whom.
    pub who: Claimed,
    /// From where; see [`Network::of_client`].
    pub source: Network,
    /// A number that stands for what was shown; the same for the same.
    pub shown: u64,
}

/// What is remembered of failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Failures that count.
    pub failures: u32,
    /// When the first of them was.
    pub since: Timestamp,
    /// When the last of them was.
    pub last: Timestamp,
    /// Locks so far, one after the other.
    pub locks: u32,
    /// Until when the last lock lasts.
    pub until: Timestamp,
    /// What was shown last.
    shown: u64,
}

impl Record {
    /// Whether it locks now. A clock that was set back does not prolong a lock beyond the longest.
    fn locks_at(&self, rules: &Rules, now: Timestamp) -> bool {
        now < self.until && self.until.since(now) <= rules.longest
    }

    fn is_forgotten(&self, now: Timestamp) -> bool {
        now.since(self.last) >= FORGOTTEN && now >= self.until
    }

    /// Counts a failure; whether it locks anew.
    fn fail(&mut self, rules: &Rules, bound: Option<u32>, now: Timestamp) -> bool {
        if self.is_forgotten(now) || (self.locks == 0 && now.since(self.since) >= rules.window) {
            *self = Self { since: now, shown: self.shown, ..Self::default() };
        }
        self.failures = self.failures.saturating_add(1);
        self.last = now;
        let locks = bound.is_some_and(|bound| self.locks > 0 || self.failures >= bound);
        if locks {
            let doubled = rules.first.saturating_mul(1_u32.checked_shl(self.locks).unwrap_or(u32::MAX));
            self.until = now.plus(doubled.min(rules.longest));
            self.locks = self.locks.saturating_add(1);
        }
        locks
    }
}

/// What a failure leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consequence {
    /// How long its answer is held back, besides what every answer to a failure is held back by the session.
    pub delay: Duration,
    /// The account is locked for the source from now on.
    pub locks_pair: bool,
    /// The source is locked for every account from now on.
    pub locks_source: bool,
}

/// A lock, or failures that may lead to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose; `None` for a source as a whole.
    pub who: Option<Claimed>,
    /// From where; `None` for an account as a whole, which is slowed down only.
    pub source: Option<Network>,
    /// What is remembered.
    pub record: Record,
    /// Whether it locks at this moment.
    pub is_locked: bool,
}

/// Everything that is remembered of failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockouts {
    pairs: HashMap<(Claimed, Network), Record>,
    sources: HashMap<Network, Record>,
    accounts: HashMap<Claimed, Record>,
}

impl Lockouts {
    /// Whether an attempt is refused whatever it shows. The caller does all the work of checking it nevertheless.
    pub fn is_locked(&self, rules: &Rules, attempt: &Attempt, now: Timestamp) -> bool {
        if is_exempt(rules, &attempt.source) {
            return false;
        }
        let pair = self.pairs.get(&(attempt.who, attempt.source));
        let source = self.sources.get(&attempt.source);
        let locks = |record: Option<&Record>| record.is_some_and(|record| record.locks_at(rules, now));
        locks(pair.filter(|_| rules.failures.is_some())) || locks(source.filter(|_| rules.source_failures.is_some()))
    }

    /// Notes a failure and says what follows.
    pub fn failed(&mut self, rules: &Rules, attempt: &Attempt, now: Timestamp) -> Consequence {
        if self.is_locked(rules, attempt, now) {
            return Consequence { delay: self.delay(rules, attempt), ..Consequence::default() };
        }
        let exempt = is_exempt(rules, &attempt.source);
        let bound = |bound: Option<u32>| bound.filter(|_| !exempt);
        let pair = entry(&mut self.pairs, (attempt.who, attempt.source), rules, now);
        let repeated = pair.failures > 0 && pair.shown == attempt.shown;
        pair.shown = attempt.shown;
        if repeated {
            return Consequence { delay: self.delay(rules, attempt), ..Consequence::default() };
        }
        let is_token = attempt.who == Claimed::Token;
        let locks_pair = pair.fail(rules, bound(rules.failures).filter(|_| !is_token), now);
        let source = entry(&mut self.sources, attempt.source, rules, now);
        let locks_source = source.fail(rules, bound(rules.source_failures), now);
        if !is_token {
            entry(&mut self.accounts, attempt.who, rules, now).fail(rules, None, now);
        }
        Consequence { delay: self.delay(rules, attempt), locks_pair, locks_source }
    }

    /// Somebody signed in: what the account failed from there before was a mistake of its owner's. That of the source
    /// stays, or whoever has one account could go on guessing at others. Whether there was something to forget.
    pub fn succeeded(&mut self, attempt: &Attempt) -> bool {
        self.pairs.remove(&(attempt.who, attempt.source)).is_some()
    }

    /// How much longer than the first the answer to one more failure is held back.
    fn delay(&self, rules: &Rules, attempt: &Attempt) -> Duration {
        let failures = |record: Option<&Record>| record.map_or(0, |record| record.failures);
        let pair = failures(self.pairs.get(&(attempt.who, attempt.source)));
        let source = failures(self.sources.get(&attempt.source)) / FAILURES_PER_STEP;
        let account = failures(self.accounts.get(&attempt.who)) / FAILURES_PER_STEP;
        let steps = pair.max(source).max(account).saturating_sub(1);
        let doubled = 1_u32.checked_shl(steps).unwrap_or(u32::MAX);
        rules.delay.saturating_mul(doubled.saturating_sub(1)).min(DELAY_MAX)
    }

    /// Everything that is remembered and not forgotten, locks first.
    pub fn entries(&self, rules: &Rules, now: Timestamp) -> Vec<Entry> {
        let pairs = self.pairs.iter().map(|((who, source), record)| (Some(*who), Some(*source), *record));
        let sources = self.sources.iter().map(|(source, record)| (None, Some(*source), *record));
        let accounts = self.accounts.iter().map(|(who, record)| (Some(*who), None, *record));
        let all = pairs.chain(sources).chain(accounts).filter(|(_, _, record)| !record.is_forgotten(now));
        let mut entries: Vec<Entry> = all
            .map(|(who, source, record)| Entry { who, source, record, is_locked: record.locks_at(rules, now) })
            .collect();
        entries.sort_by_key(|own| (!own.is_locked, own.who, own.source.map(|source| source.to_string())));
        entries
    }

    /// Forgets everything about an account, from wherever; how many entries that were.
    pub fn clear_account(&mut self, who: Claimed) -> usize {
        let before = self.pairs.len();
        self.pairs.retain(|(account, _), _| *account != who);
        before - self.pairs.len() + usize::from(self.accounts.remove(&who).is_some())
    }

    /// Forgets everything about the sources within a network, whoever they said to be; how many entries that were.
    pub fn clear_sources(&mut self, network: &Network) -> usize {
        let before = self.pairs.len() + self.sources.len();
        let is_within = |source: &Network| network.contains(source.address());
        self.pairs.retain(|(_, source), _| !is_within(source));
        self.sources.retain(|source, _| !is_within(source));
        before - self.pairs.len() - self.sources.len()
    }

    /// Entries that are kept, for the proof that they are bounded.
    pub fn len(&self) -> usize {
        self.pairs.len() + self.sources.len() + self.accounts.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn is_exempt(rules: &Rules, source: &Network) -> bool {
    rules.exempt.iter().any(|network| network.contains(source.address()))
}

/// The entry of a key; room is made for it by those that say least: what is forgotten, then what does not lock and has
/// the fewest failures, the oldest first.
fn entry<'map, K: Copy + Eq + Hash>(
    map: &'map mut HashMap<K, Record>,
    key: K,
    rules: &Rules,
    now: Timestamp,
) -> &'map mut Record {
    if map.len() >= ENTRIES_MAX && !map.contains_key(&key) {
        map.retain(|_, record| !record.is_forgotten(now));
        let surplus = map.len().saturating_sub(ENTRIES_MAX / 4 * 3);
        if surplus > 0 {
            let weight = |record: &Record| (record.locks_at(rules, now), record.locks, record.failures, record.last);
            let mut ranked: Vec<_> = map.iter().map(|(key, record)| (weight(record), *key)).collect();
            ranked.select_nth_unstable_by_key(surplus - 1, |(weight, _)| *weight);
            for (_, key) in ranked.iter().take(surplus) {
                map.remove(key);
            }
        }
    }
    map.entry(key).or_default()
}

#[cfg(test)]
mod tests;
