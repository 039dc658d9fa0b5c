//! The law of the snapshot's indexes: whatever changes led to it, they are those of a snapshot built afresh.

use franking::model::directory::{
    AcceptedDomain, Change, DomainType, Grant, Objects, OtherProxy, Recipient, RecipientId, Restoration,
};
use franking::model::directory::{Forwarding, RecipientType, Restrictions, Right, Snapshot};
use franking::model::mail::{Address, Domain};
use proptest::prelude::*;

const PEOPLE: u64 = 6;

fn address(local: &str) -> Address {
    Address::parse(&format!("{local}@contoso.example")).unwrap()
}

/// A recipient with addresses, login and name out of few, so that draws meet, and references to anybody.
fn recipient() -> impl Strategy<Value = Recipient> {
    let kinds = prop::sample::select(&RecipientType::ALL[..]);
    let locals = || prop::sample::select(&["a", "A", "b", "\u{e9}", "e\u{301}", "c+d", "c"][..]);
    let name = prop::sample::select(&["Ann", "ann", "B", "\u{130}", "C", "D"][..]);
    let ids = || prop::collection::vec((1..=PEOPLE).prop_map(RecipientId), 0..4);
    let identity = (1..=PEOPLE, kinds, name, locals(), prop::collection::vec(locals(), 0..3), locals());
    (identity, ids(), ids(), ids(), prop::option::of(1..=PEOPLE)).prop_map(
        |((id, kind, name, primary, aliases, login), members, trustees, listed, target)| {
            let mut made = Recipient::new(RecipientId(id), kind, name, address(primary));
            aliases.into_iter().for_each(|alias| made.addresses.add(address(alias)));
            made.addresses.add_other(OtherProxy { prefix: "X500".into(), value: format!("/o={login}").into() });
            made.external_address = kind.is_external().then(|| Address::parse("x@fabrikam.example").unwrap().into());
            if let Some(account) = &mut made.account {
                account.login = address(login);
            }
            if let Some(group) = made.group.as_mut().filter(|_| kind != RecipientType::DynamicDistributionGroup) {
                group.set_members(members);
                group.subscribers = listed.clone();
            }
            made.grants = trustees
                .into_iter()
                .map(|trustee| Grant { right: Right::SendAs, trustee, deny: trustee.0 % 2 == 0 })
                .collect();
            made.restrictions = Some(Box::new(Restrictions { accept_only_from: listed, ..Restrictions::default() }));
            made.forwarding = target.filter(|_| kind.is_mailbox()).map(|target| {
                Box::new(Forwarding { forwarding_address: Some(RecipientId(target)), ..Forwarding::default() })
            });
            made
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let id = || (1..=PEOPLE).prop_map(RecipientId);
    let ids = || prop::collection::vec((1..=PEOPLE).prop_map(RecipientId), 0..3);
    prop_oneof![
        6 => recipient().prop_map(|made| Change::PutRecipient(Box::new(made))),
        2 => id().prop_map(Change::RemoveRecipient),
        2 => (id(), ids()).prop_map(|(group, members)| Change::AddMembers { group, members }),
        1 => (id(), ids()).prop_map(|(group, members)| Change::RemoveMembers { group, members }),
    ]
}

/// Everybody once without references, so that those of the draws have somebody to mean.
fn beginning() -> Snapshot {
    let domain: Domain = "contoso.example".parse().unwrap();
    let domain_type = DomainType::Authoritative;
    let domain = AcceptedDomain::new(domain, domain_type).as_default();
    let mut changes = vec![Change::PutDomain(domain)];
    changes.extend((1..=PEOPLE).map(|id| {
        let local = format!("r{id}");
        let made = Recipient::new(RecipientId(id), RecipientType::UserMailbox, local.as_str(), address(&local));
        Change::PutRecipient(Box::new(made))
    }));
    Snapshot::default().apply(&changes).unwrap()
}

/// What the indexes answer to every question that a draw can ask.
fn answers(snapshot: &Snapshot) -> Vec<String> {
    let mut told = Vec::new();
    for local in ["a", "A", "b", "\u{e9}", "c+d", "c", "r1", "r2", "r3", "r4", "r5", "r6"] {
        let id = |found: Option<&std::sync::Arc<Recipient>>| found.map(|found| found.id);
        let by_address = id(snapshot.find_by_address(&address(local)));
        told.push(format!("{local}: {by_address:?} {:?}", id(snapshot.find_by_login(&address(local)))));
    }
    for name in ["ANN", "b", "\u{130}", "c", "d", "r1", "r2", "r3", "r4", "r5", "r6"] {
        told.push(format!("{name}: {:?}", snapshot.find_by_name(name).map(|found| found.id)));
    }
    for id in (1..=PEOPLE).map(RecipientId) {
        let groups: Vec<_> = snapshot.groups_of(id).map(|group| group.id).collect();
        told.push(format!("{id}: {:?} {groups:?}", snapshot.referrers(id)));
    }
    told.push(format!("{} {}", snapshot.next_id(), snapshot.recipient_count()));
    told
}

/// The same objects put together again, in portions as several threads would fill them.
fn rebuilt(snapshot: &Snapshot) -> Snapshot {
    let objects = Objects {
        organisation: snapshot.organisation().clone(),
        domains: snapshot.domains().cloned().collect(),
        remote_domains: snapshot.remote_domains().cloned().collect(),
        authentication_policies: snapshot.authentication_policies().cloned().collect(),
        address_policies: snapshot.address_policies().to_vec(),
        recipients: Vec::new(),
    };
    let mut restoration = Restoration::new(snapshot.version(), snapshot.next_id(), objects);
    for rest in 0..3 {
        let mut portion = restoration.portion();
        let some = snapshot.recipients().filter(|recipient| recipient.id.0 % 3 == rest);
        some.for_each(|recipient| portion.take(Recipient::clone(recipient)));
        restoration.join(portion);
    }
    restoration.finish()
}

proptest! {
    #[test]
    fn indexes_are_those_of_a_snapshot_built_afresh(changes in prop::collection::vec(change(), 1..40)) {
        let mut snapshot = beginning();
        for change in changes {
            // What the rules refuse leaves no trace.
            let Ok(next) = snapshot.apply(std::slice::from_ref(&change)) else { continue };
            prop_assert_eq!(answers(&next), answers(&rebuilt(&next)), "after {:?}", change);
            snapshot = next;
            for recipient in snapshot.recipients() {
                for reference in recipient.references() {
                    prop_assert!(snapshot.recipient(reference).is_some(), "{} of {}", reference, recipient.id);
                }
                for address in recipient.addresses.smtp() {
                    prop_assert_eq!(snapshot.find_by_address(address).map(|holder| holder.id), Some(recipient.id));
                }
            }
        }
    }
}

/// At a million recipients an octet here is a megabyte: what few recipients have belongs into a box. With the two
/// counters of its `Arc` and the allocator's word, 249 to 264 octets take the same room.
#[test]
fn a_recipient_stays_small() {
    assert!(size_of::<Recipient>() <= 272, "{} octets", size_of::<Recipient>());
}
