//! Who may send to whom, and which of several reasons is told (spec sections 5.5 and 5.6).

use franking::model::directory::document::Document;
use franking::model::directory::{Change, Recipient, RecipientId, Snapshot};
use franking::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::{
    Destination, DsnRequest, Expanded, Notify, Origin, Permit, Posting, Profile, Refusal, Settings, Unrecorded, admit,
    admit_any, expand, restrictions,
};

use crate::dialogues::{CLEAR, directory};

fn address(text: &str) -> Address {
    let domain = if text.contains('@') { "" } else { "@contoso.example" };
    Address::parse(&format!("{text}{domain}")).unwrap()
}

fn id(snapshot: &Snapshot, text: &str) -> RecipientId {
    snapshot.find_by_address(&address(text)).unwrap().id
}

fn account(snapshot: &Snapshot, text: &str) -> Origin {
    Origin::Account(id(snapshot, text))
}

fn early() -> Settings {
    Settings { refuse_early: true, ..Settings::default() }
}

/// The answer to a whole message of 500 octets.
fn judged(snapshot: &Snapshot, origin: Origin, from: &str, head: &str, to: &str) -> Option<Refusal> {
    let reverse_path = ReversePath::Mailbox(address(from));
    let posting = Posting::received(snapshot, origin, &reverse_path, head.as_bytes(), 500);
    let path = ForwardPath::Mailbox(address(to));
    admit(snapshot, &early(), &posting, path, DsnRequest::default(), &mut Unrecorded).err()
}

/// How a message ends, one line for each end.
fn ends(snapshot: &Snapshot, origin: Origin, from: &str, head: &str, to: &[&str]) -> Vec<String> {
    let permit = |to: &&str| {
        let path = ForwardPath::Mailbox(address(to));
        admit(snapshot, &Settings::default(), &Posting::own(), path, DsnRequest::default(), &mut Unrecorded).unwrap()
    };
    let permits: Vec<Permit> = to.iter().map(permit).collect();
    let reverse_path = if from.is_empty() { ReversePath::Null } else { ReversePath::Mailbox(address(from)) };
    let posting = Posting::received(snapshot, origin, &reverse_path, head.as_bytes(), 500);
    let found = expand(snapshot, &Settings::default(), &posting, &permits, Timestamp::EPOCH, &mut Unrecorded);
    let name = |address: &Address| address.local().to_string();
    let end = |end| match end {
        Expanded::Deliver(copy) => match copy.to {
            Destination::Mailbox(id) => name(snapshot.recipient(id).unwrap().primary()),
            Destination::PostmasterMailbox => "postmaster mailbox".to_owned(),
            Destination::Relay { address, .. } => format!("out to {address}"),
        },
        Expanded::Refused { address, refusal, .. } => format!("{}: {refusal:?}", name(&address)),
        Expanded::Dropped { address, .. } => format!("{} dropped", name(&address)),
        Expanded::Moderated(moderated) => format!("{} waits", name(&moderated.address)),
    };
    found.into_iter().map(end).collect()
}

fn changed(snapshot: &Snapshot, document: &str) -> Snapshot {
    let document: Document = toml::from_str(document).unwrap();
    snapshot.apply(&document.plan(snapshot, CLEAR).strict().unwrap()).unwrap()
}

#[test]
fn the_first_of_several_reasons_is_told_and_the_order_is_that_of_the_table() {
    let mut snapshot = directory("restrictions");
    let everything_wrong = r#"
        organisation = { send_bytes_max = 400 }
        [[recipient]]
        address = "alice@contoso.example"
        send_bytes_max = 400
        [[recipient]]
        address = "open-only@contoso.example"
        require_sender_authentication = true
        receive_bytes_max = 400
        reject_from = ["alice@contoso.example", "rival@contoso.example"]
        accept_only_from = ["bob@contoso.example"]
    "#;
    snapshot = changed(&snapshot, everything_wrong);
    let cures = [
        (Some(Refusal::OrganisationSendSizeLimit), None, "organisation = { send_bytes_max = \"unlimited\" }"),
        (
            Some(Refusal::SenderSendSizeLimit),
            None,
            "address = \"alice@contoso.example\"\nsend_bytes_max = \"unlimited\"",
        ),
        (Some(Refusal::RecipientSizeLimit), Some(Refusal::RecipientSizeLimit), "receive_bytes_max = \"unlimited\""),
        (
            Some(Refusal::NotAuthorized),
            Some(Refusal::SenderNotAuthenticatedForGroup),
            "require_sender_authentication = false",
        ),
        (Some(Refusal::NotAuthorized), Some(Refusal::NotAuthorized), "reject_from = []"),
        (
            Some(Refusal::RestrictedToGroupPermission),
            Some(Refusal::RestrictedToGroupPermission),
            "accept_only_from = []",
        ),
        (Some(Refusal::GroupInBcc), None, "bcc_blocked = false"),
        (None, None, ""),
    ];
    for (by_account, by_stranger, cure) in cures {
        let alice = account(&snapshot, "alice");
        assert_eq!(
            judged(&snapshot, alice, "alice", "From: alice@contoso.example\r\n", "open-only"),
            by_account,
            "{cure}"
        );
        if by_stranger.is_some() || by_account.is_none() {
            let from = "rival@fabrikam.example";
            assert_eq!(judged(&snapshot, Origin::Anonymous, from, "", "open-only"), by_stranger, "{cure}");
        }
        let document = match cure {
            "" => continue,
            cure if cure.starts_with("organisation") => cure.to_owned(),
            cure if cure.starts_with("address") => format!("[[recipient]]\n{cure}"),
            cure => format!("[[recipient]]\naddress = \"open-only@contoso.example\"\n{cure}"),
        };
        snapshot = changed(&snapshot, &document);
    }
}

#[test]
fn lists_know_members_of_groups_within_groups_dynamic_ones_included() {
    let snapshot = directory("restrictions");
    let by = |who: &str| judged(&snapshot, account(&snapshot, who), who, "", "choosy");
    assert_eq!(by("sally"), None, "a dynamic group inside a static one inside the list");
    assert_eq!(by("alice"), Some(Refusal::RestrictedToRecipientsPermission));
    let partner = judged(&snapshot, Origin::Anonymous, "partner@fabrikam.example", "", "choosy");
    assert_eq!(partner, None, "a contact in a group inside a group");
}

#[test]
fn a_stranger_is_known_by_its_addresses_outside_and_is_never_signed_in() {
    let snapshot = directory("restrictions");
    let stranger = |from: &str, head: &str, to: &str| judged(&snapshot, Origin::Anonymous, from, head, to);
    let from_partner = "From: Partner <PARTNER@fabrikam.example>\r\n";
    assert_eq!(stranger("bounces@adatum.example", from_partner, "choosy"), None);
    let ours = "From: info@contoso.example\r\n";
    let refused = Some(Refusal::RestrictedToRecipientsPermission);
    assert_eq!(stranger("info@contoso.example", ours, "choosy"), refused);
    let closed = Some(Refusal::SenderNotAuthenticatedForMailbox);
    assert_eq!(stranger("partner@fabrikam.example", from_partner, "closed"), closed);
    // A reject list believes whatever is said.
    let rival = "From: rival@fabrikam.example\r\n";
    assert_eq!(stranger("bounces@adatum.example", rival, "torn"), Some(Refusal::NotAuthorized));
    assert_eq!(stranger("alice@contoso.example", "", "torn"), Some(Refusal::NotAuthorized));
    // Two authors are none.
    let two = "From: partner@fabrikam.example, eve@fabrikam.example\r\n";
    assert_eq!(stranger("bounces@adatum.example", two, "choosy"), refused);
}

#[test]
fn an_account_hears_by_a_report_and_the_postmaster_and_the_server_are_exempt() {
    let snapshot = changed(
        &directory("restrictions"),
        "[[recipient]]\naddress = \"alice@contoso.example\"\naliases = [\"postmaster@contoso.example\"]\n",
    );
    let alice = account(&snapshot, "alice");
    let path = || ForwardPath::Mailbox(address("torn"));
    let reverse_path = ReversePath::Mailbox(address("alice"));
    let announced = Posting::announced(&snapshot, alice, &reverse_path, 0);
    assert!(admit(&snapshot, &Settings::default(), &announced, path(), DsnRequest::default(), &mut Unrecorded).is_ok());
    assert_eq!(ends(&snapshot, alice, "alice", "", &["torn", "bob"]), ["torn: NotAuthorized", "bob"]);
    let as_postmaster = "From: postmaster@contoso.example\r\n";
    assert_eq!(ends(&snapshot, alice, "alice", as_postmaster, &["torn"]), ["torn"]);
    assert_eq!(ends(&snapshot, Origin::System, "", "", &["torn", "closed-group"]), ["torn", "bob"]);
    let claims = ends(&snapshot, Origin::Anonymous, "postmaster@contoso.example", as_postmaster, &["closed"]);
    assert_eq!(claims, ["closed: SenderNotAuthenticatedForMailbox"]);
}

#[test]
fn a_group_that_blocks_bcc_blocks_accounts_only_and_only_where_the_message_names_it() {
    let snapshot = directory("restrictions");
    let alice = account(&snapshot, "alice");
    let blind = "From: alice@contoso.example\r\nTo: sally@contoso.example\r\n";
    let by_alice = |head: &str, to: &[&str]| ends(&snapshot, alice, "alice", head, to);
    assert_eq!(by_alice(blind, &["open-only", "sally"]), ["open-only: GroupInBcc", "sally"]);
    assert_eq!(by_alice(blind, &["around"]), ["bob"], "inside another group it does not ask");
    for named in [
        "To: open-only@contoso.example\r\n",
        "Cc: x@fabrikam.example,\r\n \"Open\" <OPEN-ONLY@Contoso.Example>\r\n",
        "To: Team: open-only@contoso.example, bob@contoso.example;\r\n",
        "To: Team: 'open-only@contoso.example';\r\n",
    ] {
        assert_eq!(by_alice(named, &["open-only"]), ["bob"], "{named}");
    }
    for other in ["Bcc: open-only@contoso.example\r\n", "To: Team: not-open-only@contoso.example;\r\n", ""] {
        assert_eq!(by_alice(other, &["open-only"]), ["open-only: GroupInBcc"], "{other}");
    }
    assert_eq!(ends(&snapshot, Origin::Anonymous, "eve@fabrikam.example", blind, &["open-only"]), ["bob"]);
}

#[test]
fn delivery_reports_to_a_group_are_deleted_and_other_reports_are_not() {
    let snapshot = directory("restrictions");
    let report = "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n";
    let receipt = "Content-Type: multipart/report; report-type=disposition-notification; boundary=x\r\n";
    let stranger = |from: &str, head: &str, to: &[&str]| ends(&snapshot, Origin::Anonymous, from, head, to);
    assert!(stranger("", report, &["open-only"]).is_empty());
    for lax in [
        "Content-Type : multipart/report\r\n",
        "Content-Type: (x)\r\n Multipart/Report;report-type=delivery-status\r\n",
    ] {
        assert!(stranger("", lax, &["open-only"]).is_empty(), "{lax}");
    }
    assert_eq!(stranger("", report, &["open-only", "bob"]), ["bob"]);
    assert_eq!(stranger("", receipt, &["open-only"]), ["bob"]);
    assert_eq!(stranger("eve@fabrikam.example", report, &["open-only"]), ["bob"], "a report has no sender");
    assert!(ends(&snapshot, Origin::System, "", report, &["around"]).is_empty());
}

#[test]
fn restrictions_hold_for_members_and_forwarding_targets_too() {
    let snapshot = changed(
        &directory("restrictions"),
        "[[recipient]]\naddress = \"open-only@contoso.example\"\nmembers = [\"torn@contoso.example\", \
         \"private@contoso.example\", \"bob@contoso.example\"]\n[[recipient]]\naddress = \"sally@contoso.example\"\n\
         forward_to = \"torn@contoso.example\"\n",
    );
    let alice = account(&snapshot, "alice");
    let named = "To: open-only@contoso.example\r\n";
    assert_eq!(
        ends(&snapshot, alice, "alice", named, &["open-only"]),
        ["bob", "private: RestrictedToRecipientsPermission", "torn: NotAuthorized"]
    );
    assert_eq!(ends(&snapshot, alice, "alice", named, &["sally"]), ["torn: NotAuthorized"]);
}

#[test]
fn the_index_of_addresses_outside_follows_every_change() {
    let snapshot = directory("restrictions");
    let outside = address("partner@fabrikam.example");
    let found = |snapshot: &Snapshot| -> Vec<String> {
        snapshot.find_by_external(&outside).map(|found| found.primary().local().to_string()).collect()
    };
    assert_eq!(found(&snapshot), ["partner"]);
    let mut twin = Recipient::clone(snapshot.recipient(id(&snapshot, "rival")).unwrap());
    twin.external_address = Some(outside.clone().into());
    let both = snapshot.apply(&[Change::PutRecipient(Box::new(twin))]).unwrap();
    assert_eq!(found(&both), ["partner", "rival"]);
    let one = both.apply(&[Change::RemoveRecipient(id(&snapshot, "partner"))]).unwrap();
    assert_eq!(found(&one), ["rival"]);
    assert!(found(&one.apply(&[Change::RemoveRecipient(id(&snapshot, "rival"))]).unwrap()).is_empty());
}

#[test]
fn large_groups_take_small_messages_only() {
    let snapshot = directory("restrictions");
    let mut group = Recipient::clone(snapshot.recipient(id(&snapshot, "choosy-group")).unwrap());
    group.restrictions = None;
    let judged = |group: &Recipient, settings: &Settings, bytes: u64| {
        let posting = Posting::received(&snapshot, account(&snapshot, "alice"), &ReversePath::Null, b"", bytes);
        restrictions::recipient(&snapshot, settings, &posting, group, &mut Unrecorded).err()
    };
    let (cloud, premises) = (Settings::of(Profile::ExchangeOnline), Settings::of(Profile::ExchangeServer));
    for (members, bytes_max) in [(4_999, u64::MAX), (5_000, 25 << 20), (99_999, 25 << 20), (100_000, 5 << 20)] {
        group.group.as_mut().unwrap().set_members((0..members).map(RecipientId).collect());
        assert_eq!(judged(&group, &cloud, bytes_max), None, "{members}");
        let over = judged(&group, &cloud, bytes_max.saturating_add(1));
        assert_eq!(over, (bytes_max != u64::MAX).then_some(Refusal::RecipientSizeLimit), "{members}");
        assert_eq!(judged(&group, &premises, u64::MAX), None, "{members}");
    }
}

/// Reports about members go to the sender, to the first owner, or nowhere (spec section 5.6).
#[test]
fn a_group_says_who_hears_of_failures() {
    for (originator, manager, owned, expected) in [
        (true, false, true, "alice@contoso.example, reports"),
        (true, true, true, "alice@contoso.example, reports"),
        (false, true, true, "bob@contoso.example, reports"),
        (false, true, false, "alice@contoso.example, silence"),
        (false, false, true, "alice@contoso.example, silence"),
    ] {
        let owners = if owned { "\"bob@contoso.example\", \"sally@contoso.example\"" } else { "" };
        let snapshot = changed(
            &directory("restrictions"),
            &format!(
                "[[recipient]]\naddress = \"partners@contoso.example\"\nowners = [{owners}]\n\
                 report_to_originator = {originator}\nreport_to_manager = {manager}\n"
            ),
        );
        let path = ForwardPath::Mailbox(address("partners"));
        let own = Posting::own();
        let permit = admit(&snapshot, &early(), &own, path, DsnRequest::default(), &mut Unrecorded).unwrap();
        let reverse_path = ReversePath::Mailbox(address("alice"));
        let posting = Posting::received(&snapshot, account(&snapshot, "alice"), &reverse_path, b"", 1);
        let found = expand(&snapshot, &early(), &posting, &[permit], Timestamp::EPOCH, &mut Unrecorded);
        let [Expanded::Deliver(copy)] = found.as_slice() else { panic!("{found:?}") };
        let silent = copy.dsn.notify == Notify::Never;
        let told = format!("{}, {}", copy.reverse_path, if silent { "silence" } else { "reports" });
        assert_eq!(told.trim_matches(['<', '>']), expected, "{originator} {manager} {owned}");
    }
}

#[test]
fn where_nobody_takes_a_message_the_first_refusal_is_told() {
    let snapshot = directory("restrictions");
    let alice = account(&snapshot, "alice");
    let reverse_path = ReversePath::Mailbox(address("alice"));
    let posting = Posting::received(&snapshot, alice, &reverse_path, b"", 2_000);
    let told = |to: &[&str]| {
        let permit = |to: &&str| {
            let path = ForwardPath::Mailbox(address(to));
            admit(&snapshot, &early(), &Posting::own(), path, DsnRequest::default(), &mut Unrecorded).unwrap()
        };
        let permits: Vec<Permit> = to.iter().map(permit).collect();
        admit_any(&snapshot, &early(), &posting, &permits, &mut Unrecorded).err()
    };
    assert_eq!(told(&["torn", "small"]), Some(Refusal::NotAuthorized));
    assert_eq!(told(&["small", "torn"]), Some(Refusal::RecipientSizeLimit));
    // One who takes it is enough: the others are reported.
    assert_eq!(told(&["torn", "small", "bob"]), None);
    assert_eq!(told(&[]), None);
}
