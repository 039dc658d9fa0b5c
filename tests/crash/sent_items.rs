//! Copies in Sent Items under `kill -9`: neither lost nor doubled.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use super::rounds;
use crate::support::maildir::{Stored, messages};
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{PATIENCE, Place, wait_for, within};

const SESSIONS: usize = 2;

/// Sends as info, of whom alice has SendAs, until the server is gone.
fn load(site: &Site, round: usize, session: usize, acknowledged: &Mutex<Vec<String>>) {
    let Some(mut alice) = site.try_alice() else { return };
    for number in 0.. {
        let token = format!("sent-{round}-{session}-{number}");
        let content = format!(
            "From: info@contoso.example\r\nTo: bob@contoso.example\r\nBcc: kiosk@contoso.example\r\n\
             Message-Id: <{token}@draft.example>\r\n\r\nGood morning\r\n"
        );
        if alice.send("info@contoso.example", &["bob@contoso.example"], &content).is_err() {
            return;
        }
        acknowledged.lock().unwrap().push(token);
    }
}

/// How often each message is in a folder, by its token.
fn tokens(stored: &[Stored]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for one in stored {
        let token = one.header("Message-Id").concat().trim_start_matches('<').replace("@draft.example>", "");
        if token.starts_with("sent-") {
            *found.entry(token).or_insert(0) += 1;
        }
    }
    found
}

fn sent_items(server: &Server, of: &str) -> Vec<Stored> {
    let mailbox = server.mailbox(of).directory().expect("a mailbox");
    messages(Path::new(&mailbox.join(".Sent Items")))
}

#[test]
fn copies_in_sent_items_are_neither_lost_nor_doubled_by_any_kill() {
    let place = Place::new();
    // As fast as it can.
    let site = Site::set_up(&place, &[], "[limits]\nmessages_per_minute = 10000\nrecipients_per_day = 1000000\n");
    let (set, said) = site.franking(&["recipient", "set", "info", "--sent-as-copy", "on"]);
    assert!(set, "{said}");
    let acknowledged = Mutex::new(Vec::new());
    for round in 0..rounds() {
        let server = site.start(&place);
        let (before, target) = (acknowledged.lock().unwrap().len(), [40, 3, 90, 10, 60][round % 5]);
        let reached = std::thread::scope(|scope| {
            for session in 0..SESSIONS {
                let (site, acknowledged) = (&site, &acknowledged);
                scope.spawn(move || load(site, round, session, acknowledged));
            }
            let enough = || acknowledged.lock().unwrap().len() >= before + target;
            let reached = within(PATIENCE, || enough().then_some(()));
            server.kill_now();
            reached
        });
        assert!(reached.is_some(), "fewer than {target} messages were acknowledged");
    }
    let server = site.start(&place);
    // The directories of mailboxes are found by what was delivered to them.
    let mut alice = site.try_alice().expect("a session");
    for of in ["alice", "info"] {
        let to = format!("{of}@contoso.example");
        alice.send("alice@contoso.example", &[&to], "From: alice@contoso.example\r\n\r\nx\r\n").unwrap();
    }
    wait_for("the end of the queue", || (site.queued() == 0).then_some(()));
    let acknowledged = acknowledged.into_inner().unwrap();
    let delivered = tokens(&server.mailbox("bob").messages());
    for of in ["alice", "info"] {
        let copies = sent_items(&server, of);
        let found = tokens(&copies);
        let missing: Vec<_> = acknowledged.iter().filter(|token| !found.contains_key(*token)).collect();
        assert!(missing.is_empty(), "of {} acknowledged, not kept by {of}: {missing:?}", acknowledged.len());
        assert!(found.values().all(|count| *count == 1), "kept more than once by {of}: {found:?}");
        assert_eq!(found, delivered, "what was never acknowledged is delivered and kept, or neither");
        let seen = |one: &Stored| one.path.to_string_lossy().ends_with(":2,S");
        let secret = |one: &Stored| one.header("Bcc") == ["kiosk@contoso.example"];
        let mut sent = copies.iter().filter(|one| one.contains("Message-Id: <sent-"));
        assert!(sent.all(|one| seen(one) && secret(one)), "a copy is unread, or hides whom it went to");
    }
    assert!(server.mailbox("bob").messages().iter().all(|one| one.header("Bcc").is_empty()));
    server.stop();
}
