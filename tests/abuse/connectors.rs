//! A device that does not sign in, which a connector knows by its network, was taken over and sends en masse.

use serde_json::Value;

use super::outside::Outside;
use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::{Place, wait_for};

const SCANNER: &str = "scanner@contoso.example";
const BOUND: usize = 20;
const CONNECTOR: &str = "\n[[connector]]\nname = \"printers\"\nnetworks = [\"127.0.0.1\"]\nrecipients = \"anyone\"\n\
                         external_recipients_per_hour = 20\n";
const REFUSED: &str = "550 5.1.8 Access denied, bad outbound sender [";

fn letter(token: &str) -> String {
    format!("From: {SCANNER}\r\nSubject: {token}\r\nMessage-ID: <{token}@draft.example>\r\n\r\nHello\r\n")
}

/// Tries so many messages, each on a session of its own; how many were accepted, and the last refusal.
fn flood(site: &Site, messages: usize, prefix: &str) -> (usize, String) {
    let (mut accepted, mut refusal) = (0, String::new());
    for number in 0..messages {
        let to = format!("{prefix}{number}@fabrikam.example");
        let mut client = Client::connect(site.inbound()).unwrap();
        match client.send(SCANNER, &[&to], &letter(&format!("{prefix}{number}"))) {
            Ok(()) => accepted += 1,
            Err(error) => refusal = error.to_string(),
        }
    }
    (accepted, refusal)
}

#[test]
fn a_hacked_device_behind_a_connector_is_restricted_until_released() {
    let (place, outside) = (Place::new(), Outside::start());
    let site = Site::set_up(&place, &[], &format!("{}{CONNECTOR}", outside.route()));
    let server = site.start(&place);
    assert!(site.franking(&["organisation", "set", "--notify-outbound-spam-recipient", "bob@contoso.example"]).0);
    let (accepted, refusal) = flood(&site, 60, "a");
    assert!(accepted == BOUND && refusal.starts_with(REFUSED), "{accepted}: {refusal}");
    // Neither a kill nor a recipient inside helps; a stranger beside it, and who signs in, are not hurt.
    server.kill();
    let server = site.start(&place);
    assert_eq!(flood(&site, 5, "b").0, 0);
    let inside = ["bob@contoso.example"];
    let refused = Client::connect(site.inbound()).unwrap().send(SCANNER, &inside, &letter("in")).unwrap_err();
    assert!(refused.to_string().starts_with(REFUSED), "{refused}");
    let stranger = letter("stranger").replace(SCANNER, "eve@fabrikam.example");
    Client::connect(site.inbound()).unwrap().send("eve@fabrikam.example", &inside, &stranger).unwrap();
    let own = letter("own").replace(SCANNER, "alice@contoso.example");
    site.alice().send("alice@contoso.example", &["owner@fabrikam.example"], &own).unwrap();
    wait_for("what alice sent", || outside.recipients().contains(&"owner@fabrikam.example".into()).then_some(()));
    assert!(outside.recipients().len() <= BOUND + 1, "{:?}", outside.recipients());

    let told = server.mailbox("bob").wait_for("User restricted from sending email");
    assert!(told.contains("connector printers"), "{}", told.text());
    let listed = site.json(&["restricted", "list"]);
    let one = &listed["restrictions"][0];
    assert_eq!(
        (&one["connector"], &one["account"], &one["external_of_hour"]),
        (&"printers".into(), &"".into(), &(BOUND + 1).into())
    );
    let ask = ["explain", "--port", "25", "--peer", "127.0.0.1", "--from", SCANNER, "--to", "eve@fabrikam.example"];
    let explained = site.json(&ask);
    let last = explained["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(last["cures"][0], "franking restricted release --connector printers", "{explained}");
    assert!(!site.franking(&ask).0);
    let logged = |line: &Value| {
        line["connector"] == "printers" && line["message"].as_str().is_some_and(|said| said.starts_with("restricted:"))
    };
    assert_eq!(server.log().iter().filter(|line| logged(line)).count(), 1);

    assert!(!site.franking(&["restricted", "release", "--connector", "scanners"]).0);
    // What has just come in is looked into first.
    wait_for("the release", || site.franking(&["restricted", "release", "--connector", "printers"]).0.then_some(()));
    let (_, audit) = site.franking(&["audit", "access"]);
    assert!(audit.contains("connector printers  released a sender that was restricted"), "{audit}");
    assert_eq!(flood(&site, 1, "c").0, 1);
    wait_for("the device's mail", || outside.recipients().contains(&"c0@fabrikam.example".into()).then_some(()));
    server.stop();
}
