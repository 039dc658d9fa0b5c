//! The accepted domains of a snapshot.

use std::sync::Arc;

use super::accepted_domain::AcceptedDomain;
use super::change::ChangeError;
use super::snapshot::Snapshot;
use crate::model::mail::Domain;

impl Snapshot {
    /// Every accepted domain, in order of name.
    pub fn domains(&self) -> impl Iterator<Item = &AcceptedDomain> {
        self.domains.values()
    }

    /// The accepted domain that `domain` is, or lies below when that one matches subdomains.
    pub fn accepted_domain(&self, domain: &Domain) -> Option<&AcceptedDomain> {
        if let Some(exact) = self.domains.get(domain) {
            return Some(exact);
        }
        // a.b.contoso.example -> b.contoso.example -> contoso.example
        let mut rest = domain.name()?;
        while let Some((_, parent)) = rest.split_once('.') {
            let parent_domain = Domain::Name(parent.into());
            // A nearer domain that does not match subdomains hides none above it that does.
            if let Some(found) = self.domains.get(&parent_domain).filter(|found| found.match_subdomains) {
                return Some(found);
            }
            rest = parent;
        }
        None
    }

    /// The same, unless its mail is received elsewhere.
    pub fn receiving_domain(&self, domain: &Domain) -> Option<&AcceptedDomain> {
        self.accepted_domain(domain).filter(|accepted| !accepted.outbound_only)
    }

    /// The default domain: the one marked so, else the first; `None` while there is no domain at all.
    pub fn default_domain(&self) -> Option<&Domain> {
        let marked = self.domains.values().find(|domain| domain.default);
        marked.or_else(|| self.domains.values().next()).map(|domain| &domain.domain)
    }

    pub(super) fn put_domain(&mut self, domain: &AcceptedDomain) -> Result<(), ChangeError> {
        if domain.domain.name().is_none() {
            return Err(ChangeError::DomainIsLiteral(domain.domain.clone()));
        }
        // Reports are sent from its postmaster, and answers to them come back.
        if domain.default && domain.outbound_only {
            return Err(ChangeError::DefaultOutboundOnly(domain.domain.clone()));
        }
        let domains = Arc::make_mut(&mut self.domains);
        if domain.default {
            for other in domains.values_mut() {
                other.default = false;
            }
        }
        domains.insert(domain.domain.clone(), domain.clone());
        Ok(())
    }

    pub(super) fn remove_domain(&mut self, domain: &Domain) -> Result<(), ChangeError> {
        if !self.domains.contains_key(domain) {
            return Err(ChangeError::UnknownDomain(domain.clone()));
        }
        let user = self.recipients.iter().find(|recipient| {
            !recipient.recipient_type.is_external()
                && !recipient.is_user_deleted()
                && recipient.addresses.smtp().any(|address| address.domain().is_within(domain))
        });
        if let Some(user) = user {
            return Err(ChangeError::DomainInUse { domain: domain.clone(), holder: user.name.as_str().into() });
        }
        self.without_address_policies(domain)?;
        Arc::make_mut(&mut self.domains).remove(domain);
        Ok(())
    }
}
