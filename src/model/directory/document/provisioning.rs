//! What provisioning keeps about an object, and where its mailbox stands, in a document.

use serde::{Deserialize, Serialize};

use super::plan::Reason;
use super::shown::shown;
use super::slot::Slot;
use super::{LifecycleName, OrganisationEntry, RecipientEntry};
use crate::model::directory::lifecycle::Lifecycle;
use crate::model::directory::lifecycle::hold::{
    HOLD_NAME_BYTES_MAX, HOLDS_MAX, Hold, HoldError, HoldKind, OrganisationRetention,
};
use crate::model::directory::provisioning::{
    Archive, ExchangeGuid, PreviousMailbox, Provisioning, ProvisioningError, ProvisioningErrorKind,
};
use crate::model::directory::recipient::{Organisation, Recipient};
use crate::model::directory::recipient_type::RecipientType;
use crate::model::directory::snapshot::Snapshot;
use crate::model::mail::{Address, Timestamp};

/// The half of an object that most objects do not need; see [`Provisioning`]. What is not given stays; an empty text or
/// list clears. Times are ISO 8601, such as `2026-01-05T09:00:00Z`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProvisioningEntry {
    /// `ExchangeGuid` as the other system gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange_guid: Option<Box<str>>,
    /// `IsDirSynced`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronised: Option<bool>,
    /// Shards of it are stored for services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_shards: Option<bool>,
    /// Retention policies of the organisation from which it is excluded, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded_policies: Option<Vec<Box<str>>>,
    /// When its user was deleted. The entry is then about the object that was deleted at that time and had this
    /// address, or about a new one; never about one that is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_deleted: Option<Box<str>>,
    /// When its licence was taken with delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delicensed: Option<Box<str>>,
    /// The mailbox that it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Slot<PreviousEntry>>,
    /// Why its halves do not follow each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Slot<ErrorEntry>>,
    /// Its archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<Slot<ArchiveEntry>>,
    /// Holds placed on it, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<Vec<HoldEntry>>,
    /// Holds and exclusions come to those there are instead of in their place. Documents cannot say so; what is read
    /// from another system's export does, since it knows nothing of holds that were placed here.
    #[serde(skip)]
    pub adds_holds: bool,
}

/// The mailbox that an object had; see [`PreviousMailbox`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousEntry {
    /// `msExchPreviousRecipientTypeDetails`.
    #[serde(rename = "type")]
    pub recipient_type: RecipientType,
    /// `msExchPreviousMailboxGuid`.
    pub mailbox_guid: Box<str>,
    /// The host whose disk has it.
    pub home: Box<str>,
}

/// An error that freezes an object; see [`ProvisioningError`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorEntry {
    /// When it was recorded.
    pub since: Box<str>,
    /// What went wrong.
    pub kind: ProvisioningErrorKind,
    /// The whole text.
    pub text: Box<str>,
}

/// An archive; see [`Archive`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveEntry {
    /// Since when it is there.
    pub since: Box<str>,
    /// When it was disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Box<str>>,
}

/// A hold; see [`Hold`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldEntry {
    /// What kind.
    pub kind: HoldKind,
    /// Which one, of several of a kind.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub name: Box<str>,
    /// When it was placed.
    pub since: Box<str>,
    /// For how many days it keeps what it keeps; for ever without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// Why an entry about provisioning makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisioningEntryError {
    /// A text that is no GUID.
    #[error("{key}: {value} is no GUID; it has 32 hexadecimal digits in groups of 8-4-4-4-12")]
    Guid {
        /// The key of the document.
        key: &'static str,
        /// What was given.
        value: Box<str>,
    },
    /// A point in time that cannot be read.
    #[error("{key}: {value} is no time; write it as 2026-01-05T09:00:00Z")]
    Time {
        /// The key of the document.
        key: &'static str,
        /// What was given.
        value: Box<str>,
    },
    /// A name that is too long, or has control characters, or is given twice.
    #[error(
        "{key}: {value} is empty, longer than {HOLD_NAME_BYTES_MAX} octets, has control characters or stands twice"
    )]
    Name {
        /// The key of the document.
        key: &'static str,
        /// What was given.
        value: Box<str>,
    },
    /// More than are kept.
    #[error("{key}: there are {count}, and at most {HOLDS_MAX} can be kept")]
    TooMany {
        /// The key of the document.
        key: &'static str,
        /// How many were given.
        count: usize,
    },
    /// Holds that cannot be.
    #[error("holds: {0}")]
    Holds(#[from] HoldError),
    /// A mailbox in use has a user.
    #[error("user_deleted: a mailbox that is Active is in use, and its user is not deleted")]
    DeletedInUse,
}

type Outcome<T> = Result<T, ProvisioningEntryError>;

impl ProvisioningEntry {
    /// What is kept, as an entry; only what differs from nothing is written.
    pub fn of(own: &Provisioning) -> Self {
        Self {
            exchange_guid: own.exchange_guid.map(|guid| guid.to_string().into()),
            synchronised: own.synchronised.then_some(true),
            has_shards: own.has_shards.then_some(true),
            excluded_policies: Some(own.holds.excluded.clone()).filter(|excluded| !excluded.is_empty()),
            user_deleted: own.user_deleted.map(written),
            delicensed: own.delicensed.map(written),
            previous: own.previous.as_ref().map(|previous| {
                Slot::Given(PreviousEntry {
                    recipient_type: previous.recipient_type,
                    mailbox_guid: previous.mailbox_guid.to_string().into(),
                    home: previous.home.clone(),
                })
            }),
            error: own.error.as_ref().map(|error| {
                Slot::Given(ErrorEntry { since: written(error.since), kind: error.kind, text: error.text.clone() })
            }),
            archive: own.archive.map(|archive| {
                Slot::Given(ArchiveEntry { since: written(archive.since), disabled: archive.disabled.map(written) })
            }),
            holds: Some(own.holds.placed.iter().map(HoldEntry::of).collect())
                .filter(|holds: &Vec<_>| !holds.is_empty()),
            adds_holds: false,
        }
    }

    /// Adds what another entry says of the same object; where both speak, the later one is heard.
    pub fn overlay(&mut self, later: Self) {
        self.exchange_guid = later.exchange_guid.or_else(|| self.exchange_guid.take());
        self.synchronised = later.synchronised.or(self.synchronised);
        self.has_shards = later.has_shards.or(self.has_shards);
        self.adds_holds |= later.adds_holds;
        match (&mut self.excluded_policies, later.excluded_policies) {
            (Some(own), Some(later)) if self.adds_holds => own.extend(later),
            (own, later) => *own = later.or_else(|| own.take()),
        }
        match (&mut self.holds, later.holds) {
            (Some(own), Some(later)) if self.adds_holds => own.extend(later),
            (own, later) => *own = later.or_else(|| own.take()),
        }
        self.user_deleted = later.user_deleted.or_else(|| self.user_deleted.take());
        self.delicensed = later.delicensed.or_else(|| self.delicensed.take());
        self.previous = later.previous.or_else(|| self.previous.take());
        self.error = later.error.or_else(|| self.error.take());
        self.archive = later.archive.or_else(|| self.archive.take());
    }

    /// What is kept after this entry; none when nothing is.
    ///
    /// # Errors
    /// A value that cannot be read, or more than is kept.
    pub fn apply(&self, former: Option<&Provisioning>) -> Outcome<Option<Box<Provisioning>>> {
        let mut next = former.cloned().unwrap_or_default();
        if let Some(text) = &self.exchange_guid {
            next.exchange_guid = if text.is_empty() { None } else { Some(guid("exchange_guid", text)?) };
        }
        next.synchronised = self.synchronised.unwrap_or(next.synchronised);
        next.has_shards = self.has_shards.unwrap_or(next.has_shards);
        for (key, given, own) in [
            ("user_deleted", &self.user_deleted, &mut next.user_deleted),
            ("delicensed", &self.delicensed, &mut next.delicensed),
        ] {
            if let Some(text) = given {
                *own = if text.is_empty() { None } else { Some(time(key, text)?) };
            }
        }
        self.apply_holds(&mut next)?;
        match &self.previous {
            None => {}
            Some(Slot::Empty) => next.previous = None,
            Some(Slot::Given(previous)) => {
                next.previous = Some(PreviousMailbox {
                    recipient_type: previous.recipient_type,
                    mailbox_guid: guid("previous.mailbox_guid", &previous.mailbox_guid)?,
                    home: previous.home.clone(),
                });
            }
        }
        match &self.error {
            None => {}
            Some(Slot::Empty) => next.error = None,
            Some(Slot::Given(error)) => {
                let since = time("error.since", &error.since)?;
                next.error = Some(ProvisioningError { since, kind: error.kind, text: error.text.clone() });
            }
        }
        match &self.archive {
            None => {}
            Some(Slot::Empty) => next.archive = None,
            Some(Slot::Given(archive)) => {
                let disabled = archive.disabled.as_deref().map(|text| time("archive.disabled", text));
                next.archive =
                    Some(Archive { since: time("archive.since", &archive.since)?, disabled: disabled.transpose()? });
            }
        }
        Ok((!next.is_empty()).then(|| Box::new(next)))
    }

    fn apply_holds(&self, next: &mut Provisioning) -> Outcome<()> {
        if let Some(given) = &self.excluded_policies {
            let mut excluded = if self.adds_holds { next.holds.excluded.clone() } else { Vec::new() };
            let new = given.iter().filter(|name| !self.adds_holds || !next.holds.excluded.contains(name));
            excluded.extend(new.cloned());
            next.holds.excluded = names("excluded_policies", &excluded)?;
        }
        let Some(given) = &self.holds else {
            return Ok(());
        };
        // What follows from others comes on top, and the comparison of each with each has an end.
        if given.len() > 2 * HOLDS_MAX {
            return Err(HoldError::TooMany.into());
        }
        let mut placed = if self.adds_holds { core::mem::take(&mut next.holds.placed) } else { Vec::new() };
        for entry in given {
            let hold = entry.hold()?;
            let is_there = placed.iter().any(|own| own.kind == hold.kind && own.name == hold.name);
            if !self.adds_holds || !is_there {
                placed.push(hold);
            }
        }
        next.holds.placed = placed;
        Ok(next.holds.judge()?)
    }

    /// The object that the entry is about, if it is about one whose user was deleted.
    pub(super) fn deleted<'snapshot>(
        &self,
        snapshot: &'snapshot Snapshot,
        primary: &Address,
    ) -> Option<Outcome<Option<&'snapshot std::sync::Arc<Recipient>>>> {
        let text = self.user_deleted.as_deref().filter(|text| !text.is_empty())?;
        Some(time("user_deleted", text).map(|since| {
            let is_it = |found: &Recipient| {
                let deleted = found.provisioning.as_deref().and_then(|own| own.user_deleted);
                deleted == Some(since) && found.primary().key() == primary.key()
            };
            snapshot.deleted().find(|found| is_it(found))
        }))
    }
}

impl HoldEntry {
    fn of(hold: &Hold) -> Self {
        Self { kind: hold.kind, name: hold.name.clone(), since: written(hold.since), days: hold.days }
    }

    fn hold(&self) -> Outcome<Hold> {
        let since = time("holds.since", &self.since)?;
        Ok(Hold { kind: self.kind, name: self.name.clone(), since, days: self.days })
    }
}

fn written(time: Timestamp) -> Box<str> {
    time.iso8601().to_string().into()
}

fn time(key: &'static str, text: &str) -> Outcome<Timestamp> {
    Timestamp::parse_iso8601(text.trim()).ok_or_else(|| ProvisioningEntryError::Time { key, value: shown(text) })
}

fn guid(key: &'static str, text: &str) -> Outcome<ExchangeGuid> {
    text.trim().parse().map_err(|_| ProvisioningEntryError::Guid { key, value: shown(text) })
}

fn bounded(key: &'static str, count: usize) -> Outcome<()> {
    if count > HOLDS_MAX { Err(ProvisioningEntryError::TooMany { key, count }) } else { Ok(()) }
}

fn name(key: &'static str, text: &str) -> Outcome<()> {
    let is_name = !text.is_empty() && text.len() <= HOLD_NAME_BYTES_MAX && !text.chars().any(char::is_control);
    if is_name { Ok(()) } else { Err(ProvisioningEntryError::Name { key, value: shown(text) }) }
}

/// Names of which none stands twice.
fn names(key: &'static str, given: &[Box<str>]) -> Outcome<Vec<Box<str>>> {
    bounded(key, given.len())?;
    for (place, text) in given.iter().enumerate() {
        name(key, text)?;
        if given.iter().take(place).any(|earlier| earlier == text) {
            return Err(ProvisioningEntryError::Name { key, value: shown(text) });
        }
    }
    Ok(given.to_vec())
}

/// Applies what an entry says of provisioning and of the mailbox's state.
pub(super) fn base(entry: &RecipientEntry, recipient: &mut Recipient) -> Result<(), Reason> {
    recipient.lifecycle = lifecycle(entry, recipient.lifecycle)?;
    if let Some(given) = &entry.provisioning {
        recipient.provisioning = given.apply(recipient.provisioning.as_deref())?;
    }
    if recipient.is_user_deleted() && recipient.lifecycle.is_active() {
        return Err(ProvisioningEntryError::DeletedInUse.into());
    }
    Ok(())
}

/// The retention policies of the organisation after an entry.
pub(super) fn retention(entry: &OrganisationEntry, next: &mut Organisation) -> Result<(), Reason> {
    let Some(given) = &entry.retention_policies else {
        return Ok(());
    };
    let all: Vec<Box<str>> = given.iter().map(|policy| policy.name.clone()).collect();
    names("retention_policies", &all)?;
    next.retention_policies.clone_from(given);
    Ok(())
}

/// The retention policies of the organisation for an entry.
pub(super) fn retention_of(organisation: &Organisation) -> Option<Vec<OrganisationRetention>> {
    Some(organisation.retention_policies.clone()).filter(|policies| !policies.is_empty())
}

fn lifecycle(entry: &RecipientEntry, former: Lifecycle) -> Result<Lifecycle, Reason> {
    let since = match entry.since.as_deref() {
        Some(text) => Some(Timestamp::parse_iso8601(text).ok_or_else(|| Reason::Time { value: shown(text) })?),
        None => None,
    };
    let Some(name) = entry.lifecycle else {
        return if since.is_some() { Err(Reason::SinceWithoutState) } else { Ok(former) };
    };
    let timed = |state: fn(Timestamp) -> Lifecycle| since.map(state).ok_or(Reason::SinceMissing);
    let state = match name {
        LifecycleName::Disconnected => return timed(|since| Lifecycle::Disconnected { since }),
        LifecycleName::SoftDeleted => return timed(|since| Lifecycle::SoftDeleted { since }),
        LifecycleName::Inactive => return timed(|since| Lifecycle::Inactive { since }),
        LifecycleName::Purging => return timed(|since| Lifecycle::Purging { since }),
        LifecycleName::NoMailbox => Lifecycle::NoMailbox,
        LifecycleName::Active => Lifecycle::Active,
        LifecycleName::AwaitingMigration => Lifecycle::AwaitingMigration,
        LifecycleName::StaleAttributes => Lifecycle::StaleAttributes,
        LifecycleName::Purged => Lifecycle::Purged,
    };
    if since.is_some() { Err(Reason::SinceWithoutState) } else { Ok(state) }
}

#[cfg(test)]
mod tests;
