//! What mailboxes hold through their life, with the server as an operator runs it: copied, kept and recovered.

mod copies;
mod holds;
mod purges;
mod recoverables;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::wait_for;

const STRANGER: &str = "eve@fabrikam.example";

/// A text at this place of an answer.
fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("no {path} in {value}")).to_owned()
}

/// A number at this place of an answer.
fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path} in {value}"))
}

/// Where the mailbox of an object is, whether it holds anything or not.
fn maildir(place: &Path, site: &Site, identity: &str) -> PathBuf {
    place.join("data").join(text(&site.json(&["recipient", "show", identity]), "/maildir"))
}

/// Runs a command that must succeed, and gives what it said.
fn done(site: &Site, arguments: &[&str]) -> String {
    let (succeeded, text) = site.franking(arguments);
    assert!(succeeded, "{arguments:?}: {text}");
    text
}

/// Runs a command that must be refused, and gives what it said.
fn refused(site: &Site, arguments: &[&str]) -> String {
    let (succeeded, text) = site.franking(arguments);
    assert!(!succeeded, "{arguments:?}: {text}");
    text
}

/// Delivers messages from outside, and waits until they are there.
fn deliver(site: &Site, to: &str, tokens: &[&str]) {
    let before = number(&site.json(&["mailbox", "show", to]), "/mailboxes/0/messages");
    let mut client = Client::connect(site.inbound()).unwrap();
    for token in tokens {
        let content = format!("From: {STRANGER}\r\nSubject: {token}\r\n\r\nbody of {token}\r\n");
        client.send(STRANGER, &[to], &content).unwrap();
    }
    let expected = before + tokens.len() as u64;
    let held = || number(&site.json(&["mailbox", "show", to]), "/mailboxes/0/messages");
    wait_for("messages in their mailbox", || (held() == expected).then_some(()));
}
