//! The message trace as administrators ask for it. The trace itself is behind [`TraceDesk`].

use core::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::Response;
use super::{Office, Progress};
use crate::model::mail::Timestamp;
use crate::model::queue::{Party, QueueId};
use crate::store::trace::{Entry, History, Page, Query, Status};

/// A trace that can be read. Everything blocks; `progress` hears how many octets of how many were read.
pub trait TraceDesk: Send + Sync {
    /// Searches.
    ///
    /// # Errors
    /// A text that says why the trace cannot be read.
    fn search(&self, query: &Query, progress: &mut dyn FnMut(u64, u64)) -> Result<Page, String>;

    /// Everything known of one message, or of one of its recipients; `None` when nothing is.
    ///
    /// # Errors
    /// As [`Self::search`].
    fn history(
        &self,
        id: QueueId,
        recipient: Option<&Party>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Option<History>, String>;
}

/// A trace that knows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyTrace;

impl TraceDesk for EmptyTrace {
    fn search(&self, _: &Query, _: &mut dyn FnMut(u64, u64)) -> Result<Page, String> {
        Ok(Page::default())
    }

    fn history(&self, _: QueueId, _: Option<&Party>, _: &mut dyn FnMut(u64, u64)) -> Result<Option<History>, String> {
        Ok(None)
    }
}

/// A point in time as people give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// So many seconds before now.
    Ago(u64),
    /// This instant.
    At(Timestamp),
}

/// A text that is no point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a time span such as 90s, 30m, 2h or 3d, or a time such as 2026-01-05 or 2026-01-05T09:00:00Z")]
pub struct MomentError;

impl FromStr for Moment {
    type Err = MomentError;

    /// A day is its beginning, and a time without a zone is in UTC.
    fn from_str(text: &str) -> Result<Self, MomentError> {
        let text = text.trim();
        if let Some(span) = span_seconds(text) {
            return Ok(Self::Ago(span));
        }
        let forms = [text.to_owned(), format!("{text}Z"), format!("{text}:00Z"), format!("{text}T00:00:00Z")];
        let instant = forms.iter().find_map(|form| Timestamp::parse_iso8601(form));
        instant.map(Self::At).ok_or(MomentError)
    }
}

/// `2h`, in seconds.
fn span_seconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    let unit: u64 = match text.get(digits.len()..)? {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

impl Moment {
    pub(super) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(instant) => instant,
            Self::Ago(seconds) => {
                let milliseconds = now.unix_milliseconds().saturating_sub(seconds.saturating_mul(1_000));
                Timestamp::from_unix_milliseconds(milliseconds)
            }
        }
    }
}

/// What to look for in the trace; everything given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceQuery {
    /// Accepted at this time or later; the last 48 hours unless given.
    pub since: Option<Moment>,
    /// Accepted at this time or earlier; until now unless given.
    pub until: Option<Moment>,
    /// From this address, domain or the null path.
    pub sender: Option<Party>,
    /// To this address or domain, as given or after expansion.
    pub recipient: Option<Party>,
    /// With this in the subject, letter case aside.
    pub subject: Option<String>,
    /// With this last status.
    pub status: Option<Status>,
    /// The most lines of the answer; from 1 to [`LINES_MAX`] count.
    pub limit: usize,
}

/// The longest answer, in lines.
pub const LINES_MAX: usize = 100_000;
/// As far back a search goes unless told otherwise.
const USUAL_SPAN: Duration = Duration::from_secs(48 * 3_600);
/// The most attempts that a message of the queue is shown with.
const ATTEMPTS_MAX: usize = 10_000;

fn failed(text: String) -> Failure {
    Failure::unavailable(format!("The message trace cannot be read: {text}."))
}

fn reading(progress: &mut dyn FnMut(Progress)) -> impl FnMut(u64, u64) {
    move |done, total| progress(Progress { what: "searching the message trace".to_owned(), done, total })
}

pub(super) fn search(
    office: &Office,
    query: TraceQuery,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let now = office.clock.now();
    let until = query.until.map_or(now, |moment| moment.resolve(now));
    let usual = Moment::Ago(USUAL_SPAN.as_secs()).resolve(until);
    let since = query.since.map_or(usual, |moment| moment.resolve(now));
    if since > until {
        let failure = Failure::refused(format!("Nothing can be since {since} and until {until}."));
        return Err(failure.cured_by("give an earlier time with --since, or a later one with --until"));
    }
    let TraceQuery { sender, recipient, subject, status, limit, .. } = query;
    let query = Query { since, until, sender, recipient, subject, status, limit: limit.clamp(1, LINES_MAX) };
    office.trace.search(&query, &mut reading(progress)).map(Response::Trace).map_err(failed)
}

pub(super) fn history(
    office: &Office,
    id: QueueId,
    recipient: Option<&Party>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let found = office.trace.history(id, recipient, &mut reading(progress)).map_err(failed)?;
    found.map(Response::TraceMessage).ok_or_else(|| {
        Failure::not_found(format!("The trace does not know the message {id}."))
            .cured_by("look for it by sender, recipient or subject: franking trace --help")
            .cured_by("its time may be over: [trace] in the configuration says how long messages are traced")
    })
}

/// The last attempts of a message, in order; none when the trace cannot be read, since the queue can.
pub(super) fn attempts(trace: &dyn TraceDesk, id: QueueId) -> Vec<Entry> {
    let events = trace.history(id, None, &mut |_, _| {}).ok().flatten().map(|history| history.events);
    let mut attempts: Vec<Entry> = events.unwrap_or_default().into_iter().filter(Entry::is_attempt).collect();
    attempts.drain(..attempts.len().saturating_sub(ATTEMPTS_MAX));
    attempts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spans_days_and_instants() {
        let at = |text: &str| Moment::At(Timestamp::parse_iso8601(text).unwrap());
        for (text, moment) in [
            ("2h", Moment::Ago(7_200)),
            ("0s", Moment::Ago(0)),
            ("2026-01-05", at("2026-01-05T00:00:00Z")),
            ("2026-01-05T09:30", at("2026-01-05T09:30:00Z")),
            ("2026-01-05T09:30:15", at("2026-01-05T09:30:15Z")),
            ("2026-01-05T09:30:15+01:00", at("2026-01-05T08:30:15Z")),
        ] {
            assert_eq!(text.parse(), Ok(moment), "{text}");
        }
        for text in ["", "2", "h", "-2h", "2y", "yesterday", "99999999999999999999d", "2026-13-01"] {
            assert_eq!(text.parse::<Moment>(), Err(MomentError), "{text}");
        }
        assert_eq!(Moment::Ago(u64::MAX).resolve(Timestamp::EPOCH), Timestamp::EPOCH);
    }
}
