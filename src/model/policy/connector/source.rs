//! Where clients come from: networks, certificates, or both at once, and which of two is the narrower.

use core::fmt;

use super::Client;
use super::certificate::{Authorities, ClientCertificate, Fingerprint};
use crate::model::directory::Snapshot;
use crate::model::mail::{Domain, DomainPattern, Network};

/// Which clients. Where networks and certificates are named, both must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// In one of these networks; wherever when empty.
    pub networks: Vec<Network>,
    /// With one of these certificates; with or without when empty.
    pub certificates: Vec<CertificateRule>,
}

/// Which certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateRule {
    /// One with such a name, for which these authorities vouch. The pattern for all takes any certificate of theirs.
    Name {
        /// The name.
        pattern: DomainPattern,
        /// Who must vouch for it.
        authorities: Authorities,
    },
    /// This one.
    Fingerprint(Fingerprint),
}

/// How narrowly a connector knows a client; the greater the narrower. Kind, length of the domain, and of the network.
type Narrowness = (u8, usize, Option<u8>);

/// What a source knows a client by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door<'source> {
    certificate: Option<&'source CertificateRule>,
    network: Option<&'source Network>,
}

impl Source {
    /// Whether it names nothing at all.
    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.certificates.is_empty()
    }

    /// What it knows `client` by, as narrowly as it can; `None` when the client is none of its own. An empty source
    /// knows nobody.
    pub(super) fn door(&self, client: &Client<'_>) -> Option<Door<'_>> {
        let network = self.networks.iter().filter(|own| own.contains(client.peer)).max_by_key(|own| own.prefix());
        let certificate = client.certificate.and_then(|shown| {
            self.certificates.iter().filter(|own| own.fits(shown)).max_by_key(|own| own.narrowness())
        });
        let fits = (self.networks.is_empty() || network.is_some())
            && (self.certificates.is_empty() || certificate.is_some())
            && !self.is_empty();
        fits.then_some(Door { certificate, network })
    }

    /// Whether a name by which it knows the certificate lies in an accepted domain, or below one. That a fingerprint is
    /// known says nothing of names, for which nobody vouches.
    pub(super) fn is_ours(&self, snapshot: &Snapshot, shown: &ClientCertificate) -> bool {
        let is_ours = |name: &DomainPattern| match name {
            DomainPattern::One(domain) => is_at_or_below(snapshot, domain),
            DomainPattern::Below(parent) => is_at_or_below(snapshot, &Domain::Name((&**parent).into())),
            DomainPattern::All => false,
        };
        self.certificates.iter().filter(|own| own.fits(shown)).any(|own| match own {
            CertificateRule::Name { pattern, .. } => {
                shown.names.iter().any(|name| is_within(pattern, name) && is_ours(name))
            }
            CertificateRule::Fingerprint(_) => false,
        })
    }

    /// Everything that it can know a client by. Two sources with one in common are for the same clients.
    pub fn doors(&self) -> impl Iterator<Item = Door<'_>> {
        all_or_none(&self.networks)
            .flat_map(|network| all_or_none(&self.certificates).map(move |certificate| Door { certificate, network }))
    }
}

/// Each of a list, or once nothing when it is empty.
fn all_or_none<T>(list: &[T]) -> impl Iterator<Item = Option<&T>> {
    list.iter().map(Some).chain(list.is_empty().then_some(None))
}

impl CertificateRule {
    /// Whose word is asked for.
    pub const fn authorities(&self) -> Option<&Authorities> {
        match self {
            Self::Name { authorities, .. } => Some(authorities),
            Self::Fingerprint(_) => None,
        }
    }

    fn fits(&self, shown: &ClientCertificate) -> bool {
        match self {
            Self::Fingerprint(own) => *own == shown.fingerprint,
            Self::Name { pattern, authorities } => {
                shown.vouched_by.contains(authorities)
                    && (*pattern == DomainPattern::All || shown.names.iter().any(|name| is_within(pattern, name)))
            }
        }
    }

    fn narrowness(&self) -> (u8, usize) {
        match self {
            Self::Fingerprint(_) => (4, 0),
            Self::Name { pattern: DomainPattern::One(_), .. } => (3, 0),
            Self::Name { pattern: DomainPattern::Below(parent), .. } => (2, parent.len()),
            Self::Name { pattern: DomainPattern::All, .. } => (1, 0),
        }
    }
}

/// Whether `name`, which may itself be for all below a domain, is one of `pattern`. A certificate for all below is none
/// for one of them: who holds it is not known as narrowly.
fn is_within(pattern: &DomainPattern, name: &DomainPattern) -> bool {
    match (pattern, name) {
        (DomainPattern::All, _) => true,
        (_, DomainPattern::All) | (DomainPattern::One(_), DomainPattern::Below(_)) => false,
        (DomainPattern::One(own), DomainPattern::One(name)) => own == name,
        (DomainPattern::Below(_), DomainPattern::One(name)) => DomainPattern::covering(name).any(|any| any == *pattern),
        (DomainPattern::Below(own), DomainPattern::Below(name)) => {
            own == name || DomainPattern::covering(&Domain::Name((&**name).into())).any(|any| any == *pattern)
        }
    }
}

impl Door<'_> {
    /// See the head of `connector.rs`.
    pub(super) fn narrowness(&self) -> Narrowness {
        let (kind, length) = self.certificate.map_or((0, 0), CertificateRule::narrowness);
        (kind, length, self.network.map(Network::prefix))
    }
}

/// A host need not lie in a domain with subdomains: `mx.contoso.example` is of `contoso.example`.
fn is_at_or_below(snapshot: &Snapshot, domain: &Domain) -> bool {
    DomainPattern::covering(domain).any(|pattern| match pattern {
        DomainPattern::One(own) => snapshot.accepted_domain(&own).is_some(),
        DomainPattern::Below(parent) => snapshot.accepted_domain(&Domain::Name((&*parent).into())).is_some(),
        DomainPattern::All => false,
    })
}

impl fmt::Display for CertificateRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { pattern: DomainPattern::All, authorities } => {
                write!(formatter, "any certificate of {authorities}")
            }
            Self::Name { pattern, authorities } => write!(formatter, "the certificate name {pattern} of {authorities}"),
            Self::Fingerprint(own) => write!(formatter, "the certificate {own}"),
        }
    }
}

impl fmt::Display for Door<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.certificate, self.network) {
            (Some(certificate), Some(network)) => write!(formatter, "{certificate} in the network {network}"),
            (Some(certificate), None) => write!(formatter, "{certificate}"),
            (None, Some(network)) => write!(formatter, "the network {network}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<String> = self.networks.iter().map(ToString::to_string).collect();
        let certificates: Vec<String> = self.certificates.iter().map(ToString::to_string).collect();
        let both = if networks.is_empty() || certificates.is_empty() { "" } else { ", with " };
        write!(formatter, "{}{both}{}", networks.join(", "), certificates.join(", "))
    }
}
