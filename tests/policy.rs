//! Laws of the decisions, over directories that chance draws.

mod auto_reply;
mod auto_reply_loops;
mod client_access;
mod connectors;
mod deleted;
mod devices;
mod forwarding;
mod full_mailboxes;
mod large_groups;
mod laws;
pub(crate) mod moderation;
mod paths;
mod restrictions;
mod sent_items;
mod ways_out;

use std::collections::{BTreeSet, HashSet};

use franking::model::directory::{
    AcceptedDomain, Change, DomainType, Forwarding, Grant, Recipient, RecipientId, RecipientType, Right, Snapshot,
};
use franking::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::{
    Destination, DsnRequest, Evidence, Expanded, Origin, Permit, Posting, Profile, Proof, Refusal, Rule, Settings,
    SubmitAs, Unrecorded, admit, expand, sign_in, submit_as,
};
use proptest::prelude::*;

const DOMAIN: &str = "contoso.example";

/// One drawn recipient: its type, and whom it refers to, as places in the list.
#[derive(Clone, Debug)]
struct Drawn {
    recipient_type: RecipientType,
    members: Vec<prop::sample::Index>,
    forward: Option<prop::sample::Index>,
    keep: bool,
    licensed: bool,
    grants: Vec<(prop::sample::Index, u8, bool)>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let types = prop::sample::select(vec![
        RecipientType::UserMailbox,
        RecipientType::SharedMailbox,
        RecipientType::MailUser,
        RecipientType::MailContact,
        RecipientType::MailUniversalDistributionGroup,
        RecipientType::MailUniversalSecurityGroup,
        RecipientType::GroupMailbox,
    ]);
    let index = || any::<prop::sample::Index>();
    (
        types,
        prop::collection::vec(index(), 0..5),
        prop::option::of(index()),
        any::<bool>(),
        prop::bool::weighted(0.8),
        prop::collection::vec((index(), 0_u8..3, prop::bool::weighted(0.2)), 0..4),
    )
        .prop_map(|(recipient_type, members, forward, keep, licensed, grants)| Drawn {
            recipient_type,
            members,
            forward,
            keep,
            licensed,
            grants,
        })
}

fn address(number: usize) -> Address {
    Address::parse(&format!("r{number}@{DOMAIN}")).unwrap()
}

fn id(number: usize) -> RecipientId {
    RecipientId(number as u64 + 1)
}

fn bare(number: usize, drawn: &Drawn) -> Recipient {
    let mut recipient = Recipient::new(id(number), drawn.recipient_type, format!("r{number}"), address(number));
    if drawn.recipient_type.is_external() {
        recipient.external_address = Some(Address::parse(&format!("x{number}@fabrikam.example")).unwrap().into());
    }
    if let Some(account) = recipient.account.as_mut().filter(|_| drawn.licensed) {
        account.licences.push("ExchangeOnlinePlan1".into());
    }
    recipient
}

fn contoso_domain() -> AcceptedDomain {
    AcceptedDomain::new(DOMAIN.parse().unwrap(), DomainType::Authoritative).as_default()
}

/// A valid directory from the draws: first everybody, then who refers to whom.
fn directory(drawn: &[Drawn]) -> Snapshot {
    let mut changes = vec![Change::PutDomain(contoso_domain())];
    changes.extend(drawn.iter().enumerate().map(|(number, one)| Change::PutRecipient(Box::new(bare(number, one)))));
    let first = Snapshot::default().apply(&changes).unwrap();
    let changes: Vec<Change> = drawn
        .iter()
        .enumerate()
        .map(|(number, one)| {
            let mut recipient = bare(number, one);
            if let Some(group) = &mut recipient.group {
                group.set_members(one.members.iter().map(|member| id(member.index(drawn.len()))).collect());
                if one.recipient_type == RecipientType::GroupMailbox {
                    group.subscribers = group.members().to_vec();
                }
            }
            if let Some(target) = one.forward.filter(|_| one.recipient_type.is_mailbox()) {
                recipient.forwarding = Some(Box::new(Forwarding {
                    forwarding_address: Some(id(target.index(drawn.len()))),
                    forwarding_smtp_address: None,
                    deliver_to_mailbox_and_forward: one.keep,
                }));
            }
            for (trustee, right, deny) in &one.grants {
                let right = [Right::SendAs, Right::SendOnBehalf, Right::FullAccess][usize::from(*right)];
                let trustee = id(trustee.index(drawn.len()));
                let holder = first.recipient(trustee).unwrap();
                let can_hold = holder.account.is_some() || holder.recipient_type.is_security_principal_group();
                if can_hold && (right != Right::FullAccess || one.recipient_type.is_mailbox()) {
                    recipient.grants.push(Grant { right, trustee, deny: *deny });
                }
            }
            Change::PutRecipient(Box::new(recipient))
        })
        .collect();
    first.apply(&changes).unwrap()
}

/// Whether a group has a member that is no group, at any depth.
fn has_somebody(all: &[Drawn], group: usize) -> bool {
    let mut seen = vec![group];
    let mut next = 0;
    while let Some(place) = seen.get(next).copied() {
        if !all[place].recipient_type.is_distribution() {
            return true;
        }
        let members = all[place].members.iter().map(|member| member.index(all.len()));
        let new: Vec<usize> = members.filter(|member| !seen.contains(member)).collect();
        seen.extend(new);
        next += 1;
    }
    false
}

fn settings() -> Settings {
    Settings::of(Profile::ExchangeOnline)
}

fn permit(snapshot: &Snapshot, number: usize) -> Permit {
    let path = ForwardPath::Mailbox(address(number));
    admit(snapshot, &settings(), &Posting::own(), path, DsnRequest::default(), &mut Unrecorded).unwrap()
}

fn expanded(snapshot: &Snapshot, permits: &[Permit]) -> Vec<Expanded> {
    let sender = ReversePath::Mailbox(Address::parse("bob@fabrikam.example").unwrap());
    let posting = Posting::announced(snapshot, Origin::System, &sender, 1);
    expand(snapshot, &settings(), &posting, permits, Timestamp::EPOCH, &mut Unrecorded)
}

proptest! {
    #[test]
    fn expansion_ends_and_reaches_each_destination_once(all in prop::collection::vec(drawn(), 1..12)) {
        let snapshot = directory(&all);
        let permits: Vec<Permit> = (0..all.len()).map(|number| permit(&snapshot, number)).collect();
        let mut seen = HashSet::new();
        for one in expanded(&snapshot, &permits) {
            if let Expanded::Deliver(delivery) = one {
                let place = format!("{:?}", delivery.to);
                prop_assert!(seen.insert(place.clone()), "{} twice", place);
                if let Destination::Mailbox(id) = delivery.to {
                    prop_assert!(snapshot.recipient(id).unwrap().has_open_mailbox(franking::model::directory::Licensing::Counts));
                }
            }
        }
    }

    #[test]
    fn every_permitted_recipient_that_is_no_empty_group_ends_somewhere(all in prop::collection::vec(drawn(), 1..12)) {
        let snapshot = directory(&all);
        for (number, one) in all.iter().enumerate() {
            // A group may be empty, and then nobody gets anything: that is its meaning.
            if !one.recipient_type.is_distribution() || has_somebody(&all, number) {
                let ends = expanded(&snapshot, &[permit(&snapshot, number)]);
                prop_assert!(!ends.is_empty(), "r{} {:?} vanished", number, one.recipient_type);
            }
        }
    }

    #[test]
    fn no_path_into_a_forwarding_ring_vanishes(length in 1_usize..6, start in 0_usize..6) {
        let ring: Vec<Drawn> = (0..length)
            .map(|_| Drawn {
                recipient_type: RecipientType::SharedMailbox,
                members: Vec::new(),
                forward: None,
                keep: false,
                licensed: true,
                grants: Vec::new(),
            })
            .collect();
        let mut snapshot = directory(&ring);
        for number in 0..length {
            let mut recipient = Recipient::clone(snapshot.recipient(id(number)).unwrap());
            recipient.forwarding = Some(Box::new(Forwarding {
                forwarding_address: Some(id((number + 1) % length)),
                ..Forwarding::default()
            }));
            snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(recipient))]).unwrap();
        }
        let permits: Vec<Permit> = (0..length).map(|step| permit(&snapshot, (start + step) % length)).collect();
        let ends = expanded(&snapshot, &permits);
        let mut paths = BTreeSet::new();
        for one in ends {
            match one {
                Expanded::Refused { passage, refusal, .. } => {
                    prop_assert_eq!(*refusal, Refusal::ForwardingLoop);
                    paths.insert(passage.path.to_string());
                }
                Expanded::Deliver(_) | Expanded::Dropped { .. } | Expanded::Moderated(_) => prop_assert!(false, "{:?}", one),
            }
        }
        prop_assert_eq!(paths.len(), length);
    }

    #[test]
    fn full_access_and_letter_case_never_decide_who_may_send(all in prop::collection::vec(drawn(), 2..8)) {
        let snapshot = directory(&all);
        let mut without = snapshot.clone();
        for recipient in snapshot.recipients() {
            let mut stripped = Recipient::clone(recipient);
            stripped.grants.retain(|grant| grant.right != Right::FullAccess);
            without = without.apply(&[Change::PutRecipient(Box::new(stripped))]).unwrap();
        }
        for account in 0..all.len() {
            for owner in 0..all.len() {
                let given = address(owner);
                let shouted = Address::parse(&given.to_string().to_uppercase()).unwrap();
                let verdict = submit_as(&snapshot, &settings(), id(account), &given, &mut Unrecorded);
                prop_assert_eq!(verdict, submit_as(&snapshot, &settings(), id(account), &shouted, &mut Unrecorded));
                prop_assert_eq!(verdict, submit_as(&without, &settings(), id(account), &given, &mut Unrecorded));
                prop_assert_eq!(verdict == SubmitAs::Own, account == owner);
            }
        }
    }

    #[test]
    fn a_deny_entry_beats_every_allow_entry(all in prop::collection::vec(drawn(), 2..8)) {
        let snapshot = directory(&all);
        for owner in snapshot.recipients() {
            for grant in owner.grants.iter().filter(|grant| grant.deny && grant.right == Right::SendAs) {
                let verdict = submit_as(&snapshot, &settings(), grant.trustee, owner.primary(), &mut Unrecorded);
                prop_assert!(!matches!(verdict, SubmitAs::As(_)));
            }
        }
    }

    #[test]
    fn recording_the_rules_never_alters_the_answer(all in prop::collection::vec(drawn(), 1..8)) {
        let snapshot = directory(&all);
        let mut trail: Vec<Rule> = Vec::new();
        for number in 0..all.len() {
            let login = address(number).to_string();
            let evidence = Evidence::Right(Proof::Password);
            let recorded = sign_in(&snapshot, &settings(), &login, evidence, &mut trail);
            prop_assert_eq!(recorded, sign_in(&snapshot, &settings(), &login, evidence, &mut Unrecorded));
        }
        prop_assert!(!trail.is_empty());
    }
}

/// Spec S1-4: a mailbox with every app off in the cloud is what a mail user is on premises.
#[test]
fn a_mail_user_on_premises_is_a_mailbox_without_apps_in_the_cloud() {
    let plain = |recipient_type| Drawn {
        recipient_type,
        members: Vec::new(),
        forward: None,
        keep: false,
        licensed: true,
        grants: Vec::new(),
    };
    let snapshot = directory(&[plain(RecipientType::UserMailbox), plain(RecipientType::MailUser)]);
    let mut kiosk = Recipient::clone(snapshot.recipient(id(0)).unwrap());
    kiosk.client_access = franking::model::directory::ClientAccess::with_every_app(false);
    let snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(kiosk))]).unwrap();
    let ask = |profile, number: usize| {
        let settings = Settings::of(profile);
        let evidence = Evidence::Right(Proof::Password);
        let signed_in = sign_in(&snapshot, &settings, &address(number).to_string(), evidence, &mut Unrecorded);
        signed_in
            .map(|signed_in| submit_as(&snapshot, &settings, signed_in.account(), &address(number), &mut Unrecorded))
    };
    assert_eq!(ask(Profile::ExchangeOnline, 0), Ok(SubmitAs::Own));
    assert_eq!(ask(Profile::ExchangeServer, 1), Ok(SubmitAs::Own));
    assert_eq!(ask(Profile::ExchangeOnline, 1), Err(Refusal::MailboxCannotBeAccessed));
}
