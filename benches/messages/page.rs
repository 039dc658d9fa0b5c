//! The comparison as people read it: on the terminal, and as one page.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::time::Duration;

use super::beside::Taken;

const ROW_WIDTH: usize = 54;
const WHAT_WIDTH: usize = 28;
const CELL_WIDTH: usize = 26;

/// What is not the same for both.
const PASSWORDS: &str = "At submission each server keeps passwords as it usually does: {ours} as Argon2id, and knows \
    for a minute that one was right; Dovecot, who checks them for {theirs}, as SHA-512 crypt, each time anew, since \
    its cache is off unless it is asked for.";

/// What a figure of ours must be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    /// So many times the other's, or more.
    Times(f64),
    /// This part of the other's, or less.
    Part(f64),
    AtLeast(f64),
    AtMost(f64),
    /// Nothing; it is for those who wonder.
    Shown,
}

/// One figure of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    what: &'static str,
    digits: usize,
    target: Target,
}

pub(super) const fn times(what: &'static str, digits: usize, times: f64) -> Line {
    Line { what, digits, target: Target::Times(times) }
}

pub(super) const fn part(what: &'static str, digits: usize, part: f64) -> Line {
    Line { what, digits, target: Target::Part(part) }
}

pub(super) const fn at_least(what: &'static str, digits: usize, least: f64) -> Line {
    Line { what, digits, target: Target::AtLeast(least) }
}

pub(super) const fn at_most(what: &'static str, digits: usize, most: f64) -> Line {
    Line { what, digits, target: Target::AtMost(most) }
}

pub(super) const fn shown(what: &'static str, digits: usize) -> Line {
    Line { what, digits, target: Target::Shown }
}

/// A line in words.
struct Words {
    row: String,
    what: String,
    ours: String,
    theirs: String,
    ratio: String,
    target: String,
    met: &'static str,
}

/// Rows as they are measured.
pub(super) struct Page {
    names: [String; 2],
    rounds: usize,
    rest: Duration,
    lines: Vec<Words>,
    failures: Vec<String>,
}

impl Page {
    /// Prints the heading.
    pub(super) fn begin(names: [&String; 2], rounds: usize, rest: Duration) -> Self {
        let page = Self { names: names.map(Clone::clone), rounds, rest, lines: Vec::new(), failures: Vec::new() };
        let [ours, theirs] = page.names.clone();
        let heading = |text: &str| text.to_owned();
        print(&Words {
            row: String::new(),
            what: String::new(),
            ours,
            theirs,
            ratio: heading("ratio"),
            target: heading("target"),
            met: "met?",
        });
        page
    }

    /// Prints and keeps what the rounds of both servers gave.
    pub(super) fn row(&mut self, name: &'static str, lines: &[Line], taken: &[Vec<Taken>; 2]) {
        for (place, line) in lines.iter().enumerate() {
            let [ours, theirs] = taken.each_ref().map(|rounds| sorted(rounds, line.what));
            let middles = [median(&ours), median(&theirs)];
            let ratio =
                middles[0].zip(middles[1]).filter(|(_, theirs)| *theirs != 0.0).map(|(ours, theirs)| ours / theirs);
            let words = Words {
                row: if place == 0 { name.to_owned() } else { String::new() },
                what: line.what.to_owned(),
                ours: spread(&ours, line.digits),
                theirs: spread(&theirs, line.digits),
                ratio: ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
                target: line.target.words(),
                met: line.target.judge(middles[0], ratio),
            };
            print(&words);
            self.lines.push(words);
        }
    }

    /// Prints and keeps that a measurement did not succeed.
    pub(super) fn failure(&mut self, row: &str, server: &str, error: &io::Error) {
        let failure = format!("{row}, {server}: {error}");
        println!("FAILED {failure}");
        self.failures.push(failure);
    }

    /// All of it as a page.
    pub(super) fn markdown(&self) -> String {
        let [ours, theirs] = &self.names;
        let mut page = String::new();
        let _ = writeln!(
            page,
            "# {ours} beside {theirs}\n\nWritten by `benches/beside-postfix --page`. {}.\n\nThe servers and the load \
             share the machine and are measured in turn, after {} s of rest where messages become files; figures are \
             medians of {} rounds with the extremes. Rates drift with the machine, so the ratio counts.\n\n{}\n",
            machine(),
            self.rest.as_secs(),
            self.rounds,
            PASSWORDS.replace("{ours}", ours).replace("{theirs}", theirs)
        );
        let _ = writeln!(
            page,
            "| row | figure | {ours} | {theirs} | ratio | target | met |\n|---|---|---|---|---|---|---|"
        );
        for Words { row, what, ours, theirs, ratio, target, met } in &self.lines {
            let _ = writeln!(page, "| {row} | {what} | {ours} | {theirs} | {ratio} | {target} | {met} |");
        }
        for failure in &self.failures {
            let _ = writeln!(page, "\nNot measured in one round: {failure}");
        }
        page
    }
}

impl Target {
    fn words(self) -> String {
        match self {
            Self::Times(times) => format!("≥ {times} ×"),
            Self::Part(part) => format!("≤ {part} ×"),
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::AtMost(most) => format!("≤ {most}"),
            Self::Shown => String::new(),
        }
    }

    fn judge(self, ours: Option<f64>, ratio: Option<f64>) -> &'static str {
        let met = match self {
            Self::Times(times) => ratio.map(|ratio| ratio >= times),
            Self::Part(part) => ratio.map(|ratio| ratio <= part),
            Self::AtLeast(least) => ours.map(|ours| ours >= least),
            Self::AtMost(most) => ours.map(|ours| ours <= most),
            Self::Shown => return "",
        };
        met.map_or("unknown", |met| if met { "met" } else { "NOT met" })
    }
}

fn print(words: &Words) {
    let Words { row, what, ours, theirs, ratio, target, met } = words;
    println!("{row:ROW_WIDTH$}{what:WHAT_WIDTH$}{ours:>CELL_WIDTH$}{theirs:>CELL_WIDTH$}{ratio:>9}{target:>10}  {met}");
}

fn sorted(rounds: &[Taken], what: &str) -> Vec<f64> {
    let mut figures: Vec<f64> = rounds.iter().filter_map(|taken| taken.get(what).copied()).collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(sorted: &[f64]) -> Option<f64> {
    sorted.get(sorted.len() / 2).copied()
}

fn spread(sorted: &[f64], digits: usize) -> String {
    let middle = median(sorted).map_or_else(|| "-".to_owned(), |middle| format!("{middle:.digits$}"));
    match sorted {
        [least, .., most] => format!("{middle} ({least:.digits$}–{most:.digits$})"),
        [] | [_] => middle,
    }
}

/// Cores and memory; the disk is what the others say.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes: f64 =
        memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default();
    format!("Machine: {cores} cores, {:.0} GiB of memory", kibibytes / MIB_OF_KIB)
}

const MIB_OF_KIB: f64 = 1_048_576.0;
