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
        Rfc5322(Civil::of(self))
    }

    /// ISO 8601 in UTC with milliseconds, for example `2026-01-05T09:00:00.000Z`.
    pub fn iso8601(self) -> impl fmt::Display {
        Iso8601(Civil::of(self))
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

/// An instant by the calendar, in UTC. Every refusal is stamped with one, so it is made by hand: the calendar library
/// takes ten times as long.
struct Civil {
    year: u64,
    /// 1 is January.
    month: u64,
    day: u64,
    /// 0 is Sunday.
    weekday: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millisecond: u64,
}

impl Civil {
    /// Days become a date as in Hinnant's "chrono-Compatible Low-Level Date Algorithms": years begin in March, so
    /// that a leap day is the last of its year, and 400 of them have 146,097 days.
    fn of(instant: Timestamp) -> Self {
        let (days, milliseconds) = (instant.0 / 86_400_000, instant.0 % 86_400_000);
        // From 1 March of the year 0 to 1 January 1970.
        let since = days + 719_468;
        let (era, day_of_era) = (since / 146_097, since % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // 0 is March.
        let month = (5 * day_of_year + 2) / 153;
        let in_next_year = month >= 10;
        Self {
            year: era * 400 + year_of_era + u64::from(in_next_year),
            month: if in_next_year { month - 9 } else { month + 3 },
            day: day_of_year - (153 * month + 2) / 5 + 1,
            // 1 January 1970 was a Thursday.
            weekday: (days + 4) % 7,
            hour: milliseconds / 3_600_000,
            minute: milliseconds / 60_000 % 60,
            second: milliseconds / 1_000 % 60,
            millisecond: milliseconds % 1_000,
        }
    }
}

struct Iso8601(Civil);

impl fmt::Display for Iso8601 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, millisecond, .. } = self.0;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let numbers = [
            (&[0, 1, 2, 3][..], year),
            (&[5, 6], month),
            (&[8, 9], day),
            (&[11, 12], hour),
            (&[14, 15], minute),
            (&[17, 18], second),
            (&[20, 21, 22], millisecond),
        ];
        for (places, number) in numbers {
            write_digits(&mut text, places, number);
        }
        formatter.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// Puts the last digits of a number into their places.
fn write_digits(text: &mut [u8], places: &[usize], number: u64) {
    let mut rest = number;
    for place in places.iter().rev() {
        if let Some(octet) = text.get_mut(*place) {
            *octet += u8::try_from(rest % 10).unwrap_or(0);
        }
        rest /= 10;
    }
}

struct Rfc5322(Civil);

impl fmt::Display for Rfc5322 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let name = |names: &[&'static str], number: u64| {
            usize::try_from(number).ok().and_then(|number| names.get(number).copied()).unwrap_or_default()
        };
        let Civil { year, month, day, weekday, hour, minute, second, .. } = self.0;
        let (weekday, month) = (name(&DAYS, weekday), name(&MONTHS, month.wrapping_sub(1)));
        write!(formatter, "{weekday}, {day} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As the calendar library writes it, for every instant of the range.
        #[test]
        fn both_text_forms_are_those_of_the_calendar(milliseconds in 0..=LATEST_MILLISECONDS, by_day in any::<bool>()) {
            // The first millisecond of a day, and the last one.
            let milliseconds = if by_day { milliseconds / 86_400_000 * 86_400_000 } else { milliseconds };
            for milliseconds in [milliseconds, milliseconds.saturating_sub(1)] {
                let instant = Timestamp::from_unix_milliseconds(milliseconds);
                let known = jiff::Timestamp::from_millisecond(milliseconds as i64).unwrap();
                let known = known.to_zoned(jiff::tz::TimeZone::UTC);
                let written = |format: &str| known.strftime(format).to_string();
                prop_assert_eq!(instant.iso8601().to_string(), written("%Y-%m-%dT%H:%M:%S.%3fZ"));
                prop_assert_eq!(instant.rfc5322().to_string(), written("%a, %-d %b %Y %H:%M:%S +0000"));
            }
        }
    }

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
