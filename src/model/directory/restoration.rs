//! A snapshot put together again from the objects of an earlier one, as storage kept them.
//!
//! They were valid together when they were stored, so they are not judged again; and nobody looks for any of them
//! before the last has come, so a million are put in their places at once. What can be done for each of them alone is
//! done in a [`Portion`], of which several threads can fill one each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::accepted_domain::AcceptedDomain;
use super::address_policy::AddressPolicy;
use super::authentication_policy::AuthenticationPolicy;
use super::index::{Gathered, Kept, Recipients};
use super::keys::{Kind, has_rare_keys, texts};
use super::recipient::{Organisation, Recipient, RecipientId};
use super::remote_domain::RemoteDomain;
use super::seldom::Seldom;
use super::shared::Shared;
use super::snapshot::Snapshot;
use crate::model::mail::Domain;

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
    recipients: Vec<Kept>,
    texts: Texts,
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
        let texts = Texts::new(&snapshot);
        let mut restoration = Self { snapshot, recipients: Vec::new(), texts };
        let mut portion = restoration.portion();
        objects.recipients.into_iter().for_each(|recipient| portion.take(recipient));
        restoration.join(portion);
        restoration
    }

    /// The names of the accepted domains, which addresses of recipients share.
    pub fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.snapshot.domains.keys()
    }

    /// An empty portion.
    pub fn portion(&self) -> Portion {
        Portion {
            domains: Arc::clone(&self.snapshot.domains),
            shared: Shared::default(),
            greatest: RecipientId(0),
            recipients: Vec::new(),
            rare: Vec::new(),
            texts: Texts::new(&self.snapshot),
            licences: Vec::new(),
        }
    }

    /// Makes room for so many recipients.
    pub fn reserve(&mut self, recipients: usize) {
        self.recipients.reserve_exact(recipients);
        self.texts.reserve(recipients);
    }

    /// Adds a portion that [`Self::portion`] began.
    pub fn join(&mut self, mut portion: Portion) {
        let snapshot = &mut self.snapshot;
        snapshot.next_id = snapshot.next_id.max(RecipientId(portion.greatest.0.saturating_add(1)));
        snapshot.shared.join(&portion.shared);
        for (licences, accounts) in &portion.licences {
            snapshot.count_accounts(licences, *accounts, true);
        }
        for recipient in &portion.rare {
            snapshot.learn_rare_keys(recipient);
            snapshot.move_references(recipient.id, None, Some(recipient));
        }
        self.recipients.append(&mut portion.recipients);
        self.texts.append(portion.texts);
    }

    /// The snapshot with all that came.
    pub fn finish(self) -> Snapshot {
        let Self { mut snapshot, recipients, texts } = self;
        // One after the other: what one of them was gathered in is given back before the next is made.
        snapshot.addresses.fill(texts.addresses);
        snapshot.others.fill(texts.others);
        snapshot.logins.fill(texts.logins);
        snapshot.names.fill(texts.names);
        snapshot.recipients = Recipients::of(recipients);
        snapshot
    }
}

/// What recipients are found by, before it can be found.
#[derive(Clone, Debug)]
struct Texts {
    addresses: Gathered,
    others: Gathered,
    logins: Gathered,
    names: Gathered,
}

impl Texts {
    fn new(snapshot: &Snapshot) -> Self {
        Self {
            addresses: snapshot.addresses.gather(),
            others: snapshot.others.gather(),
            logins: snapshot.logins.gather(),
            names: snapshot.names.gather(),
        }
    }

    fn take(&mut self, recipient: &Recipient) {
        texts(recipient, |kind, text| {
            let gathered = match kind {
                Kind::Address => &mut self.addresses,
                Kind::Other => &mut self.others,
                Kind::Login => &mut self.logins,
                Kind::Name => &mut self.names,
            };
            gathered.insert(text, recipient.id);
        });
    }

    fn append(&mut self, other: Self) {
        self.addresses.append(other.addresses);
        self.others.append(other.others);
        self.logins.append(other.logins);
        self.names.append(other.names);
    }

    /// Everybody has a name and an address; what more they have makes room for itself.
    fn reserve(&mut self, recipients: usize) {
        self.addresses.reserve(recipients);
        self.names.reserve(recipients);
    }
}

/// Some of the recipients, with what is known of them without the others.
#[derive(Clone, Debug)]
pub struct Portion {
    domains: Arc<BTreeMap<Domain, AcceptedDomain>>,
    shared: Shared,
    greatest: RecipientId,
    recipients: Vec<Kept>,
    /// Those of them that the snapshot has to be told of.
    rare: Vec<Arc<Recipient>>,
    texts: Texts,
    /// Licences, and how many accounts in a row had the very same.
    licences: Vec<(Seldom<Box<str>>, u32)>,
}

impl Portion {
    /// Takes the next recipient. No two, in whatever portions, have the same identity.
    pub fn take(&mut self, mut recipient: Recipient) {
        self.shared.compact(&mut recipient, &self.domains);
        self.greatest = self.greatest.max(recipient.id);
        self.texts.take(&recipient);
        if let Some(account) = &recipient.account {
            match self.licences.last_mut() {
                Some((licences, accounts)) if licences.is_same_place(&account.licences) => *accounts += 1,
                Some(_) | None => self.licences.push((account.licences.clone(), 1)),
            }
        }
        let rare = has_rare_keys(&recipient);
        let recipient = Arc::new(recipient);
        if rare {
            self.rare.push(Arc::clone(&recipient));
        }
        self.recipients.push(recipient.into());
    }
}

impl Snapshot {
    /// A snapshot from all objects of an earlier one.
    pub fn restore(version: u64, next_id: RecipientId, objects: Objects) -> Self {
        Restoration::new(version, next_id, objects).finish()
    }
}
