//! Accounts hand mail in: by every way to sign in, with attachments, and in the name of others.

use mail_parser::{MessageParser, MimeHeaders as _};

use super::{Swaks, Tls};
use crate::support::Place;
use crate::support::maildir::Stored;
use crate::support::server::Server;

/// Like the document of a scanner: a million octets, some of which look like the end of a message.
fn document() -> Vec<u8> {
    let mut document = b"%PDF-1.4\n.\r\n..\r\n\r\n.\r\n".to_vec();
    let mut state = 0x5eed_u32;
    while document.len() < 1_000_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        document.extend_from_slice(&state.to_be_bytes());
    }
    document
}

fn assert_traced(stored: &Stored, sender: &str) {
    assert_eq!(stored.header("Return-Path"), [format!("<{sender}>")], "{}", stored.text());
    let first = stored.text().lines().next().unwrap_or_default().to_owned();
    assert!(first.starts_with("Return-Path:"), "{first}");
    let received = stored.header("Received");
    assert!(received.iter().any(|field| field.contains("with ESMTPSA")), "{received:?}");
    // The size that Dovecot's quota reads from the name is the size of the file.
    assert_eq!(stored.promised('S'), Some(stored.bytes.len()), "{}", stored.path.display());
}

#[test]
fn a_device_sends_by_every_way_to_sign_in() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let ways = [
        ("way-starttls-login", Tls::Starttls, server.submission(), "LOGIN"),
        ("way-starttls-plain", Tls::Starttls, server.submission(), "PLAIN"),
        ("way-implicit-login", Tls::Implicit, server.submissions(), "LOGIN"),
        ("way-implicit-plain", Tls::Implicit, server.submissions(), "PLAIN"),
    ];
    for (token, tls, address, mechanism) in ways {
        let subject = format!("Subject: {token}");
        let more = ["--auth", mechanism, "--header", &subject, "--body", "first line\\n.\\n..two dots\\nlast line"];
        let conversation = swaks.submit(address, tls, "kiosk", "bob@contoso.example", &more);
        assert!(conversation.must_be_accepted().has_reply("235 2.7.0"), "{}", conversation.text);
        let stored = server.mailbox("bob").wait_for(token);
        assert_traced(&stored, "kiosk@contoso.example");
        assert!(stored.text().contains("first line\n.\n..two dots\nlast line\n"), "{}", stored.text());
        assert!(!stored.contains("\r"), "a mailbox has lines that end with LF");
    }
    server.stop();
}

#[test]
fn a_scanned_document_arrives_octet_by_octet() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let document = document();
    let path = format!("@{}", place.file("scan.pdf", &document).display());
    let server = Server::demo(&place);
    let more = ["--header", "Subject: scanned-document", "--attach-type", "application/pdf", "--attach", &path];
    swaks.submit(server.submissions(), Tls::Implicit, "alice", "bob@contoso.example", &more).must_be_accepted();
    let stored = server.mailbox("bob").wait_for("scanned-document");
    assert_traced(&stored, "alice@contoso.example");
    let message = MessageParser::default().parse(&stored.bytes).expect("a message");
    let attachment = message.attachments().find(|part| part.is_content_type("application", "pdf"));
    let attachment = attachment.expect("the attachment");
    assert!(attachment.contents() == document, "{} octets arrived", attachment.contents().len());
    server.stop();
}

#[test]
fn as_another_mailbox_only_with_its_right() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let submit = |local: &str, from: &str, token: &str, more: &[&str]| {
        let fields = [format!("From: {from}"), format!("Subject: {token}")];
        let envelope = ["--from", from, "--header", &fields[0], "--header", &fields[1]];
        swaks.submit(server.submission(), Tls::Starttls, local, "bob@contoso.example", &[&envelope[..], more].concat())
    };
    submit("alice", "info@contoso.example", "as-info", &[]).must_be_accepted();
    let stored = server.mailbox("bob").wait_for("as-info");
    assert_traced(&stored, "info@contoso.example");
    assert_eq!(stored.header("From"), ["info@contoso.example"]);
    assert!(stored.header("Sender").is_empty(), "{}", stored.text());

    // Alice may send on behalf of sales: her own name is added, and a forged one is not believed.
    let forged = ["--header", "Sender: bob@contoso.example"];
    for (token, more) in [("behalf-plain", &[][..]), ("behalf-forged", &forged)] {
        submit("alice", "sales@contoso.example", token, more).must_be_accepted();
        let stored = server.mailbox("bob").wait_for(token);
        assert_eq!(stored.header("From"), ["sales@contoso.example"]);
        let sender = stored.header("Sender");
        assert!(sender.len() == 1 && sender[0].contains("alice@contoso.example"), "{sender:?}");
        assert_eq!(stored.header("Return-Path"), ["<alice@contoso.example>"]);
    }

    // Exchange judges after DATA, with the header at hand.
    for from in ["info@contoso.example", "alice@contoso.example", "eve@fabrikam.example"] {
        let conversation = submit("bob", from, "as-nobody", &[]);
        conversation.must_be_refused("554 5.2.252 SendAsDenied; bob@contoso.example not allowed to send as");
        assert!(conversation.has_reply("354"), "{}", conversation.text);
    }
    // An honest envelope around a dishonest header.
    let header = ["--from", "bob@contoso.example"];
    submit("bob", "info@contoso.example", "as-nobody", &header).must_be_refused("554 5.2.252 SendAsDenied");
    submit("bob", "bob@contoso.example", "after-all", &["--from", "bob@contoso.example"]).must_be_accepted();
    server.mailbox("bob").wait_for("after-all");
    assert!(!server.mailbox("bob").messages().iter().any(|message| message.contains("as-nobody")));
    server.stop();
}

#[test]
fn a_group_takes_mail_from_accounts_and_reaches_every_member_once() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let more = ["--header", "Subject: to-all-staff"];
    let conversation = swaks.submit(server.submission(), Tls::Starttls, "alice", "staff@contoso.example", &more);
    conversation.must_be_accepted();
    server.mailbox("bob").wait_for("to-all-staff");
    server.mailbox("alice").wait_for("to-all-staff");
    server.wait_for_departure("to-all-staff", "carol@fabrikam.example");
    server.wait_for_departure("to-all-staff", "partner@fabrikam.example");
    assert!(server.mailbox("carol").messages().is_empty(), "carol keeps no copy");
    server.stop();
}

#[test]
fn a_recipient_that_nobody_is_is_reported_to_the_sender() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let recipients = "nobody@contoso.example,bob@contoso.example";
    let more = ["--header", "Subject: to-nobody"];
    swaks.submit(server.submission(), Tls::Starttls, "alice", recipients, &more).must_be_accepted();
    server.mailbox("bob").wait_for("to-nobody");
    let report = server.mailbox("alice").wait_for("Action: failed");
    let text = report.text();
    assert_eq!(report.header("Return-Path"), ["<>"], "{text}");
    assert!(text.contains("5.1.10") && text.contains("nobody@contoso.example"), "{text}");
    assert!(text.contains("multipart/report"), "{text}");
    server.stop();
}
