//! What growth costs: `cargo bench --bench growth`.
//!
//! The real program starts on a directory of ten to a million recipients, on a mailbox that holds a hundred thousand
//! messages, and on a queue in which a million wait. Each row shows the start, the memory (the most until the first
//! message is delivered, and what is kept then, each also by what there is more than in the first row of its kind), and
//! what a message costs then, accepted and delivered: processor time and calls into the system, and behind each how
//! that compares with the first row. Wall time is shown where somebody waits for it; else processor time, since a
//! shared machine's clock measures the neighbours.
//!
//! Two things would pass for the cost of growth, and are kept out. *Where the mail goes*: at every size it goes to as
//! many mailboxes, spread over the whole directory, each of which has had some before. *What was deleted just before*:
//! ext4 without a journal gives no new file the number of one that was deleted within the last minute, and looks at
//! each of those numbers for every file that it makes; after twenty thousand messages were deleted, the next ones cost
//! three times as much. So nothing is deleted before the end, no message is measured within a minute of the beginning,
//! and all servers of a kind run side by side and are loaded in turn: a row is compared with what the first one took a
//! moment before or after.
//!
//! `--rounds N` loads each server N times and shows the median; `--only WORDS` runs the rows whose name contains them;
//! `--keep` leaves the servers' files where they are and says where, to profile a start.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up has failed")]
#![allow(clippy::disallowed_methods, reason = "real time is what is measured")]

#[path = "../support/backlog.rs"]
mod backlog;
mod grown;
mod probe;
#[path = "../support/mod.rs"]
mod support;
mod verdict;

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use grown::Grown;
use probe::{Figures, Probe};
use support::arguments::Arguments;
use support::subject::Premises;

/// A row: what has grown, and how much of it there is.
pub(crate) struct Row {
    grown: Grown,
    count: u64,
}

impl Row {
    fn name(&self) -> String {
        format!("{} {}", self.count, self.grown.words())
    }
}

const ROWS: [(Grown, &[u64]); 3] = [
    (Grown::Directory, &[10, 10_000, 1_000_000]),
    (Grown::Mailbox, &[0, 100_000]),
    (Grown::Queue, &[0, 1_000, 1_000_000]),
];
/// Messages of a load, over kept connections.
const MESSAGES: usize = 3_000;
const ROUNDS: usize = 9;
/// See the head of this file; some seconds more than the minute.
const FORGETTING: Duration = Duration::from_secs(65);
const HEADINGS: [(&str, usize); 10] = [
    ("start s", 9),
    ("CPU s", 7),
    ("peak MiB", 10),
    ("kept MiB", 10),
    ("octets each", 13),
    ("first ms", 10),
    ("CPU ms each", 22),
    ("of first", 19),
    ("calls each", 14),
    ("change ms, longest, CPU", 24),
];

fn main() {
    let arguments = Arguments::given();
    // `cargo bench` says `--bench`. Without it this is a test: small sizes show that everything runs.
    let full = arguments.has("--bench") && !arguments.has("--test");
    let (rounds, messages) = if full { (arguments.number("--rounds", ROUNDS).max(1), MESSAGES) } else { (1, 20) };
    let wanted = arguments.value("--only").unwrap_or_default();
    // What was deleted and is not on disk yet would be remembered for longer.
    rustix::fs::sync();
    let forgotten = Instant::now() + if full { FORGETTING } else { Duration::ZERO };
    let mut everything = Vec::new();
    print!("{:36}", "");
    HEADINGS.iter().for_each(|(heading, width)| print!("{heading:>width$}"));
    println!();
    for (grown, counts) in ROWS {
        let counts = if full { counts } else { &counts[..1] };
        let rows = counts.iter().map(|count| Row { grown, count: *count }).filter(|row| row.name().contains(wanted));
        let (rows, probes): (Vec<Row>, Vec<Probe>) = rows
            .map(|row| {
                let premises = Arc::new(Premises::new().unwrap());
                everything.push(Arc::clone(&premises));
                let recipients = row.grown.fill(&premises, row.count);
                (row, Probe::begin(&premises, recipients))
            })
            .unzip();
        sleep(forgotten.saturating_duration_since(Instant::now()));
        let figures: Vec<Figures> = measure(probes, rounds, messages);
        let lines: Vec<(&Row, &Figures)> = rows.iter().zip(&figures).collect();
        lines.iter().for_each(|(row, figures)| show(row, figures, lines[0]));
        verdict::show(grown, &lines);
    }
    for premises in everything.into_iter().filter(|_| arguments.has("--keep")) {
        println!("{}", Arc::into_inner(premises).unwrap().keep().display());
    }
}

/// Loads each server in turn, there and back again, so that what drifts falls on all alike.
fn measure(mut probes: Vec<Probe>, rounds: usize, messages: usize) -> Vec<Figures> {
    probes.iter_mut().for_each(|probe| probe.warm_up(messages));
    for _ in 0..rounds {
        probes.iter_mut().for_each(|probe| probe.load(messages));
        probes.reverse();
    }
    if rounds % 2 == 1 {
        probes.reverse();
    }
    probes.into_iter().map(|probe| probe.finish(messages)).collect()
}

/// Prints a row beside the first of its kind.
fn show(row: &Row, figures: &Figures, (least, first): (&Row, &Figures)) {
    let each = figures.octets_each(first, row.count - least.count);
    let each = each.map_or_else(|| "-".to_owned(), |(most, kept)| format!("{most:.0} {kept:.0}"));
    let mebibytes = |bytes: f64| format!("{:.0}", bytes / f64::from(1 << 20));
    let cells = [
        format!("{:.2}", figures.start.as_secs_f64()),
        format!("{:.2}", figures.start_processor.as_secs_f64()),
        mebibytes(figures.resident_bytes),
        mebibytes(figures.kept_bytes),
        each,
        format!("{:.1}", figures.first.as_secs_f64() * 1e3),
        figures.messages().words(3),
        figures.beside(first).words(2),
        figures.calls(first),
        figures.change(),
    ];
    print!("{:36}", row.name());
    cells.iter().zip(HEADINGS).for_each(|(cell, (_, width))| print!("{cell:>width$}"));
    println!();
}
