//! What the organisation sends of its own accord to domains outside: forwarded mail, automatic replies, reports (spec
//! sections 5.2, 6.1 and 6.2; `Get-RemoteDomain`).
//!
//! The most specific entry decides alone; nothing is inherited from a wider one. Where no entry covers a domain, the
//! defaults of the cloud hold, in which everything is permitted.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::mail::DomainPattern;

/// Which out-of-office replies leave for a domain (`AllowedOOFType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AllowedOofType {
    /// Those with the text that is meant for people outside.
    #[default]
    External,
    /// Those, and replies that do not say for whom they are meant.
    ExternalLegacy,
    /// Those with the text that is meant for colleagues, and replies that do not say for whom: for a domain that
    /// belongs to the own organisation.
    InternalLegacy,
    /// None at all.
    None,
}

impl AllowedOofType {
    /// Every value, in the order of Exchange's documentation.
    pub const ALL: [Self; 4] = [Self::External, Self::ExternalLegacy, Self::InternalLegacy, Self::None];

    /// Exchange's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::External => "External",
            Self::ExternalLegacy => "ExternalLegacy",
            Self::InternalLegacy => "InternalLegacy",
            Self::None => "None",
        }
    }
}

impl fmt::Display for AllowedOofType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A text that names no kind of out-of-office reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write External, ExternalLegacy, InternalLegacy or None")]
pub struct UnknownOofType;

impl FromStr for AllowedOofType {
    type Err = UnknownOofType;

    fn from_str(text: &str) -> Result<Self, UnknownOofType> {
        let plain = text.replace('-', "");
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(&plain)).ok_or(UnknownOofType)
    }
}

/// What one domain, or a set of domains, is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own in Exchange")]
pub struct RemoteDomain {
    /// Which domains (`DomainName`).
    pub domain: DomainPattern,
    /// `AutoForwardEnabled`: mail that a mailbox forwards by itself; false drops it without a report.
    #[serde(default = "yes")]
    pub auto_forward_enabled: bool,
    /// `AllowedOOFType`: out-of-office replies.
    #[serde(default)]
    pub allowed_oof_type: AllowedOofType,
    /// `AutoReplyEnabled`: replies that a rule of a mailbox makes.
    #[serde(default = "yes")]
    pub auto_reply_enabled: bool,
    /// `NDREnabled`: reports that mail was not delivered, or waits.
    #[serde(default = "yes")]
    pub ndr_enabled: bool,
    /// `DeliveryReportEnabled`: reports that mail was delivered.
    #[serde(default = "yes")]
    pub delivery_report_enabled: bool,
}

impl RemoteDomain {
    /// The defaults of the cloud for `domain`: everything is permitted (spec section 5.2). On premises Exchange keeps
    /// back forwarded mail and replies of rules in its `Default` entry; an administrator who wants that sets `*` so.
    pub const fn new(domain: DomainPattern) -> Self {
        Self {
            domain,
            auto_forward_enabled: true,
            allowed_oof_type: AllowedOofType::External,
            auto_reply_enabled: true,
            ndr_enabled: true,
            delivery_report_enabled: true,
        }
    }
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_reply_is_read_as_it_is_written() {
        for kind in AllowedOofType::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(kind.name().to_lowercase().parse(), Ok(kind));
        }
        assert_eq!("external-legacy".parse(), Ok(AllowedOofType::ExternalLegacy));
        assert_eq!("".parse::<AllowedOofType>(), Err(UnknownOofType));
    }
}
