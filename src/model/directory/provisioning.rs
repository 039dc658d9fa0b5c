//! What provisioning keeps about an object: the half of it that most objects never need.
//!
//! An object has two halves: the identity half (account, licences, whether its user is deleted) and the mailbox half
//! (type, addresses, where the mailbox stands, its holds). A reconciler makes the mailbox half follow the identity
//! half; an error recorded here freezes the object until it is resolved (spec section 7.1, decision D7).

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::lifecycle::hold::Holds;
use super::recipient_type::RecipientType;
use crate::model::mail::Timestamp;

/// `ExchangeGuid`: names a mailbox, whoever holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeGuid(pub u128);

/// As Exchange prints it: 8-4-4-4-12 hexadecimal digits.
impl fmt::Display for ExchangeGuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let mut rest = digits.as_str();
        for (position, count) in [8, 4, 4, 4, 12].into_iter().enumerate() {
            if position > 0 {
                formatter.write_str("-")?;
            }
            let (part, after) = rest.split_at_checked(count).unwrap_or((rest, ""));
            formatter.write_str(part)?;
            rest = after;
        }
        Ok(())
    }
}

/// A text that is no GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ExchangeGuid has 32 hexadecimal digits in groups of 8-4-4-4-12")]
pub struct GuidError;

impl FromStr for ExchangeGuid {
    type Err = GuidError;

    fn from_str(text: &str) -> Result<Self, GuidError> {
        let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let groups: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        let digits = groups.concat();
        if lengths != [8, 4, 4, 4, 12] || !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return Err(GuidError);
        }
        u128::from_str_radix(&digits, 16).map(Self).map_err(|_| GuidError)
    }
}

impl Serialize for ExchangeGuid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExchangeGuid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What an object remembers of the mailbox that it had (spec S2-3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousMailbox {
    /// `msExchPreviousRecipientTypeDetails`.
    pub recipient_type: RecipientType,
    /// `msExchPreviousMailboxGuid`.
    pub mailbox_guid: ExchangeGuid,
    /// `msExchPreviousHomeMDBSL`: the database, here the host whose disk has it.
    pub home: Box<str>,
}

/// Why an object is frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisioningError {
    /// When it was recorded.
    pub since: Timestamp,
    /// What went wrong.
    pub kind: ProvisioningErrorKind,
    /// The whole text, as it was told (`ErrorRecord`).
    pub text: Box<str>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProvisioningErrorKind {
    /// A hold forbids the deactivation (spec T4).
    OnHold,
    /// The mailbox is still in the other system (spec T20).
    NotMigrated,
    /// The clean-up after a purge failed (spec T6).
    CleanUp,
}

/// An archive mailbox, which lives and dies with its mailbox and is held alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// Since when it is there.
    pub since: Timestamp,
    /// When it was disabled; it can be had back as long as a disconnected mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Timestamp>,
}

/// The half of an object that most objects do not need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provisioning {
    /// `ExchangeGuid` where it is not the one that follows from the identity: as the other system gave it, if the
    /// object is synchronised, else as it was imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange_guid: Option<ExchangeGuid>,
    /// `IsDirSynced`: the other system is the master of this object.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub synchronised: bool,
    /// Shards of it are stored for services, which nobody has recovered.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub has_shards: bool,
    /// The mailbox that it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousMailbox>,
    /// What keeps its contents.
    #[serde(skip_serializing_if = "Holds::is_empty")]
    pub holds: Holds,
    /// Why its halves do not follow each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ProvisioningError>,
    /// When its user was deleted, as opposed to its mailbox alone: its addresses, login and name are free since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_deleted: Option<Timestamp>,
    /// When its licence was taken with delay (`DelayedDelicensingEnabled`); the mailbox is in use until that is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delicensed: Option<Timestamp>,
    /// Its archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
}

impl Provisioning {
    /// The text of the recorded error, if there is one.
    pub fn error_text(&self) -> Option<String> {
        self.error.as_ref().map(|error| error.text.to_string())
    }

    /// Whether nothing is kept, so that it need not be stored.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_printed_and_read_as_exchange_does() {
        let text = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        let guid: ExchangeGuid = text.parse().unwrap();
        assert_eq!(guid.to_string(), text);
        assert_eq!(format!("{{{}}}", text.to_uppercase()).parse(), Ok(guid));
        assert_eq!(ExchangeGuid(7).to_string(), "00000000-0000-0000-0000-000000000007");
        for wrong in ["", "0f1e2d3c", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "+f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"] {
            assert_eq!(wrong.parse::<ExchangeGuid>(), Err(GuidError), "{wrong}");
        }
    }

    #[test]
    fn what_is_empty_takes_no_room() {
        assert!(Provisioning::default().is_empty());
        assert_eq!(serde_json::to_string(&Provisioning::default()).unwrap(), "{}");
    }
}
