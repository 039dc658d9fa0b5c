//! What recipients have alike is kept once: at a million recipients that is several hundred million octets.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::accepted_domain::AcceptedDomain;
use super::recipient::Recipient;
use super::seldom::Seldom;
use crate::model::mail::{Address, Domain};

/// Combinations of licences that are remembered. An organisation buys few; of more than these, some are kept twice.
const LICENCES_MAX: usize = 64;

/// The parts that a snapshot's recipients share.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    licences: Arc<Vec<Seldom<Box<str>>>>,
    /// The accepted domain that was shared last: mostly it is the next one, too.
    last: Option<Domain>,
}

impl Shared {
    /// Gives back what growing lists left over, and lets a recipient use what others have: the name of an accepted
    /// domain in each address, and its licences.
    pub(super) fn compact(&mut self, recipient: &mut Recipient, domains: &BTreeMap<Domain, AcceptedDomain>) {
        let last = &mut self.last;
        let mut share = |address: &mut Address| {
            if last.as_ref().is_some_and(|last| address.domain().is_same_place(last)) {
                return;
            }
            if let Some(accepted) = domains.get(address.domain()) {
                address.share_domain(&accepted.domain);
                *last = Some(accepted.domain.clone());
            }
        };
        recipient.addresses.compact(&mut share);
        recipient.grants.shrink_to_fit();
        recipient.not_automapped.shrink_to_fit();
        recipient.address_book.shrink_to_fit();
        if let Some(account) = recipient.account.as_deref_mut() {
            share(&mut account.login);
            account.licences.shrink_to_fit();
            self.share_licences(&mut account.licences);
            account.devices.shrink_to_fit();
        }
    }

    /// Remembers what another has remembered as well.
    pub(super) fn join(&mut self, other: &Self) {
        other.licences.iter().for_each(|licences| self.share_licences(&mut licences.clone()));
    }

    fn share_licences(&mut self, licences: &mut Seldom<Box<str>>) {
        if licences.is_empty() {
            return;
        }
        if let Some(known) = self.licences.iter().find(|known| *known == licences) {
            licences.clone_from(known);
            return;
        }
        let known = Arc::make_mut(&mut self.licences);
        if known.len() >= LICENCES_MAX {
            // The oldest gives way: nobody may have it any more.
            known.remove(0);
        }
        known.push(licences.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::directory::{RecipientId, RecipientType};

    #[test]
    fn recipients_with_the_same_licences_and_domain_have_them_in_the_same_place() {
        let domain: Domain = "contoso.example".parse().unwrap();
        let accepted = AcceptedDomain::new(domain.clone(), Default::default());
        let domains = BTreeMap::from([(domain, accepted)]);
        let mut shared = Shared::default();
        let mut made = |number: u64, licence: &str| {
            let address = Address::parse(&format!("user{number}@contoso.example")).unwrap();
            let mut user = Recipient::new(RecipientId(number), RecipientType::UserMailbox, "user", address);
            user.account.as_mut().unwrap().licences.push(licence.into());
            shared.compact(&mut user, &domains);
            user
        };
        let licences = |user: &Recipient| user.account.as_ref().unwrap().licences.as_ptr();
        let name = |user: &Recipient| user.primary().domain().name().unwrap().as_ptr();
        let (one, other) = (made(1, "Plan"), made(2, "Plan"));
        assert_eq!((licences(&one), name(&one)), (licences(&other), name(&other)));
        // More combinations than are remembered push the first one out, and everybody keeps what they have.
        for number in 0..=LICENCES_MAX as u64 {
            let user = made(number, &format!("Plan {number}"));
            assert_eq!(user.account.unwrap().licences[..], [format!("Plan {number}").into()]);
        }
        assert_ne!(licences(&made(3, "Plan")), licences(&one));
        assert_eq!(shared.licences.len(), LICENCES_MAX);
    }
}
