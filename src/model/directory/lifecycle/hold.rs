//! What keeps contents from being lost: holds on a mailbox and retention policies of the organisation (spec section
//! 7.4).
//!
//! A mailbox in use is on hold as long as any hold stands. A mailbox that was deleted while on hold is kept until the
//! last of them has run out: each lasts from the deletion for as many days as it keeps things, or for ever.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::mail::Timestamp;

/// More holds are not kept on one mailbox; Exchange supports 25 for each kind (likely).
pub const HOLDS_MAX: usize = 64;
/// The longest name of a hold, in octets.
pub const HOLD_NAME_BYTES_MAX: usize = 64;
/// How long a mailbox stays on hold after the last one was taken away (`DelayHoldApplied`).
pub const DELAY_HOLD: Duration = Duration::from_secs(30 * DAY_SECONDS);
/// How long a recovered mailbox keeps everything (spec T15).
pub const RECOVERY_HOLD: Duration = Duration::from_secs(30 * DAY_SECONDS);

const DAY_SECONDS: u64 = 24 * 3600;

/// What kind of hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HoldKind {
    /// `LitigationHoldEnabled`: the whole mailbox; there is one at most.
    LitigationHold,
    /// An In-Place Hold. None can be made since 2020; existing ones count.
    InPlaceHold,
    /// A hold of an eDiscovery case (`UniH…` in `InPlaceHolds`).
    EDiscoveryHold,
    /// A retention policy that names this mailbox (`mbx…` in `InPlaceHolds`).
    RetentionPolicy,
    /// A retention label on something in the mailbox.
    RetentionLabel,
    /// `DelayHoldApplied`: what follows the last of the others for 30 days.
    DelayHold,
    /// `RetentionHoldEnabled` and single item recovery, which a recovered mailbox has for 30 days.
    RecoveryHold,
}

impl HoldKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::LitigationHold,
        Self::InPlaceHold,
        Self::EDiscoveryHold,
        Self::RetentionPolicy,
        Self::RetentionLabel,
        Self::DelayHold,
        Self::RecoveryHold,
    ];

    /// Its name for people and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LitigationHold => "litigation-hold",
            Self::InPlaceHold => "in-place-hold",
            Self::EDiscoveryHold => "ediscovery-hold",
            Self::RetentionPolicy => "retention-policy",
            Self::RetentionLabel => "retention-label",
            Self::DelayHold => "delay-hold",
            Self::RecoveryHold => "recovery-hold",
        }
    }

    /// Whether it follows from something else, so that no command makes it.
    pub const fn is_consequence(self) -> bool {
        matches!(self, Self::DelayHold | Self::RecoveryHold)
    }
}

impl fmt::Display for HoldKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A hold on one mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What kind.
    pub kind: HoldKind,
    /// Which one, of several of a kind; empty for those of which there is one.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub name: Box<str>,
    /// When it was placed.
    pub since: Timestamp,
    /// For how many days it keeps what it keeps; for ever without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

impl Hold {
    /// When it ends by itself; none when it stands until somebody takes it away. `deleted` is when the mailbox was
    /// deleted: what keeps things for some days keeps the newest of them from then on.
    pub fn ends_at(&self, deleted: Option<Timestamp>) -> Option<Timestamp> {
        match self.kind {
            HoldKind::DelayHold => Some(self.since.plus(DELAY_HOLD)),
            HoldKind::RecoveryHold => Some(self.since.plus(RECOVERY_HOLD)),
            HoldKind::LitigationHold
            | HoldKind::InPlaceHold
            | HoldKind::EDiscoveryHold
            | HoldKind::RetentionPolicy
            | HoldKind::RetentionLabel => Some(deleted?.plus(days(self.days?))),
        }
    }
}

/// A retention policy of the whole organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganisationRetention {
    /// Its name.
    pub name: Box<str>,
    /// For how many days it keeps things; for ever without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// The holds of one mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holds {
    /// Those placed on it, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub placed: Vec<Hold>,
    /// Retention policies of the organisation from which it is excluded (`-mbx…` in `InPlaceHolds`), by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Box<str>>,
}

/// How long a mailbox is kept from losing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// Nothing keeps it.
    NotAtAll,
    /// Until then.
    Until(Timestamp),
    /// Until somebody takes a hold away.
    ForEver,
}

impl Holds {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.placed.is_empty() && self.excluded.is_empty()
    }

    /// How long the longest hold keeps the mailbox, which was deleted then or is in use.
    pub fn keep(&self, organisation: &[OrganisationRetention], deleted: Option<Timestamp>, now: Timestamp) -> Kept {
        let until = |end: Option<Timestamp>| match end {
            None => Kept::ForEver,
            Some(end) if end > now => Kept::Until(end),
            Some(_) => Kept::NotAtAll,
        };
        let own = self.placed.iter().map(|hold| until(hold.ends_at(deleted)));
        let policies = organisation.iter().filter(|policy| !self.excluded.contains(&policy.name));
        let policies =
            policies.map(|policy| until(deleted.zip(policy.days).map(|(deleted, number)| deleted.plus(days(number)))));
        own.chain(policies).max().unwrap_or(Kept::NotAtAll)
    }
}

fn days(number: u32) -> Duration {
    Duration::from_secs(u64::from(number).saturating_mul(DAY_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u32) -> Timestamp {
        Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap().plus(days(day))
    }

    fn hold(kind: HoldKind, days: Option<u32>) -> Hold {
        Hold { kind, name: "".into(), since: at(0), days }
    }

    #[test]
    fn the_longest_hold_wins_and_one_without_days_stands_for_ever() {
        let with = |placed: Vec<Hold>| Holds { placed, excluded: Vec::new() };
        let policy = |days| Hold { name: "mbx1".into(), ..hold(HoldKind::RetentionPolicy, Some(days)) };
        assert_eq!(with(Vec::new()).keep(&[], None, at(1)), Kept::NotAtAll);
        // In use it stands, whatever its days.
        assert_eq!(with(vec![policy(7)]).keep(&[], None, at(900)), Kept::ForEver);
        let two = with(vec![policy(7), hold(HoldKind::LitigationHold, Some(90))]);
        assert_eq!(two.keep(&[], Some(at(10)), at(11)), Kept::Until(at(100)));
        assert_eq!(two.keep(&[], Some(at(10)), at(100)), Kept::NotAtAll);
        let ever = with(vec![policy(7), hold(HoldKind::EDiscoveryHold, None)]);
        assert_eq!(ever.keep(&[], Some(at(10)), at(9_000)), Kept::ForEver);
    }

    #[test]
    fn an_organisations_policy_holds_all_but_those_it_excludes() {
        let all = [OrganisationRetention { name: "Seven years".into(), days: Some(2_555) }];
        assert_eq!(Holds::default().keep(&all, None, at(1)), Kept::ForEver);
        assert_eq!(Holds::default().keep(&all, Some(at(1)), at(2)), Kept::Until(at(2_556)));
        let excluded = Holds { excluded: vec!["Seven years".into()], ..Holds::default() };
        assert_eq!(excluded.keep(&all, None, at(1)), Kept::NotAtAll);
    }

    #[test]
    fn what_follows_a_hold_ends_by_itself() {
        for kind in [HoldKind::DelayHold, HoldKind::RecoveryHold] {
            let holds = Holds { placed: vec![hold(kind, None)], excluded: Vec::new() };
            assert_eq!(holds.keep(&[], None, at(29)), Kept::Until(at(30)));
            assert_eq!(holds.keep(&[], None, at(30)), Kept::NotAtAll);
            assert!(kind.is_consequence());
        }
    }
}
