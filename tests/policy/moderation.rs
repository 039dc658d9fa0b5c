//! Who waits for whom: moderation row by row on the sample, and its law over directories that chance draws.

use std::collections::BTreeSet;

use franking::model::directory::{Change, Moderation, Recipient, RecipientId, Snapshot};
use franking::model::mail::{ForwardPath, ReversePath, Timestamp};
use franking::model::policy::{
    Destination, DsnRequest, Evidence, Expanded, Known, Moderated, Origin, Permit, Posting, Proof, Rule, Sender,
    Settings, Unrecorded, admit, expand, expand_approved, sign_in,
};
use proptest::prelude::*;

use super::{address, directory, drawn, id};
use crate::directory::{directory as directory_of, fixture};

fn sample() -> Snapshot {
    directory_of(&fixture("moderation"))
}

fn found(snapshot: &Snapshot, local: &str) -> RecipientId {
    let path = format!("{local}@contoso.example").parse().unwrap();
    snapshot.find_by_address(&path).unwrap().id
}

/// `stranger`, `system`, or the local part of an account.
fn sender(snapshot: &Snapshot, who: &str) -> Sender {
    match who {
        "stranger" => Sender::Anonymous,
        "system" => Sender::System,
        local => {
            let login = format!("{local}@contoso.example");
            let evidence = Evidence::Right(Proof::Password);
            Sender::Account(sign_in(snapshot, &Settings::default(), &login, evidence, &mut Unrecorded).unwrap())
        }
    }
}

fn from() -> ReversePath {
    ReversePath::Mailbox("eve@adatum.example".parse().unwrap())
}

fn permit(snapshot: &Snapshot, sender: &Sender, to: &str) -> Permit {
    let path = ForwardPath::Mailbox(format!("{to}@contoso.example").parse().unwrap());
    let from = from();
    let posting = Posting::announced(snapshot, sender.origin(), &from, 0);
    admit(snapshot, &Settings::default(), &posting, path, DsnRequest::default(), &mut Unrecorded).unwrap()
}

fn expanded(snapshot: &Snapshot, who: &str, to: &[&str]) -> Vec<Expanded> {
    let sender = sender(snapshot, who);
    let permits: Vec<Permit> = to.iter().map(|to| permit(snapshot, &sender, to)).collect();
    let from = from();
    let posting = Posting::received(snapshot, sender.origin(), &from, b"", 1);
    expand(snapshot, &Settings::default(), &posting, &permits, Timestamp::EPOCH, &mut Unrecorded)
}

fn local(snapshot: &Snapshot, id: RecipientId) -> String {
    snapshot.recipient(id).unwrap().primary().local().as_str().to_owned()
}

/// `alice` for a copy, `staff?bob,alice` for what waits for Bob or Alice; `!` behind it when its sender hears nothing.
fn shown(snapshot: &Snapshot, found: &[Expanded]) -> String {
    let one = |expanded: &Expanded| match expanded {
        Expanded::Deliver(delivery) => match &delivery.to {
            Destination::Mailbox(id) => local(snapshot, *id),
            Destination::PostmasterMailbox => "postmaster".to_owned(),
            Destination::Relay { address, .. } => address.to_string(),
        },
        Expanded::Refused { address, .. } => format!("refused {address}"),
        Expanded::Dropped { address, .. } => format!("dropped {address}"),
        Expanded::Moderated(moderated) => {
            let waiting = &moderated.waiting;
            let names: Vec<String> = waiting.moderators.iter().map(|id| local(snapshot, *id)).collect();
            let silent = if waiting.notifies_sender { "" } else { "!" };
            format!("{}?{}{silent}", local(snapshot, waiting.recipient), names.join(","))
        }
    };
    found.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn moderation_follows_the_table_row_by_row() {
    let snapshot = sample();
    for (who, to, expected) in [
        // The moderator, and members of a group on the bypass list.
        ("bob", "staff", "alice kiosk"),
        ("alice", "staff", "alice kiosk"),
        ("chief", "staff", "alice kiosk"),
        // Everybody else; an account hears of a rejection where only those inside do.
        ("kiosk", "staff", "staff?bob"),
        // Nobody moderates but the owner, whose word holds for the groups within, and not for a mailbox.
        ("stranger", "all", "all?alice"),
        ("kiosk", "all", "all?alice"),
        ("alice", "all", "bob alice kiosk chief?kiosk! partner@fabrikam.example"),
        // A moderated group in one that is not.
        ("kiosk", "outer", "kiosk board?alice,partner"),
        ("alice", "outer", "kiosk alice chief?kiosk!"),
        // Mailboxes, with and without moderators.
        ("bob", "chief", "chief?kiosk!"),
        ("kiosk", "chief", "chief"),
        ("stranger", "press", "press?"),
        // This server's own mail.
        ("system", "all", "bob alice kiosk chief partner@fabrikam.example"),
    ] {
        assert_eq!(shown(&snapshot, &expanded(&snapshot, who, &[to])), expected, "{who} to {to}");
    }
}

#[test]
fn a_stranger_is_told_only_where_strangers_are() {
    let snapshot = sample();
    let mut staff = Recipient::clone(snapshot.recipient(found(&snapshot, "staff")).unwrap());
    staff.restrictions.get_or_insert_default().require_sender_authentication = Some(false);
    let snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(staff))]).unwrap();
    assert_eq!(shown(&snapshot, &expanded(&snapshot, "stranger", &["staff"])), "staff?bob!");
    assert_eq!(shown(&snapshot, &expanded(&snapshot, "kiosk", &["staff"])), "staff?bob");
}

#[test]
fn an_owner_needs_no_approval_although_another_moderates_and_a_borrowed_address_gives_none() {
    let snapshot = sample();
    let mut staff = Recipient::clone(snapshot.recipient(found(&snapshot, "staff")).unwrap());
    staff.group.as_deref_mut().unwrap().managed_by = vec![found(&snapshot, "kiosk")];
    staff.restrictions.get_or_insert_default().require_sender_authentication = Some(false);
    let snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(staff))]).unwrap();
    assert_eq!(shown(&snapshot, &expanded(&snapshot, "kiosk", &["staff"])), "alice kiosk");
    // Anybody can write the moderator's address.
    let borrowed = ReversePath::Mailbox("bob@contoso.example".parse().unwrap());
    let permits = [permit(&snapshot, &Sender::Anonymous, "staff")];
    let posting = Posting::received(&snapshot, Origin::Anonymous, &borrowed, b"", 1);
    let waits = expand(&snapshot, &Settings::default(), &posting, &permits, Timestamp::EPOCH, &mut Unrecorded);
    assert_eq!(shown(&snapshot, &waits), "staff?bob!");
}

#[test]
fn each_moderated_recipient_is_asked_for_once_and_the_postmaster_is_not_kept_waiting() {
    let snapshot = sample();
    assert_eq!(
        shown(&snapshot, &expanded(&snapshot, "kiosk", &["board", "outer", "board"])),
        "board?alice,partner kiosk"
    );
    let mut press = Recipient::clone(snapshot.recipient(found(&snapshot, "press")).unwrap());
    press.addresses.add("postmaster@contoso.example".parse().unwrap());
    let snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(press))]).unwrap();
    assert_eq!(shown(&snapshot, &expanded(&snapshot, "stranger", &["postmaster"])), "press");
    assert_eq!(shown(&snapshot, &expanded(&snapshot, "stranger", &["press"])), "press?");
}

fn waiting(found: &[Expanded]) -> Vec<Moderated> {
    let one = |expanded: &Expanded| match expanded {
        Expanded::Moderated(moderated) => Some(Moderated::clone(moderated)),
        Expanded::Deliver(_) | Expanded::Refused { .. } | Expanded::Dropped { .. } => None,
    };
    found.iter().filter_map(one).collect()
}

/// What an end tells a later approval.
pub(crate) fn known(end: &Expanded) -> Option<Known> {
    match end {
        Expanded::Deliver(copy) => Some(match &copy.to {
            Destination::Mailbox(id) => Known::Object(*id),
            Destination::PostmasterMailbox => Known::Postmaster,
            Destination::Relay { address, .. } => Known::Outside(address.key()),
        }),
        Expanded::Moderated(moderated) => Some(Known::Object(moderated.waiting.recipient)),
        Expanded::Refused { .. } | Expanded::Dropped { .. } => None,
    }
}

/// Approves one that waits: what is known besides it goes in, what it leads to comes out.
fn approved(snapshot: &Snapshot, origin: Origin, all: &[Expanded], which: &Moderated) -> Vec<Expanded> {
    let own = Known::Object(which.waiting.recipient);
    let known = all.iter().filter_map(known).filter(|one| *one != own);
    let from = from();
    let posting = Posting::received(snapshot, origin, &from, b"", 1);
    expand_approved(snapshot, &Settings::default(), &posting, which, known, Timestamp::EPOCH, &mut Unrecorded)
}

#[test]
fn an_approval_goes_on_below_and_asks_again_for_what_is_moderated_there() {
    let snapshot = sample();
    let origin = sender(&snapshot, "kiosk").origin();
    let first = expanded(&snapshot, "kiosk", &["all", "bob"]);
    assert_eq!(shown(&snapshot, &first), "all?alice bob");
    // Bob has his copy. The groups within are approved with the one around them.
    let below = approved(&snapshot, origin, &first, &waiting(&first)[0]);
    assert_eq!(shown(&snapshot, &below), "alice kiosk chief partner@fabrikam.example");
    let first = expanded(&snapshot, "bob", &["outer"]);
    assert_eq!(shown(&snapshot, &first), "kiosk board?alice,partner");
    let below = approved(&snapshot, origin_of(&snapshot, "bob"), &first, &waiting(&first)[0]);
    assert_eq!(shown(&snapshot, &below), "alice chief?kiosk!");
}

fn origin_of(snapshot: &Snapshot, who: &str) -> Origin {
    sender(snapshot, who).origin()
}

#[test]
fn an_approval_is_worth_what_the_directory_of_that_moment_makes_of_it() {
    let snapshot = sample();
    let first = expanded(&snapshot, "kiosk", &["staff"]);
    let mut closed = Recipient::clone(snapshot.recipient(found(&snapshot, "staff")).unwrap());
    closed.restrictions.get_or_insert_default().reject_from = vec![found(&snapshot, "kiosk")];
    let origin = origin_of(&snapshot, "kiosk");
    let closed = snapshot.apply(&[Change::PutRecipient(Box::new(closed))]).unwrap();
    let below = approved(&closed, origin, &first, &waiting(&first)[0]);
    assert_eq!(shown(&closed, &below), "refused staff@contoso.example");
    let gone = snapshot.apply(&[Change::RemoveRecipient(found(&snapshot, "staff"))]).unwrap();
    let below = approved(&gone, origin, &first, &waiting(&first)[0]);
    assert_eq!(shown(&gone, &below), "refused staff@contoso.example");
}

#[test]
fn the_trail_says_why_a_message_waits_or_does_not() {
    let snapshot = sample();
    let told = |who: &str| {
        let sender = sender(&snapshot, who);
        let mut trail: Vec<Rule> = Vec::new();
        let permits = [permit(&snapshot, &sender, "staff")];
        let posting = Posting::received(&snapshot, sender.origin(), &ReversePath::Null, b"", 1);
        expand(&snapshot, &Settings::default(), &posting, &permits, Timestamp::EPOCH, &mut trail);
        trail.into_iter().filter(|rule| rule.held).map(|rule| rule.question).collect::<Vec<_>>()
    };
    assert!(told("kiosk").contains(&"the message waits for a moderator"));
    assert!(told("bob").contains(&"the sender moderates the recipient"));
    assert!(told("alice").contains(&"the sender owns the group or is on its bypass list"));
}

/// Where copies go, and nothing else.
fn places(found: &[Expanded]) -> BTreeSet<String> {
    let one = |expanded: &Expanded| match expanded {
        Expanded::Deliver(delivery) => Some(format!("{:?}", delivery.to)),
        Expanded::Refused { .. } | Expanded::Dropped { .. } | Expanded::Moderated(_) => None,
    };
    found.iter().filter_map(one).collect()
}

/// The same directory with some of its recipients moderated, some of these with bypassed nested moderation.
fn moderated(plain: &Snapshot, flags: &[(bool, bool)]) -> Snapshot {
    let changes: Vec<Change> = flags
        .iter()
        .enumerate()
        .filter(|(_, (enabled, _))| *enabled)
        .filter_map(|(number, (_, nested))| {
            let mut recipient = Recipient::clone(plain.recipient(id(number))?);
            let bypass_nested = *nested && recipient.recipient_type.is_group();
            recipient.moderation = Some(Box::new(Moderation { enabled: true, bypass_nested, ..Moderation::default() }));
            Some(Change::PutRecipient(Box::new(recipient)))
        })
        .collect();
    plain.apply(&changes).unwrap()
}

/// The same directory with some of its recipients closed to everybody but one.
fn closed(plain: &Snapshot, flags: &[bool]) -> Snapshot {
    let change = |(number, closed): (usize, &bool)| {
        let mut recipient = Recipient::clone(plain.recipient(id(number)).filter(|_| *closed)?);
        recipient.restrictions.get_or_insert_default().accept_only_from = vec![id(0)];
        Some(Change::PutRecipient(Box::new(recipient)))
    };
    plain.apply(&flags.iter().enumerate().filter_map(change).collect::<Vec<_>>()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn approving_everything_comes_to_what_would_be_without_moderation(
        people in prop::collection::vec((drawn(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)), 1..10),
        to in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let restricted: Vec<bool> = people.iter().map(|(_, _, _, closed)| *closed).collect();
        let (drawn, flags): (Vec<_>, Vec<_>) =
            people.into_iter().map(|(drawn, enabled, nested, _)| (drawn, (enabled, nested))).unzip();
        let plain = closed(&directory(&drawn), &restricted);
        let waiting_for = moderated(&plain, &flags);
        let origin = Origin::Account(RecipientId(9_999));
        let (settings, now) = (Settings::default(), Timestamp::EPOCH);
        let permits: Vec<Permit> = to
            .iter()
            .filter_map(|to| {
                let path = ForwardPath::Mailbox(address(to.index(drawn.len())));
                admit(&plain, &settings, &Posting::own(), path, DsnRequest::default(), &mut Unrecorded).ok()
            })
            .collect();
        let whole = |snapshot: &Snapshot| {
            let posting = Posting::received(snapshot, origin, &ReversePath::Null, b"", 1);
            expand(snapshot, &settings, &posting, &permits, now, &mut Unrecorded)
        };
        let mut all = whole(&waiting_for);
        let mut asked = BTreeSet::new();
        let mut next = 0;
        // In the order in which they came up; each at most once, so this ends.
        while next < all.len() {
            if let Expanded::Moderated(one) = all[next].clone() {
                prop_assert!(asked.insert(one.waiting.recipient), "asked for twice");
                let below = approved(&waiting_for, origin, &all, &one);
                all.extend(below);
            }
            next += 1;
        }
        prop_assert_eq!(places(&all), places(&whole(&plain)));
        let copies = all.iter().filter(|one| matches!(one, Expanded::Deliver(_))).count();
        prop_assert_eq!(copies, places(&all).len(), "a second copy");
    }
}
