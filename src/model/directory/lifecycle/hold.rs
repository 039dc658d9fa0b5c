//! What keeps contents from being lost: holds on a mailbox and retention policies of the organisation (spec section
//! 7.4).
//!
//! A mailbox in use is on hold as long as any hold stands. A mailbox that was deleted while on hold is kept until the
//! last of them has run out: each lasts from the deletion for as many days as it keeps things, or for ever.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::calendar::Time;
use crate::model::mail::Timestamp;

/// More holds cannot be placed on one mailbox; Exchange supports 25 for each kind (likely). What follows from others by
/// itself comes on top.
pub const HOLDS_MAX: usize = 64;
/// The longest name of a hold, in octets.
pub const HOLD_NAME_BYTES_MAX: usize = 64;
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
    /// `DelayHoldApplied`: what follows the last of the others, for 30 days unless the configuration says otherwise.
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

    /// Whether there can be several of it on one mailbox, so that each has a name.
    pub const fn is_named(self) -> bool {
        match self {
            Self::InPlaceHold | Self::EDiscoveryHold | Self::RetentionPolicy | Self::RetentionLabel => true,
            Self::LitigationHold | Self::DelayHold | Self::RecoveryHold => false,
        }
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
    pub fn ends_at(&self, deleted: Option<Timestamp>, time: Time<'_>) -> Option<Timestamp> {
        match self.kind {
            HoldKind::DelayHold => time.calendar.after(self.since, time.delay_hold),
            HoldKind::RecoveryHold => time.calendar.after(self.since, RECOVERY_HOLD),
            HoldKind::LitigationHold
            | HoldKind::InPlaceHold
            | HoldKind::EDiscoveryHold
            | HoldKind::RetentionPolicy
            | HoldKind::RetentionLabel => time.calendar.after(deleted?, days(self.days?)),
        }
    }
}

impl Hold {
    fn judge(&self) -> Result<(), HoldError> {
        match (self.kind.is_named(), self.name.is_empty()) {
            (true, true) => return Err(HoldError::NameMissing(self.kind)),
            (false, false) => return Err(HoldError::NameNotForThisKind(self.kind)),
            (true, false) if !may_be_name(&self.name) => return Err(HoldError::BadName),
            (true, false) | (false, true) => {}
        }
        if self.days == Some(0) { Err(HoldError::NoDays) } else { Ok(()) }
    }
}

fn may_be_name(name: &str) -> bool {
    (1..=HOLD_NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
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

/// Where a hold comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody places it now.
    Command,
    /// It was there before, in another system or in a file.
    Import,
}

/// What is left when the last hold goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterLast {
    /// `DelayHoldApplied`: everything is kept for 30 days more, in case that was a mistake.
    DelayHold,
    /// Nothing.
    Nothing,
}

/// Why a hold cannot be placed or lifted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// It stands already.
    #[error("{} stands already{}", .kind.said(.name), .kind.other_name())]
    Placed {
        /// What kind.
        kind: HoldKind,
        /// Which one.
        name: Box<str>,
    },
    /// It does not stand.
    #[error("{} does not stand", .kind.said(.name))]
    NotPlaced {
        /// What kind.
        kind: HoldKind,
        /// Which one.
        name: Box<str>,
    },
    /// Spec section 7.4.
    #[error("an in-place-hold can no longer be created, only imported; use an ediscovery-hold or a retention-policy")]
    NoLongerMade,
    /// It follows from something else.
    #[error("{} follows from what was before it by itself", .0.said(""))]
    Consequence(HoldKind),
    /// There are too many.
    #[error("a mailbox has at most {HOLDS_MAX} holds, and may be excluded from as many policies")]
    TooMany,
    /// One of several needs a name.
    #[error("{} needs a name: a mailbox can have several", .0.said(""))]
    NameMissing(HoldKind),
    /// One of one has none.
    #[error("{} has no name: a mailbox has one at most", .0.said(""))]
    NameNotForThisKind(HoldKind),
    /// A name that cannot be kept.
    #[error("the name of a hold has at most {HOLD_NAME_BYTES_MAX} octets and no control characters")]
    BadName,
    /// It would keep nothing.
    #[error("a hold keeps things for a day at least; one without days keeps them for ever")]
    NoDays,
    /// The organisation has no such policy, or the mailbox is not excluded from it.
    #[error("the organisation has no retention policy \"{0}\" from which that could be said")]
    UnknownPolicy(Box<str>),
}

impl HoldKind {
    fn said(self, name: &str) -> String {
        match self {
            _ if !name.is_empty() => format!("the {self} \"{name}\""),
            Self::InPlaceHold | Self::EDiscoveryHold => format!("an {self}"),
            Self::LitigationHold
            | Self::RetentionPolicy
            | Self::RetentionLabel
            | Self::DelayHold
            | Self::RecoveryHold => format!("a {self}"),
        }
    }

    const fn other_name(self) -> &'static str {
        if self.is_named() { "; another one needs another name" } else { "; lift it first to alter it" }
    }
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

    /// Places a hold.
    ///
    /// # Errors
    /// The hold stands already, is made by no command, or is beyond what is kept; then nothing alters.
    pub fn place(&mut self, hold: Hold, origin: Origin) -> Result<(), HoldError> {
        let kind = hold.kind;
        if origin == Origin::Command && kind == HoldKind::InPlaceHold {
            return Err(HoldError::NoLongerMade);
        }
        if origin == Origin::Command && kind.is_consequence() {
            return Err(HoldError::Consequence(kind));
        }
        hold.judge()?;
        if self.position(kind, &hold.name).is_some() {
            return Err(HoldError::Placed { kind, name: hold.name });
        }
        if !kind.is_consequence() && self.placed_by_somebody() >= HOLDS_MAX {
            return Err(HoldError::TooMany);
        }
        self.placed.push(hold);
        Ok(())
    }

    /// Lifts a hold, and leaves a delay hold where it was the last that somebody had placed. What follows from others
    /// is lifted without a trace (`-RemoveDelayHoldApplied`).
    ///
    /// # Errors
    /// The hold does not stand; then nothing alters.
    pub fn lift(&mut self, kind: HoldKind, name: &str, after: AfterLast, now: Timestamp) -> Result<Hold, HoldError> {
        let Some(position) = self.position(kind, name) else {
            return Err(HoldError::NotPlaced { kind, name: name.into() });
        };
        let lifted = self.placed.remove(position);
        if !kind.is_consequence() && self.placed_by_somebody() == 0 && after == AfterLast::DelayHold {
            self.placed.retain(|hold| hold.kind != HoldKind::DelayHold);
            self.placed.push(Hold { kind: HoldKind::DelayHold, name: "".into(), since: now, days: None });
        }
        Ok(lifted)
    }

    /// Excludes the mailbox from a retention policy of the organisation (`-mbx…`).
    ///
    /// # Errors
    /// There is no such policy, or it is excluded from as many as it may; then nothing alters.
    pub fn exclude(&mut self, policy: &str, organisation: &[OrganisationRetention]) -> Result<(), HoldError> {
        let found = organisation.iter().find(|other| *other.name == *policy);
        let Some(found) = found else { return Err(HoldError::UnknownPolicy(policy.into())) };
        if self.excluded.contains(&found.name) {
            return Ok(());
        }
        // What the organisation no longer has need not be remembered.
        self.excluded.retain(|name| organisation.iter().any(|other| other.name == *name));
        if self.excluded.len() >= HOLDS_MAX {
            return Err(HoldError::TooMany);
        }
        self.excluded.push(found.name.clone());
        Ok(())
    }

    /// Includes the mailbox in a policy again from which it was excluded.
    ///
    /// # Errors
    /// It was not excluded from that; then nothing alters.
    pub fn include(&mut self, policy: &str) -> Result<(), HoldError> {
        let position = self.excluded.iter().position(|name| **name == *policy);
        let Some(position) = position else { return Err(HoldError::UnknownPolicy(policy.into())) };
        self.excluded.remove(position);
        Ok(())
    }

    /// Judges holds that come from a file: as many as may be, each with a name that may be, none twice.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn judge(&self) -> Result<(), HoldError> {
        if self.placed_by_somebody() > HOLDS_MAX || self.excluded.len() > HOLDS_MAX {
            return Err(HoldError::TooMany);
        }
        if self.excluded.iter().any(|name| !may_be_name(name)) {
            return Err(HoldError::BadName);
        }
        for (position, hold) in self.placed.iter().enumerate() {
            hold.judge()?;
            if self.position(hold.kind, &hold.name) != Some(position) {
                return Err(HoldError::Placed { kind: hold.kind, name: hold.name.clone() });
            }
        }
        Ok(())
    }

    fn position(&self, kind: HoldKind, name: &str) -> Option<usize> {
        self.placed.iter().position(|hold| hold.kind == kind && *hold.name == *name)
    }

    fn placed_by_somebody(&self) -> usize {
        self.placed.iter().filter(|hold| !hold.kind.is_consequence()).count()
    }

    /// How long the longest hold keeps the mailbox, which was deleted then or is in use.
    pub fn keep(&self, organisation: &[OrganisationRetention], deleted: Option<Timestamp>, time: Time<'_>) -> Kept {
        let until = |end: Option<Timestamp>| match end {
            None => Kept::ForEver,
            Some(end) if end > time.now => Kept::Until(end),
            Some(_) => Kept::NotAtAll,
        };
        let own = self.placed.iter().map(|hold| until(hold.ends_at(deleted, time)));
        let policies = organisation.iter().filter(|policy| !self.excluded.contains(&policy.name));
        let end = |policy: &OrganisationRetention| time.calendar.after(deleted?, days(policy.days?));
        let policies = policies.map(|policy| until(end(policy)));
        own.chain(policies).max().unwrap_or(Kept::NotAtAll)
    }
}

fn days(number: u32) -> Duration {
    Duration::from_secs(u64::from(number).saturating_mul(DAY_SECONDS))
}

#[cfg(test)]
mod tests;
