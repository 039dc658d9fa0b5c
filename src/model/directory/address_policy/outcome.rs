//! Which policy is for whom, and what it makes of a recipient.

use super::assign::NoneFree;
use super::{AddressPolicy, is_governed};
use crate::model::directory::filter::Filter;
use crate::model::directory::recipient::Recipient;
use crate::model::directory::snapshot::Snapshot;
use crate::model::mail::Address;

/// The policies of one moment, their filters read once for however many recipients.
#[derive(Debug)]
pub struct Selector<'snapshot> {
    /// No policy whose filter cannot be read is among them: it is for nobody.
    policies: Vec<(&'snapshot AddressPolicy, Option<Filter>)>,
    for_all: bool,
}

/// What policies make of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'snapshot> {
    /// It follows none.
    NotGoverned,
    /// None is for it.
    NoPolicy,
    /// It has the addresses that this one gives it.
    AsItIs(&'snapshot AddressPolicy),
    /// This one gives it others.
    Altered(&'snapshot AddressPolicy, Box<Recipient>),
    /// This one would, and cannot.
    NoneFree(&'snapshot AddressPolicy, NoneFree),
}

impl<'snapshot> Selector<'snapshot> {
    /// The policies of a snapshot. `for_all` says whether every type of recipient may follow them, or Microsoft 365
    /// groups alone.
    pub fn of(snapshot: &'snapshot Snapshot, for_all: bool) -> Self {
        let read = |policy: &'snapshot AddressPolicy| match policy.recipient_filter.as_deref().map(Filter::parse) {
            None => Some((policy, None)),
            Some(Ok(filter)) => Some((policy, Some(filter))),
            Some(Err(_)) => None,
        };
        Self { policies: snapshot.address_policies().iter().filter_map(read).collect(), for_all }
    }

    /// The policy that is for a recipient, whether it follows policies or not.
    pub fn policy(&self, recipient: &Recipient) -> Option<&'snapshot AddressPolicy> {
        let is_for = |filter: &Option<Filter>| filter.as_ref().is_none_or(|filter| filter.matches(recipient));
        self.policies.iter().find(|(_, filter)| is_for(filter)).map(|(policy, _)| *policy)
    }

    /// What becomes of the addresses of a recipient in `directory`, which may be newer than the policies.
    pub fn outcome(&self, recipient: &Recipient, directory: &Snapshot) -> Outcome<'snapshot> {
        if !is_governed(recipient, self.for_all) {
            return Outcome::NotGoverned;
        }
        let Some(policy) = self.policy(recipient) else {
            return Outcome::NoPolicy;
        };
        match policy.addresses(recipient, &|address| directory.is_taken(address, recipient)) {
            Ok(addresses) if addresses == recipient.addresses => Outcome::AsItIs(policy),
            Ok(addresses) => {
                let mut next = recipient.clone();
                next.addresses = addresses;
                Outcome::Altered(policy, Box::new(next))
            }
            Err(error) => Outcome::NoneFree(policy, error),
        }
    }
}

impl Snapshot {
    /// Whether somebody else has an address, or signs in by it.
    pub fn is_taken(&self, address: &Address, recipient: &Recipient) -> bool {
        let key = address.key();
        let holders = [self.holder_of_address(&key), self.holder_of_login(&key)];
        holders.into_iter().flatten().any(|holder| holder != recipient.id)
    }
}
