//! The times of certificates: when one is renewed, when a failed attempt is repeated, when somebody is warned.
//!
//! **When.** The authority's own word counts first (RFC 9773): a point within the window that it suggests. Without one
//! it is two thirds of the lifetime, or a little before. Where exactly is a matter of chance, given by the caller, so
//! that a million servers do not come at once; for one certificate the chance should always be the same.
//!
//! **Again.** After a failure each wait is twice the last: from ten minutes to twelve hours where the authority said no
//! (Let's Encrypt refuses names that failed five times within an hour), from one minute to one hour where it could not
//! be reached. What it demands itself, within reason, is waited for.
//!
//! Clocks are wrong at times. What was written down in a future that turned out to be none counts for nothing, or it
//! would be waited for until that future comes; nothing is waited for longer than [`LONGEST_WAIT`], and no two attempts
//! come within a minute.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::mail::Timestamp;

#[cfg(test)]
mod laws;

/// Somebody is told of a certificate's end so many days before it.
pub const WARNING_DAYS: i64 = 21;
/// No wait is longer, whatever authority and clock say.
pub const LONGEST_WAIT: Duration = Duration::from_secs(7 * 86_400);
/// No two attempts are closer.
pub const SHORTEST_WAIT: Duration = Duration::from_secs(60);

const REFUSED_FIRST: Duration = Duration::from_secs(10 * 60);
const REFUSED_LONGEST: Duration = Duration::from_secs(12 * 3_600);
const UNREACHABLE_FIRST: Duration = Duration::from_secs(60);
const UNREACHABLE_LONGEST: Duration = Duration::from_secs(3_600);
const MILLISECONDS_PER_DAY: i64 = 86_400_000;

/// From when to when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first instant.
    pub not_before: Timestamp,
    /// Its last.
    pub not_after: Timestamp,
}

/// When an authority wants a certificate to be renewed (RFC 9773 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From here on.
    pub start: Timestamp,
    /// Until here.
    pub end: Timestamp,
}

/// A place between the ends of a span: 0 is its beginning, `u32::MAX` its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance(pub u32);

impl Chance {
    /// The part of `span` up to this place.
    fn of(self, span: Duration) -> Duration {
        let milliseconds = span.as_millis().saturating_mul(u128::from(self.0)) / u128::from(u32::MAX);
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
    }
}

/// When a certificate is to be renewed. A window that ends before it begins, or that lies after the certificate's end,
/// is none.
pub fn renewal(validity: Validity, window: Option<Window>, chance: Chance) -> Timestamp {
    if let Some(Window { start, end }) = window
        && start <= end
        && start < validity.not_after
    {
        return start.plus(chance.of(end.since(start))).min(validity.not_after);
    }
    let lifetime = validity.not_after.since(validity.not_before);
    // Of the two thirds up to a thirtieth of the lifetime is left out: three days of ninety.
    let early = chance.of(lifetime / 30);
    validity.not_before.plus((lifetime * 2 / 3).saturating_sub(early))
}

/// Why there is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The authority gave none.
    ByAuthority,
    /// It could not be asked.
    Unreachable,
}

/// How long to wait after the last of `failures` attempts in a row; the chance takes off up to a tenth.
pub fn back_off(failures: u32, refused: Refused, chance: Chance) -> Duration {
    let (first, longest) = match refused {
        Refused::ByAuthority => (REFUSED_FIRST, REFUSED_LONGEST),
        Refused::Unreachable => (UNREACHABLE_FIRST, UNREACHABLE_LONGEST),
    };
    // Ten doublings reach the longest of either.
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(longest);
    doubled.saturating_sub(chance.of(doubled / 10)).max(SHORTEST_WAIT)
}

/// What is remembered of attempts that failed since the last that did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// How many.
    pub failures: u32,
    /// Why the last one did.
    pub refused: Refused,
    /// When it began.
    pub last: Timestamp,
    /// The authority's own word on when to come again.
    pub not_before: Option<Timestamp>,
}

/// When to ask for a certificate: `due` is when it is needed (in the past where there is none). The answer never lies
/// in the past, and never more than [`LONGEST_WAIT`] after whichever is later, `due` or `now`. As time passes it stays
/// where it is, until it has come.
pub fn attempt(due: Timestamp, attempts: Option<Attempts>, chance: Chance, now: Timestamp) -> Timestamp {
    let earliest = due.max(now);
    let Some(Attempts { failures, refused, last, not_before }) = attempts else { return earliest };
    // A clock that was set back since. The next attempt writes down when it was, so this is no loop.
    if last > now {
        return earliest;
    }
    let again = last.plus(back_off(failures, refused, chance));
    let demanded = not_before.filter(|demanded| *demanded <= now.plus(LONGEST_WAIT));
    earliest.max(again).max(demanded.unwrap_or(again))
}

/// How near its end a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// More than [`WARNING_DAYS`] away.
    Good,
    /// Nearer.
    Ending,
    /// Over.
    Ended,
}

/// Whole days from `now` until `not_after`; negative once it is past.
pub fn days_left(not_after: Timestamp, now: Timestamp) -> i64 {
    let milliseconds = |instant: Timestamp| i64::try_from(instant.unix_milliseconds()).unwrap_or(i64::MAX);
    milliseconds(not_after).saturating_sub(milliseconds(now)).div_euclid(MILLISECONDS_PER_DAY)
}

/// How near its end a certificate is.
pub fn standing(not_after: Timestamp, now: Timestamp) -> Standing {
    match days_left(not_after, now) {
        days if days < 0 => Standing::Ended,
        days if days < WARNING_DAYS => Standing::Ending,
        _ => Standing::Good,
    }
}

/// Whether a certificate for `pattern` is one for `name`, both in small letters: `*.contoso.example` covers
/// `mx.contoso.example`, not `contoso.example` and not `a.b.contoso.example` (RFC 9525 section 6.3).
pub fn covers(pattern: &str, name: &str) -> bool {
    let Some(parent) = pattern.strip_prefix("*.") else { return pattern == name };
    name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
}
