//! Addresses that are tried out, and what one network may do on port 25, over sockets.

use std::io;

use crate::support::Place;
use crate::support::site::Site;
use crate::support::smtp::Client;

const EVE: &str = "eve@fabrikam.example";

fn letter(from: &str, token: &str) -> String {
    format!("From: {from}\r\nSubject: {token}\r\nMessage-ID: <{token}@draft.example>\r\n\r\nHello\r\n")
}

/// Tries recipients out, on as many sessions as it takes; the first words of each answer.
fn try_out(site: &Site, recipients: &[&str]) -> io::Result<Vec<String>> {
    let mut client = Client::connect(site.inbound())?;
    client.command(&format!("MAIL FROM:<{EVE}>"), '2')?;
    let mut ask = |recipient: &&str| match client.command(&format!("RCPT TO:<{recipient}>"), '2') {
        Ok(()) => "250".to_owned(),
        Err(error) => error.to_string().chars().take(9).collect(),
    };
    Ok(recipients.iter().map(&mut ask).collect())
}

#[test]
fn a_network_that_tries_addresses_out_learns_nothing_more_whatever_the_session() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "[limits]\nrefused_recipients_per_hour = 4\nnetwork_exempt = []\n");
    let server = site.start(&place);
    let answers = try_out(&site, &["alice@contoso.example", "nobody@contoso.example", "nobody2@contoso.example"]);
    assert_eq!(answers.unwrap(), ["250", "550 5.4.1", "550 5.4.1"]);
    let answers = try_out(&site, &["x@elsewhere.example", "nobody3@contoso.example", "bob@contoso.example"]);
    assert_eq!(answers.unwrap(), ["550 5.7.6", "550 5.4.1", "451 4.7.5"]);
    let answers = try_out(&site, &["bob@contoso.example", "nobody@contoso.example", "x@elsewhere.example"]);
    assert_eq!(answers.unwrap(), ["451 4.7.5"; 3], "whether it exists or not");
    // Who signs in is not a stranger.
    site.alice()
        .send("alice@contoso.example", &["bob@contoso.example"], &letter("alice@contoso.example", "inside"))
        .unwrap();
    let listed = site.json(&["lockout", "list"]);
    let own = &listed["networks"][0];
    assert_eq!((&own["network"], &own["of"]), (&"127.0.0.1/32".into(), &"refused recipients".into()), "{listed}");
    assert_eq!((&own["used"], &own["bound"]), (&4.into(), &4.into()), "{listed}");
    assert!(own["waits_seconds"].as_u64().is_some_and(|seconds| seconds <= 900), "{listed}");
    assert!(site.franking(&["lockout", "clear", "127.0.0.0/8"]).0);
    assert_eq!(try_out(&site, &["bob@contoso.example", "nobody@contoso.example"]).unwrap(), ["250", "550 5.4.1"]);
    // Nothing of it is kept over a restart.
    server.stop();
    let server = site.start(&place);
    let listed = site.json(&["lockout", "list", "--all"]);
    let of_recipients = |entry: &serde_json::Value| entry["of"] == "refused recipients";
    assert!(!listed["networks"].as_array().unwrap().iter().any(of_recipients), "{listed}");
    server.stop();
}

#[test]
fn messages_and_connections_of_a_network_within_a_minute_are_bounded() {
    let place = Place::new();
    let more = "[limits]\nconnections_per_minute = 7\ninbound_messages_per_minute = 2\nnetwork_exempt = []\n";
    let site = Site::set_up(&place, &[], more);
    let server = site.start(&place);
    // One connection was that by which the test saw that the server is there, on each of three listeners.
    let mut client = Client::connect(site.inbound()).unwrap();
    for token in ["one", "two"] {
        client.send(EVE, &["bob@contoso.example"], &letter(EVE, token)).unwrap();
    }
    let error = client.send(EVE, &["bob@contoso.example"], &letter(EVE, "three")).unwrap_err().to_string();
    assert!(error.starts_with("421 4.4.2 Message submission rate for this client has exceeded"), "{error}");
    let mut alice = site.alice();
    for token in ["a", "b", "c"] {
        alice.send("alice@contoso.example", &["bob@contoso.example"], &letter("alice@contoso.example", token)).unwrap();
    }
    let turned_away = (0..8).find_map(|_| Client::connect(site.inbound()).err()).expect("somebody is turned away");
    assert!(turned_away.to_string().starts_with("421 4.7.0 Too many connections from your network"), "{turned_away}");
    server.stop();
}

#[test]
fn this_host_itself_and_exempt_networks_are_not_bounded() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "[limits]\nrefused_recipients_per_hour = 1\nconnections_per_minute = 1\n");
    let server = site.start(&place);
    for _ in 0..3 {
        assert_eq!(try_out(&site, &["nobody@contoso.example"; 2]).unwrap(), ["550 5.4.1"; 2]);
    }
    server.stop();
}
