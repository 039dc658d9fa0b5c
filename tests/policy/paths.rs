//! Where mail goes in directories whose shape is easy to get wrong: shared domains, foreign contacts, groups that send
//! back what they get, the postmaster.

use franking::model::directory::document::Document;
use franking::model::directory::{Change, RecipientId, Snapshot};
use franking::model::mail::{Address, Domain, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::settings::SrsKey;
use franking::model::policy::{
    BodyKind, Destination, DsnRequest, Envelope, Expanded, MessageParameters, Origin, Permit, Posting, Refusal,
    Resolution, Route, Sender, Settings, SubmitAs, Unrecorded, admit, expand, resolve, srs, submit_as,
};

use crate::dialogues::CLEAR;

const DOMAINS: &str = r#"
    [[domain]]
    domain = "contoso.example"
    default = true
    [[domain]]
    domain = "hybrid.contoso.example"
    type = "InternalRelay"
    next_host = "old.contoso.example"
"#;

pub(super) fn organisation(recipients: &str) -> Snapshot {
    let document: Document = toml::from_str(&format!("{DOMAINS}{recipients}")).unwrap();
    let changes = document.plan(&Snapshot::default(), CLEAR).strict().unwrap();
    Snapshot::default().apply(&changes).unwrap()
}

fn settings() -> Settings {
    Settings { srs_keys: vec![SrsKey([7; 32])], ..Settings::default() }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(super) fn id(snapshot: &Snapshot, text: &str) -> RecipientId {
    snapshot.find_by_address(&address(text)).unwrap().id
}

pub(super) fn asked(snapshot: &Snapshot, sender: &Sender, path: &str) -> Result<Permit, Refusal> {
    let path = ForwardPath::Mailbox(address(path));
    let posting = Posting::announced(snapshot, sender.origin(), &ReversePath::Null, 0);
    admit(snapshot, &settings(), &posting, path, DsnRequest::default(), &mut Unrecorded)
}

/// How a message of `sender` to `paths` ends, one line for each end.
pub(super) fn ends(snapshot: &Snapshot, origin: Origin, sender: &str, paths: &[&str]) -> Vec<String> {
    let permits: Vec<Permit> = paths.iter().map(|path| asked(snapshot, &Sender::System, path).unwrap()).collect();
    let sender = if sender.is_empty() { ReversePath::Null } else { ReversePath::Mailbox(address(sender)) };
    let now = Timestamp::EPOCH;
    let posting = Posting::received(snapshot, origin, &sender, b"", 1);
    let found = expand(snapshot, &settings(), &posting, &permits, now, &mut Unrecorded);
    found
        .into_iter()
        .map(|end| match end {
            Expanded::Deliver(copy) => match &copy.to {
                Destination::Mailbox(id) => format!("mailbox {}", snapshot.recipient(*id).unwrap().primary()),
                Destination::PostmasterMailbox => "postmaster".to_owned(),
                Destination::Relay { address, route: Route::Domain } => {
                    format!("{address} from {}", copy.reverse_path)
                }
                Destination::Relay { address, route: Route::NextHost(host) } => {
                    format!("{address} at {host} from {}", copy.reverse_path)
                }
            },
            Expanded::Refused { passage, refusal, .. } => format!("{}: {refusal:?}", passage.path),
            Expanded::Dropped { address, why, .. } => format!("{address} dropped: {why:?}"),
            Expanded::Moderated(moderated) => format!("{} waits", moderated.address),
        })
        .collect()
}

const FOREIGN_CONTACT: &str = r#"
    [[recipient]]
    type = "MailContact"
    address = "partner@fabrikam.example"
    external = "partner@fabrikam.example"
    send_as = ["alice@contoso.example"]
    [[recipient]]
    type = "UserMailbox"
    address = "alice@contoso.example"
    licences = ["ExchangeOnlinePlan1"]
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "friends@contoso.example"
    require_sender_authentication = false
    members = ["partner@fabrikam.example"]
"#;

#[test]
fn a_foreign_contact_opens_no_relay_and_speaks_for_nobody() {
    let snapshot = organisation(FOREIGN_CONTACT);
    for path in ["partner@fabrikam.example", "partner+x@fabrikam.example"] {
        assert_eq!(asked(&snapshot, &Sender::Anonymous, path).err(), Some(Refusal::RelayRefused), "{path}");
    }
    let alice = id(&snapshot, "alice@contoso.example");
    let verdict = submit_as(&snapshot, &settings(), alice, &address("partner@fabrikam.example"), &mut Unrecorded);
    assert_eq!(verdict, SubmitAs::Denied);
}

#[test]
fn the_tag_of_a_foreign_address_stays() {
    let snapshot = organisation(FOREIGN_CONTACT);
    let found =
        resolve(&snapshot, &settings(), &ForwardPath::Mailbox(address("partner+x@fabrikam.example")), &mut Unrecorded);
    assert_eq!(found, Resolution::Foreign(address("partner+x@fabrikam.example")));
}

#[test]
fn postmaster_and_abuse_with_a_tag_reach_whom_they_reach_without_it() {
    let found = |snapshot: &Snapshot, path: &str| {
        resolve(snapshot, &settings(), &ForwardPath::Mailbox(address(path)), &mut Unrecorded)
    };
    let nobody = organisation("");
    for path in ["postmaster+x@contoso.example", "Abuse+1@contoso.example"] {
        assert_eq!(found(&nobody, path), Resolution::PostmasterMailbox, "{path}");
    }
    assert_eq!(found(&nobody, "sales+x@contoso.example"), Resolution::Unknown(address("sales+x@contoso.example")));
    let someone = organisation(
        "[[recipient]]\ntype = \"SharedMailbox\"\naddress = \"desk@contoso.example\"\n\
         aliases = [\"abuse@contoso.example\"]\n",
    );
    let desk = Resolution::Mailbox(id(&someone, "desk@contoso.example"));
    assert_eq!(found(&someone, "abuse+x@contoso.example"), desk);
    let plain = organisation("[organisation]\ndisable_plus_address_in_recipients = true\n");
    assert_eq!(found(&plain, "abuse+x@contoso.example"), Resolution::Unknown(address("abuse+x@contoso.example")));
}

#[test]
fn our_own_senders_leave_under_their_own_address_and_foreign_ones_under_ours() {
    let snapshot = organisation(FOREIGN_CONTACT);
    let alice = Origin::Account(id(&snapshot, "alice@contoso.example"));
    let direct = ends(&snapshot, alice, "alice@contoso.example", &["partner@fabrikam.example"]);
    assert_eq!(direct, ["partner@fabrikam.example from alice@contoso.example"]);
    let passed_on = ends(&snapshot, Origin::Anonymous, "eve@adatum.example", &["friends@contoso.example"]);
    assert!(passed_on[0].starts_with("partner@fabrikam.example from friends+SRS="), "{passed_on:?}");
    assert!(passed_on[0].ends_with("@contoso.example"), "{passed_on:?}");
}

#[test]
fn a_report_to_a_rewritten_sender_of_ours_comes_home() {
    let snapshot = organisation(FOREIGN_CONTACT);
    let sender = ReversePath::Mailbox(address("alice@contoso.example"));
    let forwarder = address("x@hybrid.contoso.example");
    let keys = settings().srs_keys;
    let ReversePath::Mailbox(rewritten) = srs::rewrite(&keys, &forwarder, None, &sender, Timestamp::EPOCH) else {
        panic!("a mailbox stays a mailbox");
    };
    let found = ends(&snapshot, Origin::Anonymous, "eve@adatum.example", &[&rewritten.to_string()]);
    assert_eq!(found, ["mailbox alice@contoso.example"]);
}

#[test]
fn a_rewritten_sender_that_has_expired_is_nobody_and_one_of_a_foreign_key_never_was() {
    let snapshot = organisation(FOREIGN_CONTACT);
    let sender = ReversePath::Mailbox(address("bob@fabrikam.example"));
    let forwarder = address("x@hybrid.contoso.example");
    let rewritten = |keys: &[SrsKey], made: Timestamp| match srs::rewrite(keys, &forwarder, None, &sender, made) {
        ReversePath::Mailbox(address) => address.to_string(),
        ReversePath::Null => panic!("a mailbox stays a mailbox"),
    };
    let keys = settings().srs_keys;
    let back = |to: &str| ends(&snapshot, Origin::Anonymous, "", &[to]);
    let fresh = back(&rewritten(&keys, Timestamp::EPOCH));
    assert!(fresh.len() == 1 && fresh[0].starts_with("bob@fabrikam.example from "), "{fresh:?}");
    // Stamps of days go round, so a day of the future is one long past.
    let expired = back(&rewritten(&keys, Timestamp::EPOCH.plus(core::time::Duration::from_secs(500 * 86_400))));
    assert!(expired.len() == 1 && expired[0].contains("RecipientNotFound"), "{expired:?}");
    let foreign = back(&rewritten(&[SrsKey([9; 32])], Timestamp::EPOCH));
    assert!(!foreign.iter().any(|end| end.contains("fabrikam") && !end.contains("SRS")), "{foreign:?}");
}

#[test]
fn a_report_about_a_sender_too_long_to_be_carried_along_reaches_the_postmaster() {
    let snapshot = organisation(FOREIGN_CONTACT);
    let sender = format!("{}@fabrikam.example", "x".repeat(60));
    let found = ends(&snapshot, Origin::Anonymous, &sender, &["friends@contoso.example"]);
    let bounces = found[0].rsplit_once(" from ").unwrap().1.to_owned();
    assert!(bounces.starts_with("bounces+SRS=") && bounces.ends_with("@contoso.example"), "{found:?}");
    assert_eq!(ends(&snapshot, Origin::Anonymous, "", &[&bounces]), ["postmaster"]);
    assert!(asked(&snapshot, &Sender::Anonymous, &bounces).is_ok());
    let forged = bounces.replace("+SRS=", "+SRS=Q");
    assert_eq!(asked(&snapshot, &Sender::Anonymous, &forged).unwrap_err(), Refusal::UnknownRecipientInbound);
}

/// Spec section 5.5, row 2a: whoever has the name in the old system gets the mail, and a report names what is missing.
#[test]
fn a_legacy_name_that_nobody_has_is_reported_with_a_word_of_its_own() {
    let snapshot = organisation(
        "[[recipient]]\ntype = \"SharedMailbox\"\naddress = \"info@contoso.example\"\n\
         aliases = [\"X500:/o=Contoso/cn=info\"]\n",
    );
    let (known, gone) = ("IMCEAEX-_o=Contoso_cn=INFO@contoso.example", "IMCEAEX-_o=Contoso_cn=gone@contoso.example");
    let found = ends(&snapshot, Origin::System, "alice@contoso.example", &[known, gone]);
    assert_eq!(found, ["mailbox info@contoso.example".to_owned(), format!("{gone}: ExRecipientNotFound")]);
    assert_eq!(asked(&snapshot, &Sender::Anonymous, gone).unwrap_err(), Refusal::ExRecipientNotFound);
    // In a relayed domain the next host may know it; a foreign one is none of ours.
    let relayed = ends(&snapshot, Origin::System, "", &["IMCEAEX-_o=Contoso_cn=gone@old.contoso.example"]);
    assert!(relayed[0].contains(" from ") && !relayed[0].contains("ExRecipient"), "{relayed:?}");
    let foreign = asked(&snapshot, &Sender::Anonymous, "IMCEAEX-_o=Contoso_cn=info@fabrikam.example");
    assert_eq!(foreign.unwrap_err(), Refusal::RelayRefused);
}

#[test]
fn a_remote_mailbox_is_reached_through_the_domain_it_shares_with_the_other_system() {
    let snapshot = organisation(
        r#"
        [[recipient]]
        type = "RemoteUserMailbox"
        address = "bob@contoso.example"
        aliases = ["bob@hybrid.contoso.example"]
        external = "bob@hybrid.contoso.example"
        [[recipient]]
        type = "RemoteUserMailbox"
        address = "loop@contoso.example"
        external = "loop@contoso.example"
        "#,
    );
    for path in ["bob@contoso.example", "bob@hybrid.contoso.example"] {
        let found = ends(&snapshot, Origin::Anonymous, "eve@adatum.example", &[path]);
        // The other half of the organisation sees who really sent it.
        assert_eq!(found, ["bob@hybrid.contoso.example at old.contoso.example from eve@adatum.example"], "{path}");
    }
    let found = ends(&snapshot, Origin::Anonymous, "eve@adatum.example", &["loop@contoso.example"]);
    assert_eq!(found, ["loop@contoso.example: ForwardingLoop"]);
}

const RING: &str = r#"
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "info@contoso.example"
    require_sender_authentication = false
    members = ["sales@contoso.example"]
    [[recipient]]
    type = "SharedMailbox"
    address = "sales@contoso.example"
    forward_to = "info@contoso.example"
    [[recipient]]
    type = "SharedMailbox"
    address = "quiet@contoso.example"
    forward_to = "staff@contoso.example"
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "staff@contoso.example"
    aliases = ["postmaster@contoso.example"]
    members = []
"#;

#[test]
fn a_group_whose_only_member_sends_it_back_is_reported() {
    let snapshot = organisation(RING);
    let system = |paths: &[&str]| ends(&snapshot, Origin::System, "eve@adatum.example", paths);
    assert_eq!(system(&["info@contoso.example"]), ["info@contoso.example: ForwardingLoop"]);
    assert_eq!(
        system(&["info@contoso.example", "sales@contoso.example"]),
        ["info@contoso.example: ForwardingLoop", "sales@contoso.example: ForwardingLoop"]
    );
}

#[test]
fn who_forwards_to_an_empty_group_is_reported_and_an_empty_group_is_not() {
    let snapshot = organisation(RING);
    let system = |paths: &[&str]| ends(&snapshot, Origin::System, "eve@adatum.example", paths);
    let [one] = system(&["quiet@contoso.example"]).try_into().unwrap();
    assert!(one.starts_with("quiet@contoso.example: RecipientNotFound"), "{one}");
    assert!(system(&["staff@contoso.example"]).is_empty());
}

#[test]
fn the_postmaster_reaches_someone_whoever_holds_the_address() {
    // A group that strangers may not write to and that has no members.
    let snapshot = organisation(RING);
    let permit = asked(&snapshot, &Sender::Anonymous, "PostMaster@contoso.example").unwrap();
    assert_eq!(*permit.resolution(), Resolution::PostmasterMailbox);
    for origin in [Origin::Anonymous, Origin::System] {
        let found = ends(&snapshot, origin, "eve@adatum.example", &["postmaster@contoso.example"]);
        assert_eq!(found, ["postmaster"]);
    }
    let stranger = asked(&snapshot, &Sender::Anonymous, "staff@contoso.example");
    assert_eq!(stranger.err(), Some(Refusal::SenderNotAuthenticatedForGroup));
}

const DYNAMIC: &str = r#"
    [[recipient]]
    type = "DynamicDistributionGroup"
    address = "staff@contoso.example"
    recipient_filter = "RecipientTypeDetails -eq 'UserMailbox'"
    [[recipient]]
    type = "UserMailbox"
    address = "alice@contoso.example"
    licences = ["ExchangeOnlinePlan1"]
    [[recipient]]
    type = "UserMailbox"
    address = "dora@contoso.example"
    lifecycle = "Disconnected"
    since = "2026-01-05T09:00:00Z"
    send_as = ["alice@contoso.example"]
    [[recipient]]
    type = "SharedMailbox"
    address = "info@contoso.example"
    reject_from = ["staff@contoso.example"]
"#;

#[test]
fn a_dynamic_group_means_those_who_can_receive() {
    let snapshot = organisation(DYNAMIC);
    let found = ends(&snapshot, Origin::System, "eve@adatum.example", &["staff@contoso.example"]);
    assert_eq!(found, ["mailbox alice@contoso.example"]);
}

#[test]
fn a_reject_list_knows_the_members_of_a_dynamic_group() {
    let snapshot = organisation(DYNAMIC);
    let alice = Origin::Account(id(&snapshot, "alice@contoso.example"));
    let found = ends(&snapshot, alice, "alice@contoso.example", &["info@contoso.example"]);
    assert_eq!(found, ["info@contoso.example: NotAuthorized"]);
}

#[test]
fn nobody_sends_as_a_mailbox_that_is_gone() {
    let snapshot = organisation(DYNAMIC);
    let alice = id(&snapshot, "alice@contoso.example");
    assert_eq!(
        submit_as(&snapshot, &settings(), alice, &address("dora@contoso.example"), &mut Unrecorded),
        SubmitAs::Denied
    );
}

#[test]
fn who_leaves_a_microsoft_365_group_gets_no_more_copies() {
    let snapshot = organisation(
        r#"
        [[recipient]]
        type = "GroupMailbox"
        address = "project@contoso.example"
        [[recipient]]
        type = "UserMailbox"
        address = "alice@contoso.example"
        licences = ["ExchangeOnlinePlan1"]
        "#,
    );
    let (group, alice) = (id(&snapshot, "project@contoso.example"), id(&snapshot, "alice@contoso.example"));
    let mut snapshot = snapshot.apply(&[Change::AddMembers { group, members: vec![alice] }]).unwrap();
    let mut project = snapshot.recipient(group).unwrap().as_ref().clone();
    project.group.as_mut().unwrap().subscribers = vec![alice];
    snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(project))]).unwrap();
    let get = |snapshot: &Snapshot| ends(snapshot, Origin::System, "eve@adatum.example", &["project@contoso.example"]);
    assert_eq!(get(&snapshot), ["mailbox project@contoso.example", "mailbox alice@contoso.example"]);
    let left = snapshot.apply(&[Change::RemoveMembers { group, members: vec![alice] }]).unwrap();
    assert_eq!(get(&left), ["mailbox project@contoso.example"]);
    assert!(left.referrers(alice).is_empty());
}

#[test]
fn a_nearer_domain_hides_no_match_above_it() {
    let document: Document = toml::from_str(
        r#"
        [[domain]]
        domain = "contoso.example"
        match_subdomains = true
        [[domain]]
        domain = "b.contoso.example"
        "#,
    )
    .unwrap();
    let changes = document.plan(&Snapshot::default(), CLEAR).strict().unwrap();
    let snapshot = Snapshot::default().apply(&changes).unwrap();
    let accepted = |name: &str| {
        let domain: Domain = name.parse().unwrap();
        snapshot.accepted_domain(&domain).map(|found| found.domain.to_string())
    };
    assert_eq!(accepted("a.b.contoso.example").as_deref(), Some("contoso.example"));
    assert_eq!(accepted("b.contoso.example").as_deref(), Some("b.contoso.example"));
    assert_eq!(accepted("acontoso.example"), None);
}

#[test]
fn a_report_asks_for_what_its_octets_need() {
    let snapshot = organisation("");
    let reader = address("eve@adatum.example");
    for (content, body, smtputf8) in [
        ("To: x\r\n\r\nplain\r\n", BodyKind::SevenBit, false),
        ("To: x\r\n\r\nna\u{ef}ve\r\n", BodyKind::EightBitMime, false),
        ("To: \u{fc}\r\n\r\nplain\r\n", BodyKind::EightBitMime, true),
    ] {
        let parameters = MessageParameters::needed_by(content.as_bytes(), &reader);
        let envelope = Envelope::report(&snapshot, &settings(), &reader, parameters).unwrap();
        assert_eq!((envelope.parameters().body, envelope.parameters().smtputf8), (body, smtputf8), "{content:?}");
    }
    let nobody = Envelope::report(&snapshot, &settings(), &address("x@contoso.example"), MessageParameters::default());
    assert_eq!(nobody, None);
}

#[test]
fn forwarding_follows_the_table_row_by_row() {
    // Spec section 5.1: ForwardingAddress, ForwardingSmtpAddress, DeliverToMailboxAndForward.
    let (kept, to_alice, away) = ("mailbox info@contoso.example", "mailbox alice@contoso.example", "x@adatum.example");
    for (object, smtp, keep, expected) in [
        (false, false, false, vec![kept]),
        (false, false, true, vec![kept]),
        (true, false, false, vec![to_alice]),
        (true, false, true, vec![kept, to_alice]),
        (false, true, false, vec![away]),
        (false, true, true, vec![kept, away]),
        (true, true, false, vec![to_alice]),
        (true, true, true, vec![kept, to_alice]),
    ] {
        let object = if object { "forward_to = \"alice@contoso.example\"" } else { "" };
        let smtp = if smtp { "forward_to_smtp = \"x@adatum.example\"" } else { "" };
        let row = format!(
            "[organisation]\nauto_forwarding_mode = \"On\"\n[[recipient]]\ntype = \"SharedMailbox\"\n\
             address = \"info@contoso.example\"\nkeep_copy = {keep}\n{object}\n{smtp}\n[[recipient]]\n\
             type = \"UserMailbox\"\naddress = \"alice@contoso.example\"\nlicences = [\"ExchangeOnlinePlan1\"]\n"
        );
        let snapshot = organisation(&row);
        let alice = Origin::Account(id(&snapshot, "alice@contoso.example"));
        let found = ends(&snapshot, alice, "alice@contoso.example", &["info@contoso.example"]);
        let found: Vec<&str> = found.iter().map(|end| end.split(" from ").next().unwrap_or(end)).collect();
        assert_eq!(found, expected, "{row}");
    }
}

#[test]
fn automatic_replies_pass_a_group_only_where_it_and_all_around_it_let_them() {
    let group = |name: &str, sends: bool, member: &str| {
        format!(
            "[[recipient]]\ntype = \"MailUniversalDistributionGroup\"\naddress = \"{name}@contoso.example\"\n\
             send_oof_message_to_originator = {sends}\nmembers = [\"{member}@contoso.example\"]\n"
        )
    };
    // A Microsoft 365 group passes mail on to its subscribers.
    let team = |name: &str, sends: bool| {
        let members = "members = [\"alice@contoso.example\"]\nsubscribers = [\"alice@contoso.example\"]\n";
        format!(
            "[[recipient]]\ntype = \"GroupMailbox\"\naddress = \"{name}@contoso.example\"\n\
             send_oof_message_to_originator = {sends}\n{members}"
        )
    };
    let snapshot = organisation(
        &[
            group("quiet", false, "alice"),
            group("open", true, "alice"),
            group("open-in-quiet", false, "open"),
            group("quiet-in-open", true, "quiet"),
            team("quiet-team", false),
            team("open-team", true),
            "[[recipient]]\ntype = \"SharedMailbox\"\naddress = \"alice@contoso.example\"\n".to_owned(),
        ]
        .concat(),
    );
    let alice = id(&snapshot, "alice@contoso.example");
    let replies = |paths: &[&str]| {
        let permit = |path: &&str| asked(&snapshot, &Sender::System, &format!("{path}@contoso.example")).unwrap();
        let permits: Vec<Permit> = paths.iter().map(permit).collect();
        let sender = ReversePath::Mailbox(address("eve@adatum.example"));
        let now = Timestamp::EPOCH;
        let posting = Posting::received(&snapshot, Origin::System, &sender, b"", 1);
        let found = expand(&snapshot, &settings(), &posting, &permits, now, &mut Unrecorded);
        let copies = found.iter().filter_map(|end| match end {
            Expanded::Deliver(copy) if copy.to == Destination::Mailbox(alice) => Some(copy.automatic_replies),
            _ => None,
        });
        let [replies] = copies.collect::<Vec<_>>()[..] else { panic!("alice gets one copy, not {found:?}") };
        replies
    };
    assert!(replies(&["alice"]));
    assert!(!replies(&["quiet"]));
    assert!(replies(&["open"]));
    assert!(!replies(&["open-in-quiet"]));
    assert!(!replies(&["quiet-in-open"]));
    assert!(!replies(&["quiet-team"]));
    assert!(replies(&["open-team"]));
    // Whom the message names as well answers it, in whichever order.
    assert!(replies(&["quiet", "alice"]));
    assert!(replies(&["alice", "quiet"]));
}

#[test]
fn whoever_has_an_address_for_himself_has_it_even_when_it_looks_rewritten() {
    let sender = ReversePath::Mailbox(address("eve@fabrikam.example"));
    let forwarder = address("info@contoso.example");
    let made = srs::rewrite(&settings().srs_keys, &forwarder, None, &sender, Timestamp::EPOCH);
    let made = made.address().unwrap();
    let found =
        |snapshot: &Snapshot| resolve(snapshot, &settings(), &ForwardPath::Mailbox(made.clone()), &mut Unrecorded);
    assert_eq!(found(&organisation("")), Resolution::Rewritten(address("eve@fabrikam.example")));
    let held = organisation(&format!("[[recipient]]\ntype = \"SharedMailbox\"\naddress = \"{made}\"\n"));
    assert_eq!(found(&held), Resolution::Mailbox(id(&held, &made.to_string())));
}
