//! What somebody knows who only watches: commands as they were given, states as they were seen, and the calendar.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use franking::model::directory::RecipientId;
use franking::model::directory::lifecycle::hold::HoldKind;
use franking::model::directory::lifecycle::machine::{State, Trigger};
use franking::model::mail::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A clock may be off by a day without anybody's notice; whoever is accused of keeping too long has that much twice.
const SLACK: Duration = Duration::from_secs(2 * 24 * 3600);

/// So many days.
pub(super) fn days(number: u32) -> Duration {
    DAY * number
}

/// A hold as it was said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) kind: HoldKind,
    pub(super) name: String,
    pub(super) since: Timestamp,
    /// How much had passed unseen by then.
    pub(super) unseen: Duration,
    pub(super) days: Option<u32>,
}

/// Where clocks step back, one deletion has several times; whoever accuses takes the one that speaks for the accused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lenient {
    /// Whoever is accused of deleting too early.
    Earliest,
    /// Whoever is accused of keeping too long.
    Latest,
}

/// What is known of one object.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    state: State,
    entered: Timestamp,
    /// How much had passed seen, unseen and pardoned by then.
    stood: [Duration; 3],
    /// How much had passed unseen when it came to rest.
    unseen: Duration,
    /// When it was deactivated or deleted, at the earliest and at the latest.
    rest: Option<(Timestamp, Timestamp)>,
    pub(super) holds: Vec<Said>,
    pub(super) excluded: BTreeSet<String>,
    /// Messages in its mailbox.
    pub(super) mail: BTreeSet<u64>,
    is_mailbox: bool,
}

/// The books.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) entries: BTreeMap<RecipientId, Entry>,
    pub(super) policies: Vec<(String, Option<u32>)>,
    /// How much time has passed while somebody was there.
    pub(super) seen: Duration,
    /// By how much clocks went ahead all at once.
    pub(super) unseen: Duration,
    /// How much of that may count.
    pub(super) pardoned: Duration,
}

fn in_use(state: State) -> bool {
    matches!(state, State::Active | State::ActiveWithError)
}

fn is_kept(state: State) -> bool {
    matches!(state, State::Disconnected | State::SoftDeleted | State::Inactive)
}

impl Books {
    pub(super) fn open(&mut self, id: RecipientId, state: State, is_mailbox: bool, now: Timestamp) {
        let (holds, excluded, mail) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let (stood, unseen) = ([self.seen, self.unseen, self.pardoned], self.unseen);
        let entry = Entry { state, entered: now, stood, unseen, rest: None, holds, excluded, mail, is_mailbox };
        self.entries.insert(id, entry);
    }

    pub(super) fn entry(&mut self, id: RecipientId) -> &mut Entry {
        self.entries.get_mut(&id).unwrap()
    }

    /// The object was seen in another state, with this in its mailbox. Says what is wrong with that.
    pub(super) fn see(
        &mut self,
        id: RecipientId,
        state: State,
        is_mailbox: bool,
        contents: &BTreeSet<u64>,
        now: Timestamp,
    ) -> Result<(), String> {
        let held = self.held(id, now, Lenient::Earliest);
        let (stood, unseen) = ([self.seen, self.unseen, self.pardoned], self.unseen);
        let entry = self.entry(id);
        let former = entry.state;
        entry.is_mailbox = is_mailbox;
        if former == state {
            return Ok(());
        }
        (entry.state, entry.entered, entry.stood) = (state, now, stood);
        if in_use(state) {
            entry.rest = None;
        } else if former == State::Inactive && state == State::SoftDeleted {
            entry.rest = entry.rest.map(|(earliest, latest)| (earliest.min(now), latest));
        } else if is_kept(state) {
            (entry.rest, entry.unseen) = (Some((now, now)), unseen);
        }
        let way_back = matches!(former, State::Purging) && !matches!(state, State::Purged | State::StaleAttributes);
        if way_back {
            return Err(format!("there is no way from {former:?} to {state:?}"));
        }
        if state == State::Purging && held {
            return Err("it is purged while on hold".to_owned());
        }
        let had = in_use(former) || is_kept(former);
        if had && !in_use(state) && !is_kept(state) && state != State::Purging {
            return Err(format!("from {former:?} to {state:?} contents are lost"));
        }
        if in_use(state) && !had && !contents.is_empty() {
            return Err(format!("{former:?} comes back with what it held"));
        }
        if matches!(state, State::Purged | State::StaleAttributes) && former == State::Purging && !contents.is_empty() {
            return Err("it counts as purged before it is empty".to_owned());
        }
        Ok(())
    }

    /// The user was deleted or restored, which says when nothing came any more.
    pub(super) fn user_deleted(&mut self, id: RecipientId, now: Timestamp) {
        let rest = &mut self.entry(id).rest;
        *rest = rest.map(|(earliest, latest)| (earliest.min(now), latest));
    }

    /// A period is over by itself when somebody has seen all of it, and not before.
    pub(super) fn may_be_over(&self, id: RecipientId, trigger: Trigger) -> Result<(), String> {
        let [seen, _, pardoned] = self.entries[&id].stood;
        let passed = (self.seen - seen) + (self.pardoned - pardoned);
        let early = trigger == Trigger::PeriodOver && passed < days(30);
        if early {
            Err(format!("its time is over, and {} days of it were seen", passed.as_secs() / 86_400))
        } else {
            Ok(())
        }
    }

    /// Whether any hold stands, by the calendar of whoever is accused.
    pub(super) fn held(&self, id: RecipientId, now: Timestamp, lenient: Lenient) -> bool {
        let entry = &self.entries[&id];
        let rest = entry.rest.map(|(earliest, latest)| match lenient {
            Lenient::Earliest => earliest,
            Lenient::Latest => latest,
        });
        let lasts = |since: Timestamp, unseen: Duration, length: Duration| match lenient {
            Lenient::Earliest => now < since.plus(length),
            Lenient::Latest => now.since(since) < length + (self.unseen - unseen) + SLACK,
        };
        let keeps = |number: Option<u32>| match (rest, number) {
            (None, _) | (_, None) => true,
            (Some(rest), Some(number)) => lasts(rest, entry.unseen, days(number)),
        };
        let by_hold = entry.holds.iter().any(|hold| match hold.kind {
            HoldKind::DelayHold | HoldKind::RecoveryHold => lasts(hold.since, hold.unseen, days(30)),
            _ => keeps(hold.days),
        });
        let mut policies = self.policies.iter().filter(|(name, _)| !entry.excluded.contains(name));
        by_hold || entry.is_mailbox && policies.any(|(_, number)| keeps(*number))
    }

    /// What should have gone on by now, when everything that is due was done.
    pub(super) fn overdue(&self, id: RecipientId, now: Timestamp) -> Option<String> {
        let entry = &self.entries[&id];
        if self.held(id, now, Lenient::Latest) {
            return None;
        }
        let late = match entry.state {
            State::Disconnected | State::SoftDeleted => {
                let [_, unseen, _] = entry.stood;
                now.since(entry.entered) >= days(30) + (self.unseen - unseen) + SLACK
            }
            State::Inactive | State::ActiveWithError => true,
            _ => false,
        };
        late.then(|| format!("{:?} since {} and not on hold", entry.state, entry.entered))
    }

    /// Whether what is in a mailbox is what was put there: all of it, or nothing after a purge.
    pub(super) fn balance(&self, id: RecipientId, contents: &BTreeSet<u64>) -> Result<(), String> {
        let entry = &self.entries[&id];
        if in_use(entry.state) || is_kept(entry.state) {
            let lost: Vec<_> = entry.mail.difference(contents).collect();
            let strange: Vec<_> = contents.difference(&entry.mail).collect();
            if !(lost.is_empty() && strange.is_empty()) {
                return Err(format!("in {:?} lost {lost:?}, and has {strange:?} from nowhere", entry.state));
            }
        }
        Ok(())
    }
}
