//! Automatic replies of the whole server, through real sockets, restarts and `kill -9`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

use std::collections::BTreeMap;
use std::process::Command;

use crate::support::maildir::Stored;
use crate::support::process::run;
use crate::support::server::{PROGRAM, Server};
use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::{Place, wait_for};

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";

fn content(from: &str, to: &str, token: &str) -> String {
    format!("From: <{from}>\r\nTo: <{to}>\r\nSubject: {token}\r\nMessage-ID: <{token}@test.example>\r\n\r\nHello\r\n")
}

fn from_alice(site: &Site, token: &str) {
    site.alice().send(ALICE, &[BOB], &content(ALICE, BOB, token)).unwrap();
}

fn set(site: &Site, more: &[&str]) {
    let (done, text) = site.franking(&[&["recipient", "auto-reply", "bob"], more].concat());
    assert!(done, "{text}");
}

/// The subjects of the automatic replies in alice's mailbox, once nothing is under way.
fn answered(site: &Site, server: &Server) -> Vec<String> {
    wait_for("the end of the queue", || (site.queued() == 0).then_some(()));
    let is_reply = |message: &Stored| message.header("Auto-Submitted") == ["auto-replied"];
    let replies = server.mailbox("alice").messages().into_iter().filter(is_reply);
    let mut subjects: Vec<String> = replies.map(|reply| reply.header("Subject").concat()).collect();
    subjects.sort_unstable();
    subjects
}

#[test]
fn a_sender_is_answered_once_until_the_text_changes_over_restarts_and_without_an_index() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    set(&site, &["--state", "enabled", "--internal", "Back on Monday.\nBob", "--external", "Away."]);
    from_alice(&site, "first");
    let reply = server.mailbox("alice").wait_for("Back on Monday.");
    assert_eq!(reply.header("Return-Path"), ["<>"]);
    assert_eq!(reply.header("From"), [format!("\"Bob\" <{BOB}>")]);
    assert_eq!(reply.header("To"), [format!("<{ALICE}>")]);
    assert_eq!(reply.header("Subject"), ["Automatic reply: first"]);
    assert_eq!(reply.header("In-Reply-To"), ["<first@test.example>"]);
    assert_eq!(reply.header("X-Auto-Response-Suppress"), ["All"]);

    from_alice(&site, "second");
    assert_eq!(answered(&site, &server), ["Automatic reply: first"]);
    // A stranger who claims to be alice is a stranger, whom bob does not answer inside.
    let mut stranger = Client::connect(site.inbound()).unwrap();
    stranger.send(ALICE, &[BOB], &content(ALICE, BOB, "forged")).unwrap();
    server.stop();
    let indexes = std::fs::read_dir(place.path().join("data/directory")).unwrap().flatten();
    for index in indexes.filter(|entry| entry.file_name().to_string_lossy().starts_with("index")) {
        std::fs::remove_dir_all(index.path()).unwrap();
    }
    let server = site.start(&place);
    from_alice(&site, "third");
    assert_eq!(answered(&site, &server), ["Automatic reply: first"]);

    set(&site, &["--internal", "Back on Tuesday."]);
    from_alice(&site, "fourth");
    server.mailbox("alice").wait_for("Back on Tuesday.");
    server.kill();
    let server = site.start(&place);
    from_alice(&site, "fifth");
    let both = ["Automatic reply: first", "Automatic reply: fourth"];
    assert_eq!(answered(&site, &server), both);
    set(&site, &["--state", "disabled"]);
    from_alice(&site, "sixth");
    assert_eq!(answered(&site, &server), both);
    let history = site.json(&["trace", "--subject", "fourth"]);
    assert!(history.to_string().contains("delivered"), "{history}");
    server.stop();
}

/// The command line beside a demonstration.
fn franking(place: &Place, arguments: &[&str]) -> String {
    let data = place.path().join("data");
    let outcome = run(Command::new(PROGRAM).arg("--data").arg(&data).args(arguments), "");
    assert!(outcome.status.success(), "{}", outcome.text);
    outcome.text
}

/// Every sender in two lives of the server that end with `kill -9`, in the midst of answering, and a last one.
#[test]
fn strangers_are_answered_exactly_once_through_kill_nine() {
    const SENDERS: usize = 40;
    let place = Place::new();
    let sender = |number: usize| format!("eve{number}@fabrikam.example");
    let mut accepted = BTreeMap::new();
    let set_up = Server::demo(&place);
    let texts = ["--internal", "Inside.", "--external", "Outside."];
    franking(&place, &[&["recipient", "auto-reply", "bob", "--state", "enabled"], &texts[..]].concat());
    drop(set_up);
    for life in 0..3 {
        let server = Server::demo(&place);
        let mut client = Client::connect(server.inbound()).unwrap();
        // Those of the life before, too: whoever was not answered then is now, and whoever was is not again.
        for number in (life * SENDERS / 2)..(life * SENDERS / 2 + SENDERS) {
            let (from, token) = (sender(number), format!("token-{life}-{number}-end"));
            client.send(&from, &[BOB], &content(&from, BOB, &token)).unwrap();
            *accepted.entry(from).or_insert(0) += 1;
        }
        if life < 2 {
            server.kill();
            continue;
        }
        let empty = || franking(&place, &["queue", "list"]).contains("The queue is empty").then_some(());
        wait_for("the end of the queue", empty);
        let replies = server.outbox();
        for from in accepted.keys() {
            let own = replies.iter().filter(|reply| reply.goes_to(from)).count();
            assert_eq!(own, 1, "{from} is answered {own} times");
        }
        assert_eq!(replies.len(), accepted.len());
        assert!(replies.iter().all(|reply| reply.reverse_path().is_empty() && reply.message.contains("Outside.")));
        server.stop();
        return;
    }
}
