//! A snapshot put together again from the objects of an earlier one, as storage kept them.
//!
//! They were valid together when they were stored, so they are not judged again; and nobody looks for any of them
//! before the last has come, so a million are put in their places at once.

use std::sync::Arc;

use super::accepted_domain::AcceptedDomain;
use super::address_policy::AddressPolicy;
use super::authentication_policy::AuthenticationPolicy;
use super::index::Recipients;
use super::recipient::{Organisation, Recipient, RecipientId};
use super::remote_domain::RemoteDomain;
use super::snapshot::Snapshot;

/// Every object of a directory, as storage keeps them.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// The organisation's settings.
    pub organisation: Organisation,
    /// Accepted domains.
    pub domains: Vec<AcceptedDomain>,
    /// Remote domains.
    pub remote_domains: Vec<RemoteDomain>,
    /// Authentication policies.
    pub authentication_policies: Vec<AuthenticationPolicy>,
    /// Email address policies, in any order.
    pub address_policies: Vec<AddressPolicy>,
    /// Recipients.
    pub recipients: Vec<Recipient>,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Restoration {
    snapshot: Snapshot,
    recipients: Vec<Arc<Recipient>>,
}

impl Restoration {
    /// Begins with what is not a recipient, and with the recipients that are among `objects`.
    pub fn new(version: u64, next_id: RecipientId, objects: Objects) -> Self {
        let domains = objects.domains.into_iter().map(|domain| (domain.domain.clone(), domain));
        let remote_domains = objects.remote_domains.into_iter().map(|remote| (remote.domain.clone(), remote));
        let policies = objects.authentication_policies.into_iter();
        let policies = policies.map(|policy| (AuthenticationPolicy::key(&policy.name), policy));
        let mut snapshot = Snapshot {
            version,
            next_id: next_id.max(RecipientId(1)),
            organisation: Arc::new(objects.organisation),
            domains: Arc::new(domains.collect()),
            remote_domains: Arc::new(remote_domains.collect()),
            authentication_policies: Arc::new(policies.collect()),
            ..Snapshot::default()
        };
        let mut address_policies = objects.address_policies;
        address_policies.sort_by_key(|policy| policy.priority);
        snapshot.seat_address_policies(address_policies);
        for index in [&mut snapshot.addresses, &mut snapshot.others, &mut snapshot.logins, &mut snapshot.names] {
            index.gather();
        }
        let mut restoration = Self { snapshot, recipients: Vec::new() };
        objects.recipients.into_iter().for_each(|recipient| restoration.take(recipient));
        restoration
    }

    /// Takes the next recipient, each of whom has an identity of its own.
    pub fn take(&mut self, mut recipient: Recipient) {
        let Self { snapshot, recipients } = self;
        snapshot.shared.compact(&mut recipient, &snapshot.domains);
        snapshot.move_references(recipient.id, None, Some(&recipient));
        snapshot.learn_keys(&recipient);
        snapshot.next_id = snapshot.next_id.max(RecipientId(recipient.id.0.saturating_add(1)));
        recipients.push(Arc::new(recipient));
    }

    /// The snapshot with all that came.
    pub fn finish(self) -> Snapshot {
        let Self { mut snapshot, recipients } = self;
        for index in [&mut snapshot.addresses, &mut snapshot.others, &mut snapshot.logins, &mut snapshot.names] {
            index.settle();
        }
        snapshot.recipients = Recipients::of(recipients);
        snapshot
    }
}

impl Snapshot {
    /// A snapshot from all objects of an earlier one.
    pub fn restore(version: u64, next_id: RecipientId, objects: Objects) -> Self {
        Restoration::new(version, next_id, objects).finish()
    }
}
