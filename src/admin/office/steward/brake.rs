//! What keeps the reconciler from taking many mailboxes from their users because of one mistake: another profile, an
//! import without licences, a period of one day instead of thirty.
//!
//! **The rule.** What a command does to a mailbox that it names happens at once. What the reconciler finds by itself
//! happens at once, too, as long as it is about few: up to a tenth of the mailboxes in use, one in any case, never more
//! than ten. If it is about more, all of it waits until an administrator confirms it or takes away the reason; once it
//! waits, it does so until nothing of it is left, over restarts as well.
//!
//! Two things wait: mailboxes in use without the licence that they need, and mailboxes (and users) that were kept long
//! enough more than a day ago, or whose place another object has taken. In the ordinary course of things what was kept
//! long enough goes within a second.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::agenda::{Errand, errand_among};
use crate::model::directory::lifecycle::life::Surroundings;
use crate::model::directory::lifecycle::machine::Trigger;
use crate::model::directory::{Lifecycle, Recipient, RecipientId, Snapshot};

/// More than so many never happen by themselves at once.
const AT_ONCE_MAX: usize = 10;
/// Nor more than this part of the mailboxes in use.
const PART_OF_ALL: usize = 10;
/// What is overdue for longer than this has become so by a setting or a file, not by time.
const LATENESS_MAX: Duration = Duration::from_secs(24 * 3600);

/// What many mailboxes would lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// They are in use without the licence that they need, and would be disconnected.
    Disconnections,
    /// The time for which they are kept was over long before anybody looked, or another object has taken their place,
    /// and they would be deleted for good.
    Deletions,
}

impl Cause {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Disconnections, Self::Deletions];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disconnections => "disconnections",
            Self::Deletions => "deletions",
        }
    }

    /// Whether what an object has before it is to be doubted where many have the same.
    pub(in crate::admin::office) fn of(
        snapshot: &Snapshot,
        recipient: &Recipient,
        around: Surroundings<'_>,
    ) -> Option<Self> {
        let (at, errand) = errand_among(snapshot, recipient, around)?;
        let overdue = at.plus(LATENESS_MAX) < around.now;
        match errand {
            Errand::Step(Trigger::LicenceRemoved) if recipient.lifecycle.is_active() => Some(Self::Disconnections),
            // Nobody named the mailbox that is to go.
            Errand::Step(Trigger::SameGuidLicensed) => Some(Self::Deletions),
            Errand::Step(Trigger::PeriodOver) if overdue => Some(Self::Deletions),
            // An object whose mailbox is purged has nothing more to lose.
            Errand::Forget if overdue && recipient.lifecycle == Lifecycle::NoMailbox => Some(Self::Deletions),
            Errand::Step(_) | Errand::Forget => None,
        }
    }
}

/// How many may happen by themselves at once, where so many mailboxes are in use.
const fn at_once_max(in_use: usize) -> usize {
    let part = in_use / PART_OF_ALL;
    if part < 1 {
        1
    } else if part > AT_ONCE_MAX {
        AT_ONCE_MAX
    } else {
        part
    }
}

/// How many mailboxes are in use. Looks at everybody.
pub(in crate::admin::office) fn in_use(snapshot: &Snapshot) -> usize {
    let is_used = |recipient: &&std::sync::Arc<Recipient>| {
        recipient.recipient_type.is_mailbox() && recipient.lifecycle.is_active()
    };
    snapshot.recipients().filter(is_used).count()
}

/// Whether so many would wait. Looks at everybody only where it matters.
pub(in crate::admin::office) fn is_mass(snapshot: &Snapshot, count: usize) -> bool {
    count > AT_ONCE_MAX || count > 1 && count > at_once_max(in_use(snapshot))
}

/// Everybody who has something doubtful before him. Looks at everybody.
pub(in crate::admin::office) fn doubtful(
    snapshot: &Snapshot,
    around: Surroundings<'_>,
) -> BTreeMap<Cause, BTreeSet<RecipientId>> {
    let mut found: BTreeMap<Cause, BTreeSet<RecipientId>> = BTreeMap::new();
    for recipient in snapshot.recipients() {
        if let Some(cause) = Cause::of(snapshot, recipient, around) {
            found.entry(cause).or_default().insert(recipient.id);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_a_tenth_happens_at_once_one_in_any_case_and_never_more_than_ten() {
        let cases = [(0, 1), (1, 1), (9, 1), (19, 1), (20, 2), (99, 9), (100, 10), (1_000_000, 10)];
        for (all, at_once) in cases {
            assert_eq!(at_once_max(all), at_once, "of {all}");
        }
    }
}
