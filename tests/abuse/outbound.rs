//! A scanner that somebody took over tries to send a hundred thousand messages.

use std::io;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use super::outside::Outside;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::{Place, wait_for};

const ALICE: &str = "alice@contoso.example";
/// What one may send outside in an hour here.
const BOUND: usize = 20;
const LIMITS: &str = "\n[limits]\nexternal_recipients_per_hour = 20\nmessages_per_minute = 0\n";
const REFUSED: &str = "550 5.1.8 Access denied, bad outbound sender [";

/// A scanner of alice's, and who knows its secret.
struct Scanner {
    secret: String,
}

impl Scanner {
    fn new(site: &Site) -> Self {
        let made = site.json(&["device", "add", "alice", "scanner-2"]);
        Self { secret: made["password"].as_str().expect("a secret").to_owned() }
    }

    fn sign_in(&self, site: &Site) -> io::Result<Client> {
        let mut client = site.session()?;
        let response = BASE64_STANDARD.encode(format!("\0{ALICE}\0{}", self.secret));
        client.command(&format!("AUTH PLAIN {response}"), '2')?;
        Ok(client)
    }

    /// Tries so many messages, signing in again whenever it is cut off; gives how many were accepted and the last
    /// refusal.
    fn flood(&self, site: &Site, messages: usize, prefix: &str) -> (usize, String) {
        let (mut client, mut accepted, mut refusal) = (self.sign_in(site).unwrap(), 0, String::new());
        for number in 0..messages {
            let to = format!("{prefix}{number}@fabrikam.example");
            match client.send(ALICE, &[&to], &letter(&format!("{prefix}{number}"))) {
                Ok(()) => accepted += 1,
                Err(error) => {
                    refusal = error.to_string();
                    if client.command("RSET", '2').is_err() {
                        client = self.sign_in(site).unwrap();
                    }
                }
            }
        }
        (accepted, refusal)
    }
}

fn letter(token: &str) -> String {
    format!("From: {ALICE}\r\nSubject: {token}\r\nMessage-ID: <{token}@draft.example>\r\n\r\nHello\r\n")
}

fn set_up(place: &Place, outside: &Outside) -> (Site, Scanner, Server) {
    let site = Site::set_up(place, &[], &format!("{}{LIMITS}", outside.route()));
    let server = site.start(place);
    assert!(site.franking(&["organisation", "set", "--notify-outbound-spam-recipient", "bob@contoso.example"]).0);
    let scanner = Scanner::new(&site);
    (site, scanner, server)
}

fn notices(server: &Server) -> usize {
    let of_us = |message: &&crate::support::maildir::Stored| message.contains("User restricted from sending email");
    server.mailbox("bob").messages().iter().filter(of_us).count()
}

#[test]
fn a_hacked_scanner_sends_no_hundred_thousand_messages() {
    let (place, outside) = (Place::new(), Outside::start());
    let (site, scanner, server) = set_up(&place, &outside);
    let (accepted, refusal) = scanner.flood(&site, 300, "a");
    assert_eq!(accepted, BOUND, "{refusal}");
    assert!(refusal.starts_with(REFUSED), "{refusal}");
    // Neither a kill nor a stop, another session, a recipient inside nor another address helps.
    server.kill();
    let server = site.start(&place);
    assert_eq!(scanner.flood(&site, 50, "b").0, 0);
    let inside = scanner.sign_in(&site).unwrap().send(ALICE, &["carol@contoso.example"], &letter("in")).unwrap_err();
    assert!(inside.to_string().starts_with(REFUSED), "{inside}");
    // Its owner, by her password, is not hurt.
    site.alice().send(ALICE, &["owner@fabrikam.example"], &letter("owner")).unwrap();
    wait_for("the owner's mail outside", || {
        outside.recipients().contains(&"owner@fabrikam.example".into()).then_some(())
    });
    assert!(outside.recipients().len() <= BOUND + 1, "{:?}", outside.recipients());

    wait_for("the notice", || (notices(&server) > 0).then_some(()));
    let listed = site.json(&["restricted", "list"]);
    let own = &listed["restrictions"][0];
    assert_eq!((&own["account"], &own["device"]), (&ALICE.into(), &"scanner-2".into()), "{listed}");
    assert_eq!((&own["external_of_hour"], &own["told"]), (&21.into(), &true.into()), "{listed}");
    assert!(own["since"].is_string() && listed["restrictions"].as_array().unwrap().len() == 1, "{listed}");
    let explained = site.json(&["explain", "--as", ALICE, "--device", "scanner-2", "--to", "eve@fabrikam.example"]);
    let last = explained["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(last["reply"], "550 5.1.8 Access denied, bad outbound sender", "{explained}");
    assert_eq!(last["cures"][0], "franking restricted release alice@contoso.example --device scanner-2");
    assert_eq!(site.json(&["explain", "--as", ALICE, "--to", "eve@fabrikam.example"])["accepted"], true);
    let told = |line: &Value| {
        line["device"] == "scanner-2" && line["message"].as_str().is_some_and(|said| said.starts_with("restricted:"))
    };
    assert_eq!(server.log().iter().filter(|line| told(line)).count(), 1);

    assert!(!site.franking(&["restricted", "release", "alice"]).0, "she is not restricted herself");
    assert!(site.franking(&["restricted", "release", "alice", "--device", "scanner-2"]).0);
    let audit = site.json(&["audit", "access", "--mailbox", "alice"]);
    assert_eq!(audit["accesses"][0]["kind"], "restriction_released", "{audit}");
    assert_eq!(scanner.flood(&site, 1, "c").0, 1);
    wait_for("the scanner's mail outside", || {
        outside.recipients().contains(&"c0@fabrikam.example".into()).then_some(())
    });
    assert_eq!(notices(&server), 1, "once for each restriction");
    server.stop();
}

/// What was accepted and has not left when the account is restricted.
#[test]
fn what_a_restricted_sender_left_in_the_queue_stays_until_somebody_says_what_becomes_of_it() {
    let (place, outside) = (Place::new(), Outside::start());
    let (site, scanner, server) = set_up(&place, &outside);
    let release = |more: &[&str]| {
        // What has just come in is looked into first.
        wait_for("the release", || {
            let (released, text) =
                site.franking(&[&["restricted", "release", "alice", "--device", "scanner-2"], more].concat());
            released.then_some(text)
        })
    };
    outside.be_away(true);
    assert_eq!(scanner.flood(&site, BOUND + 1, "a").0, BOUND);
    site.alice().send(ALICE, &["owner@fabrikam.example"], &letter("owner")).unwrap();
    server.kill();
    let server = site.start(&place);
    outside.be_away(false);
    // Everything else leaves; of the scanner's nothing does, over a kill, and however often it is retried.
    wait_for("the owner's mail outside", || {
        outside.recipients().contains(&"owner@fabrikam.example".into()).then_some(())
    });
    assert!(site.franking(&["queue", "retry", "--sender", ALICE]).0);
    let shown = site.json(&["restricted", "show", "alice", "--device", "scanner-2"]);
    assert_eq!(shown["restrictions"][0]["kept_messages"], BOUND, "{shown}");
    assert_eq!(outside.recipients(), ["owner@fabrikam.example"]);
    // Released, it is held.
    let text = release(&[]);
    assert!(text.contains("20 of its messages are held"), "{text}");
    assert_eq!(scanner.flood(&site, 1, "b").0, 1);
    wait_for("new mail outside", || outside.recipients().contains(&"b0@fabrikam.example".into()).then_some(()));
    assert_eq!(outside.recipients().len(), 2);
    assert_eq!(site.json(&["queue", "list", "--state", "held"])["total"], BOUND);
    assert!(site.franking(&["queue", "release", "--sender", ALICE]).0);
    wait_for("what was held outside", || (outside.recipients().len() == BOUND + 2).then_some(()));

    // The same, and it is discarded.
    outside.be_away(true);
    assert_eq!(scanner.flood(&site, BOUND, "c").0, BOUND - 1);
    let text = release(&["--discard"]);
    assert!(text.contains("19 of its messages were discarded"), "{text}");
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    // The same, and it is delivered.
    assert_eq!(scanner.flood(&site, BOUND + 1, "d").0, BOUND);
    outside.be_away(false);
    release(&["--deliver"]);
    wait_for("what was kept outside", || (outside.recipients().len() == 2 * BOUND + 2).then_some(()));
    assert!(!outside.recipients().iter().any(|recipient| recipient.starts_with('c')));
    server.stop();
}
