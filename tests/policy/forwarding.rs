//! What a mailbox forwards by itself, and what the organisation lets out (spec sections 5.1 and 5.2).

use franking::model::directory::document::Document;
use franking::model::directory::{Change, Recipient, Snapshot};
use franking::model::mail::{Address, Domain, ReversePath, Timestamp};
use franking::model::policy::forwarding::{Exit, exit, target};
use franking::model::policy::{Expanded, Notify, Origin, Posting, Refusal, Sender, Settings, Unrecorded, expand};
use franking::model::queue::{ReportKind, State, Target};
use franking::model::report::is_kept_back;

use super::paths::{asked, ends, id, organisation};
use crate::dialogues::CLEAR;

/// A mailbox that forwards, and everything it could forward to.
const PLACES: &str = r#"
    [[recipient]]
    type = "SharedMailbox"
    address = "info@contoso.example"
    [[recipient]]
    type = "SharedMailbox"
    address = "kept@contoso.example"
    [[recipient]]
    type = "MailContact"
    address = "contact@contoso.example"
    external = "contact@fabrikam.example"
    [[recipient]]
    type = "MailUser"
    address = "user@contoso.example"
    external = "user@fabrikam.example"
    [[recipient]]
    type = "GuestMailUser"
    address = "guest@contoso.example"
    external = "guest@fabrikam.example"
    [[recipient]]
    type = "MailContact"
    address = "chain@contoso.example"
    external = "contact@contoso.example"
    [[recipient]]
    type = "MailContact"
    address = "ring@contoso.example"
    external = "ring@contoso.example"
    [[recipient]]
    type = "RemoteUserMailbox"
    address = "remote@contoso.example"
    external = "remote@tenant.fabrikam.example"
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "friends@contoso.example"
    members = ["contact@contoso.example"]
"#;

fn changed(snapshot: &Snapshot, document: &str) -> Snapshot {
    let document: Document = toml::from_str(document).unwrap();
    snapshot.apply(&document.plan(snapshot, CLEAR).strict().unwrap()).unwrap()
}

fn forwarding_to(snapshot: &Snapshot, target: &str) -> Snapshot {
    let row = format!("[[recipient]]\naddress = \"info@contoso.example\"\n{target}");
    changed(snapshot, &row)
}

fn exit_of(snapshot: &Snapshot) -> Exit {
    let settings = Settings::default();
    let info = snapshot.recipient(id(snapshot, "info@contoso.example")).unwrap();
    let target = target(snapshot, &settings, info.forwarding.as_deref().unwrap(), &mut Unrecorded).unwrap();
    exit(snapshot, &settings, &target, &mut Unrecorded)
}

#[test]
fn the_policy_is_about_what_a_mailbox_forwards_outside_by_whatever_way() {
    let outside = |address: &str| Some(Address::parse(address).unwrap());
    let rows = [
        ("forward_to_smtp = \"eve@fabrikam.example\"", outside("eve@fabrikam.example")),
        // A foreign address that a contact has is the contact's, and outside all the same.
        ("forward_to_smtp = \"contact@fabrikam.example\"", outside("contact@fabrikam.example")),
        ("forward_to = \"contact@contoso.example\"", outside("contact@fabrikam.example")),
        ("forward_to = \"user@contoso.example\"", outside("user@fabrikam.example")),
        ("forward_to = \"guest@contoso.example\"", outside("guest@fabrikam.example")),
        ("forward_to = \"chain@contoso.example\"", outside("contact@fabrikam.example")),
        ("forward_to_smtp = \"chain+tag@contoso.example\"", outside("contact@fabrikam.example")),
        ("forward_to = \"ring@contoso.example\"", None),
        ("forward_to = \"remote@contoso.example\"", None),
        ("forward_to = \"friends@contoso.example\"", None),
        ("forward_to = \"kept@contoso.example\"", None),
        ("forward_to_smtp = \"kept@contoso.example\"", None),
        ("forward_to_smtp = \"nobody@contoso.example\"", None),
        ("forward_to_smtp = \"someone@hybrid.contoso.example\"", None),
    ];
    for (row, address) in rows {
        for (mode, permits) in [("Automatic", false), ("Off", false), ("On", true)] {
            let ground = changed(&organisation(PLACES), &format!("organisation.auto_forwarding_mode = \"{mode}\""));
            let expected = match &address {
                None => Exit::Inside,
                Some(address) if permits => Exit::Permitted(address.clone()),
                Some(address) => Exit::Forbidden(address.clone()),
            };
            assert_eq!(exit_of(&forwarding_to(&ground, row)), expected, "{row} {mode}");
        }
    }
}

#[test]
fn an_organisation_forbids_it_until_it_says_otherwise() {
    let snapshot = forwarding_to(&organisation(PLACES), "forward_to = \"contact@contoso.example\"");
    let refused = asked(&snapshot, &Sender::Anonymous, "info@contoso.example");
    assert_eq!(refused.unwrap_err(), Refusal::ExternalForwardingBlocked);
    // Writing to the contact, or to a group that it is in, is no forwarding.
    assert!(asked(&snapshot, &Sender::Anonymous, "contact@contoso.example").is_ok());
    let found = ends(&snapshot, id_of_kept(&snapshot), "kept@contoso.example", &["friends@contoso.example"]);
    assert_eq!(found, ["contact@fabrikam.example from kept@contoso.example"]);
}

fn id_of_kept(snapshot: &Snapshot) -> Origin {
    Origin::Account(id(snapshot, "kept@contoso.example"))
}

const REMOTE: &str = r#"
    organisation.auto_forwarding_mode = "On"
    [[remote_domain]]
    domain = "*"
    auto_forward_enabled = false
    [[remote_domain]]
    domain = "*.fabrikam.example"
    [[remote_domain]]
    domain = "a.fabrikam.example"
    auto_forward_enabled = false
    allowed_oof_type = "None"
"#;

#[test]
fn the_most_specific_remote_domain_decides_alone() {
    let snapshot = changed(&organisation(PLACES), REMOTE);
    for (domain, pattern, forwards) in [
        ("adatum.example", "*", false),
        ("fabrikam.example", "*", false),
        ("b.fabrikam.example", "*.fabrikam.example", true),
        ("c.a.fabrikam.example", "*.fabrikam.example", true),
        ("A.Fabrikam.example", "a.fabrikam.example", false),
        ("[192.0.2.1]", "*", false),
    ] {
        let found = snapshot.remote_domain(&Domain::parse(domain).unwrap());
        assert_eq!((found.domain.to_string().as_str(), found.auto_forward_enabled), (pattern, forwards), "{domain}");
        let row = format!("forward_to_smtp = \"x@{domain}\"");
        let address = Address::parse(&format!("x@{domain}")).unwrap();
        let expected = if forwards { Exit::Permitted(address) } else { Exit::Suppressed(address) };
        assert_eq!(exit_of(&forwarding_to(&snapshot, &row)), expected, "{domain}");
    }
    // Without any entry everything is permitted.
    let plain = organisation(PLACES).remote_domain(&Domain::parse("adatum.example").unwrap());
    assert!(plain.auto_forward_enabled && plain.auto_reply_enabled && plain.ndr_enabled);
    assert_eq!((plain.domain.to_string().as_str(), plain.allowed_oof_type.name()), ("*", "External"));
}

#[test]
fn what_a_remote_domain_takes_no_part_of_is_dropped_and_the_kept_copy_stays() {
    let ground = changed(&organisation(PLACES), REMOTE);
    let away = "x@adatum.example dropped: AutoForward";
    for (keep, expected) in [(false, vec![away]), (true, vec!["mailbox info@contoso.example", away])] {
        let row = format!("forward_to_smtp = \"x@adatum.example\"\nkeep_copy = {keep}");
        let snapshot = forwarding_to(&ground, &row);
        // It is accepted from strangers, too: they hear of nothing.
        assert!(asked(&snapshot, &Sender::Anonymous, "info@contoso.example").is_ok());
        let found = ends(&snapshot, id_of_kept(&snapshot), "kept@contoso.example", &["info@contoso.example"]);
        assert_eq!(found, expected);
    }
    // The policy is judged first, so that the sender hears of it.
    let forbidding = changed(&ground, "organisation.auto_forwarding_mode = \"Automatic\"");
    let snapshot = forwarding_to(&forbidding, "forward_to_smtp = \"x@adatum.example\"");
    assert!(matches!(exit_of(&snapshot), Exit::Forbidden(_)));
    // And mail that nobody forwards is none of its business.
    let found = ends(&ground, id_of_kept(&ground), "kept@contoso.example", &["x@adatum.example"]);
    assert_eq!(found, ["x@adatum.example from kept@contoso.example"]);
}

#[test]
fn a_dropped_copy_is_settled_with_an_answer_for_the_trace_and_no_report() {
    let ground = changed(&organisation(PLACES), REMOTE);
    let snapshot = forwarding_to(&ground, "forward_to_smtp = \"x@adatum.example\"");
    let settings = Settings::default();
    let permit = asked(&snapshot, &Sender::System, "info@contoso.example").unwrap();
    let sender = ReversePath::Mailbox(Address::parse("kept@contoso.example").unwrap());
    let (origin, now) = (id_of_kept(&snapshot), Timestamp::EPOCH);
    let posting = Posting::received(&snapshot, origin, &sender, b"", 1);
    let found = expand(&snapshot, &settings, &posting, &[permit], now, &mut Unrecorded);
    let targets: Vec<Target> = found.into_iter().map(|end| Target::of(end, &snapshot, &settings, now)).collect();
    let [target] = targets.as_slice() else { panic!("{targets:?}") };
    assert_eq!((target.state, target.owes(), target.is_settled()), (State::Removed, None, true));
    assert_eq!(target.addressee.address.to_string(), "x@adatum.example");
    let reply = target.last.as_ref().unwrap().reply.to_string();
    assert_eq!(reply, "250 2.1.5 RESOLVER.MSGTYPE.AF; handled AutoForward addressed to external recipient");
}

#[test]
fn remote_domains_keep_reports_back_and_only_from_readers_outside() {
    let row = "[[remote_domain]]\ndomain = \"*\"\nndr_enabled = false\n\
               [[remote_domain]]\ndomain = \"fabrikam.example\"\ndelivery_report_enabled = false\n";
    let snapshot = changed(&organisation(PLACES), row);
    let kept_back = |kind, to: &str| is_kept_back(kind, &snapshot, &Address::parse(to).unwrap());
    for (kind, adatum, fabrikam) in [
        (ReportKind::Failed, true, false),
        (ReportKind::Delayed, true, false),
        (ReportKind::Delivered, false, true),
        (ReportKind::Relayed, false, true),
    ] {
        assert_eq!(kept_back(kind, "eve@adatum.example"), adatum, "{kind:?}");
        assert_eq!(kept_back(kind, "eve@fabrikam.example"), fabrikam, "{kind:?}");
        assert!(!kept_back(kind, "info@contoso.example"), "{kind:?}");
        assert!(!is_kept_back(kind, &organisation(PLACES), &Address::parse("eve@adatum.example").unwrap()));
    }
}

/// What a message comes to: where it ends, what is refused, and whether anybody hears of that.
fn outcome(snapshot: &Snapshot, origin: Origin, path: &str, to: &str) -> Vec<String> {
    let reverse_path = ReversePath::Mailbox(Address::parse(path).unwrap());
    let sender = match origin {
        Origin::Anonymous => Sender::Anonymous,
        Origin::Account(_) | Origin::System | Origin::Connector { .. } => Sender::System,
    };
    let permit = asked(snapshot, &sender, to).unwrap();
    let posting = Posting::announced(snapshot, origin, &reverse_path, 0);
    let now = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
    let found = expand(snapshot, &Settings::default(), &posting, &[permit], now, &mut Unrecorded);
    let mut words: Vec<String> = found
        .into_iter()
        .map(|end| match end {
            Expanded::Deliver(copy) => format!("{:?}", copy.to).split(['(', ' ']).next().unwrap().to_owned(),
            Expanded::Refused { address, refusal, passage } => {
                let heard = if passage.dsn.notify == Notify::Never { "unheard" } else { "reported" };
                format!("{address} {:?} {heard}", *refusal)
            }
            Expanded::Dropped { address, .. } => format!("{address} dropped"),
            Expanded::Moderated(_) => "waits".to_owned(),
        })
        .collect();
    words.sort_unstable();
    words
}

#[test]
fn a_group_is_no_way_around_the_policy() {
    let members = "[[recipient]]\naddress = \"friends@contoso.example\"\nrequire_sender_authentication = false\n\
        members = [\"contact@contoso.example\", \"chain@contoso.example\", \"kept@contoso.example\"]";
    let ground = changed(&organisation(PLACES), members);
    let forwards =
        |keep: bool| forwarding_to(&ground, &format!("forward_to = \"friends@contoso.example\"\nkeep_copy = {keep}"));
    let told =
        |snapshot: &Snapshot| outcome(snapshot, id_of_kept(snapshot), "kept@contoso.example", "info@contoso.example");
    let blocked = |who: &str, heard: &str| format!("{who}@contoso.example ExternalForwardingBlocked {heard}");
    let refused = |heard| vec![blocked("chain", heard), blocked("contact", heard)];
    let with = |copies: usize, heard| [vec!["Mailbox".to_owned(); copies], refused(heard)].concat();
    // Who is inside gets it; the account hears of the others, whatever is kept.
    assert_eq!(told(&forwards(false)), with(1, "reported"));
    assert_eq!(told(&forwards(true)), with(2, "reported"));
    let stranger =
        |snapshot: &Snapshot| outcome(snapshot, Origin::Anonymous, "eve@adatum.example", "info@contoso.example");
    // The stranger does not: somebody has what it wrote.
    assert_eq!(stranger(&forwards(false)), with(1, "unheard"));
    assert_eq!(stranger(&forwards(true)), with(2, "unheard"));
    // Permitted, they leave, unless the remote domain drops what is forwarded; and who writes to the group is not held.
    let on = changed(&forwards(true), "organisation.auto_forwarding_mode = \"On\"");
    assert_eq!(told(&on), ["Mailbox", "Mailbox", "Relay"]);
    let dropping = changed(&on, "[[remote_domain]]\ndomain = \"fabrikam.example\"\nauto_forward_enabled = false");
    let dropped = "contact@fabrikam.example dropped";
    assert_eq!(told(&dropping), ["Mailbox", "Mailbox", dropped, dropped]);
    let direct = forwards(true);
    assert_eq!(
        outcome(&direct, Origin::Anonymous, "eve@adatum.example", "friends@contoso.example"),
        ["Mailbox", "Relay"]
    );
}

#[test]
fn a_group_that_refuses_the_sender_is_no_direct_way_to_those_within() {
    let ground = changed(
        &organisation(PLACES),
        "[[recipient]]\naddress = \"friends@contoso.example\"\nmembers = [\"contact@contoso.example\"]\n\
         [[recipient]]\ntype = \"MailUniversalDistributionGroup\"\naddress = \"board@contoso.example\"\n\
         members = [\"friends@contoso.example\"]\n\
         [[recipient]]\ntype = \"MailUniversalDistributionGroup\"\naddress = \"hall@contoso.example\"\n\
         members = [\"board@contoso.example\", \"info@contoso.example\"]",
    );
    let open = forwarding_to(&ground, "forward_to = \"friends@contoso.example\"");
    let told =
        |snapshot: &Snapshot| outcome(snapshot, id_of_kept(snapshot), "kept@contoso.example", "hall@contoso.example");
    assert_eq!(told(&open), ["Relay"]);
    let mut board = Recipient::clone(open.recipient(id(&open, "board@contoso.example")).unwrap());
    board.restrictions.get_or_insert_default().accept_only_from = vec![id(&open, "info@contoso.example")];
    let closed = open.apply(&[Change::PutRecipient(Box::new(board))]).unwrap();
    let blocked = "contact@contoso.example ExternalForwardingBlocked reported";
    assert_eq!(told(&closed), ["board@contoso.example RestrictedToGroupPermission reported", blocked]);
}

#[test]
fn a_stranger_hears_nothing_of_forwarding_when_the_mailbox_has_the_message() {
    let snapshot =
        forwarding_to(&organisation(PLACES), "forward_to_smtp = \"partner@fabrikam.example\"\nkeep_copy = true");
    let blocked =
        |heard: &str| vec!["Mailbox".to_owned(), format!("info@contoso.example ExternalForwardingBlocked {heard}")];
    let stranger = outcome(&snapshot, Origin::Anonymous, "eve@adatum.example", "info@contoso.example");
    assert_eq!(stranger, blocked("unheard"));
    let account = id_of_kept(&snapshot);
    assert_eq!(outcome(&snapshot, account, "kept@contoso.example", "info@contoso.example"), blocked("reported"));
    // Further down the chain it is the same: somebody has the message.
    let row = "[[recipient]]\naddress = \"kept@contoso.example\"\nforward_to = \"info@contoso.example\"\nkeep_copy = true\n\
        [[recipient]]\naddress = \"info@contoso.example\"\nkeep_copy = false";
    let chain = changed(&snapshot, row);
    let stranger = outcome(&chain, Origin::Anonymous, "eve@adatum.example", "kept@contoso.example");
    assert_eq!(stranger, blocked("unheard"));
}

#[test]
fn a_stranger_hears_once_of_a_mailbox_whose_mail_reaches_nobody_and_of_nobody_behind_it() {
    let members = "[[recipient]]\naddress = \"friends@contoso.example\"\nrequire_sender_authentication = false\n\
        members = [\"contact@contoso.example\", \"chain@contoso.example\", \"guest@contoso.example\"]";
    let snapshot = forwarding_to(&changed(&organisation(PLACES), members), "forward_to = \"friends@contoso.example\"");
    let blocked = |who: &str, heard: &str| format!("{who}@contoso.example ExternalForwardingBlocked {heard}");
    let hidden = ["chain", "contact", "guest"].map(|who| blocked(who, "unheard"));
    let stranger = |snapshot: &Snapshot, to: &str| outcome(snapshot, Origin::Anonymous, "eve@adatum.example", to);
    let told = [hidden.to_vec(), vec![blocked("info", "reported")]].concat();
    assert_eq!(stranger(&snapshot, "info@contoso.example"), told);
    // The account hears of each.
    let account = outcome(&snapshot, id_of_kept(&snapshot), "kept@contoso.example", "info@contoso.example");
    assert_eq!(account, ["chain", "contact", "guest"].map(|who| blocked(who, "reported")));
    // Behind another mailbox that keeps nothing either, the stranger hears of that one.
    let row = "[[recipient]]\naddress = \"kept@contoso.example\"\nforward_to = \"info@contoso.example\"";
    let chain = changed(&snapshot, row);
    let told = [hidden.to_vec(), vec![blocked("kept", "reported")]].concat();
    assert_eq!(stranger(&chain, "kept@contoso.example"), told);
    // And so it does where the second one forwards outside itself.
    let direct = forwarding_to(&chain, "forward_to = \"\"\nforward_to_smtp = \"eve@fabrikam.example\"");
    let told = [blocked("info", "unheard"), blocked("kept", "reported")];
    assert_eq!(stranger(&direct, "kept@contoso.example"), told);
}

/// The copies that a message comes to, and what its sender hears of each.
fn heard(snapshot: &Snapshot, origin: Origin, to: &[&str]) -> Vec<String> {
    let reverse_path = ReversePath::Mailbox(Address::parse("eve@adatum.example").unwrap());
    let permits: Vec<_> = to.iter().map(|to| asked(snapshot, &Sender::System, to).unwrap()).collect();
    let posting = Posting::announced(snapshot, origin, &reverse_path, 0);
    let (settings, now) = (Settings::default(), Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap());
    let found = expand(snapshot, &settings, &posting, &permits, now, &mut Unrecorded);
    let mut words: Vec<String> = found
        .into_iter()
        .map(|end| {
            let target = Target::of(end, snapshot, &settings, now);
            format!("{} {:?}", target.addressee.address, target.addressee.dsn.notify)
        })
        .collect();
    words.sort_unstable();
    words
}

#[test]
fn of_the_copy_that_is_sent_on_a_stranger_hears_nothing_whatever_becomes_of_it() {
    let ground = changed(&organisation(PLACES), "organisation.auto_forwarding_mode = \"On\"");
    let forwards =
        |to: &str| forwarding_to(&ground, &format!("forward_to = \"{to}@contoso.example\"\nkeep_copy = true"));
    let info = "info@contoso.example";
    let stranger = |snapshot: &Snapshot, to: &[&str]| heard(snapshot, Origin::Anonymous, to);
    // It may leave, and would fail there; the group is closed to strangers; the mailbox may be full.
    let told = ["contact@fabrikam.example Never", "info@contoso.example Unspecified"];
    assert_eq!(stranger(&forwards("contact"), &[info]), told);
    let told = ["friends@contoso.example Never", "info@contoso.example Unspecified"];
    assert_eq!(stranger(&forwards("friends"), &[info]), told);
    let told = ["info@contoso.example Unspecified", "kept@contoso.example Never"];
    assert_eq!(stranger(&forwards("kept"), &[info]), told);
    // An account hears of everything.
    let account = id_of_kept(&ground);
    let told = ["info@contoso.example Unspecified", "kept@contoso.example Unspecified"];
    assert_eq!(heard(&forwards("kept"), account, &[info]), told);
    // And the stranger of whatever it wrote to itself, in any order, or through a group.
    let kept = "kept@contoso.example";
    let outer = "[[recipient]]\ntype = \"MailUniversalDistributionGroup\"\naddress = \"outer@contoso.example\"\n\
        require_sender_authentication = false\nmembers = [\"kept@contoso.example\", \"contact@contoso.example\"]";
    for to in [[info, kept], [kept, info]] {
        assert_eq!(stranger(&forwards("kept"), &to), told);
    }
    let contact = "contact@contoso.example";
    let out = ["contact@fabrikam.example Unspecified", "info@contoso.example Unspecified"];
    for to in [[info, contact], [contact, info]] {
        assert_eq!(stranger(&forwards("contact"), &to), out);
    }
    let outer_too = changed(&forwards("kept"), outer);
    let outer = "outer@contoso.example";
    for to in [[info, outer], [outer, info]] {
        assert_eq!(stranger(&outer_too, &to), [out[0], told[0], told[1]]);
    }
}

#[test]
fn an_owner_hears_of_failures_below_its_group_of_which_a_stranger_does_not() {
    let group = "[[recipient]]\naddress = \"friends@contoso.example\"\nrequire_sender_authentication = false\n\
        report_to_originator = false\nreport_to_manager = true\nowners = [\"kept@contoso.example\"]";
    let ground = changed(&organisation(PLACES), group);
    let snapshot = forwarding_to(&ground, "forward_to = \"friends@contoso.example\"\nkeep_copy = true");
    let told = outcome(&snapshot, Origin::Anonymous, "eve@adatum.example", "info@contoso.example");
    assert_eq!(told, ["Mailbox", "contact@contoso.example ExternalForwardingBlocked reported"]);
}

#[test]
fn who_writes_to_a_group_itself_reaches_its_members_whatever_forwards_to_it_before() {
    let inner = "[[recipient]]\ntype = \"MailUniversalDistributionGroup\"\naddress = \"outer@contoso.example\"\n\
        members = [\"friends@contoso.example\"]";
    let ground = changed(&organisation(PLACES), inner);
    let snapshot = forwarding_to(&ground, "forward_to = \"friends@contoso.example\"\nkeep_copy = true");
    for group in ["friends", "outer"] {
        let group = format!("{group}@contoso.example");
        for to in [["info@contoso.example", group.as_str()], [group.as_str(), "info@contoso.example"]] {
            let found = ends(&snapshot, id_of_kept(&snapshot), "kept@contoso.example", &to);
            let leaves = found.iter().filter(|end| end.starts_with("contact@fabrikam.example from")).count();
            assert_eq!((leaves, found.len()), (1, 2), "{found:?}");
        }
    }
}

#[test]
fn who_writes_to_a_microsoft_365_group_itself_reaches_its_guests_whatever_forwards_to_it_before() {
    let team = "[[recipient]]\ntype = \"GroupMailbox\"\naddress = \"team@contoso.example\"\n\
        members = [\"contact@contoso.example\"]\nsubscribers = [\"contact@contoso.example\"]";
    let ground = changed(&organisation(PLACES), team);
    let snapshot = forwarding_to(&ground, "forward_to = \"team@contoso.example\"\nkeep_copy = true");
    let ends_of = |to: &[&str]| ends(&snapshot, id_of_kept(&snapshot), "kept@contoso.example", to);
    for to in [["info@contoso.example", "team@contoso.example"], ["team@contoso.example", "info@contoso.example"]] {
        let found = ends_of(&to);
        let leaves = found.iter().filter(|end| end.starts_with("contact@fabrikam.example from")).count();
        assert_eq!((leaves, found.len()), (1, 3), "{found:?}");
    }
    // What a mailbox forwards to it stays with its members.
    let forwarded = ends_of(&["info@contoso.example"]);
    assert!(!forwarded.iter().any(|end| end.starts_with("contact@fabrikam.example from")), "{forwarded:?}");
}
