//! What a message to a group of 100,000 takes.

use std::sync::Arc;

use franking::model::directory::{AcceptedDomain, Change, DomainType, Recipient, RecipientId, RecipientType, Snapshot};
use franking::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::{DsnRequest, Expanded, Origin, Posting, Settings, Unrecorded, admit, expand};
use franking::model::queue::{Addressee, Target};

const MEMBERS: u64 = 100_000;

/// Alice, and a group of shared mailboxes.
fn directory() -> Snapshot {
    let address = |local: &str| Address::parse(&format!("{local}@contoso.example")).unwrap();
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default();
    let member = |number: u64| {
        let name = format!("member-{number}");
        Recipient::new(RecipientId(number), RecipientType::SharedMailbox, name.as_str(), address(&name))
    };
    let mut group = Recipient::new(
        RecipientId(MEMBERS + 1),
        RecipientType::MailUniversalDistributionGroup,
        "everybody",
        address("everybody"),
    );
    group.group.as_mut().unwrap().set_members((1..=MEMBERS).map(RecipientId).collect());
    let members = (1..=MEMBERS).map(member).chain([group]).map(|made| Change::PutRecipient(Box::new(made)));
    Snapshot::default().apply(&[Change::PutDomain(domain)].into_iter().chain(members).collect::<Vec<_>>()).unwrap()
}

/// What is known of each member: where its copy goes. All else is known once, whatever the number of members.
#[test]
fn the_members_of_a_group_share_what_their_copies_have_in_common() {
    let snapshot = directory();
    // It is not moderated for its size.
    let settings = Settings { large_group_limits: false, ..Settings::default() };
    let path = ForwardPath::Mailbox(Address::parse("everybody@contoso.example").unwrap());
    let permit = admit(&snapshot, &settings, &Posting::own(), path, DsnRequest::default(), &mut Unrecorded).unwrap();
    let reverse_path = ReversePath::Mailbox(Address::parse("alice@contoso.example").unwrap());
    let posting = Posting::received(&snapshot, Origin::Account(RecipientId(1)), &reverse_path, b"", 1_000);
    let found = expand(&snapshot, &settings, &posting, &[permit], Timestamp::EPOCH, &mut Unrecorded);
    assert_eq!(found.len() as u64, MEMBERS);
    let targets: Vec<Target> =
        found.into_iter().map(|one| Target::of(one, &snapshot, &settings, Timestamp::EPOCH)).collect();
    let first = &targets[0].addressee.passage;
    assert!(targets.iter().all(|target| Arc::ptr_eq(&target.addressee.passage, first)));
    // With the heap behind it, and the list that expansion gives: some 300 octets for each member at the peak.
    assert!(size_of::<Expanded>() <= 64 && size_of::<Target>() <= 32 && size_of::<Addressee>() <= 128);
}

/// A group of this many members, and what a message of Alice's to it comes to.
fn comes_to(snapshot: &Snapshot, settings: &Settings, sender: RecipientId) -> Vec<Expanded> {
    let path = ForwardPath::Mailbox(Address::parse("everybody@contoso.example").unwrap());
    let permit = admit(snapshot, settings, &Posting::own(), path, DsnRequest::default(), &mut Unrecorded).unwrap();
    let reverse_path = ReversePath::Mailbox(Address::parse("alice@contoso.example").unwrap());
    let posting = Posting::received(snapshot, Origin::Account(sender), &reverse_path, b"", 1_000);
    expand(snapshot, settings, &posting, &[permit], Timestamp::EPOCH, &mut Unrecorded)
}

#[test]
fn more_than_5_000_members_wait_for_the_owner_unless_it_is_said_who_may_send() {
    let with = |members: u64, alter: &dyn Fn(&mut Recipient)| {
        let snapshot = directory();
        let group = snapshot.find_by_address(&Address::parse("everybody@contoso.example").unwrap()).unwrap();
        let mut group = Recipient::clone(group);
        let set = group.group.as_mut().unwrap();
        set.set_members((1..=members).map(RecipientId).collect());
        set.managed_by = vec![RecipientId(7)];
        alter(&mut group);
        snapshot.apply(&[Change::PutRecipient(Box::new(group))]).unwrap()
    };
    let (on, off) = (Settings::default(), Settings { large_group_limits: false, ..Settings::default() });
    let nothing: &dyn Fn(&mut Recipient) = &|_| {};
    let listed: &dyn Fn(&mut Recipient) =
        &|group| group.restrictions.get_or_insert_default().accept_only_from = vec![RecipientId(1)];
    for (members, alter, settings, sender, waits) in [
        (5_000, nothing, &on, 1, false),
        (5_001, nothing, &on, 1, true),
        (5_001, nothing, &on, 7, false),
        (5_001, nothing, &off, 1, false),
        (5_001, listed, &on, 1, false),
    ] {
        let found = comes_to(&with(members, alter), settings, RecipientId(sender));
        let case = format!("{members} members, sender {sender}, {} found", found.len());
        match found.as_slice() {
            [Expanded::Moderated(moderated)] => {
                assert!(waits, "{case}");
                assert_eq!(
                    (&*moderated.waiting.moderators, moderated.waiting.notifies_sender),
                    (&[RecipientId(7)][..], true)
                );
            }
            all => assert!(!waits && all.len() as u64 == members, "{case}"),
        }
    }
}

#[test]
fn what_was_read_back_is_shared_again_where_it_is_the_same() {
    let target = |sender: &str| {
        let address = Address::parse("alice@contoso.example").unwrap();
        let path = ForwardPath::Mailbox(address.clone());
        let reverse_path = ReversePath::Mailbox(Address::parse(sender).unwrap());
        Target::new(Addressee::nowhere(address, path, reverse_path, DsnRequest::default()))
    };
    let (former, mut same) = (target("bob@contoso.example"), target("bob@contoso.example"));
    let mut other = target("eve@fabrikam.example");
    let before = other.clone();
    same.share(&former);
    other.share(&former);
    assert!(Arc::ptr_eq(&same.addressee.passage, &former.addressee.passage));
    assert_eq!(other, before);
}
