//! Automatic replies in a document, and how an entry makes one setting of another.

use serde::{Deserialize, Serialize};

use crate::model::directory::auto_reply::{
    AutoReply, AutoReplyState, ExternalAudience, ExternalOofOptions, plain_text,
};
use crate::model::mail::Timestamp;

/// The states of [`AutoReplyState`] without their period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the states are described where they live, at AutoReplyState")]
pub enum AutoReplyStateName {
    Disabled,
    Enabled,
    Scheduled,
}

/// Automatic replies; see [`AutoReply`]. What is not given stays; an empty text answers nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoReplyEntry {
    /// `AutoReplyState`; times without it mean `Scheduled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<AutoReplyStateName>,
    /// `StartTime`: ISO 8601 with `Z` or an offset, such as `2026-12-24T12:00:00+01:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Box<str>>,
    /// `EndTime`, in the same form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Box<str>>,
    /// `InternalMessage`, plain text or HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_message: Option<Box<str>>,
    /// `ExternalMessage`, plain text or HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_message: Option<Box<str>>,
    /// `ExternalAudience`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_audience: Option<ExternalAudience>,
    /// `ExternalOofOptions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_oof_options: Option<ExternalOofOptions>,
}

/// Why an entry about automatic replies makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AutoReplyError {
    /// A point in time that cannot be read.
    #[error("{0:?} is no time with its offset; write it as 2026-12-24T12:00:00+01:00")]
    Time(Box<str>),
    /// A period needs both ends.
    #[error("scheduled automatic replies need a time to begin and a time to end")]
    PeriodMissing,
    /// A period with a state that has none.
    #[error("times belong to scheduled automatic replies only")]
    PeriodWithoutSchedule,
}

impl AutoReplyEntry {
    /// The settings as an entry; only what differs from the default is written.
    pub fn of(set: &AutoReply) -> Self {
        let (state, period) = match set.state {
            AutoReplyState::Disabled => (None, None),
            AutoReplyState::Enabled => (Some(AutoReplyStateName::Enabled), None),
            AutoReplyState::Scheduled { start, end } => (Some(AutoReplyStateName::Scheduled), Some((start, end))),
        };
        let text = |text: &str| (!text.is_empty()).then(|| text.into());
        let time = |time: Timestamp| time.iso8601().to_string().into();
        Self {
            state,
            start_time: period.map(|(start, _)| time(start)),
            end_time: period.map(|(_, end)| time(end)),
            internal_message: text(&set.internal_message),
            external_message: text(&set.external_message),
            external_audience: Some(set.external_audience).filter(|audience| *audience != ExternalAudience::default()),
            external_oof_options: Some(set.external_oof_options)
                .filter(|options| *options != ExternalOofOptions::default()),
        }
    }

    /// Adds what another entry says of the same mailbox; where both speak, the later one is heard.
    pub fn overlay(&mut self, later: Self) {
        self.state = later.state.or(self.state);
        self.start_time = later.start_time.or_else(|| self.start_time.take());
        self.end_time = later.end_time.or_else(|| self.end_time.take());
        self.internal_message = later.internal_message.or_else(|| self.internal_message.take());
        self.external_message = later.external_message.or_else(|| self.external_message.take());
        self.external_audience = later.external_audience.or(self.external_audience);
        self.external_oof_options = later.external_oof_options.or(self.external_oof_options);
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The settings after this entry; none when they are what every mailbox has.
    ///
    /// # Errors
    /// A time that is none, or a period that does not fit the state.
    pub fn apply(&self, former: Option<&AutoReply>) -> Result<Option<Box<AutoReply>>, AutoReplyError> {
        let mut next = former.cloned().unwrap_or_default();
        next.state = self.state(next.state)?;
        if let Some(text) = &self.internal_message {
            next.internal_message = plain_text(text);
        }
        if let Some(text) = &self.external_message {
            next.external_message = plain_text(text);
        }
        next.external_audience = self.external_audience.unwrap_or(next.external_audience);
        next.external_oof_options = self.external_oof_options.unwrap_or(next.external_oof_options);
        Ok((!next.is_default()).then(|| Box::new(next)))
    }

    fn state(&self, former: AutoReplyState) -> Result<AutoReplyState, AutoReplyError> {
        let time = |text: &Option<Box<str>>| match text.as_deref() {
            Some(text) => match Timestamp::parse_iso8601(text.trim()) {
                Some(time) => Ok(Some(time)),
                None => Err(AutoReplyError::Time(text.chars().take(60).collect::<String>().into())),
            },
            None => Ok(None),
        };
        let (start, end) = (time(&self.start_time)?, time(&self.end_time)?);
        let timed = start.is_some() || end.is_some();
        match self.state {
            Some(AutoReplyStateName::Disabled | AutoReplyStateName::Enabled) if timed => {
                Err(AutoReplyError::PeriodWithoutSchedule)
            }
            Some(AutoReplyStateName::Disabled) => Ok(AutoReplyState::Disabled),
            Some(AutoReplyStateName::Enabled) => Ok(AutoReplyState::Enabled),
            None if !timed => Ok(former),
            Some(AutoReplyStateName::Scheduled) | None => {
                let kept = match former {
                    AutoReplyState::Scheduled { start, end } => Some((start, end)),
                    AutoReplyState::Disabled | AutoReplyState::Enabled => None,
                };
                let start = start.or_else(|| kept.map(|(start, _)| start)).ok_or(AutoReplyError::PeriodMissing)?;
                let end = end.or_else(|| kept.map(|(_, end)| end)).ok_or(AutoReplyError::PeriodMissing)?;
                Ok(AutoReplyState::Scheduled { start, end })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(state: Option<AutoReplyStateName>, start: Option<&str>, end: Option<&str>) -> AutoReplyEntry {
        AutoReplyEntry { state, start_time: start.map(Into::into), end_time: end.map(Into::into), ..Default::default() }
    }

    const START: Option<&str> = Some("2026-12-24T12:00:00+01:00");
    const END: Option<&str> = Some("2027-01-04T08:00:00Z");

    #[test]
    fn times_without_a_state_schedule_and_one_of_them_moves_its_end() {
        let first = entry(None, START, END).apply(None).unwrap().unwrap();
        let AutoReplyState::Scheduled { start, end } = first.state else { panic!("{:?}", first.state) };
        assert_eq!(start.to_string(), "2026-12-24T11:00:00.000Z");
        assert_eq!(end.to_string(), "2027-01-04T08:00:00.000Z");
        let later = entry(None, None, Some("2027-01-05T08:00:00Z")).apply(Some(&first)).unwrap().unwrap();
        let AutoReplyState::Scheduled { start: kept, end } = later.state else { panic!("{:?}", later.state) };
        assert_eq!((kept, end.to_string().as_str()), (start, "2027-01-05T08:00:00.000Z"));
    }

    #[test]
    fn a_period_that_does_not_fit_is_refused() {
        use AutoReplyStateName::{Disabled, Enabled, Scheduled};
        let refused = |entry: AutoReplyEntry| entry.apply(None).unwrap_err();
        assert_eq!(refused(entry(Some(Scheduled), START, None)), AutoReplyError::PeriodMissing);
        assert_eq!(refused(entry(Some(Scheduled), None, None)), AutoReplyError::PeriodMissing);
        for state in [Disabled, Enabled] {
            assert_eq!(refused(entry(Some(state), START, None)), AutoReplyError::PeriodWithoutSchedule);
        }
        for text in ["tomorrow", "2026-12-24", "2026-12-24T12:00:00", ""] {
            assert!(matches!(refused(entry(None, Some(text), END)), AutoReplyError::Time(_)), "{text}");
        }
    }

    #[test]
    fn what_was_switched_off_and_emptied_is_gone() {
        let set = AutoReply { internal_message: "Away.".into(), revision: 9, ..AutoReply::default() };
        let cleared = AutoReplyEntry { internal_message: Some("".into()), ..AutoReplyEntry::default() };
        assert_eq!(cleared.apply(Some(&set)), Ok(None));
        assert_eq!(AutoReplyEntry::default().apply(Some(&set)), Ok(Some(Box::new(set))));
    }
}
