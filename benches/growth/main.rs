//! What growth costs: `cargo bench --bench growth`.
//!
//! The real program starts on a directory of ten to a million recipients, on a mailbox that holds a hundred thousand
//! messages, and on a queue in which a million wait. Each row shows the start, the memory (the most until the first
//! message is delivered, and what is kept then, each also by what there is more than in the first row of its kind), and
//! what a message costs then, accepted and delivered: processor time and calls into the system, and behind each how
//! that compares with the first row. Wall time is shown where somebody waits for it; else processor time, since a
//! shared machine's clock measures the neighbours.
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

use std::sync::Arc;

use grown::Grown;
use probe::{Figures, probe};
use support::arguments::Arguments;
use support::subject::Premises;

/// A row: what has grown, and how much of it there is.
struct Row {
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
const MESSAGES: usize = 6_000;
const HEADINGS: [(&str, usize); 10] = [
    ("start s", 9),
    ("CPU s", 7),
    ("peak MiB", 10),
    ("kept MiB", 10),
    ("octets each", 13),
    ("first ms", 10),
    ("CPU ms each", 22),
    ("of first", 10),
    ("calls each", 14),
    ("change ms, longest, CPU", 24),
];

fn main() {
    let arguments = Arguments::given();
    // `cargo bench` says `--bench`. Without it this is a test: small sizes show that everything runs.
    let full = arguments.has("--bench") && !arguments.has("--test");
    let (rounds, messages) = if full { (arguments.number("--rounds", 3).max(1), MESSAGES) } else { (1, 18) };
    let wanted = arguments.value("--only").unwrap_or_default();
    print!("{:36}", "");
    HEADINGS.iter().for_each(|(heading, width)| print!("{heading:>width$}"));
    println!();
    for (grown, counts) in ROWS {
        let counts = if full { counts } else { &counts[..1] };
        let rows = counts.iter().map(|count| Row { grown, count: *count }).filter(|row| row.name().contains(wanted));
        let mut first = None;
        for row in rows {
            let premises = Arc::new(Premises::new().unwrap());
            let recipients = row.grown.fill(&premises, row.count);
            let figures = probe(&premises, &recipients, rounds, messages);
            show(&row, &figures, first.get_or_insert_with(|| (row.count, figures.clone())));
            if arguments.has("--keep") {
                println!("  {}", Arc::into_inner(premises).unwrap().keep().display());
            }
        }
    }
}

/// Prints a row beside the first of its kind, given with its count.
fn show(row: &Row, figures: &Figures, (least, first): &(u64, Figures)) {
    let more = row.count - least;
    let each = |now: f64, then: f64| (now - then) / more as f64;
    let (most, kept) = (each(figures.resident_bytes, first.resident_bytes), each(figures.kept_bytes, first.kept_bytes));
    let each = if more == 0 { "-".to_owned() } else { format!("{most:.0} {kept:.0}") };
    let mebibytes = |bytes: f64| format!("{:.0}", bytes / f64::from(1 << 20));
    let cells = [
        format!("{:.2}", figures.start.as_secs_f64()),
        format!("{:.2}", figures.start_processor.as_secs_f64()),
        mebibytes(figures.resident_bytes),
        mebibytes(figures.kept_bytes),
        each,
        format!("{:.1}", figures.first.as_secs_f64() * 1e3),
        figures.spread(),
        format!("{:.2}", figures.each() / first.each()),
        figures.calls(first),
        figures.change(),
    ];
    print!("{:36}", row.name());
    cells.iter().zip(HEADINGS).for_each(|(cell, (_, width))| print!("{cell:>width$}"));
    println!();
}
