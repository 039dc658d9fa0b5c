//! Hosts that take our mail and misbehave at every step: what they do, what the queue shows meanwhile, how it ends.
//!
//! One server has a domain for each of them, so that all misbehave at the same time and none delays another. Each ends
//! as documented: delivered exactly once when the host has mended its ways, or reported to the sender with the status
//! that the host gave.

mod host;
mod postfix;
mod scripted;
mod sink;

use crate::support::maildir::Stored;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{wait_for, within};

/// Patience of seconds instead of minutes, and retries at once.
const IMPATIENT: &str = "[relay.timeouts]\ngreeting_seconds = 2\ncommand_seconds = 2\ntls_seconds = 2\n\
                         data_start_seconds = 2\ndata_block_seconds = 2\ndata_end_seconds = 2\n\n\
                         [queue]\nretry_seconds = [1]\n\n[limits]\nmessages_per_minute = 10000\n";

/// How a message to a host ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// At once: the host's odd ways are no obstacle.
    Delivered,
    /// It waits, the queue shows these words, and it is delivered when the host behaves.
    Mended(&'static str),
    /// It is reported with these words.
    Reported(&'static str),
}

/// A message of alice's to somebody behind a host.
fn content(name: &str, body: &str) -> String {
    format!("From: alice@contoso.example\r\nMessage-ID: <{name}@contoso.example>\r\nSubject: {name}\r\n\r\n{body}\r\n")
}

/// Waits until the queue shows for each port what is expected of it.
fn wait_for_answers(site: &Site, mut expected: Vec<(&str, u16, &str)>) {
    let shown = within(crate::support::PATIENCE, || {
        let answers = site.answers();
        let says = |port: u16, words: &str| answers.iter().any(|(own, said)| *own == port && said.contains(words));
        expected.retain(|(_, port, words)| !says(*port, words));
        expected.is_empty().then_some(())
    });
    assert!(shown.is_some(), "the queue does not show {expected:?}, but {:#?}", site.answers());
}

/// The report about mail to a domain.
fn report_about(server: &Server, domain: &str, local: &str) -> Stored {
    let mailbox = server.mailbox("alice");
    wait_for(&format!("a report about {domain}"), || {
        let mut found = mailbox.messages();
        found.retain(|stored| is_report(stored) && stored.contains(&format!("{local}@{domain}")));
        found.pop()
    })
}

fn is_report(stored: &Stored) -> bool {
    stored.header("Content-Type").concat().contains("report-type=delivery-status")
}

/// How many reports alice has had.
fn reports(server: &Server) -> usize {
    server.mailbox("alice").messages().iter().filter(|stored| is_report(stored)).count()
}
