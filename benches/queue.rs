//! What a full queue costs: `cargo bench --bench queue` fills a queue with deferred messages, stops it, and opens it
//! again in a process of its own.
//!
//! Counted are the processor time of the start, the memory that each message takes, and what the journal takes on disk.
//! Processor time and not wall time, since a shared machine's clock measures the neighbours.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up has failed")]

#[path = "support/backlog.rs"]
mod backlog;

use std::path::Path;
use std::process::Command;

use franking::model::mail::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use backlog::{fill, queue};

const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];
/// The names of the two ways in which this program calls itself.
const FILL: &str = "fill";
const OPEN: &str = "open";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [FILL, place, count] => fill(Path::new(place), count.parse().unwrap(), start()),
        [OPEN, place] => open(Path::new(place)),
        arguments => compare(arguments.contains(&"--bench")),
    }
}

/// Without `--bench` one small round shows that everything runs.
fn compare(full: bool) {
    let sizes = if full { &SIZES[..] } else { &SIZES[..1] };
    println!(
        "{:>12}{:>16}{:>16}{:>18}{:>18}{:>18}",
        "deferred", "journal MiB", "start CPU s", "start CPU us each", "memory MiB", "octets each"
    );
    for count in sizes {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().to_str().unwrap();
        call(&[FILL, path, &count.to_string()]);
        let opened = call(&[OPEN, path]);
        let figures: Vec<f64> = opened.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [messages, seconds, octets, journal] = figures.try_into().unwrap();
        assert_eq!(messages as u64, *count, "a message is missing");
        let mebibyte = f64::from(1 << 20);
        println!(
            "{count:>12}{:>16.0}{seconds:>16.2}{:>18.2}{:>18.0}{:>18.0}",
            journal / mebibyte,
            seconds * 1e6 / messages,
            octets / mebibyte,
            octets / messages
        );
    }
}

fn call(arguments: &[&str]) -> String {
    let output = Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn resident_bytes() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident: f64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    resident * 4096.0
}

fn start() -> Timestamp {
    Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()
}

fn open(place: &Path) {
    let (resident, begun) = (resident_bytes(), cpu_seconds());
    let queue = queue(place, start());
    let (seconds, octets) = (cpu_seconds() - begun, resident_bytes() - resident);
    println!("{} {seconds} {octets} {}", queue.count(), queue.usage().bytes);
}
