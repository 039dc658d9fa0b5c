//! A stranger delivers: to mailboxes, through them, and in vain.

use super::Swaks;
use crate::support::Place;
use crate::support::server::Server;

const STRANGER: &str = "eve@fabrikam.example";

#[test]
fn a_stranger_reaches_mailboxes_forwards_and_contacts() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let deliver = |to: &str, token: &str| {
        let subject = format!("Subject: {token}");
        swaks.deliver(server.inbound(), STRANGER, to, &["--header", &subject]).must_be_accepted();
    };
    deliver("Bob@CONTOSO.example", "inbound-user");
    let stored = server.mailbox("bob").wait_for("inbound-user");
    assert_eq!(stored.header("Return-Path"), ["<eve@fabrikam.example>"]);
    let received = stored.header("Received");
    assert!(received.iter().any(|field| field.contains("mail.fabrikam.example")), "{received:?}");
    // A mailbox that nobody can sign in to receives like any other.
    deliver("info@contoso.example", "inbound-shared");
    server.mailbox("info").wait_for("inbound-shared");
    deliver("room-1@contoso.example", "inbound-room");
    server.mailbox("room-1").wait_for("inbound-room");
    deliver("bob+orders@contoso.example", "inbound-plus");
    server.mailbox("bob").wait_for("inbound-plus");

    server.stop();
}

#[test]
fn what_is_forwarded_names_us_and_reports_about_it_find_their_way_back() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let deliver = |from: &str, to: &str, token: &str| {
        let subject = format!("Subject: {token}");
        swaks.deliver(server.inbound(), from, to, &["--header", &subject]).must_be_accepted();
    };
    for local in ["carol", "partner"] {
        let token = format!("passed-on-by-{local}");
        deliver(STRANGER, &format!("{local}@contoso.example"), &token);
        let departed = server.wait_for_departure(&token, &format!("{local}@fabrikam.example"));
        // The next host's SPF check asks about our domain (SRS), not about the stranger's.
        let reverse_path = departed.reverse_path();
        let rewritten =
            reverse_path.starts_with(&format!("{local}+SRS=")) && reverse_path.ends_with("@contoso.example");
        assert!(rewritten, "{reverse_path}");
        let report = format!("report-for-{local}");
        deliver("<>", reverse_path, &report);
        server.wait_for_departure(&report, STRANGER);
    }
    assert!(server.mailbox("carol").messages().is_empty(), "carol keeps no copy");
    server.stop();
}

#[test]
fn a_stranger_is_refused_at_the_recipient() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let refused = [
        ("nobody@contoso.example", "550 5.4.1 Recipient address rejected: Access denied"),
        ("someone@elsewhere.example", "550 5.7.64 TenantAttribution; Relay Access Denied"),
        ("carol@fabrikam.example", "550 5.7.64 TenantAttribution; Relay Access Denied"),
        ("staff@contoso.example", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup"),
        // Its mailbox is disconnected, so its address is nobody's.
        ("dora@contoso.example", "550 5.4.1 Recipient address rejected: Access denied"),
    ];
    for (to, expected) in refused {
        let conversation = swaks.deliver(server.inbound(), STRANGER, to, &[]);
        conversation.must_be_refused(expected);
        assert!(conversation.refused_step().starts_with("RCPT TO"), "{}", conversation.text);
    }
    // One that cannot be reached does not keep the others from it.
    let both = "nobody@contoso.example,bob@contoso.example";
    let more = ["--header", "Subject: inbound-both"];
    let conversation = swaks.deliver(server.inbound(), STRANGER, both, &more);
    assert!(conversation.has_reply("550 5.4.1"), "{}", conversation.text);
    server.mailbox("bob").wait_for("inbound-both");
    server.stop();
}

#[test]
fn one_id_leads_through_the_log_from_connection_to_delivery() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let subject = ["--header", "Subject: one-id"];
    swaks.deliver(server.inbound(), STRANGER, "bob@contoso.example", &subject).must_be_accepted();
    server.mailbox("bob").wait_for("one-id");
    let told =
        |word: &str| crate::support::wait_for(word, || server.log().into_iter().find(|line| line["message"] == word));
    let accepted = told("message accepted");
    let session = accepted["span"]["id"].as_str().unwrap().to_owned();
    assert_eq!(session.len(), 16, "{accepted}");
    let delivered = told("delivered");
    assert_eq!(delivered["session"], session.as_str(), "{delivered}");
    assert_eq!(delivered["queue_id"], accepted["queue_id"], "{delivered}");
}
