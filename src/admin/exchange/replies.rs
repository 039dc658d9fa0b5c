//! Rows of `Get-MailboxAutoReplyConfiguration`.
//!
//! A row that cannot be read as it is meant is refused alone: the mailbox itself comes in from other files. Exchange
//! shows a period whatever the state is, so it is read for scheduled replies only.

use super::Import;
use super::identity::{Holder, Index, Unresolved};
use super::merge::{Merge, Origin};
use super::table::{Row, Table};
use crate::model::directory::auto_reply::{judge_text, plain_text};
use crate::model::directory::document::{AutoReplyEntry, AutoReplyStateName};
use crate::model::directory::{ChangeError, ExternalAudience, RecipientType};
use crate::model::mail::Timestamp;

/// Takes the automatic replies of one file.
pub(super) fn take(import: &mut Import, merge: &mut Merge, index: &Index, file: &str, table: &Table) {
    for row in table.rows() {
        let identity = row.first_text(&["Identity", "MailboxOwnerId"]).unwrap_or_default();
        let read =
            owner(&row, index).map_err(|error| error.to_string()).and_then(|owner| Ok((owner, entry(&row, owner)?)));
        match read {
            Ok((owner, (entry, assumed))) => {
                if assumed {
                    let reason = "StartTime and EndTime name no time zone and are taken as UTC";
                    import.note(file, row.number(), identity, reason);
                }
                let origin = Origin { file: file.into(), row: row.number() };
                let slot = &mut merge.entry_of(owner, origin).auto_reply;
                slot.get_or_insert_default().overlay(entry);
            }
            Err(reason) => import.refuse(file, row.number(), identity, reason),
        }
    }
}

fn owner<'a>(row: &Row<'_>, index: &'a Index) -> Result<&'a Holder, Unresolved> {
    let names = ["Identity", "MailboxOwnerId"].into_iter().filter_map(|column| row.first_text(&[column]));
    let mut last = Unresolved::Unknown;
    for name in names {
        match index.find(name) {
            Ok(holder) => return Ok(holder),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What a row says, and whether its times were taken as UTC.
fn entry(row: &Row<'_>, owner: &Holder) -> Result<(AutoReplyEntry, bool), String> {
    let state = match row.first_text(&["AutoReplyState"]) {
        Some("Disabled" | "0") | None => AutoReplyStateName::Disabled,
        Some("Enabled" | "1") => AutoReplyStateName::Enabled,
        Some("Scheduled" | "2") => AutoReplyStateName::Scheduled,
        Some(_) => return Err("AutoReplyState is none of Disabled, Enabled and Scheduled".to_owned()),
    };
    let mut entry = AutoReplyEntry {
        state: Some(state),
        internal_message: message(row, "InternalMessage")?,
        external_message: message(row, "ExternalMessage")?,
        external_audience: audience(row)?,
        ..AutoReplyEntry::default()
    };
    let silent = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().is_empty();
    let shared = owner.recipient_type == Some(RecipientType::SharedMailbox);
    if shared && silent(&entry.internal_message) && !silent(&entry.external_message) {
        return Err(ChangeError::AutoReplyInternalMissing.to_string());
    }
    let mut assumed = false;
    if state == AutoReplyStateName::Scheduled {
        let mut period = [None, None];
        for (column, place) in ["StartTime", "EndTime"].into_iter().zip(&mut period) {
            let (time, zoneless) = time(row.text(column).unwrap_or_default()).ok_or_else(|| {
                format!(
                    "{column} cannot be read without doubt; export it with \
                     @{{n='{column}';e={{$_.{column}.ToUniversalTime().ToString('o')}}}}"
                )
            })?;
            assumed |= zoneless;
            *place = Some(time);
        }
        if period[0] >= period[1] {
            return Err(ChangeError::AutoReplyPeriod.to_string());
        }
        let [start, end] = period.map(|time| time.map(|time| time.iso8601().to_string().into()));
        (entry.start_time, entry.end_time) = (start, end);
    }
    Ok((entry, assumed))
}

/// A text. Exchange shows none as an empty one.
fn message(row: &Row<'_>, column: &str) -> Result<Option<Box<str>>, String> {
    let Some(text) = row.text(column).map(plain_text) else { return Ok(None) };
    judge_text(&text).map_err(|error| format!("{column}: {error}"))?;
    Ok(Some(text))
}

fn audience(row: &Row<'_>) -> Result<Option<ExternalAudience>, String> {
    match row.first_text(&["ExternalAudience"]) {
        None => Ok(None),
        Some("None" | "0") => Ok(Some(ExternalAudience::None)),
        Some("Known" | "1") => Ok(Some(ExternalAudience::Known)),
        Some("All" | "2") => Ok(Some(ExternalAudience::All)),
        Some(_) => Err("ExternalAudience is None, Known or All".to_owned()),
    }
}

/// A point in time as PowerShell writes it, and whether it named no time zone. None when it could be read in two ways.
fn time(text: &str) -> Option<(Timestamp, bool)> {
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
        let read = |text: &str| time(text).map(|(time, assumed)| (time.to_string(), assumed));
        let noon = |assumed| Some(("2026-12-24T12:00:00.000Z".to_owned(), assumed));
        assert_eq!(read("2026-12-24T13:00:00+01:00"), noon(false));
        assert_eq!(read("/Date(1798113600000)/"), noon(false));
        for text in [
            "2026-12-24T12:00:00",
            "12/24/2026 12:00:00 PM",
            "24/12/2026 12:00:00",
            "24.12.2026 12:00",
            "2026-12-24 12:00:00",
        ] {
            assert_eq!(read(text), noon(true), "{text}");
        }
        assert_eq!(read("1/2/2026 12:00:00 AM").unwrap().0, "2026-01-02T00:00:00.000Z");
        for text in
            ["1/2/2026 12:00:00", "", "tomorrow", "13/13/2026 1:00:00", "1/1/2026", "1/1/2026 13:00:00 PM", "/Date(x)/"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
