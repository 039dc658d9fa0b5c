//! Automatic replies: each reason against one, the reply when there is none, and whom the organisation knows.

use std::collections::HashSet;

use franking::model::directory::document::Document;
use franking::model::directory::{Change, Snapshot};
use franking::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::auto_reply::sender_key;
use franking::model::policy::{Audience, History, NoReply, Occasion, Origin, Rule, Settings, Unrecorded, auto_reply};

use crate::dialogues::CLEAR;

const ORGANISATION: &str = r#"
    [[domain]]
    domain = "contoso.example"
    default = true
    [[recipient]]
    type = "UserMailbox"
    address = "ann@contoso.example"
    aliases = ["a.smith@contoso.example"]
    licences = ["ExchangeOnlinePlan1"]
    [recipient.auto_reply]
    state = "Enabled"
    internal_message = "In: back on Monday."
    external_message = "Out: back on Monday."
    [[recipient]]
    type = "UserMailbox"
    address = "bob@contoso.example"
    licences = ["ExchangeOnlinePlan1"]
    [[recipient]]
    type = "MailUniversalDistributionGroup"
    address = "staff@contoso.example"
    members = ["ann@contoso.example"]
    [[recipient]]
    type = "MailContact"
    address = "partner@contoso.example"
    external = "partner@fabrikam.example"
    [[recipient]]
    type = "MailUser"
    address = "scanner@contoso.example"
    external = "scanner@fabrikam.example"
"#;

fn directory(more: &str) -> Snapshot {
    let apply = |snapshot: &Snapshot, text: &str| {
        let document: Document = toml::from_str(text).unwrap();
        let changes = document.plan(snapshot, CLEAR).strict().unwrap();
        if changes.is_empty() { snapshot.clone() } else { snapshot.apply(&changes).unwrap() }
    };
    apply(&apply(&Snapshot::default(), ORGANISATION), more)
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn noon() -> Timestamp {
    Timestamp::parse_iso8601("2026-12-24T12:00:00Z").unwrap()
}

/// A message to ann: who signed in (or nobody, for mail from outside), its reverse-path, and fields of its header.
#[derive(Clone)]
struct Case {
    account: Option<&'static str>,
    from: &'static str,
    head: String,
    path: &'static str,
    passed_by_groups: bool,
    history: History,
}

impl Case {
    fn outside(fields: &str) -> Self {
        Self {
            account: None,
            from: "eve@fabrikam.example",
            head: format!("From: Eve <eve@fabrikam.example>\r\nTo: Ann <ann@contoso.example>\r\n{fields}\r\n"),
            path: "ann@contoso.example",
            passed_by_groups: true,
            history: History::New,
        }
    }

    fn inside(fields: &str) -> Self {
        Self { account: Some("bob@contoso.example"), from: "bob@contoso.example", ..Self::outside(fields) }
    }
}

type Answer = Result<(String, Audience, String), NoReply>;

fn judged(snapshot: &Snapshot, case: &Case, trail: Option<&mut Vec<Rule>>) -> Answer {
    let find = |text: &str| snapshot.find_by_address(&address(text)).unwrap();
    let origin = case.account.map_or(Origin::Anonymous, |account| Origin::Account(find(account).id));
    let reverse_path = match case.from {
        "" => ReversePath::Null,
        text => ReversePath::Mailbox(address(text)),
    };
    let path = ForwardPath::Mailbox(address(case.path));
    let occasion = Occasion {
        origin,
        reverse_path: &reverse_path,
        head: case.head.as_bytes(),
        path: &path,
        passed_by_groups: case.passed_by_groups,
    };
    let (ann, settings) = (find("ann@contoso.example"), Settings::default());
    let mut unread = Vec::new();
    let trail = trail.unwrap_or(&mut unread);
    let reply = auto_reply(snapshot, &settings, ann, &occasion, case.history, noon(), trail)?;
    Ok((reply.to.to_string(), reply.audience, reply.text.to_owned()))
}

fn judge(snapshot: &Snapshot, case: &Case) -> Answer {
    judged(snapshot, case, None)
}

#[test]
fn a_sender_inside_gets_the_internal_text_and_one_outside_the_external() {
    let snapshot = directory("");
    let answer = |to: &str, audience, text: &str| Ok((to.to_owned(), audience, text.to_owned()));
    let expected = answer("eve@fabrikam.example", Audience::External, "Out: back on Monday.");
    assert_eq!(judge(&snapshot, &Case::outside("")), expected);
    let expected = answer("bob@contoso.example", Audience::Internal, "In: back on Monday.");
    assert_eq!(judge(&snapshot, &Case::inside("")), expected);
    // A mail user that signed in is the organisation's, although its mailbox is elsewhere.
    let scanner = "scanner@contoso.example";
    let user = Case { account: Some(scanner), from: scanner, ..Case::inside("") };
    assert_eq!(judge(&snapshot, &user), answer(scanner, Audience::Internal, "In: back on Monday."));
}

/// Each reason with what makes it: settings, and a message.
fn reasons() -> Vec<(NoReply, &'static str, Case)> {
    use NoReply::*;
    const ANN: &str = "[[recipient]]\naddress = \"ann@contoso.example\"\n";
    let set = |text: &str| -> &'static str { format!("{ANN}[recipient.auto_reply]\n{text}").leak() };
    let (inside, outside) = (Case::inside, Case::outside);
    let to = |text: &str| Case { head: format!("From: <eve@fabrikam.example>\r\n{text}\r\n"), ..outside("") };
    let from = |text| Case { from: text, ..outside("") };
    vec![
        (Disabled, set("state = \"Disabled\""), inside("")),
        (OutsidePeriod, set("start_time = \"2026-12-01T00:00:00Z\"\nend_time = \"2026-12-24T12:00:00Z\""), inside("")),
        (
            Forwards,
            "[[recipient]]\naddress = \"ann@contoso.example\"\nforward_to_smtp = \"ann@fabrikam.example\"\nkeep_copy = true",
            inside(""),
        ),
        (NullReversePath, "", from("")),
        (OwnMessage, "", from("a.smith+x@contoso.example")),
        (OwnMessage, "", Case { account: Some("ann@contoso.example"), ..inside("") }),
        (MachineAddress, "", from("owner-news@fabrikam.example")),
        (MachineAddress, "", from("news-request@fabrikam.example")),
        (MachineAddress, "", from("MAILER-DAEMON@fabrikam.example")),
        (MachineAddress, "", from("no-reply+17@fabrikam.example")),
        (MachineAddress, "", Case { from: "postmaster@contoso.example", ..inside("") }),
        (AutoSubmitted, "", inside("Auto-Submitted: auto-generated (cron)\r\n")),
        (AutoSubmitted, "", outside("auto-submitted:\r\n auto-replied; owner-email=\"x\"\r\n")),
        (Suppressed, "", outside("X-Auto-Response-Suppress: DR, oof , NRN\r\n")),
        (Suppressed, "", inside("X-Auto-Response-Suppress: AutoReply\r\n")),
        (Suppressed, "", inside("X-Auto-Response-Suppress: All\r\n")),
        (BulkPrecedence, "", outside("Precedence: bulk\r\n")),
        (BulkPrecedence, "", outside("Precedence: LIST\r\n")),
        (BulkPrecedence, "", outside("Precedence: junk\r\n")),
        (MailingList, "", outside("List-Unsubscribe: <mailto:x@fabrikam.example>\r\n")),
        (MailingList, "", inside("list-id: news.contoso.example\r\n")),
        (Report, "", outside("Content-Type: Multipart/Report; report-type=disposition-notification\r\n")),
        (BulkPrecedence, "", outside("Precedence: (robot) bulk, list\r\n")),
        (MailingList, "", outside("List -Id : news.fabrikam.example\r\n")),
        (Report, "", outside("Content-Type: (x)\r\n multipart/report; report-type=delivery-status\r\n")),
        (Suppressed, "", outside("X-Auto-Response-Suppress: DR; OOF\r\n")),
        (Junk, "", outside("X-Spam-Flag: YES\r\n")),
        (Junk, "", outside("X-Spam-Status: Yes, score=9.1 required=5.0\r\n")),
        (Junk, "", outside("X-Spam: yes\r\n")),
        (Junk, "", outside("X-MS-Exchange-Organization-SCL: 5\r\n")),
        (HeldByGroup, "", Case { passed_by_groups: false, ..inside("") }),
        (NotNamed, "", to("To: undisclosed-recipients:;\r\n")),
        (NotNamed, "", to("To: list@fabrikam.example\r\n")),
        (SenderIsGroup, "", Case { from: "staff@contoso.example", ..inside("") }),
        (SenderUnknown, "", Case { from: "nobody@contoso.example", ..inside("") }),
        (InternalToExternal, "", Case { from: "bob@fabrikam.example", ..inside("") }),
        (ExternalToInternal, "", from("bob@contoso.example")),
        (ExternalToInternal, "", from("scanner@contoso.example")),
        (RemoteDomain, "[[remote_domain]]\ndomain = \"fabrikam.example\"\nallowed_oof_type = \"None\"", outside("")),
        (InternalOnly, set("external_oof_options = \"InternalOnly\""), outside("")),
        (NoExternalAudience, set("external_audience = \"None\""), outside("")),
        (SenderNotKnown, set("external_audience = \"Known\""), outside("")),
        (NoText, set("external_message = \"\""), outside("")),
        (NoText, set("internal_message = \"\""), inside("")),
        (AnsweredBefore, "", Case { history: History::Answered, ..inside("") }),
    ]
}

#[test]
fn every_reason_forbids_a_reply_and_the_trail_ends_with_it() {
    let mut seen = HashSet::new();
    for (reason, settings, case) in reasons() {
        let snapshot = directory(settings);
        let mut trail = Vec::new();
        let answer = judged(&snapshot, &case, Some(&mut trail));
        assert_eq!(answer, Err(reason), "{}\n{}", case.head, case.from);
        assert!(!trail.is_empty() && !reason.text().is_empty());
        seen.insert(reason);
    }
    // The server's own messages have no account; they are told apart by their origin alone.
    assert_eq!(seen.len(), 24, "{seen:?}");
}

#[test]
fn the_servers_own_messages_are_never_answered() {
    let snapshot = directory("");
    let ann = snapshot.find_by_address(&address("ann@contoso.example")).unwrap();
    let reverse_path = ReversePath::Mailbox(address("bob@contoso.example"));
    let path = ForwardPath::Mailbox(address("ann@contoso.example"));
    let occasion = Occasion {
        origin: Origin::System,
        reverse_path: &reverse_path,
        head: b"",
        path: &path,
        passed_by_groups: true,
    };
    let (settings, history) = (Settings::default(), History::New);
    let answer = auto_reply(&snapshot, &settings, ann, &occasion, history, noon(), &mut Unrecorded);
    assert_eq!(answer.unwrap_err(), NoReply::SystemMessage);
}

#[test]
fn what_only_looks_like_a_reason_is_none() {
    let snapshot = directory("");
    for fields in [
        "Auto-Submitted: no\r\n",
        "Auto-Submitted: No (a person)\r\n",
        "X-Auto-Response-Suppress: DR, NDR, RN, NRN\r\n",
        "X-Auto-Response-Suppress: None\r\n",
        "X-Auto-Response-Suppress: Overall\r\n",
        "Precedence: first-class\r\n",
        "Listen: no\r\n",
        "Content-Type: multipart/mixed; boundary=\"report\"\r\n",
        "X-Spam-Flag: NO\r\n",
        "X-Spam-Status: No, score=0.1\r\n",
        "X-MS-Exchange-Organization-SCL: 4\r\n",
        "X-MS-Exchange-Organization-SCL: -1\r\n",
        "X-MS-Exchange-Organization-SCL: 99999999999999999999\r\n",
        "Precedence: (bulk)\r\n",
        "Subject: List-Id: x\r\n",
    ] {
        assert!(judge(&snapshot, &Case::outside(fields)).is_ok(), "{fields}");
    }
    for from in ["relay@fabrikam.example", "request@fabrikam.example", "bouncer@fabrikam.example"] {
        assert!(judge(&snapshot, &Case { from, ..Case::outside("") }).is_ok(), "{from}");
    }
}

#[test]
fn a_stranger_must_name_the_mailbox_or_what_led_to_it() {
    let snapshot = directory("");
    let named = |field: &str| Case { head: format!("From: x\r\n{field}\r\n"), ..Case::outside("") };
    let crowd: Vec<String> = (0..300).map(|number| format!("r{number}@fabrikam.example")).collect();
    for field in [
        "To: A.SMITH@Contoso.Example".to_owned(),
        "Cc: x@fabrikam.example,\r\n\t\"Ann\" <ann+news@contoso.example>".to_owned(),
        "Resent-To: team: ann@contoso.example;".to_owned(),
        "bcc:ann@contoso.example".to_owned(),
        format!("To: {}, ann@contoso.example", crowd.join(", ")),
    ] {
        assert!(judge(&snapshot, &named(&field)).is_ok(), "{field}");
    }
    // Bob has this address for himself, so it does not name ann.
    let own = directory("[[recipient]]\naddress = \"bob@contoso.example\"\naliases = [\"ann+sales@contoso.example\"]");
    assert_eq!(judge(&own, &named("To: ann+sales@contoso.example")), Err(NoReply::NotNamed));
    assert!(judge(&own, &named("To: ann+news@contoso.example")).is_ok());
    for field in [
        "Reply-To: ann@contoso.example",
        "To: \"ann@contoso.example\" <list@fabrikam.example>",
        "To: ann@fabrikam.example",
        "To: \"ann\"",
        "To: @,<>,a@",
    ] {
        assert_eq!(judge(&snapshot, &named(field)), Err(NoReply::NotNamed), "{field}");
    }
    // A group that sends replies on is named in the place of its members.
    let group = Case { path: "staff@contoso.example", ..named("To: staff@contoso.example") };
    assert!(judge(&snapshot, &group).is_ok());
    // Whoever signed in is answered in any case, and strangers are as well when the organisation says so.
    assert!(judge(&snapshot, &Case { head: "From: x\r\n".to_owned(), ..Case::inside("") }).is_ok());
    let asked = directory("[organisation]\nauto_reply_only_when_named = false");
    assert!(judge(&asked, &named("To: undisclosed-recipients:;")).is_ok());
}

#[test]
fn a_domain_that_belongs_to_the_organisation_gets_the_internal_text() {
    let snapshot = directory("[[remote_domain]]\ndomain = \"fabrikam.example\"\nallowed_oof_type = \"InternalLegacy\"");
    let text = |case: &Case| judge(&snapshot, case).map(|(_, audience, _)| audience);
    assert_eq!(text(&Case::outside("")), Ok(Audience::Internal));
    assert_eq!(text(&Case { from: "bob@fabrikam.example", ..Case::inside("") }), Ok(Audience::Internal));
    let unnamed = Case { head: "To: undisclosed-recipients:;\r\n".to_owned(), ..Case::outside("") };
    assert_eq!(text(&unnamed), Err(NoReply::NotNamed));
    assert_eq!(text(&Case { from: "eve@other.example", ..Case::outside("") }), Ok(Audience::External));
}

#[test]
fn known_are_those_outside_for_whom_the_directory_has_an_object() {
    let known =
        "[[recipient]]\naddress = \"ann@contoso.example\"\n[recipient.auto_reply]\nexternal_audience = \"Known\"";
    let mut snapshot = directory(known);
    let from = |from| Case { from, ..Case::outside("") };
    assert!(judge(&snapshot, &from("Partner@Fabrikam.example")).is_ok());
    assert!(judge(&snapshot, &from("scanner@fabrikam.example")).is_ok());
    // A second object for the same address, and then none.
    let second = "[[recipient]]\ntype = \"MailContact\"\naddress = \"p2@contoso.example\"\nexternal = \"partner@fabrikam.example\"";
    let document: Document = toml::from_str(second).unwrap();
    snapshot = snapshot.apply(&document.plan(&snapshot, CLEAR).strict().unwrap()).unwrap();
    for (name, expected) in [("p2@contoso.example", true), ("partner@contoso.example", false)] {
        let gone = snapshot.find_by_address(&address(name)).unwrap().id;
        snapshot = snapshot.apply(&[Change::RemoveRecipient(gone)]).unwrap();
        assert_eq!(judge(&snapshot, &from("partner@fabrikam.example")).is_ok(), expected, "{name}");
    }
}

#[test]
fn all_spellings_of_a_sender_are_one_sender() {
    let snapshot = directory("");
    let key = |text: &str| sender_key(&snapshot, &address(text));
    assert_eq!(key("Bob@CONTOSO.example"), key("bob+news@contoso.example"));
    assert_eq!(key("EVE@fabrikam.example"), key("eve@Fabrikam.Example"));
    let own = directory("[[recipient]]\naddress = \"bob@contoso.example\"\naliases = [\"ann+sales@contoso.example\"]");
    let key = |text: &str| sender_key(&own, &address(text));
    assert_eq!(key("ANN+news@contoso.example"), key("ann@contoso.example"));
    // Bob has this one for himself, and so is answered for himself by ann.
    assert_ne!(key("ann+sales@contoso.example"), key("ann@contoso.example"));
    let bob = Case { from: "ann+sales@contoso.example", ..Case::inside("") };
    assert!(judge(&own, &bob).is_ok());
    // What a tag means elsewhere is not for us to say.
    assert_ne!(key("eve+1@fabrikam.example"), key("eve+2@fabrikam.example"));
}

#[test]
fn a_mailbox_for_reports_about_a_journal_and_a_read_receipt_are_not_answered() {
    let of = |address: &str| directory(&format!("organisation.journaling_report_ndr_to = \"{address}\"\n"));
    assert_eq!(judge(&of("ANN@contoso.example"), &Case::outside("")), Err(NoReply::JournalReports));
    assert_eq!(judge(&of("ANN@contoso.example"), &Case::inside("")), Err(NoReply::JournalReports));
    assert!(judge(&of("bob@contoso.example"), &Case::outside("")).is_ok());
    let receipt = "Content-Type: multipart/report; report-type=disposition-notification; boundary=x\r\n";
    assert_eq!(judge(&directory(""), &Case::outside(receipt)), Err(NoReply::Report));
    let null = Case { from: "", ..Case::outside("") };
    assert_eq!(judge(&directory(""), &null), Err(NoReply::NullReversePath));
}
