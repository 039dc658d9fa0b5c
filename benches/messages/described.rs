//! The load that the command line describes, and the server that it is for.

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;

use super::support::arguments::Arguments;
use super::support::load::{Load, Pace, Sessions, Transaction};
use super::support::measure::Destination;
use super::support::meter::Meter;
use super::support::smtp::{Opening, Tls};
use super::support::trusting::trusting;

/// The load for the server at `address`.
pub(super) fn load(arguments: &Arguments, address: &str) -> Load {
    let usual = Load::inbound(address.to_socket_addrs().unwrap().next().unwrap());
    let text = |name: &str, usual: &str| arguments.value(name).unwrap_or(usual).to_owned();
    let transaction = match arguments.value("--refused") {
        Some(recipients) => Transaction::Refused(recipients.parse().unwrap()),
        None if arguments.has("--bdat") => Transaction::Chunk,
        None => Transaction::Message,
    };
    let credentials = arguments.value("--login").map(|login| (login.to_owned(), text("--password", "")));
    Load {
        opening: Opening { tls: tls(arguments), credentials, ..usual.opening },
        sender: text("--sender", &usual.sender),
        recipient: text("--recipient", &usual.recipient),
        transaction,
        octets: arguments.number("--octets", usual.octets),
        kind: if arguments.has("--new-sessions") { Sessions::New } else { Sessions::Kept },
        sessions: arguments.number("--sessions", 20),
        transactions: arguments.number("--messages", 2_000),
        pipelined: arguments.has("--pipelined"),
        pace: arguments.value("--rate").map_or(Pace::Closed, |rate| Pace::Open(rate.parse().unwrap())),
    }
}

fn tls(arguments: &Arguments) -> Tls {
    let config = || trusting(arguments.has("--resume")).unwrap();
    match arguments.value("--tls") {
        None => Tls::None,
        Some("starttls") => Tls::Starttls(config()),
        Some("implicit") => Tls::Implicit(config()),
        Some(other) => panic!("--tls is starttls or implicit, not {other}"),
    }
}

/// The server that is loaded, and where its messages go.
pub(super) fn watched(arguments: &Arguments) -> (Meter, Destination) {
    let pid = arguments.value("--pid").unwrap_or_else(|| panic!("--against needs --pid"));
    let beside = arguments.value("--beside-pid").map(|pid| pid.parse().unwrap());
    let destination = match (arguments.value("--maildir"), arguments.value("--sink")) {
        (Some(mailboxes), _) => Destination::Mailboxes(PathBuf::from(mailboxes)),
        (None, Some(counters)) => Destination::Sink(PathBuf::from(counters)),
        (None, None) => Destination::Nowhere,
    };
    (Meter::new(pid.parse().unwrap()).with(beside), destination)
}
