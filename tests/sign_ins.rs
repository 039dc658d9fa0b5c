//! Signing in on the whole server, over kills and restarts: devices by their secrets, and who is locked out.

use std::io;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use crate::support::Place;
use crate::support::site::Site;
use crate::support::smtp::Client;

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";

fn letter(token: &str) -> String {
    format!("From: {ALICE}\r\nSubject: {token}\r\nMessage-ID: <{token}@draft.example>\r\n\r\nHello\r\n")
}

fn sign_in(site: &Site, login: &str, secret: &str) -> io::Result<Client> {
    let mut client = site.session()?;
    let response = BASE64_STANDARD.encode(format!("\0{login}\0{secret}"));
    client.command(&format!("AUTH PLAIN {response}"), '2')?;
    Ok(client)
}

#[track_caller]
fn refused(site: &Site, login: &str, secret: &str) {
    let error = sign_in(site, login, secret).unwrap_err().to_string();
    assert!(error.starts_with("535 5.7.3 Authentication unsuccessful ["), "{error}");
}

#[track_caller]
fn device(site: &Site) -> Value {
    site.json(&["device", "show", "alice", "scanner-2"])["devices"][0].clone()
}

#[test]
fn a_device_is_made_killed_upon_used_and_revoked() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    let bounds = ["--network", "127.0.0.0/8", "--recipient", "inside"];
    let made = site.json(&[&["device", "add", "alice", "scanner-2"], &bounds[..]].concat());
    let secret = made["password"].as_str().expect("a secret").to_owned();
    server.kill();

    let server = site.start(&place);
    assert_eq!(device(&site)["last_used"], Value::Null);
    let mut scanner = sign_in(&site, ALICE, &secret).unwrap();
    scanner.send(ALICE, &[BOB], &letter("scanned")).unwrap();
    let outside = scanner.send(ALICE, &["eve@fabrikam.example"], &letter("leaked")).unwrap_err().to_string();
    assert!(outside.starts_with("550 5.7.1 "), "{outside}");
    server.mailbox("bob").wait_for("scanned");
    refused(&site, ALICE, &secret.replace(char::is_numeric, "a"));
    refused(&site, BOB, &secret);

    // Who it was: in the list, in the log, in the trace; the secret and its hash nowhere.
    assert_eq!(device(&site)["last_used_from"], "127.0.0.1");
    let named = |message: &str| {
        let is_it = |line: &&Value| line["message"] == message && line["device"] == "scanner-2";
        server.log().iter().filter(is_it).count()
    };
    assert_eq!((named("credentials checked"), named("message accepted")), (1, 1));
    let trace = site.json(&["trace", "--sender", ALICE, "--since", "1h"]);
    let id = trace["lines"][0]["id"].as_str().unwrap_or_else(|| panic!("{trace}")).to_owned();
    let (_, shown) = site.franking(&["trace", "--id", &id]);
    assert!(shown.contains("account alice@contoso.example, device=scanner-2"), "{shown}");
    let everything = [&["export"][..], &["audit", "changes"], &["recipient", "show", "alice"], &["device", "list"]];
    for (arguments, text) in everything.map(|arguments| (arguments, site.franking(arguments).1)) {
        assert!(text.contains("scanner-2") && !text.contains("argon2id"), "{arguments:?}: {text}");
        assert!(!text.contains(&secret), "{arguments:?}: {text}");
    }
    assert!(site.franking(&["export", "--include-hashes"]).1.contains("secret_hash = \"$argon2id$"));
    let log = server.log();
    assert!(!log.iter().any(|line| line.to_string().contains(&secret)));

    assert!(site.franking(&["device", "revoke", "alice", "scanner-2"]).0);
    scanner.command("RSET", '2').unwrap();
    let revoked = scanner.command(&format!("MAIL FROM:<{ALICE}>"), '2').unwrap_err().to_string();
    assert!(revoked.starts_with("530 5.7.57 "), "{revoked}");
    refused(&site, ALICE, &secret);
    site.alice().send(ALICE, &[BOB], &letter("by-password")).unwrap();
    server.stop();
}

#[test]
fn a_lock_outlasts_a_restart_and_keeps_out_neither_others_nor_a_pinned_device() {
    let place = Place::new();
    let more = "[limits]\nlockout_failures = 3\nlockout_source_failures = 0\nlockout_delay_seconds = 0\n";
    let site = Site::set_up(&place, &[], more);
    let server = site.start(&place);
    let made = site.json(&["device", "add", "alice", "scanner-2", "--network", "127.0.0.0/8"]);
    let secret = made["password"].as_str().expect("a secret").to_owned();
    for guess in ["one", "two", "three"] {
        refused(&site, ALICE, guess);
    }
    refused(&site, ALICE, "demo-alice");
    sign_in(&site, BOB, "demo-bob").unwrap();
    sign_in(&site, ALICE, &secret).unwrap();
    server.stop();

    let server = site.start(&place);
    refused(&site, ALICE, "demo-alice");
    let listed = site.json(&["lockout", "list"]);
    let entry = &listed["lockouts"][0];
    assert_eq!((&entry["account"], &entry["source"]), (&ALICE.into(), &"127.0.0.1/32".into()), "{listed}");
    assert!(entry["locked_until"].is_string(), "{listed}");
    let why = |line: &Value| line["why"].as_str().is_some_and(|why| why.contains("locked out"));
    assert!(server.log().iter().any(why));
    assert!(site.franking(&["lockout", "clear", "alice"]).0);
    sign_in(&site, ALICE, "demo-alice").unwrap();
    server.kill();
    // Cleared for good, and by address as well, without a server.
    let server = site.start(&place);
    sign_in(&site, ALICE, "demo-alice").unwrap();
    for guess in ["one", "two", "three"] {
        refused(&site, ALICE, guess);
    }
    server.stop();
    assert!(site.franking(&["lockout", "clear", "127.0.0.0/8"]).0);
    let server = site.start(&place);
    sign_in(&site, ALICE, "demo-alice").unwrap();
    server.stop();
}
