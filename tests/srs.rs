//! New keys of the Sender Rewriting Scheme while the server runs: for every session, open ones among them.

use std::fs;

use franking::model::mail::{Address, ReversePath, Timestamp};
use franking::model::policy::settings::SrsKey;
use franking::model::policy::srs;
use franking::world::{Clock as _, SystemClock};

use crate::support::Place;
use crate::support::site::Site;
use crate::support::smtp::Client;

/// What the key of this moment makes of a sender.
fn rewritten(place: &Place) -> String {
    let key = fs::read(place.path().join("data/keys/srs")).unwrap();
    let keys = [SrsKey(key.try_into().unwrap())];
    let now = SystemClock::new().now();
    // Nobody is called so: what a key does not vouch for would else be a tagged address of the forwarder's.
    let [forwarder, sender] =
        ["forwarder@contoso.example", "eve@fabrikam.example"].map(|text| Address::parse(text).unwrap());
    match srs::rewrite(&keys, &forwarder, None, &ReversePath::Mailbox(sender), now) {
        ReversePath::Mailbox(address) => address.to_string(),
        ReversePath::Null => panic!("a mailbox stays a mailbox"),
    }
}

/// Which of these addresses reports may come back to.
fn taken(client: &mut Client, addresses: &[&str]) -> Vec<bool> {
    client.command("RSET", '2').unwrap();
    client.command("MAIL FROM:<>", '2').unwrap();
    addresses
        .iter()
        .map(|address| match client.command(&format!("RCPT TO:<{address}>"), '2') {
            Ok(()) => true,
            Err(reply) => {
                assert!(reply.to_string().starts_with("550 5.4.1"), "{reply}");
                false
            }
        })
        .collect()
}

#[test]
fn a_new_key_is_in_force_in_open_sessions_and_a_forgotten_one_in_none() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    let former = || site.json(&["srs", "show"])["former"].as_array().unwrap().clone();
    let mut open = Client::connect(site.inbound()).unwrap();
    let first = rewritten(&place);
    assert_eq!(taken(&mut open, &[&first]), [true]);

    let (rotated, text) = site.franking(&["srs", "rotate"]);
    assert!(rotated, "{text}");
    let second = rewritten(&place);
    assert_ne!(first, second);
    let mut new = Client::connect(site.inbound()).unwrap();
    for client in [&mut open, &mut new] {
        assert_eq!(taken(client, &[&first, &second]), [true, true]);
    }
    let known = former();
    assert_eq!(known.len(), 1, "{known:?}");
    // A day more than an address counts, since its stamp is a day of the calendar.
    let [from, until] = ["signed_until", "verifies_until"].map(|name| {
        let text = known[0][name].as_str().unwrap();
        Timestamp::parse_iso8601(text).unwrap_or_else(|| panic!("{text}")).unix_seconds()
    });
    assert_eq!((until - from) / 86_400, srs::DAYS_VALID + 1);

    let (rotated, text) = site.franking(&["srs", "rotate", "--forget-former"]);
    assert!(rotated, "{text}");
    let third = rewritten(&place);
    let mut newest = Client::connect(site.inbound()).unwrap();
    for client in [&mut open, &mut new, &mut newest] {
        assert_eq!(taken(client, &[&first, &second, &third]), [false, false, true]);
    }
    assert!(former().is_empty());

    drop((open, new, newest, server));
    let _server = site.start(&place);
    let mut later = Client::connect(site.inbound()).unwrap();
    assert_eq!(taken(&mut later, &[&first, &second, &third]), [false, false, true]);
}
