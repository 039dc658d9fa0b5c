//! How many, where it may also be "unlimited": `500`, `"unlimited"`.

use core::fmt;
use core::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A bound on a number of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// None.
    Unlimited,
    /// At most so many.
    Count(u32),
}

impl Cap {
    /// The bound as a number; `None` without one.
    pub const fn count(self) -> Option<u32> {
        match self {
            Self::Unlimited => None,
            Self::Count(count) => Some(count),
        }
    }
}

/// A recipient's own bound, or that of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnCap {
    /// It follows the configuration: `"default"`.
    Default,
    /// Its own.
    Own(Cap),
}

impl OwnCap {
    /// Its own bound, if it has one.
    pub const fn own(self) -> Option<Cap> {
        match self {
            Self::Default => None,
            Self::Own(cap) => Some(cap),
        }
    }
}

impl FromStr for OwnCap {
    type Err = CapError;

    fn from_str(text: &str) -> Result<Self, CapError> {
        if text.trim().eq_ignore_ascii_case("default") { Ok(Self::Default) } else { text.parse().map(Self::Own) }
    }
}

impl Serialize for OwnCap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Default => serializer.serialize_str("default"),
            Self::Own(cap) => cap.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OwnCap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OwnCapVisitor)
    }
}

struct OwnCapVisitor;

impl Visitor<'_> for OwnCapVisitor {
    type Value = OwnCap;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number, \"unlimited\" or \"default\"")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<OwnCap, E> {
        CapVisitor.visit_u64(number).map(OwnCap::Own)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<OwnCap, E> {
        CapVisitor.visit_i64(number).map(OwnCap::Own)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OwnCap, E> {
        text.parse().map_err(E::custom)
    }
}

/// A text that is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a whole number, \"unlimited\", or \"default\" for what the configuration says")]
pub struct CapError;

impl FromStr for Cap {
    type Err = CapError;

    fn from_str(text: &str) -> Result<Self, CapError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("unlimited") {
            return Ok(Self::Unlimited);
        }
        let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().map(Self::Count).ok_or(CapError)
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => formatter.write_str("unlimited"),
            Self::Count(count) => count.fmt(formatter),
        }
    }
}

impl Serialize for Cap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unlimited => serializer.collect_str(self),
            Self::Count(count) => serializer.serialize_u32(*count),
        }
    }
}

impl<'de> Deserialize<'de> for Cap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CapVisitor)
    }
}

struct CapVisitor;

impl Visitor<'_> for CapVisitor {
    type Value = Cap;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number or \"unlimited\"")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Cap, E> {
        u32::try_from(number).map(Cap::Count).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Cap, E> {
        u32::try_from(number).map(Cap::Count).map_err(|_| E::custom("a number from 0 to 4294967295"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cap, E> {
        text.parse().map_err(E::custom)
    }
}

/// What a recipient may do beyond or below what the configuration says (decision D6); unset follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecipientLimits {
    /// `RecipientLimits`: recipients of one message, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients_per_message: Option<u32>,
    /// `MessageRateLimit`: messages that it submits in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_minute: Option<Cap>,
    /// `RecipientRateLimit`: recipients of all that it submits in a rolling day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients_per_day: Option<Cap>,
    /// Sessions on which it may submit at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Cap>,
    /// Messages that its mailbox takes in an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_per_hour: Option<Cap>,
    /// Messages that its mailbox takes in an hour from one sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_from_one_per_hour: Option<Cap>,
    /// `RecipientLimitExternalPerHour`: recipients outside of all that it submits in an hour. With more it is
    /// restricted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_recipients_per_hour: Option<Cap>,
    /// The same in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_recipients_per_day: Option<Cap>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_they_are_read() {
        for (text, cap) in [("0", Cap::Count(0)), ("Unlimited", Cap::Unlimited), (" 500 ", Cap::Count(500))] {
            assert_eq!(text.parse(), Ok(cap));
            assert_eq!(cap.to_string().parse(), Ok(cap));
            let json = serde_json::to_string(&cap).unwrap();
            assert_eq!(serde_json::from_str::<Cap>(&json).unwrap(), cap);
        }
        for text in ["", "-1", "+1", "1.5", "many", "4294967296"] {
            assert_eq!(text.parse::<Cap>(), Err(CapError), "{text:?}");
        }
        assert_eq!("Default".parse(), Ok(OwnCap::Default));
        assert_eq!(serde_json::from_str::<OwnCap>("7").unwrap(), OwnCap::Own(Cap::Count(7)));
        assert!(serde_json::from_str::<Cap>("-1").is_err() && serde_json::from_str::<Cap>("4294967296").is_err());
    }
}
