//! `kill -9` of a part of the program: this very test program runs again as a child that works and says what was
//! acknowledged to it, until it is killed in the middle.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Tells the child, which is a test, where to work. Without it there is nothing to do.
const PLACE: &str = "FRANKING_TEST_CHILD";

/// Lane, life and number of a piece of work.
pub(crate) type Work = [u64; 3];

/// What the child sees of its parent.
pub(crate) fn place() -> Option<OsString> {
    std::env::var_os(PLACE)
}

/// The child's whole life, the `life`th: four lanes that each hand in one piece of work after the other. Bounded, so
/// that a child whose parent died ends by itself.
pub(crate) fn work_until_killed(life: u64, hand_in: impl Fn(Work) + Sync) {
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let hand_in = &hand_in;
            scope.spawn(move || {
                for number in 0..50_000 {
                    hand_in([lane, life, number]);
                    println!("acknowledged {lane} {life} {number}");
                }
            });
        }
    });
}

/// Runs the test called `child` at `place` and kills it once `target` pieces of work were acknowledged; all that were.
pub(crate) fn run_and_kill(child: &str, place: &Path, target: usize) -> BTreeSet<Work> {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", child, "--nocapture"])
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = BTreeSet::new();
    for line in BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok) {
        // The harness may print its own words before ours on the first line; the last one may be cut off.
        let Some((_, numbers)) = line.split_once("acknowledged ") else { continue };
        let numbers: Option<Vec<u64>> = numbers.split(' ').map(|number| number.parse().ok()).collect();
        let Some(work) = numbers.and_then(|numbers| Work::try_from(numbers).ok()) else { continue };
        acknowledged.insert(work);
        if acknowledged.len() == target {
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    assert!(acknowledged.len() >= target, "the child ended by itself");
    acknowledged
}
