//! Automatic replies as messages: golden files, and what holds for every original.

use franking::model::mail::Address;
use franking::model::policy::MessageParameters;
use franking::model::queue::QueueId;
use franking::model::report::{AutomaticReplyFacts, Original, compose_automatic_reply};
use mail_parser::{MessageParser, MimeHeaders as _};
use proptest::prelude::*;

use super::{address, at, golden};

const TEXT: &str = "I am away until Monday.\n\nIn urgent cases: +1 555 0100\n.\nFrom here on it is signed = Alice";

fn compose(name: Option<&str>, to: &Address, text: &str, head: &[u8]) -> Vec<u8> {
    compose_automatic_reply(&AutomaticReplyFacts {
        host: "mx.contoso.example",
        author: &address("alice@contoso.example"),
        author_name: name,
        to,
        text,
        message: (QueueId(0x19B8_D5A8_0000_0001), 2),
        original: Original { head, body: None, international: false },
        at: at("2026-01-05T09:00:06Z"),
    })
}

#[test]
fn a_reply_says_what_it_answers_and_that_a_machine_wrote_it() {
    let head =
        b"From: Eve <eve@fabrikam.example>\r\nSubject: Quarterly figures\r\nMessage-ID: <1@fabrikam.example>\r\n\r\n";
    let reply = compose(Some("Liddell, Alice \"Al\""), &address("eve@fabrikam.example"), TEXT, head);
    golden("automatic-reply.eml", &reply);
    let parsed = MessageParser::default().parse(&reply).unwrap();
    assert_eq!(parsed.from().unwrap().first().unwrap().name(), Some("Liddell, Alice \"Al\""));
    assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), TEXT);
    let parameters = MessageParameters::needed_by(&reply, &address("eve@fabrikam.example"));
    assert_eq!(parameters, MessageParameters::default());
}

#[test]
fn a_reply_in_any_language_needs_no_more_of_other_servers_than_its_reader_does() {
    let head =
        "Subject: =?utf-8?q?=C3=9Cber_m=C3=BCde_Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <2@fabrikam.example>\r\n".as_bytes();
    let text = "Ich bin bis Montag nicht im Büro.\nViele Grüße — Jürgen";
    let reply = compose(Some("Jürgen Müller"), &address("eve@fabrikam.example"), text, head);
    golden("automatic-reply-umlauts.eml", &reply);
    assert!(!MessageParameters::needed_by(&reply, &address("eve@fabrikam.example")).smtputf8);
    let parsed = MessageParser::default().parse(&reply).unwrap();
    assert_eq!(parsed.subject(), Some("Automatic reply: Über müde Grüße"));
    let foreign = address("jürgen@fabrikam.example");
    let reply = compose(None, &foreign, text, head);
    assert!(MessageParameters::needed_by(&reply, &foreign).smtputf8);
}

#[test]
fn a_reply_in_html_comes_with_its_text_and_without_what_acts() {
    let text = "<html>\n<body>\n<p onclick=\"x()\">I am away until <b>Monday</b>.</p>\n<script>x()</script>\n\
        <p><a href=\"https://contoso.example/\">J&uuml;rgen</a></p>\n</body>\n</html>";
    let head = b"Subject: Quarterly figures\r\nMessage-ID: <3@fabrikam.example>\r\n\r\n";
    let reply = compose(Some("Alice"), &address("eve@fabrikam.example"), text, head);
    golden("automatic-reply-html.eml", &reply);
    let parsed = MessageParser::default().parse(&reply).unwrap();
    let kind = parsed.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("alternative")));
    let plain = parsed.body_text(0).unwrap();
    assert!(plain.contains("I am away until Monday.") && plain.contains("J\u{fc}rgen"), "{plain}");
    let html = parsed.body_html(0).unwrap();
    assert!(html.contains("<b>Monday</b>") && html.contains("href=\"https://contoso.example/\""), "{html}");
    assert!(!html.contains("x()") && !plain.contains("x()"), "{html}");
    assert!(!MessageParameters::needed_by(&reply, &address("eve@fabrikam.example")).smtputf8);
}

proptest! {
    /// The octets of the original and of the directory reach no other field, and the same facts make the same octets.
    #[test]
    fn nothing_in_a_subject_a_name_or_a_text_adds_a_field(
        subject in "\\PC{0,300}", hostile in proptest::collection::vec(any::<u8>(), 0..200),
        name in "[ -~é\r\n]{0,200}", text in "(<p>)?[ -~é\n\t]{0,200}",
    ) {
        let head = [b"Message-ID: <x\r\nBcc: a@b>\r\nSubject: ".as_slice(), subject.as_bytes(), b"\r\n", &hostile].concat();
        let to = address("eve@fabrikam.example");
        let reply = compose(Some(&name), &to, &text, &head);
        prop_assert_eq!(&reply, &compose(Some(&name), &to, &text, &head));
        prop_assert!(reply.is_ascii());
        let whole = String::from_utf8(reply).unwrap();
        let (header, _) = whole.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> =
            header.split("\r\n").filter(|line| !line.starts_with(' ')).map(|line| line.split(':').next().unwrap()).collect();
        let mut expected = vec!["MIME-Version", "From", "To", "Date", "Message-ID"];
        if names.contains(&"In-Reply-To") {
            expected.extend(["In-Reply-To", "References"]);
        }
        expected.extend(["Subject", "Auto-Submitted", "X-Auto-Response-Suppress", "Content-Type"]);
        // Of two forms each has its own encoding.
        let html = franking::model::directory::auto_reply::is_html(&text);
        expected.extend((!html).then_some("Content-Transfer-Encoding"));
        prop_assert_eq!(names, expected);
        prop_assert!(whole.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }
}
