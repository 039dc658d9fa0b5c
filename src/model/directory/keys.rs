//! What objects are found by: addresses, logins, names and addresses outside.
//!
//! An object whose user was deleted gives all of them free: the indexes leave it out, another may take them, and it is
//! looked for among the deleted only. It comes back as long as nobody has taken one of them (spec section 7.3, T13).

use std::sync::Arc;

use super::change::ChangeError;
use super::filter::Filter;
use super::index::Index;
use super::lifecycle::Lifecycle;
use super::provisioning::ExchangeGuid;
use super::recipient::{Recipient, RecipientId};
use super::snapshot::Snapshot;
use super::validate;
use crate::model::mail::Address;

impl Snapshot {
    /// Objects whose user was deleted, by identity.
    pub fn deleted(&self) -> impl Iterator<Item = &Arc<Recipient>> {
        self.deleted.iter().filter_map(|id| self.recipient(*id))
    }

    /// Those of them that have this address, login, name, `ExchangeGuid` or identity (`#17`). Takes time in proportion
    /// to how many are deleted.
    pub fn find_deleted<'snapshot>(
        &'snapshot self,
        text: &str,
    ) -> impl Iterator<Item = &'snapshot Arc<Recipient>> + use<'snapshot> {
        let text = text.trim();
        let (name, guid) = (text.to_lowercase(), text.parse::<ExchangeGuid>().ok());
        let id = text.strip_prefix('#').and_then(|digits| digits.parse().ok()).map(RecipientId);
        let key = Address::parse(text).ok().map(|address| address.key());
        self.deleted().filter(move |found| {
            let has_key = key.as_ref().is_some_and(|key| {
                let login = found.account.as_ref().is_some_and(|account| account.login.has_key(key));
                login || found.addresses.contains(key)
            });
            let is_named = found.name.to_lowercase() == name;
            has_key || is_named || id == Some(found.id) || guid == Some(found.exchange_guid())
        })
    }

    /// Why an object cannot have its addresses, its login and its name, or have them back: somebody else has one of
    /// them, or a domain is gone.
    pub fn conflict(&self, recipient: &Recipient) -> Option<ChangeError> {
        validate::keys(self, recipient).err()
    }

    /// Objects, deleted ones among them, to which another system or an import has given this `ExchangeGuid`.
    pub fn find_by_exchange_guid(&self, guid: ExchangeGuid) -> impl Iterator<Item = &Arc<Recipient>> {
        let found = self.guids.range((guid, RecipientId(0))..=(guid, RecipientId(u64::MAX)));
        found.filter_map(|(_, id)| self.recipient(*id))
    }

    /// Objects that make a removed mailbox superfluous (spec T24), or that this one makes so: those with the same
    /// `ExchangeGuid`, as many as anybody has to look at.
    pub fn twins(&self, recipient: &Recipient) -> impl Iterator<Item = &Arc<Recipient>> {
        let id = recipient.id;
        let found = given_guid(recipient).map(|guid| self.find_by_exchange_guid(guid).take(TWINS_MAX));
        found.into_iter().flatten().filter(move |other| other.id != id)
    }

    /// Whether it is a removed mailbox whose place a newer object has taken: one that is synchronised with the same
    /// `ExchangeGuid`, and licensed (spec T24).
    pub fn is_superseded(&self, removed: &Recipient) -> bool {
        matches!(removed.lifecycle, Lifecycle::SoftDeleted { .. })
            && self.twins(removed).any(|other| other.id > removed.id && other.supersedes())
    }

    /// Lets a recipient be found.
    pub(super) fn learn_keys(&mut self, recipient: &Recipient) {
        self.count_licences(recipient, true);
        self.learn_rare_keys(recipient);
        texts(recipient, |kind, text| self.index(kind).insert(text, recipient.id));
    }

    /// Lets it be found by what few recipients have: see [`has_rare_keys`].
    pub(super) fn learn_rare_keys(&mut self, recipient: &Recipient) {
        let id = recipient.id;
        if let Some(guid) = given_guid(recipient) {
            self.guids.insert_mut((guid, id));
        }
        if recipient.is_user_deleted() {
            self.deleted.insert_mut(id);
            return;
        }
        if let Some(external) = &recipient.external_address {
            self.externals.insert_mut((external.key(), id));
        }
        let filter =
            recipient.group.as_deref().and_then(|group| Filter::parse(group.recipient_filter.as_deref()?).ok());
        if let Some(filter) = filter {
            self.filters.insert_mut(id, Arc::new(filter));
        }
    }

    /// Lets it not be found any more.
    pub(super) fn forget_keys(&mut self, former: &Recipient) {
        self.count_licences(former, false);
        if let Some(guid) = given_guid(former) {
            self.guids.remove_mut(&(guid, former.id));
        }
        if former.is_user_deleted() {
            self.deleted.remove_mut(&former.id);
            return;
        }
        texts(former, |kind, text| self.index(kind).remove(text, former.id));
        if let Some(external) = &former.external_address {
            self.externals.remove_mut(&(external.key(), former.id));
        }
        self.filters.remove_mut(&former.id);
    }

    const fn index(&mut self, kind: Kind) -> &mut Index {
        match kind {
            Kind::Address => &mut self.addresses,
            Kind::Other => &mut self.others,
            Kind::Login => &mut self.logins,
            Kind::Name => &mut self.names,
        }
    }
}

/// Which index has a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Address,
    /// An address of another type than SMTP.
    Other,
    /// A login that is no address of its own account.
    Login,
    Name,
}

/// Shows each text that a recipient is found by.
pub(super) fn texts(recipient: &Recipient, mut show: impl FnMut(Kind, &str)) {
    if recipient.is_user_deleted() {
        return;
    }
    for address in recipient.addresses.smtp() {
        show(Kind::Address, address.key().as_str());
    }
    for other in recipient.addresses.other() {
        show(Kind::Other, &other.key());
    }
    // Most logins are the primary address, which is seen without making a key.
    if let Some(login) = recipient.account.as_deref().map(|account| &account.login)
        && login != recipient.primary()
        && !recipient.addresses.contains(&login.key())
    {
        show(Kind::Login, login.key().as_str());
    }
    show(Kind::Name, &recipient.name.to_lowercase());
}

/// Whether it is found by more than [`texts`], or refers to others.
pub(super) fn has_rare_keys(recipient: &Recipient) -> bool {
    recipient.external_address.is_some()
        || recipient.group.is_some()
        || recipient.is_user_deleted()
        || given_guid(recipient).is_some()
        || recipient.references().next().is_some()
}

/// Of more objects with one `ExchangeGuid` the others go unnoticed: each is compared with each.
const TWINS_MAX: usize = 64;

impl Recipient {
    /// Whether removed mailboxes with its `ExchangeGuid` have no purpose any more.
    pub fn supersedes(&self) -> bool {
        let synchronised = self.provisioning.as_deref().is_some_and(|own| own.synchronised);
        synchronised && self.has_licences() && !self.is_user_deleted()
    }
}

fn given_guid(recipient: &Recipient) -> Option<ExchangeGuid> {
    recipient.provisioning.as_deref().and_then(|own| own.exchange_guid)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::directory::{AcceptedDomain, Change, DomainType, Objects, OtherProxy, RecipientType};
    use crate::model::mail::Timestamp;

    fn address(number: u8) -> Address {
        Address::parse(&format!("box{number}@contoso.example")).unwrap()
    }

    fn ground() -> Snapshot {
        let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative);
        Snapshot::default().apply(&[Change::PutDomain(domain.as_default())]).unwrap()
    }

    /// A user with two addresses, a login, a name and an X500 address, all of which others may have.
    fn user(id: u64, primary: u8, alias: u8, deleted: bool) -> Recipient {
        let mut user =
            Recipient::new(RecipientId(id), RecipientType::UserMailbox, format!("n{primary}"), address(primary));
        user.addresses.add(address(alias));
        user.addresses.add_other(OtherProxy::new("X500", &format!("/cn={alias}")).unwrap());
        user.account.as_deref_mut().unwrap().login = address(alias);
        if deleted {
            user.provisioning.get_or_insert_default().user_deleted = Some(Timestamp::EPOCH);
        }
        user
    }

    fn put(recipient: Recipient) -> Change {
        Change::PutRecipient(Box::new(recipient))
    }

    /// Whom every address, login and name leads to.
    fn leads(snapshot: &Snapshot) -> BTreeMap<String, Option<RecipientId>> {
        let mut leads = BTreeMap::new();
        for number in 0..5 {
            let found = |found: Option<&Arc<Recipient>>| found.map(|found| found.id);
            leads.insert(format!("address {number}"), found(snapshot.find_by_address(&address(number))));
            leads.insert(format!("login {number}"), found(snapshot.find_by_login(&address(number))));
            leads.insert(format!("name {number}"), found(snapshot.find_by_name(&format!("N{number}"))));
            let x500 = snapshot.find_by_other("X500", &format!("/CN={number}"));
            leads.insert(format!("other {number}"), found(x500));
        }
        let deleted: Vec<RecipientId> = snapshot.deleted().map(|found| found.id).collect();
        leads.insert(format!("deleted {deleted:?}"), None);
        leads
    }

    fn assert_sound(snapshot: &Snapshot) {
        for number in 0..5 {
            let key = address(number).key();
            let live = || snapshot.recipients().filter(|found| !found.is_user_deleted());
            let holders: Vec<RecipientId> =
                live().filter(|found| found.addresses.contains(&key)).map(|found| found.id).collect();
            assert!(holders.len() <= 1, "{number}: {holders:?}");
            assert_eq!(snapshot.find_by_address(&address(number)).map(|found| found.id), holders.first().copied());
            let named = live().filter(|found| *found.name == *format!("n{number}")).count();
            assert!(named <= 1, "name {number}");
            let mut gone = snapshot.find_deleted(&address(number).to_string());
            assert!(gone.all(|found| found.is_user_deleted() && found.addresses.contains(&key)));
        }
    }

    proptest! {
        #[test]
        fn no_two_live_objects_ever_have_the_same_address_whatever_is_deleted_and_restored(
            steps in prop::collection::vec((1_u64..6, 0_u8..5, 0_u8..5, any::<bool>(), 0_u8..10), 1..40),
        ) {
            let mut snapshot = ground();
            for (id, primary, alias, deleted, remove) in steps {
                let next = user(id, primary, alias, deleted);
                // Whether it may come back is known before it is tried.
                let conflict = snapshot.conflict(&next);
                let change = if remove == 0 { Change::RemoveRecipient(RecipientId(id)) } else { put(next) };
                let before = leads(&snapshot);
                match snapshot.apply(&[change]) {
                    Ok(after) => {
                        prop_assert!(remove == 0 || deleted || conflict.is_none());
                        snapshot = after;
                    }
                    Err(error) => {
                        prop_assert!(remove == 0 || (!deleted && conflict == Some(error)));
                        prop_assert_eq!(&before, &leads(&snapshot));
                    }
                }
                assert_sound(&snapshot);
            }
            let recipients = snapshot.recipients().map(|found| Recipient::clone(found)).collect();
            let objects = Objects { domains: snapshot.domains().cloned().collect(), recipients, ..Objects::default() };
            let restored = Snapshot::restore(snapshot.version(), snapshot.next_id(), objects);
            prop_assert_eq!(leads(&restored), leads(&snapshot));
        }
    }

    #[test]
    fn what_a_deleted_user_was_called_is_anothers_and_then_it_does_not_come_back() {
        let snapshot = ground().apply(&[put(user(1, 1, 2, false))]).unwrap();
        let refused = snapshot.apply(&[put(user(2, 3, 2, false))]).unwrap_err();
        assert!(matches!(refused, ChangeError::ProxyAddressInUse { .. }), "{refused}");
        let snapshot = snapshot.apply(&[put(user(1, 1, 2, true))]).unwrap();
        assert!(snapshot.find_by_login(&address(2)).is_none() && snapshot.find_by_address(&address(1)).is_none());
        let guid = snapshot.recipient(RecipientId(1)).unwrap().exchange_guid().to_string();
        for text in ["BOX1@contoso.example", "box2@contoso.example", "N1", "#1", &guid] {
            assert_eq!(snapshot.find_deleted(text).count(), 1, "{text}");
        }
        assert_eq!(snapshot.find_deleted("").count() + snapshot.find_deleted("box3@contoso.example").count(), 0);
        assert_eq!(snapshot.conflict(&user(1, 1, 2, false)), None);
        let snapshot = snapshot.apply(&[put(user(2, 3, 2, false))]).unwrap();
        let conflict = snapshot.conflict(&user(1, 1, 2, true)).unwrap();
        assert_eq!(
            conflict.to_string(),
            "The proxy address \"SMTP:box2@contoso.example\" is already being used by the proxy addresses or \
             LegacyExchangeDN of \"n3\". Please choose another proxy address."
        );
        assert_eq!(snapshot.apply(&[put(user(1, 1, 2, false))]).unwrap_err(), conflict);
        // Its life goes on all the same, and its domain may go.
        let snapshot = snapshot.apply(&[put(user(1, 1, 2, true)), Change::RemoveRecipient(RecipientId(2))]).unwrap();
        let snapshot = snapshot.apply(&[Change::RemoveDomain("contoso.example".parse().unwrap())]).unwrap();
        let snapshot = snapshot.apply(&[put(user(1, 1, 2, true))]).unwrap();
        assert!(matches!(snapshot.conflict(&user(1, 1, 2, false)), Some(ChangeError::NotAcceptedDomain { .. })));
    }
}
