//! What a recipient's domain demands of the connection to one of its hosts: DANE (RFC 7672) before MTA-STS (RFC 8461).
//!
//! It promises that a demand is never weakened by what goes wrong: where the DNS gives forged records or a policy does
//! not list a host, that host gets no mail, and the recipient waits.

use core::fmt;
use std::sync::Arc;

use super::HopSecurity;
use super::mta_sts::MtaSts;
use crate::model::mail::EnhancedStatus;
use crate::model::smtp::client::Trouble;
use crate::model::transport_security::{Mode, Policy, Tlsa, usable};
use crate::world::resolver::{Answer, HostAddresses, Resolver};
use crate::world::tls::{Authorities, DaneNames};

/// Which demands of recipients' domains are heeded. None, unless said otherwise.
#[derive(Clone, Default)]
pub struct TransportSecurity {
    /// Finds MTA-STS policies; `None` heeds none.
    pub mta_sts: Option<Arc<MtaSts>>,
    /// Whether TLSA records are heeded. It needs a resolver that authenticates.
    pub dane: bool,
    /// Judges certificates where a policy is only tested; `None` leaves them unjudged.
    pub authorities: Option<Authorities>,
}

/// What the domain demands of the connection to one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Demand {
    /// Nothing; what the operator chose counts alone.
    #[default]
    None,
    /// A certificate for the host's name from a trusted authority, by the domain's MTA-STS policy.
    MtaSts,
    /// As [`Self::None`], and what [`Self::MtaSts`] would have refused is logged.
    MtaStsTesting,
    /// A certificate that fits these TLSA records.
    Dane(Arc<DaneDemand>),
    /// TLS with any certificate: there are TLSA records, and none that mail can go by (RFC 7672 section 2.2.1).
    DaneUnusable,
}

/// TLSA records and what belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaneDemand {
    /// The records, at least one, all usable.
    pub records: Vec<Tlsa>,
    /// The names under which the host may prove itself.
    pub names: DaneNames,
}

impl Demand {
    /// How the connection is protected to meet it.
    pub const fn security(&self) -> HopSecurity {
        match self {
            Self::None | Self::MtaStsTesting => HopSecurity::Opportunistic,
            Self::MtaSts | Self::Dane(_) => HopSecurity::StartTls,
            Self::DaneUnusable => HopSecurity::AnyTls,
        }
    }

    /// The status of a host that offers no TLS (spec section 1.5).
    pub const fn no_tls_status(&self) -> EnhancedStatus {
        match self {
            Self::None | Self::MtaStsTesting => EnhancedStatus(4, 7, 10),
            Self::MtaSts => EnhancedStatus(4, 7, 5),
            Self::Dane(_) | Self::DaneUnusable => EnhancedStatus(4, 7, 321),
        }
    }
}

impl fmt::Display for Demand {
    /// The word for logs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "none",
            Self::MtaSts => "mta-sts",
            Self::MtaStsTesting => "mta-sts-testing",
            Self::Dane(_) => "dane",
            Self::DaneUnusable => "dane-unusable",
        })
    }
}

/// What is known of a recipient's domain before its hosts are looked at.
pub(super) struct Domain<'a> {
    pub(super) name: &'a str,
    /// Whether DNSSEC vouches for the list of its hosts.
    pub(super) authenticated: bool,
    pub(super) policy: Option<Arc<Policy>>,
    /// The port that mail goes to, which is part of the name of TLSA records.
    pub(super) port: u16,
}

impl TransportSecurity {
    /// The domain's policy, where policies are heeded.
    pub(super) async fn policy(&self, domain: &str, resolver: &dyn Resolver) -> Option<Arc<Policy>> {
        self.mta_sts.as_ref()?.policy(domain, resolver).await
    }

    /// What `domain` demands of `host`; the trouble is why the host must not be used.
    pub(super) async fn demand(
        &self,
        domain: &Domain<'_>,
        host: &str,
        found: &Answer<HostAddresses>,
        resolver: &dyn Resolver,
    ) -> Result<Demand, Trouble> {
        let dane = if self.dane && domain.authenticated && found.authenticated {
            dane(domain, host, found.value.canonical.as_deref(), resolver).await?
        } else {
            Demand::None
        };
        // RFC 8461 section 2: a policy never makes good what failed under DANE. Where the DNS vouches for hosts and
        // certificates, the policy has nothing to add.
        let by_policy = match (&dane, &domain.policy) {
            (Demand::Dane(_), _) | (_, None) => return Ok(dane),
            (_, Some(policy)) => policy,
        };
        match (by_policy.mode(), by_policy.covers(host)) {
            (Mode::Enforce, true) => Ok(Demand::MtaSts),
            (Mode::Enforce, false) => {
                let text = format!("the MTA-STS policy of {} does not list this host", domain.name);
                Err(Trouble::local(EnhancedStatus(4, 4, 8), Some(host), text))
            }
            (Mode::Testing, covered) => {
                if !covered {
                    let domain = domain.name;
                    tracing::warn!(domain, host, "the MTA-STS policy, which is in testing, does not list this host");
                }
                Ok(if dane == Demand::None { Demand::MtaStsTesting } else { dane })
            }
            (Mode::None, _) => Ok(dane),
        }
    }
}

/// What the TLSA records of a host demand. The name at the end of its aliases comes first (RFC 7672 section 2.2.2).
async fn dane(
    domain: &Domain<'_>,
    host: &str,
    canonical: Option<&str>,
    resolver: &dyn Resolver,
) -> Result<Demand, Trouble> {
    for base in canonical.into_iter().chain([host]) {
        let name = format!("_{}._tcp.{base}", domain.port);
        // What is forged and what cannot be learned come to the same: the records may be withheld on the way.
        let answer = resolver.tlsa(&name).await.map_err(|error| {
            let text = format!("dnssec-invalid: its TLSA records cannot be relied on: {error}");
            Trouble::local(EnhancedStatus(4, 7, 324), Some(host), text)
        })?;
        // Records that nobody vouches for count as absent.
        if !answer.authenticated || answer.value.is_empty() {
            continue;
        }
        let records = usable(answer.value);
        if records.is_empty() {
            return Ok(Demand::DaneUnusable);
        }
        let mut others: Vec<String> = Vec::new();
        for other in [host, domain.name] {
            if other != base && !others.iter().any(|known| known == other) {
                others.push(other.to_owned());
            }
        }
        let names = DaneNames { base: base.to_owned(), others };
        return Ok(Demand::Dane(Arc::new(DaneDemand { records, names })));
    }
    Ok(Demand::None)
}
