//! Points in time as PowerShell writes them.

use crate::model::mail::Timestamp;

/// A point in time as PowerShell writes it, and whether it named no time zone. None when it could be read in two ways.
pub(super) fn read(text: &str) -> Option<(Timestamp, bool)> {
    let text = text.trim();
    if let Some(time) = Timestamp::parse_iso8601(text) {
        return Some((time, false));
    }
    // /Date(1766574000000)/ of Windows PowerShell's JSON
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let digits = inner.split(['+', '-']).next()?;
        return Some((Timestamp::from_unix_milliseconds(digits.parse().ok()?), false));
    }
    // 2026-12-24T12:00:00
    if let Some(time) = Timestamp::parse_iso8601(&format!("{text}Z")) {
        return Some((time, true));
    }
    let mut words = text.split_ascii_whitespace();
    let (date, clock, half) = (words.next()?, words.next()?, words.next());
    let (year, month, day) = date_of(date, half.is_some())?;
    let (hour, minute, second) = clock_of(clock, half)?;
    let written = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    Timestamp::parse_iso8601(&written).map(|time| (time, true))
}

/// Year, month and day of `12/24/2026`, `24/12/2026`, `24.12.2026` or `2026-12-24`. With the halves of the day it is
/// written as in America.
fn date_of(text: &str, american: bool) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split(['/', '.', '-']).map(str::parse::<u32>);
    let (first, second, third) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    if numbers.next().is_some() {
        return None;
    }
    match (first, second) {
        (year, month) if year >= 1970 => Some((year, month, third)),
        (day, month) if text.contains('.') => Some((third, month, day)),
        (month, day) if american || day > 12 => Some((third, month, day)),
        (day, month) if day > 12 => Some((third, month, day)),
        (_, _) => None,
    }
}

fn clock_of(text: &str, half: Option<&str>) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split(':').map(str::parse::<u32>);
    let (hour, minute) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    let second = numbers.next().transpose().ok()?.unwrap_or(0);
    let hour = match half {
        None => hour,
        Some(half) if half.eq_ignore_ascii_case("AM") && (1..=12).contains(&hour) => hour % 12,
        Some(half) if half.eq_ignore_ascii_case("PM") && (1..=12).contains(&hour) => hour % 12 + 12,
        Some(_) => return None,
    };
    Some((hour, minute, second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_where_they_can_mean_one_instant_only() {
        let told = |text: &str| read(text).map(|(time, assumed)| (time.to_string(), assumed));
        let noon = |assumed| Some(("2026-12-24T12:00:00.000Z".to_owned(), assumed));
        assert_eq!(told("2026-12-24T13:00:00+01:00"), noon(false));
        assert_eq!(told("/Date(1798113600000)/"), noon(false));
        for text in [
            "2026-12-24T12:00:00",
            "12/24/2026 12:00:00 PM",
            "24/12/2026 12:00:00",
            "24.12.2026 12:00",
            "2026-12-24 12:00:00",
        ] {
            assert_eq!(told(text), noon(true), "{text}");
        }
        assert_eq!(told("1/2/2026 12:00:00 AM").unwrap().0, "2026-01-02T00:00:00.000Z");
        for text in
            ["1/2/2026 12:00:00", "", "tomorrow", "13/13/2026 1:00:00", "1/1/2026", "1/1/2026 13:00:00 PM", "/Date(x)/"]
        {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
