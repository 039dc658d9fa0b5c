//! The whole server under `kill -9`: what a client was told is accepted arrives, whatever happens afterwards.
//!
//! Each round starts the server on the data that the last one left behind, loads it with eight sessions that remember
//! every message answered with 250, and kills it: in the middle of messages, of deliveries, or of catching up with
//! what earlier rounds left. Between some rounds the index of the directory is deleted, which is only an index.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests may stop at the first surprise, and read settings of their own"
)]

mod counting;
mod sent_items;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::maildir::{Stored, messages};
use crate::support::process::run;
use crate::support::server::{PROGRAM, Server};
use crate::support::smtp::Client;
use crate::support::{PATIENCE, Place, wait_for, within};

const SESSIONS: usize = 8;
pub(crate) const STRANGER: &str = "eve@fabrikam.example";

/// Whom a message goes to, and where its copies must be found: local parts at contoso.example, or an address outside.
pub(crate) const ROUTES: [(&[&str], &[&str]); 4] = [
    (&["bob@contoso.example"], &["bob"]),
    (&["alice@contoso.example", "bob@contoso.example"], &["alice", "bob"]),
    (&["carol@contoso.example"], &["carol@fabrikam.example"]),
    (&["info@contoso.example", "partner@contoso.example"], &["info", "partner@fabrikam.example"]),
];

/// Every message that was answered with 250, with its route.
type Acknowledged = BTreeMap<String, usize>;

pub(crate) fn rounds() -> usize {
    if std::env::var_os("FRANKING_LONG").is_some() { 50 } else { 5 }
}

/// A message that says who it is in a line of its own. Every tenth is too large for the journal itself.
fn content(token: &str, number: usize) -> String {
    let lines = if number.is_multiple_of(10) { 5_000 } else { 20 + number % 50 };
    let body = "seventy characters of nothing in particular, again and again and again.\r\n".repeat(lines);
    format!("From: {STRANGER}\r\nSubject: {token}\r\n\r\n{body}end of {token}\r\n")
}

/// One session: sends until the server is gone.
fn load(address: SocketAddr, round: usize, session: usize, count: &AtomicUsize) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    let Ok(mut client) = Client::connect(address) else { return acknowledged };
    for number in 0.. {
        let token = format!("crash-{round}-{session}-{number}-end");
        let route = (round + session + number) % ROUTES.len();
        if client.send(STRANGER, ROUTES[route].0, &content(&token, number)).is_err() {
            break;
        }
        acknowledged.insert(token, route);
        count.fetch_add(1, Ordering::Relaxed);
    }
    acknowledged
}

/// One life of the server: loaded until `target` messages were acknowledged, then killed.
fn live_and_die(place: &Place, round: usize, target: usize) -> Acknowledged {
    let server = Server::demo(place);
    let (address, count) = (server.inbound(), AtomicUsize::new(0));
    let acknowledged = Mutex::new(Acknowledged::new());
    std::thread::scope(|scope| {
        for session in 0..SESSIONS {
            let (acknowledged, count) = (&acknowledged, &count);
            scope.spawn(move || {
                let own = load(address, round, session, count);
                acknowledged.lock().unwrap().extend(own);
            });
        }
        let reached = within(PATIENCE, || (count.load(Ordering::Relaxed) >= target).then_some(()));
        // Killed in any case, or the sessions would never end.
        server.kill();
        assert!(reached.is_some(), "{} messages acknowledged, not {target}", count.load(Ordering::Relaxed));
    });
    acknowledged.into_inner().unwrap()
}

/// Deletes the index of the directory, and says how many files that were.
fn delete_index(data: &Path) -> usize {
    let entries = data.join("directory").read_dir().unwrap().flatten();
    let indexes = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("index"));
    indexes
        .map(|entry| {
            let path = entry.path();
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        })
        .count()
}

/// How often each message is found at each place: by token and place.
pub(crate) fn copies(server: &Server) -> BTreeMap<(String, String), usize> {
    let mut copies = BTreeMap::new();
    let mut count = |stored: &Stored, place: &str| {
        let token = stored.header("Subject").concat();
        assert!(stored.contains(&format!("end of {token}")), "{token} is cut off at {place}");
        *copies.entry((token, place.to_owned())).or_insert(0) += 1;
    };
    for directory in server.mailboxes().read_dir().unwrap().flatten() {
        for stored in messages(&directory.path()) {
            let place = stored.header("Delivered-To").concat().replace("@contoso.example", "");
            count(&stored, &place);
        }
    }
    let outside = ["carol@fabrikam.example", "partner@fabrikam.example"];
    for departed in server.outbox() {
        outside
            .iter()
            .filter(|address| departed.goes_to(address))
            .for_each(|address| count(&departed.message, address));
    }
    copies
}

fn missing(acknowledged: &Acknowledged, server: &Server) -> Vec<(String, String)> {
    let found = copies(server);
    let expected = acknowledged
        .iter()
        .flat_map(|(token, route)| ROUTES[*route].1.iter().map(move |place| (token.clone(), (*place).to_owned())));
    expected.filter(|copy| !found.contains_key(copy)).collect()
}

/// Starts the server a last time and lets it finish; everything acknowledged must be there, and nothing twice.
fn assert_nothing_is_lost(place: &Place, acknowledged: &Acknowledged) {
    let server = Server::demo(place);
    let mut still_missing = missing(acknowledged, &server);
    within(PATIENCE, || {
        still_missing = missing(acknowledged, &server);
        still_missing.is_empty().then_some(())
    });
    assert!(still_missing.is_empty(), "of {} acknowledged, lost: {still_missing:?}", acknowledged.len());
    // Those that were accepted and never acknowledged may arrive as well, but not twice either.
    let twice: BTreeSet<_> = copies(&server).into_iter().filter(|(_, count)| *count > 1).collect();
    let (outside, local): (BTreeSet<_>, BTreeSet<_>) = twice.into_iter().partition(|((_, at), _)| at.contains('@'));
    assert!(local.is_empty(), "delivered more than once: {local:?}");
    // The window for a second departure is one record of the journal: at most what was under way at a kill.
    assert!(outside.len() <= SESSIONS * rounds(), "left more than once: {outside:?}");
    eprintln!("{} acknowledged, all there; {} left twice", acknowledged.len(), outside.len());
    server.stop();
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let place = Place::new();
    let data = place.path().join("data");
    let mut acknowledged = Acknowledged::new();
    let mut deleted = 0;
    for round in 0..rounds() {
        // Sometimes with the first acknowledgements, sometimes deep in work.
        let target = [40, 1, 120, 8, 60][round % 5];
        acknowledged.extend(live_and_die(&place, round, target));
        if round % 2 == 1 {
            deleted += delete_index(&data);
        }
        if round % 3 == 2 {
            // Killed again while it catches up.
            Server::demo(&place).kill();
        }
    }
    assert!(deleted > 0, "there was no index to delete");
    assert!(acknowledged.len() >= rounds() * 8, "only {} acknowledged", acknowledged.len());
    assert_nothing_is_lost(&place, &acknowledged);
}

/// What may happen to the index's files while the server is stopped.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Deleted,
    Emptied,
    Halved,
    Overwritten,
}

/// Harms every file of the index, and says how many those were.
fn harm_index(data: &Path, harm: Harm) -> usize {
    if matches!(harm, Harm::Deleted) {
        return delete_index(data);
    }
    let mut waiting = vec![data.join("directory")];
    let mut count = 0;
    while let Some(directory) = waiting.pop() {
        for entry in directory.read_dir().unwrap().flatten() {
            let path = entry.path();
            let of_index = path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("index"));
            if path.is_dir() {
                waiting.extend(of_index.then_some(path));
                continue;
            }
            if !of_index {
                continue;
            }
            let mut content = std::fs::read(&path).unwrap();
            match harm {
                Harm::Deleted | Harm::Emptied => content.clear(),
                Harm::Halved => content.truncate(content.len() / 2),
                Harm::Overwritten => content.iter_mut().skip(16).step_by(7).for_each(|octet| *octet ^= 0x5a),
            }
            std::fs::write(&path, content).unwrap();
            count += 1;
        }
    }
    count
}

#[test]
fn an_index_that_is_harmed_while_the_server_is_stopped_loses_nothing() {
    let place = Place::new();
    let data = place.path().join("data");
    let mut acknowledged = Acknowledged::new();
    let franking = |arguments: &[&str]| {
        let outcome = run(Command::new(PROGRAM).arg("--data").arg(&data).args(arguments), "");
        assert!(outcome.status.success(), "{arguments:?}: {}", outcome.text);
    };
    let harms = [Harm::Deleted, Harm::Emptied, Harm::Halved, Harm::Overwritten];
    for (number, harm) in harms.into_iter().enumerate() {
        let server = Server::demo(&place);
        let address = format!("harmed{number}@contoso.example");
        franking(&["recipient", "new", &address, "--type", "SharedMailbox"]);
        let mut client = Client::connect(server.inbound()).unwrap();
        for (route, (recipients, _)) in ROUTES.iter().enumerate() {
            let token = format!("harm-{number}-{route}-end");
            client.send(STRANGER, recipients, &content(&token, number)).unwrap();
            acknowledged.insert(token, route);
        }
        if number % 2 == 0 {
            server.kill()
        } else {
            server.stop()
        }
        assert!(harm_index(&data, harm) > 0, "{harm:?}: there was no index");
    }
    assert_nothing_is_lost(&place, &acknowledged);
    for number in 0..harms.len() {
        franking(&["recipient", "show", &format!("harmed{number}@contoso.example")]);
    }
}

#[test]
fn a_server_that_is_asked_to_stop_loses_nothing_either() {
    let place = Place::new();
    let mut acknowledged = Acknowledged::new();
    for round in 0..2 {
        let server = Server::demo(&place);
        let (address, count) = (server.inbound(), AtomicUsize::new(0));
        let sessions = std::thread::scope(|scope| {
            let count = &count;
            let sessions: Vec<_> =
                (0..SESSIONS).map(|session| scope.spawn(move || load(address, round, session, count))).collect();
            wait_for("messages", || (count.load(Ordering::Relaxed) >= 30).then_some(()));
            server.stop();
            sessions.into_iter().map(|session| session.join().unwrap()).collect::<Vec<_>>()
        });
        sessions.into_iter().for_each(|own| acknowledged.extend(own));
    }
    assert_nothing_is_lost(&place, &acknowledged);
}
