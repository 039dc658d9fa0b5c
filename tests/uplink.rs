//! The uplink: mail leaves through a provider that wants access tokens or a client certificate, played by a stand-in on
//! loopback that checks every field of what it is asked.
//!
//! Whatever happens, no secret and no token stands in the log, in a list or in an answer of the command line.

pub(crate) mod certificates;
mod graph;
mod provider;
mod reloading;
mod routes;
mod tokens;
mod web;

use self::provider::{Provider, SECRET};
use crate::support::Place;
use crate::support::server::Server;
use crate::support::site::Site;

/// Comes back to what waits every other moment.
const QUICK: &str = "\n[queue]\nretry_seconds = [1]\n\n";

/// One message of an account's.
fn send(site: &Site, local: &str, to: &[&str], subject: &str) {
    let from = format!("{local}@contoso.example");
    let content = format!("From: A Person <{from}>\r\nTo: {}\r\nSubject: {subject}\r\n\r\nhi\r\n", to.join(", "));
    site.sign_in(local).unwrap().send(&from, to, &content).unwrap();
}

/// Nobody said what he should not, and nothing that is secret can be read anywhere.
fn is_discreet(place: &Place, site: &Site, provider: &Provider) {
    assert_eq!(provider.facts().wrong, Vec::<String>::new());
    let log = std::fs::read_to_string(place.path().join("server.log")).unwrap_or_default();
    let (_, list) = site.franking(&["queue", "list"]);
    let (_, destinations) = site.franking(&["queue", "destinations"]);
    for text in [log, list, destinations] {
        for secret in [SECRET, "token-1.", "token-2.", "first-refresh"] {
            assert!(!text.contains(secret), "{secret} stands in {text}");
        }
    }
}

/// The end of a test that went well.
fn end(place: &Place, site: &Site, provider: &Provider, server: Server) {
    is_discreet(place, site, provider);
    server.stop();
}
