//! What moderators and the senders of moderated mail are told.

use franking::model::directory::RecipientId;
use franking::model::policy::{Moderated, Waiting};
use franking::model::queue::{Decision, Finding};
use franking::model::report::{CARRIED_BYTES_MAX, RequestFacts, carries_body, compose_request};

use super::*;

fn staff() -> Target {
    let address = address("staff@contoso.example");
    let waiting = Waiting::new(RecipientId(9), vec![RecipientId(1)], true);
    let moderated = Moderated {
        path: ForwardPath::Mailbox(address.clone()),
        address,
        reverse_path: message().reverse_path,
        dsn: DsnRequest::default(),
        resent_from: None,
        waiting,
    };
    Target::moderated(moderated, at("2026-01-05T09:00:01Z"), at("2026-01-07T09:00:01Z"))
}

fn rejected(comment: &str) -> Target {
    let mut target = staff();
    let decision = Decision::new(at("2026-01-05T10:00:00Z"), "bob@contoso.example", "root", comment);
    target.apply(&Event::Rejected(decision)).unwrap();
    target
}

fn request(message: &EntryFacts, moderators: &[&str], notifies_sender: bool, original: Original<'_>) -> Vec<u8> {
    let moderators: Vec<Address> = moderators.iter().map(|moderator| address(moderator)).collect();
    compose_request(&RequestFacts {
        reporter: &reporter(),
        moderators: &moderators,
        recipient: &address("staff@contoso.example"),
        message,
        place: 2,
        until: at("2026-01-07T09:00:01Z"),
        notifies_sender,
        answers_to: Some(&address("approval-ABCDEFGHIJKLMNOP-19B8D5A800000001-2@contoso.example")),
        at: at("2026-01-05T09:00:02Z"),
        original,
    })
}

#[test]
fn moderators_are_told_what_waits_and_how_to_decide() {
    let moderators = ["bob@contoso.example", "partner@fabrikam.example"];
    let request = request(&message(), &moderators, true, original());
    golden("approval-request.eml", &request);
    let parsed = MessageParser::default().parse(&request).unwrap();
    assert!(parsed.body_text(0).unwrap().contains("franking moderation approve 19B8D5A800000001.2 --moderator"));
    let attached = parsed.attachments().last().unwrap().message().expect("the original is a message part");
    assert_eq!(attached.subject(), Some("Quarterly figures"));
}

#[test]
fn of_a_large_message_moderators_get_the_header_and_of_one_without_sender_no_promise() {
    let mut message = message();
    message.bytes = CARRIED_BYTES_MAX + 1;
    message.reverse_path = ReversePath::Null;
    assert!(!carries_body(&message));
    let original = Original { body: None, ..original() };
    golden("approval-request-header.eml", &request(&message, &["bob@contoso.example"], false, original));
}

#[test]
fn a_rejection_carries_the_moderators_words() {
    let comment = "Please send this to sales only.\nThank you.";
    golden("rejected.eml", &compose(ReportKind::Rejected, &message(), &[rejected(comment)], original()));
}

#[test]
fn a_message_that_nobody_decided_about_comes_back_in_other_words_than_a_remote_5_6_0() {
    let mut target = staff();
    let unapproved = attempt(None, Finding::Unapproved.reply());
    target.apply(&Event::Failed(unapproved)).unwrap();
    golden("unapproved.eml", &compose(ReportKind::Failed, &message(), &[target], original()));
}

proptest! {
    #[test]
    fn nothing_that_anybody_wrote_adds_a_field_or_a_part(
        subject in "\\PC{0,300}",
        body in "(\\PC|\r|\n|--|=_){0,300}",
        comment in "(\\PC|\r|\n|\u{202e}|--){0,300}",
    ) {
        let head = format!("Subject: {subject}\r\nMessage-ID: <one@contoso.example>\r\n\r\n");
        let original = Original { head: head.as_bytes(), body: Some(body.as_bytes()), international: true };
        for (whole, fields) in [
            (request(&message(), &["bob@contoso.example"], true, original), 10),
            (compose(ReportKind::Rejected, &message(), &[rejected(&comment)], original), 10),
        ] {
            let parsed = MessageParser::default().parse(&whole).unwrap();
            let own = parsed.parts[0].headers.len();
            prop_assert!(own <= fields + 2, "{own} fields: {}", String::from_utf8_lossy(&whole));
            prop_assert!(parsed.bcc().is_none() && parsed.cc().is_none());
            let end = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            prop_assert!(whole[..end].is_ascii());
            prop_assert!(whole[..end].split(|byte| *byte == b'\n').all(|line| line.len() <= 998));
        }
    }
}
