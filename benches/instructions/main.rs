//! Instructions of each step of a message's way: `cargo bench --profile counted --bench instructions`.
//!
//! Time on a shared machine measures the neighbours; the count of instructions hardly varies, so a step that grows is
//! seen. Each step runs under callgrind twice, often and twice as often, in a process of its own: the difference is the
//! steps alone. That is done three times, since a hash table with other seeds counts otherwise, and the lowest is
//! taken. The counts are compared with `benches/instructions/counts.txt`; one that has grown by more than a tenth fails
//! the benchmark. `BLESS=1` writes the counts anew. Needs valgrind. The profile `counted` is the release without the
//! optimisation over crates at the end, which takes minutes and makes counts jump.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up has failed")]

mod organisation;
mod session;
mod steps;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use steps::STEPS;

/// How much a count may grow, as a part of it: another processor copies memory with other instructions.
const TOLERANCE: f64 = 0.10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [name, times] if !name.starts_with("--") => run(name, times.parse().unwrap()),
        arguments if arguments.contains(&"--bench") => return compare(),
        // `cargo test` asks for one round of each, which shows that everything runs.
        _ => STEPS.iter().for_each(|step| run(step.name, 1)),
    }
    ExitCode::SUCCESS
}

fn run(name: &str, times: u64) {
    let step = STEPS.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("there is no step {name}"));
    (step.run)(times);
}

fn compare() -> ExitCode {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/counts.txt");
    let known = read(&path);
    let (mut written, mut grown) = (String::new(), 0_u32);
    println!("{:44}{:>14}{:>14}{:>10}", "instructions", "before", "now", "");
    for step in &STEPS {
        let Some(count) = (0..3).filter_map(|_| count(step.name, step.times)).min() else {
            eprintln!("valgrind is needed, and is not installed or does not work here: apt-get install valgrind");
            return ExitCode::FAILURE;
        };
        writeln!(written, "{:44}{count:>14}", step.name).unwrap();
        let before = known.get(step.name).copied();
        let change = before.map(|before| count as f64 / before as f64 - 1.0);
        let verdict = match change {
            None => "new",
            Some(change) if change > TOLERANCE => "more",
            Some(change) if change < -TOLERANCE => "fewer",
            Some(_) => "",
        };
        grown += u32::from(verdict == "more");
        let shown = before.map_or_else(String::new, |before| before.to_string());
        let percent = change.map_or_else(String::new, |change| format!("{:+.1} %", change * 100.0));
        println!("{:44}{shown:>14}{count:>14}{percent:>10}  {verdict}", step.name);
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, written).unwrap();
        return ExitCode::SUCCESS;
    }
    if grown > 0 {
        eprintln!("{grown} have grown; if that is meant: BLESS=1 cargo bench --profile counted --bench instructions");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The counts that were written last.
fn read(path: &Path) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = |line: &str| {
        let (name, count) = line.rsplit_once(' ')?;
        Some((name.trim().to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// Instructions of one step; none without valgrind.
fn count(name: &str, times: u64) -> Option<u64> {
    let (once, twice) = (under_callgrind(name, times)?, under_callgrind(name, 2 * times)?);
    Some(twice.saturating_sub(once) / times)
}

fn under_callgrind(name: &str, times: u64) -> Option<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let output = valgrind.arg(std::env::current_exe().unwrap()).args([name, &times.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected :"))?.1;
    output.status.success().then_some(collected.trim().parse().ok()).flatten()
}
