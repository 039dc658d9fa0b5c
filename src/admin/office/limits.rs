//! What recipients may do and have done, as administrators ask for it.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::Response;
use super::{Office, identity};
use crate::model::directory::Recipient;
use crate::model::policy::Settings;
use crate::model::policy::limits::limits_of;

/// What a recipient has used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Messages submitted within the last minute.
    pub messages_of_minute: u32,
    /// Recipients of what it submitted within the last day.
    pub recipients_of_day: u32,
    /// Messages that its mailbox has taken in the last hour.
    pub received_of_hour: u32,
    /// Recipients outside of what it submitted within the last hour, but for its devices.
    pub external_of_hour: u32,
    /// The same within the last day.
    pub external_of_day: u32,
}

/// An amount and its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// How much was used up.
    pub used: u32,
    /// How much there may be; none without bound.
    pub bound: Option<u32>,
}

impl core::fmt::Display for Measure {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.bound {
            Some(bound) => write!(formatter, "{} of {bound}", self.used),
            None => write!(formatter, "{}, without limit", self.used),
        }
    }
}

/// The limits of a recipient and what it has used up of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsView {
    /// Whose, by primary address.
    pub address: String,
    /// Recipients that one message may have.
    pub recipients_per_message: usize,
    /// Sessions on which it may submit at the same time; none without bound.
    pub sessions: Option<u32>,
    /// Messages submitted in the last minute.
    pub messages_per_minute: Measure,
    /// Recipients of what was submitted in the last day.
    pub recipients_per_day: Measure,
    /// Messages that its mailbox has taken in the last hour.
    pub received_per_hour: Measure,
    /// Messages that its mailbox may take in an hour from one sender; none without bound.
    pub received_from_one_per_hour: Option<u32>,
    /// Recipients outside of what was submitted in the last hour, with a password or token; devices count apart.
    pub external_recipients_per_hour: Measure,
    /// The same in the last day.
    pub external_recipients_per_day: Measure,
}

impl LimitsView {
    fn of(recipient: &Recipient, settings: &Settings, used: Used) -> Self {
        let limits = limits_of(recipient, settings);
        let own = recipient.limits.as_deref().and_then(|own| usize::try_from(own.recipients_per_message?).ok());
        Self {
            address: recipient.primary().to_string(),
            recipients_per_message: own.unwrap_or(settings.recipients_max),
            sessions: limits.sessions,
            messages_per_minute: Measure { used: used.messages_of_minute, bound: limits.messages_per_minute },
            recipients_per_day: Measure { used: used.recipients_of_day, bound: limits.recipients_per_day },
            received_per_hour: Measure { used: used.received_of_hour, bound: limits.received_per_hour },
            received_from_one_per_hour: limits.received_from_one_per_hour,
            external_recipients_per_hour: Measure {
                used: used.external_of_hour,
                bound: limits.external_recipients_per_hour,
            },
            external_recipients_per_day: Measure {
                used: used.external_of_day,
                bound: limits.external_recipients_per_day,
            },
        }
    }
}

pub(super) fn show(office: &Office, identity: &str) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let recipient = identity::find(&snapshot, identity)?;
    let used = office.mailboxes.used(recipient.id).map_err(Failure::unavailable)?;
    Ok(Response::Limits(LimitsView::of(recipient, &office.settings(), used)))
}
