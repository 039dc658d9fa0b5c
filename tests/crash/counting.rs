//! `kill -9` while limits and quotas are counted: afterwards both are what was accepted and what is on the disk.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::rounds;
use crate::support::maildir::messages;
use crate::support::site::Site;
use crate::support::{PATIENCE, Place, wait_for, within};

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
/// Without bounds on sessions and the minute, which would make the test wait; days and hours are counted all the same.
const UNHURRIED: &str =
    "[limits]\nmessages_per_minute = 0\nsessions_per_account_max = 0\nsessions_per_address_max = 200\n";
const SESSIONS: usize = 4;
const MESSAGES: usize = 40;

/// Sends until the server is gone; gives how many messages it said it took.
fn send(site: &Site, round: usize, session: usize, taken: &AtomicUsize) {
    let Some(mut client) = site.try_alice() else { return };
    for number in 0.. {
        let token = format!("count-{round}-{session}-{number}");
        let body = "x".repeat(10 + 37 * (number % 20));
        let content = format!("From: {ALICE}\r\nSubject: {token}\r\n\r\n{body}\r\n");
        if client.send(ALICE, &[BOB], &content).is_err() {
            return;
        }
        taken.fetch_add(1, Ordering::Relaxed);
    }
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path} in {value}"))
}

#[test]
fn limits_and_quotas_are_exact_after_a_kill_in_the_midst_of_counting() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], UNHURRIED);
    let acknowledged = Mutex::new(0_usize);
    for round in 0..rounds().min(4) {
        let server = site.start(&place);
        let taken = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for session in 0..SESSIONS {
                let (site, taken) = (&site, &taken);
                scope.spawn(move || send(site, round, session, taken));
            }
            let reached = within(PATIENCE, || (taken.load(Ordering::Relaxed) >= MESSAGES).then_some(()));
            server.kill();
            assert!(reached.is_some(), "{} messages were taken", taken.load(Ordering::Relaxed));
        });
        *acknowledged.lock().unwrap() += taken.into_inner();
    }
    let server = site.start(&place);
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    let maildir = server.mailbox("bob").directory().expect("a mailbox");
    let stored = messages(&maildir);
    let bytes: usize = stored.iter().map(|message| message.bytes.len()).sum();
    // What was accepted as its client was cut off is counted as well: it is in the mailbox.
    let accepted = stored.len() as u64;
    assert!(accepted >= *acknowledged.lock().unwrap() as u64, "{accepted} messages arrived");
    let sent = site.json(&["limits", "show", "alice"]);
    assert_eq!(number(&sent, "/recipients_per_day/used"), accepted, "{sent}");
    let received = site.json(&["limits", "show", "bob"]);
    assert_eq!(number(&received, "/received_per_hour/used"), accepted, "{received}");
    let shown = site.json(&["recipient", "show", "bob"]);
    let held = [number(&shown, "/mailbox/bytes"), number(&shown, "/mailbox/messages")];
    assert_eq!(held, [bytes as u64, accepted], "{shown}");
    server.stop();
}
