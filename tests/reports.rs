//! Reports: golden files, and what holds for every original, however hostile.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

mod automatic_reply;
mod moderation;
mod restriction;

use std::sync::Arc;

use std::path::Path;

use franking::model::directory::RecipientId;
use franking::model::mail::{Address, EnhancedStatus, ForwardPath, Reply, ReversePath, Timestamp};
use franking::model::policy::quota::{KIOSK, PLAN_1, Thresholds, Usage};
use franking::model::policy::{
    BodyKind, DsnRequest, MessageParameters, Notify, Origin, Passage, Refusal, Ret, Route, Settings,
};
use franking::model::queue::{Addressee, Attempt, EntryFacts, Event, Hop, QueueId, ReportKind, Target};
use franking::model::report::{self, HEADER_BYTES_MAX, NoticeFacts, Original, ReportFacts, Reporter, quota_notice};
use mail_parser::MessageParser;
use proptest::prelude::*;

const HEAD: &[u8] = b"Received: from client.contoso.example by mx.contoso.example; Mon, 5 Jan 2026 09:00:00 +0000\r\n\
From: Alice <alice@contoso.example>\r\nTo: partner@fabrikam.example\r\nSubject: Quarterly figures\r\n\
Message-ID: <one@contoso.example>\r\nDate: Mon, 5 Jan 2026 09:00:00 +0000\r\n\r\n";
const BODY: &[u8] = b"The figures are attached.\r\n-- \r\nAlice\r\n";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_iso8601(text).unwrap()
}

fn reporter() -> Reporter {
    Reporter { host: "mx.contoso.example".into(), author: address("postmaster@contoso.example") }
}

fn message() -> EntryFacts {
    EntryFacts {
        id: QueueId(0x19B8_D5A8_0000_0001),
        accepted_at: at("2026-01-05T09:00:00Z"),
        origin: Origin::Anonymous,
        reverse_path: ReversePath::Mailbox(address("alice@contoso.example")),
        parameters: MessageParameters::default(),
        bytes: (HEAD.len() + BODY.len()) as u64,
        submitter: None,
    }
}

fn target(recipient: &str) -> Target {
    let address = address(recipient);
    Target::new(Addressee {
        hop: Hop::Relay { address: address.clone(), route: Route::Domain },
        passage: Arc::new(Passage {
            path: ForwardPath::Mailbox(address.clone()),
            reverse_path: message().reverse_path,
            dsn: DsnRequest { notify: Notify::Unspecified, original_recipient: None },
            resent_from: None,
            automatic_replies: true,
        }),
        address,
    })
}

fn attempt(host: Option<&str>, reply: Reply) -> Attempt {
    Attempt { at: at("2026-01-05T09:00:05Z"), host: host.map(Into::into), reply }
}

fn failed(recipient: &str, host: Option<&str>, reply: Reply) -> Target {
    let mut target = target(recipient);
    target.apply(&Event::Failed(attempt(host, reply))).unwrap();
    target
}

fn refused(recipient: &str, refusal: &Refusal) -> Target {
    failed(recipient, None, refusal.bare_reply(&Settings::default()))
}

fn compose(kind: ReportKind, message: &EntryFacts, targets: &[Target], original: Original<'_>) -> Vec<u8> {
    let to = address("alice@contoso.example");
    report::compose(&ReportFacts {
        reporter: &reporter(),
        to: &to,
        kind,
        message,
        targets: (0_u32..).zip(targets).collect(),
        at: at("2026-01-05T09:00:06Z"),
        expires_at: at("2026-01-06T09:00:00Z"),
        original,
    })
}

fn original() -> Original<'static> {
    Original { head: HEAD, body: Some(BODY), international: false }
}

/// Compares with the file, or writes it when `BLESS=1`.
fn golden(name: &str, report: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports").join(name);
    if std::env::vars().any(|(key, value)| key == "BLESS" && value == "1") {
        std::fs::write(&path, report).unwrap();
    }
    let expected = std::fs::read(&path).unwrap_or_default();
    assert!(
        expected == report,
        "{name} differs; review and run again with BLESS=1. The report is now:\n{}",
        String::from_utf8_lossy(report)
    );
}

fn unknown() -> Target {
    refused("nobody@contoso.example", &Refusal::RecipientNotFound(address("nobody@contoso.example")))
}

#[test]
fn an_unknown_recipient_is_explained_and_the_original_comes_back() {
    let report = compose(ReportKind::Failed, &message(), &[unknown()], original());
    golden("unknown-recipient.eml", &report);
    let parsed = MessageParser::default().parse(&report).unwrap();
    let attached = parsed.attachments().last().unwrap().message().expect("the original is a message part");
    assert_eq!(attached.subject(), Some("Quarterly figures"));
    assert_eq!(attached.body_text(0).as_deref(), Some(core::str::from_utf8(BODY).unwrap()));
}

#[test]
fn who_wrote_to_an_alias_is_told_of_the_alias() {
    let given = |path: &str, typed: Option<(&str, &str)>| {
        let mut target = refused("kiosk@contoso.example", &Refusal::RecipientMailboxFull);
        let mut addressee = Addressee::clone(&target.addressee);
        let passage = Arc::make_mut(&mut addressee.passage);
        passage.path = ForwardPath::Mailbox(address(path));
        passage.dsn.original_recipient = typed.map(|(kind, text)| (kind.into(), text.into()));
        target.addressee = addressee.into();
        let report = compose(ReportKind::Failed, &message(), &[target], original());
        let text = String::from_utf8(report).unwrap();
        let fields = text.lines().filter(|line| line.contains("-Recipient: ")).collect::<Vec<_>>().join("\n");
        (text, fields)
    };
    let (report, _) = given("front-desk@contoso.example", None);
    golden("alias.eml", report.as_bytes());
    let told = |path, original| given(path, original).1;
    let final_one = "Final-Recipient: rfc822;kiosk@contoso.example";
    assert_eq!(told("Kiosk@contoso.example", None), final_one);
    let given_by_client = Some(("rfc822", "desk@adatum.example"));
    let first = format!("Original-Recipient: rfc822;desk@adatum.example\n{final_one}");
    assert_eq!(told("front-desk@contoso.example", given_by_client), first);
    // RFC 6533 section 3: seven bits, and what came escaped is not escaped again.
    let escaped = format!("Original-Recipient: utf-8;k\\x{{F6}}sk@contoso.example\n{final_one}");
    assert_eq!(told("k\u{f6}sk@contoso.example", None), escaped);
    assert_eq!(told("kiosk@contoso.example", Some(("utf-8", "k\\x{F6}sk@contoso.example"))), escaped);
    assert_eq!(told("kiosk@contoso.example", Some(("utf-8", "k\u{f6}sk@contoso.example"))), escaped);
}

#[test]
fn several_failures_are_told_in_one_report() {
    let remote = Reply::new(550, EnhancedStatus(5, 1, 1), "User unknown");
    let full = Refusal::RecipientMailboxFull;
    let targets = [
        failed("partner@fabrikam.example", Some("mx.fabrikam.example"), remote),
        refused("kiosk@contoso.example", &full),
        refused("staff@contoso.example", &Refusal::RestrictedToGroupPermission),
    ];
    golden("several-failures.eml", &compose(ReportKind::Failed, &message(), &targets, original()));
}

#[test]
fn an_expired_message_names_its_last_error() {
    let text = "QUEUE.Expired; message expired; last error: 451 4.4.1 mx.fabrikam.example: connection refused";
    let target = failed("partner@fabrikam.example", None, Reply::new(550, EnhancedStatus(4, 4, 7), text));
    golden("expired.eml", &compose(ReportKind::Failed, &message(), &[target], original()));
}

#[test]
fn a_delay_says_how_long_it_will_be_tried() {
    let mut target = target("partner@fabrikam.example");
    let reply = Reply::new(451, EnhancedStatus(4, 7, 1), "Greylisted, try again later");
    let attempt = attempt(Some("mx.fabrikam.example"), reply);
    target.apply(&Event::Deferred { attempt, next_attempt: at("2026-01-05T13:10:00Z") }).unwrap();
    golden("delayed.eml", &compose(ReportKind::Delayed, &message(), &[target], original()));
}

#[test]
fn success_is_reported_with_the_senders_own_marks() {
    let mut message = message();
    message.parameters.envelope_id = Some("order 66".into());
    message.parameters.ret = Some(Ret::Full);
    let mut target = target("partner@fabrikam.example");
    let mut addressee = Addressee::clone(&target.addressee);
    Arc::make_mut(&mut addressee.passage).dsn.notify = Notify::On { success: true, failure: true, delay: false };
    Arc::make_mut(&mut addressee.passage).dsn.original_recipient =
        Some(("rfc822".into(), "partner+orders@fabrikam.example".into()));
    target.addressee = addressee.into();
    let reply = Reply::new(250, EnhancedStatus(2, 0, 0), "queued as 4711");
    let attempt = attempt(Some("mx.fabrikam.example"), reply);
    target.apply(&Event::Relayed { attempt, dsn_passed_on: false }).unwrap();
    golden("relayed.eml", &compose(ReportKind::Relayed, &message, &[target], original()));
}

#[test]
fn an_international_message_keeps_its_eight_bit_original() {
    let mut message = message();
    message.parameters.smtputf8 = true;
    message.parameters.body = BodyKind::EightBitMime;
    let head = "From: <alice@contoso.example>\r\nSubject: Gr\u{fc}\u{df}e aus K\u{f6}ln\r\n\r\n";
    let original = Original { head: head.as_bytes(), body: Some("Sch\u{f6}n!\r\n".as_bytes()), international: true };
    let target = refused("dora@contoso.example", &Refusal::RecipientMailboxFull);
    let other = refused("d\u{f6}ra@contoso.example", &Refusal::RecipientMailboxFull);
    golden("international.eml", &compose(ReportKind::Failed, &message, &[target, other], original));
}

#[test]
fn headers_alone_come_back_where_asked_or_where_the_whole_is_too_large_or_binary() {
    let mut asked = message();
    asked.parameters.ret = Some(Ret::Headers);
    let mut large = message();
    large.bytes = report::ORIGINAL_BYTES_MAX + 1;
    let mut binary = message();
    binary.parameters.body = BodyKind::BinaryMime;
    for message in [asked, large, binary] {
        assert!(!report::returns_body(ReportKind::Failed, &message));
        let text = String::from_utf8(compose(ReportKind::Failed, &message, &[unknown()], original())).unwrap();
        assert!(text.contains("Content-Type: text/rfc822-headers\r\n"));
        assert!(!text.contains("The figures are attached."));
    }
    assert!(report::returns_body(ReportKind::Failed, &message()));
    assert!(!report::returns_body(ReportKind::Delayed, &message()));
}

#[test]
fn the_original_can_ask_for_silence() {
    let suppressed = |value: &str, kind| {
        let head = format!("Subject: x\r\nX-Auto-Response-Suppress: {value}\r\n\r\n");
        report::is_suppressed(kind, &Original { head: head.as_bytes(), body: None, international: false })
    };
    assert!(suppressed("OOF, ndr", ReportKind::Failed));
    assert!(suppressed("All", ReportKind::Delivered));
    assert!(suppressed("DR", ReportKind::Relayed));
    assert!(!suppressed("DR, OOF", ReportKind::Failed));
    assert!(!report::is_suppressed(ReportKind::Failed, &original()));
}

/// The header of a report, unfolded.
fn header_lines(report: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(report).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap().to_owned();
    head.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n").map(str::to_owned).collect()
}

const NAMES: [&str; 12] = [
    "MIME-Version",
    "From",
    "To",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "Auto-Submitted",
    "X-MS-Exchange-Message-Is-Ndr",
    "Content-Language",
    "Content-Type",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_same_outcome_makes_the_same_report_byte_for_byte(head in "\\PC{0,200}", said in "\\PC{0,200}") {
        let reply = Reply::new(550, EnhancedStatus(5, 0, 0), said.clone());
        let target = failed("partner@fabrikam.example", Some(&said), reply);
        let original = Original { head: head.as_bytes(), body: Some(BODY), international: false };
        let once = compose(ReportKind::Failed, &message(), core::slice::from_ref(&target), original);
        prop_assert_eq!(once, compose(ReportKind::Failed, &message(), &[target], original));
    }

    #[test]
    fn hostile_strings_cannot_add_header_lines_parts_or_markup(
        subject in "[ -~\r\n\u{0}\u{1b}\u{e9}\u{202e}]{0,120}",
        id in "[ -~\r\n]{0,60}",
        said in "[ -~\r\n<>&]{0,120}",
        host in "[a-z\r\n:<>]{0,40}",
        envelope_id in "[ -~\r\n]{0,60}",
        raw in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let folded = subject.replace("\r\n", "\r\n ").replace('\n', "\n ");
        let fields = format!("Subject: {folded}\r\nMessage-ID: <{id}>\r\nX: <script>alert(1)</script>\r\n");
        let mut head = fields.into_bytes();
        head.extend_from_slice(&raw);
        let mut message = message();
        message.parameters.envelope_id = Some(envelope_id.into());
        let reply = Reply::new(550, EnhancedStatus(5, 0, 0), said.clone());
        let mut target = failed("partner@fabrikam.example", Some(&host), reply);
        let mut addressee = Addressee::clone(&target.addressee);
        Arc::make_mut(&mut addressee.passage).dsn.original_recipient = Some((host.into(), said.into()));
        target.addressee = addressee.into();
        let body = [b"--=_".as_slice(), message.id.to_string().as_bytes(), b"r0\r\n\r\n", &raw].concat();
        let original = Original { head: &head, body: Some(&body), international: false };
        let report = compose(ReportKind::Failed, &message, &[target], original);

        let lines = header_lines(&report);
        for line in &lines {
            let name = line.split(':').next().unwrap();
            prop_assert!(NAMES.contains(&name) || name == "Content-Transfer-Encoding", "{line}");
        }
        let count = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
        prop_assert!(NAMES.iter().all(|name| count(&format!("{name}:")) <= 1), "{lines:?}");
        let parsed = MessageParser::default().parse(&report).unwrap();
        let root = parsed.parts.first().unwrap();
        prop_assert_eq!(root.sub_parts().map(<[_]>::len), Some(3), "{}", String::from_utf8_lossy(&report));
        prop_assert_eq!(parsed.parts.get(1).and_then(|part| part.sub_parts()).map(<[_]>::len), Some(2));
        prop_assert!(!parsed.body_html(0).unwrap_or_default().contains("<script"));
        let bare = |pair: &[u8]| (pair[0] == b'\r' && pair[1] != b'\n') || (pair[0] != b'\r' && pair[1] == b'\n');
        prop_assert!(!report.windows(2).any(bare), "a bare CR or LF");
    }

    #[test]
    fn a_returned_header_is_bounded(lines in 0..3_000_usize) {
        let head = "X-Long: 0123456789012345678901234567890\r\n".repeat(lines);
        let mut message = message();
        message.parameters.ret = Some(Ret::Headers);
        let original = Original { head: head.as_bytes(), body: None, international: false };
        let report = compose(ReportKind::Failed, &message, &[unknown()], original);
        // Once as text, once as HTML, once as itself.
        prop_assert!(report.len() < 4 * HEADER_BYTES_MAX);
    }
}

#[test]
fn a_null_reverse_path_never_earns_a_report() {
    let reply = || Reply::new(550, EnhancedStatus(5, 1, 1), "no");
    for notify in [Notify::Unspecified, Notify::On { success: true, failure: true, delay: true }] {
        let mut addressee = Addressee::clone(&target("partner@fabrikam.example").addressee);
        Arc::make_mut(&mut addressee.passage).reverse_path = ReversePath::Null;
        Arc::make_mut(&mut addressee.passage).dsn.notify = notify;
        let fresh = Target::new(addressee);
        assert!(!fresh.may_be_noticed());
        for event in [
            Event::Failed(attempt(None, reply())),
            Event::Delivered(attempt(None, reply())),
            Event::Relayed { attempt: attempt(None, reply()), dsn_passed_on: false },
        ] {
            let mut target = fresh.clone();
            target.apply(&event).unwrap();
            assert_eq!(target.owes(), None);
            assert!(target.is_settled());
        }
    }
}

fn notice(name: &str, bytes: u64, thresholds: Thresholds) -> Option<Vec<u8>> {
    quota_notice(&NoticeFacts {
        reporter: &reporter(),
        to: &address("info@contoso.example"),
        name,
        mailbox: RecipientId(7),
        usage: Usage { bytes, messages: 81_234 },
        thresholds,
        at: at("2026-01-05T09:00:06Z"),
    })
}

#[test]
fn the_owner_of_a_mailbox_that_fills_up_is_told_what_follows() {
    let send = PLAN_1.prohibit_send.unwrap();
    let receive = KIOSK.prohibit_send_receive.unwrap();
    golden("quota-warning.eml", &notice("Info", PLAN_1.issue_warning.unwrap(), PLAN_1).unwrap());
    golden("quota-send.eml", &notice("Info", send, PLAN_1).unwrap());
    golden("quota-receive.eml", &notice("Zoë\r\nBcc: eve@fabrikam.example", receive, KIOSK).unwrap());
    assert_eq!(notice("Info", PLAN_1.issue_warning.unwrap() - 1, PLAN_1), None);
    let hostile = notice("Zoë\r\nBcc: eve@fabrikam.example", receive, KIOSK).unwrap();
    assert!(MessageParser::default().parse(&hostile).unwrap().bcc().is_none());
}
