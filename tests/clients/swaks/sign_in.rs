//! Who may sign in: each row of the table in the README, asked by a real client.

use super::{Swaks, Tls};
use crate::support::Place;
use crate::support::server::Server;

#[test]
fn each_account_of_the_sample_organisation_gets_its_row_of_the_table() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    for local in ["alice", "bob", "kiosk"] {
        let conversation = swaks.submit(server.submission(), Tls::Starttls, local, "bob@contoso.example", &[]);
        assert!(conversation.must_be_accepted().has_reply("235 2.7.0"), "{}", conversation.text);
    }
    let refused = [
        // Credentials, but no mailbox of its own.
        ("scanner", "550 5.2.1 Mailbox cannot be accessed"),
        // A mailbox once, until the licence was removed.
        ("dora", "550 5.2.1 Mailbox cannot be accessed"),
        ("quiet", "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox."),
        // Shared and room mailboxes are born blocked: no difference to a wrong password.
        ("info", "535 5.7.3 Authentication unsuccessful"),
        ("sales", "535 5.7.3 Authentication unsuccessful"),
        ("room-1", "535 5.7.3 Authentication unsuccessful"),
        // An address without an account.
        ("partner", "535 5.7.3 Authentication unsuccessful"),
        ("nobody", "535 5.7.3 Authentication unsuccessful"),
    ];
    for (local, expected) in refused {
        let conversation = swaks.submit(server.submission(), Tls::Starttls, local, "bob@contoso.example", &[]);
        assert!(!conversation.must_be_refused(expected).has_reply("235"), "{local}: {}", conversation.text);
    }
    let wrong = ["--auth-password", "demo-bob"];
    let conversation = swaks.submit(server.submissions(), Tls::Implicit, "alice", "bob@contoso.example", &wrong);
    conversation.must_be_refused("535 5.7.3 Authentication unsuccessful");
    server.stop();
}

#[test]
fn nothing_is_submitted_without_tls_or_without_signing_in() {
    let Some(swaks) = Swaks::find() else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let clear = swaks.submit(server.submission(), Tls::None, "alice", "bob@contoso.example", &[]);
    assert!(!clear.replies.iter().any(|reply| reply.contains("AUTH") || reply.starts_with("235")), "{}", clear.text);
    assert!(!clear.text.contains("MAIL FROM"), "{}", clear.text);
    let anonymous = swaks.deliver(server.submission(), "alice@contoso.example", "bob@contoso.example", &[]);
    anonymous.must_be_refused("530 5.7.57 Client not authenticated to send mail.");
    assert!(anonymous.refused_step().starts_with("MAIL FROM"), "{}", anonymous.text);
    // Accounts have no business where other servers deliver: no mechanism is offered there.
    let elsewhere = swaks.submit(server.inbound(), Tls::Starttls, "alice", "bob@contoso.example", &[]);
    assert!(elsewhere.has_reply("220 2.0.0"), "{}", elsewhere.text);
    assert!(!elsewhere.text.contains("AUTH LOGIN") && !elsewhere.text.contains("MAIL FROM"), "{}", elsewhere.text);
    assert!(server.mailbox("bob").messages().is_empty());
    server.stop();
}
