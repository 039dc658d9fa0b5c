//! Points in time as milliseconds since 1970, and the two ways mail writes them.
//!
//! The clock itself lives in `world`; here time is only a value that is passed in.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, always UTC.
///
/// The range covers the years 1970 to 9999 (less two days); arithmetic saturates at both ends, so nothing overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Timestamp(u64);

/// 9999-12-30T22:00:00.000Z, the last instant that the calendar library can write.
const LATEST_MILLISECONDS: u64 = 253_402_207_200_000;

impl Timestamp {
    /// The first instant, 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// Takes milliseconds since 1970; later values become the last instant of the range.
    pub const fn from_unix_milliseconds(milliseconds: u64) -> Self {
        Self(if milliseconds > LATEST_MILLISECONDS { LATEST_MILLISECONDS } else { milliseconds })
    }

    /// Milliseconds since 1970.
    pub const fn unix_milliseconds(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn unix_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The instant `duration` later, at most the end of the range.
    pub fn plus(self, duration: Duration) -> Self {
        let added = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_unix_milliseconds(self.0.saturating_add(added))
    }

    /// How long after `earlier` this instant is; zero when it is not after it (clocks do step back).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Reads an ISO 8601 instant such as `2026-01-05T09:00:00Z`; `None` for anything else or a year before 1970.
    pub fn parse_iso8601(text: &str) -> Option<Self> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(instant.as_millisecond()).ok().map(Self::from_unix_milliseconds)
    }

    /// The date-time of a header field, for example `Mon, 5 Jan 2026 09:00:00 +0000` (RFC 5322 section 3.3).
    pub fn rfc5322(self) -> impl fmt::Display {
        Strftime { instant: self, format: "%a, %-d %b %Y %H:%M:%S +0000" }
    }

    /// ISO 8601 in UTC with milliseconds, for example `2026-01-05T09:00:00.000Z`.
    pub fn iso8601(self) -> impl fmt::Display {
        Strftime { instant: self, format: "%Y-%m-%dT%H:%M:%S.%3fZ" }
    }
}

impl From<u64> for Timestamp {
    fn from(milliseconds: u64) -> Self {
        Self::from_unix_milliseconds(milliseconds)
    }
}

impl From<Timestamp> for u64 {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iso8601().fmt(formatter)
    }
}

struct Strftime {
    instant: Timestamp,
    format: &'static str,
}

impl fmt::Display for Strftime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Within the range that `from_unix_milliseconds` keeps, the conversion always succeeds.
        let milliseconds = i64::try_from(self.instant.0).unwrap_or(0);
        let instant = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        instant.to_zoned(jiff::tz::TimeZone::UTC).strftime(self.format).fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_text_forms_are_exact() {
        let instant = Timestamp::parse_iso8601("2026-01-05T09:00:00.250Z").unwrap();
        assert_eq!(instant.rfc5322().to_string(), "Mon, 5 Jan 2026 09:00:00 +0000");
        assert_eq!(instant.iso8601().to_string(), "2026-01-05T09:00:00.250Z");
    }

    #[test]
    fn arithmetic_saturates_instead_of_overflowing() {
        let latest = Timestamp::from_unix_milliseconds(u64::MAX);
        assert_eq!(latest.plus(Duration::MAX), latest);
        assert_eq!(Timestamp::EPOCH.since(latest), Duration::ZERO);
        assert_eq!(latest.iso8601().to_string(), "9999-12-30T22:00:00.000Z");
    }
}
