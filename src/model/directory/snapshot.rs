//! The directory at one moment: immutable, cheap to share and to derive the next one from.
//!
//! Maps are persistent, so a change costs microseconds at a million recipients and readers never wait. A recipient's
//! addresses, login, name and address outside are indexed (`keys`), and the filters of dynamic groups are parsed once;
//! `referrers` is the one reverse index, from which group membership and clean-up after a removal are answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync, RedBlackTreeSetSync};

use super::accepted_domain::AcceptedDomain;
use super::address_policy::AddressPolicy;
use super::authentication_policy::AuthenticationPolicy;
use super::auto_reply;
use super::change::{Change, ChangeError};
use super::filter::Filter;
use super::index::{Index, Recipients};
use super::provisioning::ExchangeGuid;
use super::proxy::OtherProxy;
use super::recipient::{Organisation, Recipient, RecipientId};
use super::remote_domain::RemoteDomain;
use super::shared::Shared;
use super::validate::{self, Numbers};
use crate::model::mail::{Address, AddressKey, Domain, DomainPattern};

/// The whole directory at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) version: u64,
    pub(super) next_id: RecipientId,
    pub(super) organisation: Arc<Organisation>,
    pub(super) domains: Arc<BTreeMap<Domain, AcceptedDomain>>,
    pub(super) remote_domains: Arc<BTreeMap<DomainPattern, RemoteDomain>>,
    pub(super) authentication_policies: Arc<BTreeMap<Box<str>, AuthenticationPolicy>>,
    /// The highest priority first.
    pub(super) address_policies: Arc<[AddressPolicy]>,
    pub(super) recipients: Recipients,
    pub(super) shared: Shared,
    pub(super) addresses: Index,
    pub(super) others: Index,
    /// Addresses outside and the objects that stand for them. A set of pairs, since any number may share an address.
    pub(super) externals: RedBlackTreeSetSync<(AddressKey, RecipientId)>,
    /// Logins that are no address of their own account; the others are found as addresses.
    pub(super) logins: Index,
    pub(super) names: Index,
    pub(super) referrers: HashTrieMapSync<RecipientId, Arc<Vec<RecipientId>>>,
    pub(super) filters: HashTrieMapSync<RecipientId, Arc<Filter>>,
    /// Objects whose user was deleted: none of the indexes above has them.
    pub(super) deleted: RedBlackTreeSetSync<RecipientId>,
    /// How many accounts have each licence, by its label in small letters.
    pub(super) licences: RedBlackTreeMapSync<Box<str>, u32>,
    /// `ExchangeGuid`s that came from elsewhere, and whose they are. Several may have one.
    pub(super) guids: RedBlackTreeSetSync<(ExchangeGuid, RecipientId)>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            version: 0,
            next_id: RecipientId(1),
            organisation: Arc::default(),
            domains: Arc::default(),
            remote_domains: Arc::default(),
            authentication_policies: Arc::default(),
            address_policies: Arc::default(),
            recipients: Recipients::new(),
            shared: Shared::default(),
            addresses: Index::new(),
            others: Index::new(),
            externals: RedBlackTreeSetSync::new_sync(),
            logins: Index::new(),
            names: Index::new(),
            referrers: HashTrieMapSync::new_sync(),
            filters: HashTrieMapSync::new_sync(),
            deleted: RedBlackTreeSetSync::new_sync(),
            licences: RedBlackTreeMapSync::new_sync(),
            guids: RedBlackTreeSetSync::new_sync(),
        }
    }
}

impl Snapshot {
    /// How many change lists lead here; every accepted list adds one.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The id that the next new recipient takes. Ids are never given twice.
    pub const fn next_id(&self) -> RecipientId {
        self.next_id
    }

    /// The organisation's settings.
    pub fn organisation(&self) -> &Organisation {
        &self.organisation
    }

    /// Every remote domain that was made, in order of its pattern.
    pub fn remote_domains(&self) -> impl Iterator<Item = &RemoteDomain> {
        self.remote_domains.values()
    }

    /// What `domain` is sent: the most specific remote domain that covers it, else the defaults for `*`.
    pub fn remote_domain(&self, domain: &Domain) -> RemoteDomain {
        let found = DomainPattern::covering(domain).find_map(|pattern| self.remote_domains.get(&pattern));
        found.cloned().unwrap_or(RemoteDomain::new(DomainPattern::All))
    }

    /// Every authentication policy, in order of name.
    pub fn authentication_policies(&self) -> impl Iterator<Item = &AuthenticationPolicy> {
        self.authentication_policies.values()
    }

    /// The authentication policy of this name, letter case aside.
    pub fn authentication_policy(&self, name: &str) -> Option<&AuthenticationPolicy> {
        self.authentication_policies.get(&AuthenticationPolicy::key(name))
    }

    /// Every recipient, in no particular order.
    pub fn recipients(&self) -> impl Iterator<Item = &Arc<Recipient>> {
        self.recipients.iter()
    }

    /// Every recipient that is not as it was in `former`, new ones among them, at the cost of what differs. What was
    /// removed since is not among them.
    pub fn altered_since<'snapshot>(
        &'snapshot self,
        former: &'snapshot Self,
    ) -> impl Iterator<Item = &'snapshot Arc<Recipient>> {
        self.recipients.altered_since(&former.recipients)
    }

    /// How many recipients there are.
    pub fn recipient_count(&self) -> usize {
        self.recipients.len()
    }

    /// The recipient with this id.
    pub fn recipient(&self, id: RecipientId) -> Option<&Arc<Recipient>> {
        self.recipients.get(id)
    }

    /// The recipient that has this address, literally: no plus addressing, no lifecycle.
    pub fn find_by_address(&self, address: &Address) -> Option<&Arc<Recipient>> {
        self.find_by_key(&address.key())
    }

    /// The recipient that has the address of this key.
    pub fn find_by_key(&self, key: &AddressKey) -> Option<&Arc<Recipient>> {
        let has = |found: &&Arc<Recipient>| found.addresses.contains(key);
        self.addresses.find(key.as_str(), |id| self.recipient(id).filter(has))
    }

    /// The recipient that has this address of another type than SMTP, letter case aside.
    pub fn find_by_other(&self, kind: &str, value: &str) -> Option<&Arc<Recipient>> {
        let key = OtherProxy { prefix: kind.into(), value: value.into() }.key();
        self.holder_of_other(&key).and_then(|id| self.recipient(id))
    }

    /// Whether the directory has an object for this address outside: a contact, mail user or guest that leads to it, or
    /// anything that has it as its own.
    pub fn knows(&self, address: &Address) -> bool {
        self.find_by_address(address).is_some() || self.find_by_external(address).next().is_some()
    }

    /// Recipients that stand for this address elsewhere: contacts, mail users, remote mailboxes. Sorted by identity.
    pub fn find_by_external(&self, address: &Address) -> impl Iterator<Item = &Arc<Recipient>> {
        let key = address.key();
        let found = self.externals.range((key.clone(), RecipientId(0))..=(key, RecipientId(u64::MAX)));
        found.filter_map(|(_, id)| self.recipient(*id))
    }

    /// The filter of a dynamic group that has one.
    pub fn filter_of(&self, group: RecipientId) -> Option<&Arc<Filter>> {
        self.filters.get(&group)
    }

    /// Every dynamic group that has a filter, in no particular order.
    pub fn dynamic_groups(&self) -> impl Iterator<Item = (RecipientId, &Arc<Filter>)> {
        self.filters.iter().map(|(id, filter)| (*id, filter))
    }

    /// The recipient whose account has this login; an account can also sign in by any of its addresses.
    pub fn find_by_login(&self, login: &Address) -> Option<&Arc<Recipient>> {
        let key = login.key();
        let by_login = self.find_by_own_login(&key);
        by_login.or_else(|| self.find_by_key(&key).filter(|recipient| recipient.account.is_some()))
    }

    /// The recipient with this `Name`, letter case aside.
    pub fn find_by_name(&self, name: &str) -> Option<&Arc<Recipient>> {
        let name = name.to_lowercase();
        let has = |found: &&Arc<Recipient>| found.name.to_lowercase() == name;
        self.names.find(&name, |id| self.recipient(id).filter(has))
    }

    /// Objects that refer to `id`: groups it is a member or owner of, recipients that grant it something or forward to
    /// it, and recipients whose restrictions name it. Sorted.
    pub fn referrers(&self, id: RecipientId) -> &[RecipientId] {
        self.referrers.get(&id).map_or(&[], |referrers| referrers.as_slice())
    }

    /// The groups that `id` is a direct member of.
    pub fn groups_of(&self, id: RecipientId) -> impl Iterator<Item = &Arc<Recipient>> {
        self.referrers(id)
            .iter()
            .filter_map(|referrer| self.recipient(*referrer))
            .filter(move |referrer| referrer.group.as_ref().is_some_and(|group| group.has_member(id)))
    }

    /// Applies a list of changes as a whole and gives the next snapshot. Each change sees the ones before it.
    ///
    /// # Errors
    /// The first change that is refused; this snapshot stays as it is.
    pub fn apply(&self, changes: &[Change]) -> Result<Self, ChangeError> {
        self.applied(changes, Numbers::Judged)
    }

    /// Applies changes that were permitted when they were written down, whatever numbers are permitted today: a group
    /// of more members than one may have now must not keep the directory from being opened.
    ///
    /// # Errors
    /// [`ChangeError`], of anything but a number.
    pub fn replay(&self, changes: &[Change]) -> Result<Self, ChangeError> {
        self.applied(changes, Numbers::AsRecorded)
    }

    fn applied(&self, changes: &[Change], numbers: Numbers) -> Result<Self, ChangeError> {
        let mut next = self.clone();
        next.version += 1;
        for change in changes {
            next.apply_with(change, numbers)?;
        }
        Ok(next)
    }

    /// Applies one change in place; when it is refused, nothing has altered.
    pub(super) fn apply_one(&mut self, change: &Change) -> Result<(), ChangeError> {
        self.apply_with(change, Numbers::Judged)
    }

    fn apply_with(&mut self, change: &Change, numbers: Numbers) -> Result<(), ChangeError> {
        match change {
            Change::PutOrganisation(organisation) => {
                validate::organisation(self, organisation)?;
                self.organisation = Arc::new(organisation.clone());
            }
            Change::PutDomain(domain) => self.put_domain(domain)?,
            Change::RemoveDomain(domain) => self.remove_domain(domain)?,
            Change::PutRecipient(recipient) => {
                validate::recipient(self, recipient, numbers)?;
                let mut recipient = Recipient::clone(recipient);
                auto_reply::date(
                    self.recipients.get(recipient.id).map(|former| &**former),
                    &mut recipient,
                    self.version,
                );
                self.put(recipient);
            }
            Change::RemoveRecipient(id) => self.remove_recipient(*id)?,
            Change::AddMembers { group, members } => {
                validate::members(self, *group, members, numbers)?;
                self.edit(*group, |recipient| {
                    recipient.group.get_or_insert_default().add_members(members);
                })?;
            }
            Change::RemoveMembers { group, members } => {
                validate::members(self, *group, &[], numbers)?;
                self.edit(*group, |recipient| {
                    recipient.group.get_or_insert_default().remove_members(members);
                })?;
            }
            Change::PutRemoteDomain(remote) => {
                Arc::make_mut(&mut self.remote_domains).insert(remote.domain.clone(), remote.clone());
            }
            Change::RemoveRemoteDomain(pattern) => {
                let removed = Arc::make_mut(&mut self.remote_domains).remove(pattern);
                removed.ok_or_else(|| ChangeError::UnknownRemoteDomain(pattern.clone()))?;
            }
            Change::RequestMembership { group, member } => {
                validate::request(self, *group, *member, numbers)?;
                self.edit(*group, |recipient| recipient.group.get_or_insert_default().add_request(*member))?;
            }
            Change::DropRequest { group, member } => {
                validate::members(self, *group, &[], numbers)?;
                self.edit(*group, |recipient| recipient.group.get_or_insert_default().drop_request(*member))?;
            }
            Change::PutAuthenticationPolicy(policy) => {
                if !AuthenticationPolicy::is_name(&policy.name) {
                    return Err(validate::bad_name(&policy.name));
                }
                let policies = Arc::make_mut(&mut self.authentication_policies);
                policies.insert(AuthenticationPolicy::key(&policy.name), policy.clone());
            }
            Change::RemoveAuthenticationPolicy(name) => {
                validate::unused_policy(self, name)?;
                Arc::make_mut(&mut self.authentication_policies).remove(&AuthenticationPolicy::key(name));
            }
            Change::PutAddressPolicy(policy) => self.put_address_policy(policy)?,
            Change::RemoveAddressPolicy(name) => self.remove_address_policy(name)?,
        }
        Ok(())
    }

    fn edit(&mut self, id: RecipientId, alter: impl FnOnce(&mut Recipient)) -> Result<(), ChangeError> {
        let mut recipient = Recipient::clone(self.recipient(id).ok_or(ChangeError::UnknownRecipient(id))?);
        alter(&mut recipient);
        self.put(recipient);
        Ok(())
    }

    /// Puts a validated recipient in and keeps every index right.
    fn put(&mut self, mut recipient: Recipient) {
        self.shared.compact(&mut recipient, &self.domains);
        let id = recipient.id;
        let former = self.recipients.get(id).cloned();
        if let Some(former) = &former {
            self.forget_keys(former);
        }
        self.move_references(id, former.as_deref(), Some(&recipient));
        self.learn_keys(&recipient);
        self.next_id = self.next_id.max(RecipientId(id.0.saturating_add(1)));
        self.recipients.insert(Arc::new(recipient));
    }

    fn remove_recipient(&mut self, id: RecipientId) -> Result<(), ChangeError> {
        let former = self.recipients.get(id).cloned().ok_or(ChangeError::UnknownRecipient(id))?;
        for referrer in self.referrers(id).to_vec() {
            self.edit(referrer, |recipient| validate::drop_references(recipient, id))?;
        }
        self.forget_keys(&former);
        self.move_references(id, Some(&former), None);
        self.referrers.remove_mut(&id);
        self.recipients.remove(id);
        Ok(())
    }

    /// Brings the reverse index from what `id` referred to, to what it refers to now.
    pub(super) fn move_references(&mut self, id: RecipientId, former: Option<&Recipient>, next: Option<&Recipient>) {
        let sorted = |recipient: &Recipient| {
            let mut references: Vec<RecipientId> = recipient.references().collect();
            references.sort_unstable();
            references.dedup();
            references
        };
        let before = former.map(sorted).unwrap_or_default();
        let after = next.map(sorted).unwrap_or_default();
        // Altered in place where no other snapshot shares the list: an import in which everybody grants one account
        // something would otherwise copy that account's list once for each.
        for gone in before.iter().filter(|id| after.binary_search(id).is_err()) {
            if let Some(referrers) = self.referrers.get_mut(gone).map(Arc::make_mut)
                && let Ok(place) = referrers.binary_search(&id)
            {
                referrers.remove(place);
            }
        }
        for new in after.iter().filter(|id| before.binary_search(id).is_err()) {
            if !self.referrers.contains_key(new) {
                self.referrers.insert_mut(*new, Arc::default());
            }
            if let Some(referrers) = self.referrers.get_mut(new).map(Arc::make_mut)
                && let Err(place) = referrers.binary_search(&id)
            {
                referrers.insert(place, id);
            }
        }
    }

    pub(super) fn holder_of_address(&self, key: &AddressKey) -> Option<RecipientId> {
        self.find_by_key(key).map(|found| found.id)
    }

    pub(super) fn holder_of_other(&self, key: &str) -> Option<RecipientId> {
        let has = |found: &&Arc<Recipient>| found.addresses.other().iter().any(|other| *other.key() == *key);
        self.others.find(key, |id| self.recipient(id).filter(has)).map(|found| found.id)
    }

    pub(super) fn holder_of_login(&self, key: &AddressKey) -> Option<RecipientId> {
        self.find_by_own_login(key).map(|found| found.id)
    }

    /// The recipient whose account has a login that is no address of it.
    fn find_by_own_login(&self, key: &AddressKey) -> Option<&Arc<Recipient>> {
        let has = |found: &&Arc<Recipient>| found.account.as_ref().is_some_and(|account| account.login.has_key(key));
        self.logins.find(key.as_str(), |id| self.recipient(id).filter(has))
    }
}
