//! Messages a second, and what each costs the server: `cargo bench --bench messages`.
//!
//! The real program serves on loopback with real files, synchronised as always; a small generator in this process loads
//! it. The generator shares the machine, so messages a second say less than processor time of the server for each
//! message, which counts everything until the message is in the mailbox and the queue has forgotten it.
//!
//! `--rounds N` repeats each measurement and shows medians with the extremes; `--only WORDS` runs the rows whose name
//! contains them.
//!
//! `--against HOST:PORT --pid PID` puts a load of your choice on a server that runs already, whatever it is:
//! `--maildir DIRECTORY` (or `--sink FILE`, the counters of an smtp-sink) says where its messages arrive, `--sender`
//! and `--recipient` whose they are, `--sessions`, `--messages` and `--octets` how many and how large; `--new-sessions`
//! opens one for each message, `--tls starttls|implicit`, `--resume`, `--login` and `--password` say how;
//! `--pipelined`, `--bdat` and `--refused RECIPIENTS` what is said in it; `--rate R` makes it an open loop, with so
//! many due a second. `--pid` may be followed by `--beside-pid`, a server that works for the first.
//!
//! [beside-postfix](../beside-postfix) compares with Postfix by `--beside`.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up has failed")]
#![allow(clippy::disallowed_methods, reason = "real time is what is measured")]

mod beside;
mod described;
mod idle;
mod page;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::fs;
use std::path::Path;
use std::time::Duration;

use support::arguments::Arguments;
use support::load::{Load, Pace, Sessions, Transaction};
use support::measure::{Destination, Figures, calls, measure, measure_to};
use support::smtp::{Opening, Tls};
use support::subject::Subject;
use support::trusting::trusting;
use table::Table;

/// A row of the table.
#[derive(Clone, Copy)]
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
    Scenario { transaction: REFUSED, ..inbound("10 refused recipients, 20 sessions", 0, 20, 10_000) },
    submission("submission 4 KiB, TLS, 20 sessions", 20, 3_000),
];

fn main() {
    let arguments = Arguments::given();
    if let Some(address) = arguments.value("--against") {
        return against(address, &arguments);
    }
    let (rounds, wanted) = (arguments.number("--rounds", 1).max(1), arguments.value("--only").unwrap_or_default());
    if let Some(servers) = arguments.value("--beside") {
        let servers = toml::from_str(&fs::read_to_string(servers).unwrap()).unwrap();
        let rest = Duration::from_secs(arguments.number("--rest", 0) as u64);
        return beside::beside(&servers, wanted, (rounds, rest), arguments.value("--page").map(Path::new)).unwrap();
    }
    // `cargo bench` says `--bench`. Without it this is a test: one small round shows that everything runs.
    if arguments.has("--test") || !arguments.has("--bench") {
        return smoke();
    }
    let mut table = Table::begin();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name.contains(wanted)) {
        let figures: Vec<Figures> = (0..rounds).map(|_| run(scenario, &Subject::start().unwrap())).collect();
        table.row(scenario.name, &figures.iter().collect::<Vec<_>>());
    }
}

/// One measurement of a server that runs already.
fn against(address: &str, arguments: &Arguments) {
    let (load, (meter, destination)) = (described::load(arguments, address), described::watched(arguments));
    let mut figures = measure_to(&load, meter, &destination).unwrap();
    let place = tempfile::tempdir().unwrap();
    if load.pace == Pace::Closed {
        figures.calls = calls(&load, meter, &destination, place.path()).unwrap();
    }
    let (own, longest, p999) = (figures.own_milliseconds, figures.longest, figures.p999);
    Table::begin().row(address, &[&figures]);
    println!("p99.9 {p999:.2} ms, longest {longest:.2} ms; the generator took {own:.3} ms of processor time each");
    let outcome = &figures.outcome;
    println!("a session got through {} to {}; {} took up TLS of before", outcome.fewest, outcome.most, outcome.resumed);
    outcome.refusals.iter().for_each(|(code, count)| println!("turned away with {code}: {count}"));
}

fn run(scenario: &Scenario, subject: &Subject) -> Figures {
    let load = scenario.load(subject);
    measure(&load, subject.meter(), &subject.mailboxes(), subject.place()).unwrap()
}

impl Scenario {
    fn load(&self, subject: &Subject) -> Load {
        let usual = Load::inbound(subject.address(self.role));
        let signs_in = self.role == "submission";
        let starttls = || Opening {
            tls: Tls::Starttls(trusting(true).unwrap()),
            credentials: Some(("alice@contoso.example".to_owned(), "demo-alice".to_owned())),
            ..usual.opening.clone()
        };
        Load {
            opening: if signs_in { starttls() } else { usual.opening.clone() },
            sender: if signs_in { "alice@contoso.example".to_owned() } else { usual.sender.clone() },
            transaction: self.transaction,
            octets: self.octets,
            sessions: self.sessions,
            transactions: self.transactions,
            pipelined: self.pipelined,
            ..usual
        }
    }
}

/// One of each kind, a few transactions each, on one server.
fn smoke() {
    let subject = Subject::start().unwrap();
    let mut table = Table::begin();
    let pipelined_message = pipelined(inbound("inbound, pipelined", 4 * KIB, 2, 6));
    let chunks = Scenario { transaction: Transaction::Chunk, ..inbound("inbound by BDAT", 4 * KIB, 2, 6) };
    let pipelined_chunks = Scenario { name: "inbound by BDAT, pipelined", pipelined: true, ..chunks };
    let refused = Scenario { transaction: Transaction::Refused(1), ..inbound("refused recipients", 0, 2, 2) };
    let submission = submission("submission", 2, 6);
    let plain = inbound("inbound", 4 * KIB, 2, 6);
    for scenario in [&plain, &pipelined_message, &chunks, &pipelined_chunks, &refused, &submission] {
        table.row(scenario.name, &[&run(scenario, &subject)]);
    }
    let (meter, mailboxes) = (subject.meter(), Destination::Mailboxes(subject.mailboxes()));
    let one_each = Load { kind: Sessions::New, ..submission.load(&subject) };
    let implicit = Opening { tls: Tls::Implicit(trusting(true).unwrap()), ..one_each.opening.clone() };
    let implicit = Opening { address: subject.address_over_tls(), ..implicit };
    let implicit = Load { opening: implicit, ..one_each.clone() };
    let open = Load { pace: Pace::Open(100.0), transactions: 6, ..Load::inbound(subject.address("inbound")) };
    for (name, load) in [("a session each", one_each), ("implicit TLS", implicit), ("open loop", open.clone())] {
        table.row(name, &[&measure_to(&load, meter, &mailboxes).unwrap()]);
    }
    idle::idle(&open.opening, 3, meter).unwrap();
}
