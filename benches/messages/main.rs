//! Messages a second, and what each costs the server: `cargo bench --bench messages`.
//!
//! The real program serves on loopback with real files, synchronised as always; a small generator in this process loads
//! it. The generator shares the machine, so messages a second say less than processor time of the server for each
//! message, which counts everything until the message is in the mailbox and the queue has forgotten it.
//!
//! `--rounds N` repeats each measurement and shows medians with the extremes; `--only WORDS` runs the rows whose name
//! contains them. `--against HOST:PORT --recipient ADDRESS --maildir DIRECTORY --pid PID` puts the 4 KiB load on a
//! server that runs already, whatever it is; [beside-postfix](../beside-postfix) compares with another one so.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up has failed")]
#![allow(clippy::disallowed_methods, reason = "real time is what is measured")]

#[path = "../support/mod.rs"]
mod support;
mod table;

use std::net::ToSocketAddrs as _;
use std::path::Path;

use franking::world::tls::opportunistic;

use support::arguments::Arguments;
use support::load::{Load, Transaction};
use support::measure::{Figures, measure};
use support::meter::Meter;
use support::smtp::SignIn;
use support::subject::Subject;
use table::Table;

/// A row of the table.
struct Scenario {
    name: &'static str,
    role: &'static str,
    transaction: Transaction,
    octets: usize,
    sessions: usize,
    transactions: usize,
    pipelined: bool,
}

const KIB: usize = 1024;
const REFUSED: Transaction = Transaction::Refused(10);

const fn inbound(name: &'static str, octets: usize, sessions: usize, transactions: usize) -> Scenario {
    Scenario {
        name,
        role: "inbound",
        transaction: Transaction::Message,
        octets,
        sessions,
        transactions,
        pipelined: false,
    }
}

const fn pipelined(scenario: Scenario) -> Scenario {
    Scenario { pipelined: true, ..scenario }
}

const fn submission(name: &'static str, sessions: usize, transactions: usize) -> Scenario {
    Scenario { role: "submission", ..inbound(name, 4 * KIB, sessions, transactions) }
}

/// The first row is what the others are compared with.
const SCENARIOS: [Scenario; 9] = [
    inbound("inbound 4 KiB, 1 session", 4 * KIB, 1, 2_000),
    pipelined(inbound("inbound 4 KiB, 1 session, pipelined", 4 * KIB, 1, 2_000)),
    inbound("inbound 4 KiB, 20 sessions", 4 * KIB, 20, 4_000),
    pipelined(inbound("inbound 4 KiB, 20 sessions, pipelined", 4 * KIB, 20, 4_000)),
    inbound("inbound 4 KiB, 100 sessions", 4 * KIB, 100, 5_000),
    pipelined(inbound("inbound 4 KiB, 100 sessions, pipelined", 4 * KIB, 100, 5_000)),
    inbound("inbound 100 KiB, 20 sessions", 100 * KIB, 20, 2_000),
    // Each refusal comes a second late, so that guessing is slow: the rate is the tarpit's, and one transaction does.
    Scenario { transaction: REFUSED, ..inbound("10 refused recipients, 500 sessions", 0, 500, 500) },
    submission("submission 4 KiB, TLS, 20 sessions", 20, 3_000),
];

fn main() {
    let arguments = Arguments::given();
    if let Some(address) = arguments.value("--against") {
        return against(address, &arguments);
    }
    // `cargo bench` says `--bench`. Without it this is a test: one small round shows that everything runs.
    if arguments.has("--test") || !arguments.has("--bench") {
        return smoke();
    }
    let rounds = arguments.number("--rounds", 1).max(1);
    let wanted = arguments.value("--only").unwrap_or_default();
    let mut table = Table::begin();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name.contains(wanted)) {
        let figures: Vec<Figures> = (0..rounds).map(|_| run(scenario, &Subject::start().unwrap())).collect();
        table.row(scenario.name, &figures);
    }
}

/// One measurement of a server that runs already, for programs to read.
fn against(address: &str, arguments: &Arguments) {
    let needed = |name: &str| arguments.value(name).unwrap_or_else(|| panic!("--against needs {name}"));
    let load = Load {
        address: address.to_socket_addrs().unwrap().next().unwrap(),
        sign_in: None,
        sender: "carol@fabrikam.example".to_owned(),
        recipient: needed("--recipient").to_owned(),
        transaction: Transaction::Message,
        octets: arguments.number("--octets", 4 * KIB),
        sessions: arguments.number("--sessions", 20),
        transactions: arguments.number("--messages", 2_000),
        pipelined: arguments.has("--pipelined"),
    };
    let place = tempfile::tempdir().unwrap();
    let meter = Meter::new(needed("--pid").parse().unwrap());
    let figures = measure(&load, meter, Path::new(needed("--maildir")), place.path()).unwrap();
    println!("{}", table::bare(&figures));
}

fn run(scenario: &Scenario, subject: &Subject) -> Figures {
    let sign_in = (scenario.role == "submission").then(|| SignIn {
        tls: opportunistic().unwrap(),
        login: "alice@contoso.example".to_owned(),
        password: "demo-alice".to_owned(),
    });
    let sender = if sign_in.is_some() { "alice@contoso.example" } else { "carol@fabrikam.example" };
    let load = Load {
        address: subject.address(scenario.role),
        sign_in,
        sender: sender.to_owned(),
        recipient: "bob@contoso.example".to_owned(),
        transaction: scenario.transaction,
        octets: scenario.octets,
        sessions: scenario.sessions,
        transactions: scenario.transactions,
        pipelined: scenario.pipelined,
    };
    measure(&load, subject.meter(), &subject.mailboxes(), subject.place()).unwrap()
}

/// One of each kind, a few transactions each, on one server.
fn smoke() {
    let subject = Subject::start().unwrap();
    let mut table = Table::begin();
    let pipelined_message = pipelined(inbound("inbound, pipelined", 4 * KIB, 2, 6));
    let refused = Scenario { transaction: Transaction::Refused(1), ..inbound("refused recipients", 0, 2, 2) };
    for scenario in [inbound("inbound", 4 * KIB, 2, 6), pipelined_message, refused, submission("submission", 2, 6)] {
        table.row(scenario.name, &[run(&scenario, &subject)]);
    }
}
