//! A number of octets as people and Exchange write it: `157286400`, `"35 MB"`, `"49.5 GB (53,150,220,288 bytes)"`.

use core::fmt;
use core::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A limit in octets, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// None.
    Unlimited,
    /// So many octets.
    Bytes(u64),
}

impl Limit {
    /// The octets; `None` without limit.
    pub const fn bytes(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

/// A mailbox's own limit, or that of its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnLimit {
    /// It follows its licence, or the configuration: `"default"`.
    Default,
    /// Its own.
    Own(Limit),
}

impl OwnLimit {
    /// Its own limit, if it has one.
    pub const fn own(self) -> Option<Limit> {
        match self {
            Self::Default => None,
            Self::Own(limit) => Some(limit),
        }
    }
}

/// A text that is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a size is a number of octets, a number with B, KB, MB, GB or TB such as \"49.5 GB\", or \"unlimited\"")]
pub struct LimitError;

/// A text that is neither a size nor the word for what the plan says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a size such as \"49.5 GB\", \"unlimited\", or \"default\" for what the licence or configuration says")]
pub struct OwnLimitError;

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("unlimited") {
            return Ok(Self::Unlimited);
        }
        // 49.5 GB (53,150,220,288 bytes): the number in parentheses is the exact one.
        if let Some((_, exact)) = text.split_once('(') {
            let digits = exact.trim_end().strip_suffix("bytes)").ok_or(LimitError)?;
            let digits: String = digits
                .chars()
                .filter(|character| !matches!(character, ',' | '.' | ' ' | '\u{a0}' | '\u{202f}'))
                .collect();
            return whole(&digits).map(Self::Bytes);
        }
        let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        scaled(number, multiplier(unit.trim())?).map(Self::Bytes)
    }
}

fn multiplier(unit: &str) -> Result<u64, LimitError> {
    const UNITS: [(&str, u64); 6] =
        [("", 1), ("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];
    UNITS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| factor).ok_or(LimitError)
}

fn whole(digits: &str) -> Result<u64, LimitError> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(LimitError);
    }
    digits.parse().map_err(|_| LimitError)
}

/// `49.5` times a unit, in whole numbers: floating point would lose octets above 2^53.
fn scaled(number: &str, factor: u64) -> Result<u64, LimitError> {
    let (integer, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // Nine decimals are finer than an octet of any unit that is written with decimals.
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let denominator = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| LimitError)?);
    let parts = u128::from(whole(fraction)?) * u128::from(factor) / denominator;
    let bytes = u128::from(whole(integer)?).checked_mul(u128::from(factor)).and_then(|bytes| bytes.checked_add(parts));
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).ok_or(LimitError)
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => formatter.write_str("unlimited"),
            Self::Bytes(bytes) => bytes.fmt(formatter),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // TOML's integers end at 2^63 - 1; what is larger is written as text.
            Self::Bytes(bytes) => match i64::try_from(*bytes) {
                Ok(small) => serializer.serialize_i64(small),
                Err(_) => serializer.collect_str(bytes),
            },
            Self::Unlimited => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitVisitor)
    }
}

impl FromStr for OwnLimit {
    type Err = OwnLimitError;

    fn from_str(text: &str) -> Result<Self, OwnLimitError> {
        if text.trim().eq_ignore_ascii_case("default") {
            return Ok(Self::Default);
        }
        text.parse().map(Self::Own).map_err(|_| OwnLimitError)
    }
}

impl Serialize for OwnLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Default => serializer.serialize_str("default"),
            Self::Own(limit) => limit.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OwnLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OwnLimitVisitor)
    }
}

struct OwnLimitVisitor;

impl Visitor<'_> for OwnLimitVisitor {
    type Value = OwnLimit;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{OwnLimitError}")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<OwnLimit, E> {
        LimitVisitor.visit_u64(bytes).map(OwnLimit::Own)
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<OwnLimit, E> {
        LimitVisitor.visit_i64(bytes).map(OwnLimit::Own)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OwnLimit, E> {
        text.parse().map_err(E::custom)
    }
}

struct LimitVisitor;

impl Visitor<'_> for LimitVisitor {
    type Value = Limit;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{LimitError}")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Limit, E> {
        Ok(Limit::Bytes(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Limit, E> {
        u64::try_from(bytes).map(Limit::Bytes).map_err(|_| E::custom(LimitError))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_and_exchange_write_them() {
        let bytes = |text: &str| text.parse::<Limit>().map(Limit::bytes);
        assert_eq!(bytes("157286400"), Ok(Some(157_286_400)));
        assert_eq!(bytes("35 MB"), Ok(Some(35 << 20)));
        assert_eq!(bytes("49.5GB"), Ok(Some(53_150_220_288)));
        assert_eq!(bytes("49.5 GB (53,150,220,288 bytes)"), Ok(Some(53_150_220_288)));
        assert_eq!(bytes("49,5 GB (53.150.220.288 bytes)"), Ok(Some(53_150_220_288)));
        assert_eq!(bytes("Unlimited"), Ok(None));
    }

    #[test]
    fn without_limit_and_as_the_plan_says_are_two_things() {
        for (text, own) in [("Unlimited", Some(Limit::Unlimited)), ("Default", None), ("5", Some(Limit::Bytes(5)))] {
            let parsed: OwnLimit = text.parse().unwrap();
            assert_eq!(parsed.own(), own);
            let json = serde_json::to_string(&parsed).unwrap();
            assert_eq!(serde_json::from_str::<OwnLimit>(&json).unwrap(), parsed);
        }
        assert_eq!("much".parse::<OwnLimit>(), Err(OwnLimitError));
        assert_eq!(serde_json::from_str::<OwnLimit>("7").unwrap(), OwnLimit::Own(Limit::Bytes(7)));
    }

    #[test]
    fn what_is_no_size_is_refused_without_overflow() {
        for text in [
            "",
            "GB",
            "-1",
            "1 PB",
            "1..5 GB",
            "99999999999999999999",
            "99999999999 TB",
            "1 GB (",
            "1 GB (x bytes)",
            ".",
        ] {
            assert_eq!(text.parse::<Limit>(), Err(LimitError), "{text}");
        }
    }
}
