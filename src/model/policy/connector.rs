//! Who hands mail in on port 25, where nobody signs in: a client that a connector knows, or a stranger.
//!
//! | # | question | yes | no |
//! | --- | --- | --- | --- |
//! | 1 | is a connector for this client, by its certificate or its network? | the narrowest counts | 5 |
//! | 2 | is the reverse-path among the connector's senders, where it names some? | 3 | 5 |
//! | 3 | does the reverse-path, or the certificate's name, lie in an accepted domain? | 4 | 5 |
//! | 4 | does the connector demand TLS, and there is none? | `451 5.7.3` | vouched for |
//! | 5 | is a partner connector for the domain of the reverse-path? | 6 | a stranger |
//! | 6 | does it demand TLS, and there is none? | `451 5.7.3` | 7 |
//! | 7 | does it name sources, and the client is none of them? | `550 5.7.51` | a stranger |
//!
//! Whoever is not vouched for is a stranger: inside it reaches whom strangers reach, outside nobody (decision D4). So a
//! connector never takes anything away, except that a partner's domain is for the partner's servers alone. What a
//! vouched client may do:
//!
//! - It uses addresses of ours in spite of `RejectDirectSend`. This is all that one gets that leads inside.
//! - It reaches the domains outside to which its connector leads (Exchange: `ms-Exch-SMTP-Accept-Any-Recipient`). Row 3
//!   is Exchange's rule for relaying (spec section 9.3). The null reverse-path lies in no domain, so reports go outside
//!   for those alone whose certificate is ours. A reverse-path elsewhere leaves rewritten, see `srs.rs`.
//! - It counts as authenticated where the connector is `internal` (`ExternalAuthoritative`, `TreatMessagesAsInternal`)
//!   and the sender is ours, whatever the certificate: restrictions, automatic replies.
//!
//! **The narrowest** is the one that says most of who the client is: the fingerprint of a certificate before a name in
//! it, a name before all below a domain, the longer domain before the shorter, any certificate before none; and then
//! the longest network. What remains alike is decided by the order of the configuration, which refuses two connectors
//! that are for the very same clients. Senders are no part of it: a device that is pinned to one sender would slip into
//! the wider connector of its network with another.

mod certificate;
mod source;
#[cfg(test)]
mod tests;

use core::net::IpAddr;
use std::sync::Arc;

pub use certificate::{Authorities, ClientCertificate, Fingerprint, FingerprintError};
pub use source::{CertificateRule, Door, Source};

use super::admit::Sender;
use super::refusal::Refusal;
use super::routes::SenderPattern;
use super::trail::Trail;
use crate::model::directory::Snapshot;
use crate::model::mail::{Domain, DomainPattern, ReversePath};

use super::settings::Settings;

/// A client of port 25, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its network address.
    pub peer: IpAddr,
    /// Whether TLS is on.
    pub has_tls: bool,
    /// The certificate of which it proved to hold the key.
    pub certificate: Option<&'a ClientCertificate>,
}

/// Clients of the organisation's own that need not sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Its name, for log and trace.
    pub name: Box<str>,
    /// Which clients.
    pub source: Source,
    /// For which reverse-paths; for all when empty.
    pub senders: Vec<SenderPattern>,
    /// To whom its clients may write besides recipients inside.
    pub recipients: Scope,
    /// Whether what comes from an address of ours counts as authenticated.
    pub internal: bool,
    /// Whether its clients are refused without TLS.
    pub require_tls: bool,
    /// What its clients may use together.
    pub limits: ConnectorLimits,
}

/// To whom a client may write. Recipients inside are always among them, as for any stranger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Inside only.
    #[default]
    Inside,
    /// These domains outside, too.
    Domains(Vec<DomainPattern>),
    /// Anybody.
    Anyone,
}

impl Scope {
    /// Whether it leads to a domain that is not ours.
    pub fn reaches(&self, domain: &Domain) -> bool {
        match self {
            Self::Inside => false,
            Self::Domains(patterns) => DomainPattern::covering(domain).any(|own| patterns.contains(&own)),
            Self::Anyone => true,
        }
    }
}

/// The bounds of all clients of a connector; `None` is without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectorLimits {
    /// Messages accepted in a minute.
    pub messages_per_minute: Option<u32>,
    /// Recipients of one message, where that is fewer than anybody may name.
    pub recipients_max: Option<usize>,
    /// Octets of one message, where that is less than anybody may send.
    pub message_bytes_max: Option<u64>,
    /// Sessions that may hand in mail at the same time.
    pub sessions_max: Option<u32>,
    /// Recipients outside in an hour; who names more of them is restricted, see `restricted.rs`.
    pub external_recipients_per_hour: Option<u32>,
    /// The same in a day.
    pub external_recipients_per_day: Option<u32>,
}

/// Another organisation, whose domains are for its own servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Its name, for log and explanations.
    pub name: Box<str>,
    /// The domains of its reverse-paths. For all also means the null path.
    pub domains: Vec<DomainPattern>,
    /// From where alone they come (`RestrictDomainsToIPAddresses`, `RestrictDomainsToCertificate`); anywhere if empty.
    pub source: Source,
    /// Whether they come over TLS alone (`RequireTls`).
    pub require_tls: bool,
}

/// All connectors, in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connectors {
    own: Vec<Arc<Connector>>,
    partners: Vec<Arc<Partner>>,
}

impl Connectors {
    /// None: whoever does not sign in is a stranger.
    pub const fn new() -> Self {
        Self { own: Vec::new(), partners: Vec::new() }
    }

    /// Adds a connector behind the others.
    pub fn push(&mut self, connector: Connector) {
        self.own.push(Arc::new(connector));
    }

    /// Adds a partner behind the others.
    pub fn push_partner(&mut self, partner: Partner) {
        self.partners.push(Arc::new(partner));
    }

    /// Connectors for clients of our own.
    pub fn own(&self) -> &[Arc<Connector>] {
        &self.own
    }

    /// Connectors for partners.
    pub fn partners(&self) -> &[Arc<Partner>] {
        &self.partners
    }

    /// The connector of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Connector>> {
        self.own.iter().find(|own| &*own.name == name)
    }

    /// Whether clients are to be asked for certificates.
    pub fn want_certificates(&self) -> bool {
        self.sources().any(|source| !source.certificates.is_empty())
    }

    /// Every set of authorities that certificates are judged by; one may be there more than once.
    pub fn authorities(&self) -> impl Iterator<Item = &Authorities> {
        self.sources().flat_map(|source| &source.certificates).filter_map(CertificateRule::authorities)
    }

    fn sources(&self) -> impl Iterator<Item = &Source> {
        self.own.iter().map(|own| &own.source).chain(self.partners.iter().map(|partner| &partner.source))
    }

    /// The narrowest connector for a client, with what it knows the client by.
    pub fn find<'a>(&'a self, client: &Client<'_>) -> Option<(&'a Arc<Connector>, Door<'a>)> {
        let doors = self.own.iter().filter_map(|own| Some((own, own.source.door(client)?)));
        // Of several that are alike the last of the reversed order wins, which is the first.
        doors.rev().max_by_key(|(_, door)| door.narrowness())
    }

    /// The partner whose domain a reverse-path lies in, by the most specific pattern.
    pub fn partner_of(&self, reverse_path: &ReversePath) -> Option<&Arc<Partner>> {
        let of = |pattern: &DomainPattern| self.partners.iter().find(|partner| partner.domains.contains(pattern));
        match reverse_path.address() {
            Some(address) => DomainPattern::covering(address.domain()).find_map(|pattern| of(&pattern)),
            None => of(&DomainPattern::All),
        }
    }
}

/// A message of a client that a connector vouches for. Only [`sender`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    connector: Arc<Connector>,
    internal: bool,
}

impl Vouched {
    /// Whose client it is.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Whether the message counts as authenticated.
    pub const fn is_internal(&self) -> bool {
        self.internal
    }

    /// Whether it may go to any domain that is not ours.
    pub fn leaves(&self) -> bool {
        self.connector.recipients != Scope::Inside
    }
}

/// Judges who hands a message in on port 25, at MAIL FROM and again at its end.
///
/// # Errors
/// `TlsRequired`, and `PartnerRestricted` for a partner's domain from elsewhere.
pub fn sender(
    snapshot: &Snapshot,
    settings: &Settings,
    client: &Client<'_>,
    reverse_path: &ReversePath,
    trail: &mut impl Trail,
) -> Result<Sender, Refusal> {
    if let Some(vouched) = vouch(snapshot, &settings.connectors, client, reverse_path, trail)? {
        return Ok(Sender::Connector(vouched));
    }
    partner(&settings.connectors, client, reverse_path, trail)?;
    Ok(Sender::Anonymous)
}

/// Rows 1 to 4.
fn vouch(
    snapshot: &Snapshot,
    connectors: &Connectors,
    client: &Client<'_>,
    reverse_path: &ReversePath,
    trail: &mut impl Trail,
) -> Result<Option<Vouched>, Refusal> {
    let found = connectors.find(client);
    trail.note(CONNECTOR_RULE, found.is_some(), || match &found {
        Some((connector, door)) => format!("{}, by {door}", connector.name),
        None => client.peer.to_string(),
    });
    let Some((connector, _)) = found else { return Ok(None) };
    let covers = covers(&connector.senders, reverse_path);
    trail.note(SENDERS_RULE, covers, || {
        let senders: Vec<String> = connector.senders.iter().map(ToString::to_string).collect();
        if senders.is_empty() { "any".to_owned() } else { senders.join(", ") }
    });
    if !covers {
        return Ok(None);
    }
    let path_is_ours = reverse_path.address().is_some_and(|own| snapshot.accepted_domain(own.domain()).is_some());
    let is_ours = path_is_ours || client.certificate.is_some_and(|shown| connector.source.is_ours(snapshot, shown));
    trail.note(DOMAIN_RULE, is_ours, || reverse_path.to_string());
    if !is_ours {
        return Ok(None);
    }
    if trail.asks(TLS_RULE, connector.require_tls && !client.has_tls) {
        return Err(Refusal::TlsRequired);
    }
    let internal = connector.internal && (path_is_ours || *reverse_path == ReversePath::Null);
    Ok(Some(Vouched { connector: Arc::clone(connector), internal }))
}

/// Row 1, as the trail asks it.
pub const CONNECTOR_RULE: &str = "a connector is for this client";
/// Row 2.
pub const SENDERS_RULE: &str = "the connector is for this sender";
/// Row 3.
pub const DOMAIN_RULE: &str = "the sender, or the certificate's name, lies in an accepted domain";
/// Rows 4 and 6.
pub const TLS_RULE: &str = "the connector demands TLS, and there is none";

/// The null path is nobody's, so only who may be anybody may use it.
fn covers(senders: &[SenderPattern], reverse_path: &ReversePath) -> bool {
    let is_for = |pattern: &SenderPattern| match (pattern, reverse_path.address()) {
        (SenderPattern::Anyone | SenderPattern::Domain(DomainPattern::All), _) => true,
        (SenderPattern::Domain(_) | SenderPattern::Address(_), None) => false,
        (SenderPattern::Domain(own), Some(address)) => DomainPattern::covering(address.domain()).any(|any| any == *own),
        (SenderPattern::Address(own), Some(address)) => *own == address.key(),
    };
    senders.is_empty() || senders.iter().any(is_for)
}

/// Rows 5 to 7.
fn partner(
    connectors: &Connectors,
    client: &Client<'_>,
    reverse_path: &ReversePath,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let found = connectors.partner_of(reverse_path);
    trail.note("a partner connector is for the sender's domain", found.is_some(), || {
        found.map_or_else(String::new, |partner| partner.name.to_string())
    });
    let Some(partner) = found else { return Ok(()) };
    if trail.asks(TLS_RULE, partner.require_tls && !client.has_tls) {
        return Err(Refusal::TlsRequired);
    }
    let elsewhere = !partner.source.is_empty() && partner.source.door(client).is_none();
    trail.note("the partner sends from elsewhere only", elsewhere, || partner.source.to_string());
    if elsewhere { Err(Refusal::PartnerRestricted) } else { Ok(()) }
}
