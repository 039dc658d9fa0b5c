//! Domains that the organisation accepts mail for (spec section 4.6).

use serde::{Deserialize, Serialize};

use crate::model::mail::Domain;

/// What happens to an unknown local part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DomainType {
    /// It is refused: the directory knows every recipient.
    #[default]
    Authoritative,
    /// It is relayed to the domain's next host.
    InternalRelay,
    /// So is everything else: nobody is looked up in the directory.
    ExternalRelay,
}

impl DomainType {
    /// Whether mail for recipients that are unknown here goes on to the domain's next host.
    pub const fn is_relay(self) -> bool {
        match self {
            Self::Authoritative => false,
            Self::InternalRelay | Self::ExternalRelay => true,
        }
    }
}

/// One accepted domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedDomain {
    /// The domain in A-labels.
    pub domain: Domain,
    /// What happens to an unknown local part.
    #[serde(rename = "type", default)]
    pub domain_type: DomainType,
    /// Subdomains count as this domain (`MatchSubDomains`).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub match_subdomains: bool,
    /// The organisation's default domain: for new addresses, SRS and the postmaster of reports.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub default: bool,
    /// The organisation only sends from it (`OutboundOnly`): its mail is received elsewhere, and goes there by MX.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub outbound_only: bool,
    /// Nobody may send from it (`SendingFromDomainDisabled`).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub sending_from_disabled: bool,
    /// Nobody may send to it (`SendingToDomainDisabled`).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub sending_to_disabled: bool,
    /// Where a relay domain's unknown recipients go, `host` or `host:port`; `None` means by MX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_host: Option<Box<str>>,
}

impl AcceptedDomain {
    /// A domain by itself: without subdomains, not the default one, unknown recipients of a relay going by MX.
    pub const fn new(domain: Domain, domain_type: DomainType) -> Self {
        Self {
            domain,
            domain_type,
            match_subdomains: false,
            default: false,
            outbound_only: false,
            sending_from_disabled: false,
            sending_to_disabled: false,
            next_host: None,
        }
    }

    /// The same as the organisation's default domain.
    #[must_use]
    pub fn as_default(self) -> Self {
        Self { default: true, ..self }
    }
}
