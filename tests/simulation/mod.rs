//! Deterministic simulation of the whole way of a message: queue, journal, dispatcher, delivery and its agents, over a
//! simulated clock, disk and network.
//!
//! A seed decides everything: what is sent, how other hosts behave, what the disk does, when the power goes. The same
//! seed gives the same run, event by event. `FRANKING_SEED=7` runs one seed and prints everything when it fails,
//! `FRANKING_STEP=40` with it the short run that loses power after 40 operations of the disk, `FRANKING_SEEDS=10000` or
//! `FRANKING_SEEDS=5000..6000` many, `FRANKING_LONG=1` ten thousand.
//!
//! **The law** (see [`oracle`]): every message that was acknowledged ends, for each recipient, exactly once as
//! delivered, relayed or reported. A host gets a second copy only if its answer was lost or never given, or the server
//! went dark before the answer was durable; a mailbox never. Reports are complete, go to the right sender about the
//! right recipients, and a null reverse-path earns none. What was not acknowledged appears wholly or not at all.
//! Nothing appears that was not submitted (that none was submitted without a permit is a matter of types: only policy
//! makes one, and an envelope takes nothing else). Contents arrive octet for octet. At the end the queue is empty, and
//! the journal has let go of what nobody needs. Of a disk that *lies* the law is that damage is found: either the
//! journal says at its start that it is damaged or was cut, or all of the above holds; and what is delivered is what
//! was sent, in any case.

mod answers;
mod clock;
mod dice;
mod ledger;
mod life;
mod network;
mod oracle;
mod organisation;
mod peer;
mod plan;
mod run;
mod scenario;
mod world;

use std::ops::Range;

use oracle::Counts;
use run::{Case, Verdict, run};

/// So many seeds run everywhere, in tests of a few of them each.
const SEEDS: u64 = 200;
const SEEDS_LONG: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    let value = std::env::var_os(name)?;
    Some(value.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} is not a number")))
}

/// The seeds that are asked for.
fn seeds() -> Range<u64> {
    if let Some(seed) = number("FRANKING_SEED") {
        return seed..seed + 1;
    }
    match std::env::var_os("FRANKING_SEEDS") {
        Some(text) => {
            let text = text.into_string().unwrap();
            let (first, end) = text.split_once("..").unwrap_or(("0", &text));
            first.parse().unwrap()..end.parse().unwrap()
        }
        None if std::env::var_os("FRANKING_LONG").is_some() => 0..SEEDS_LONG,
        None => 0..SEEDS,
    }
}

/// Fails with what one needs to know of the first failure, and the seeds of the others.
fn assert_sound(verdicts: impl Iterator<Item = Verdict>) -> Counts {
    let (mut sum, mut failed, mut first) = (Counts::default(), Vec::new(), None);
    let mut runs = 0_u64;
    for verdict in verdicts {
        runs += 1;
        sum.add(&verdict.counts);
        if !verdict.violations.is_empty() {
            println!("seed {} step {:?}: {:?}", verdict.case.seed, verdict.case.step, verdict.violations);
            failed.push((verdict.case.seed, verdict.case.step));
            first.get_or_insert_with(|| verdict.complaint());
        }
    }
    println!("{runs} runs: {sum:?}");
    if let Some(complaint) = first {
        panic!("{} of {runs} runs failed: {failed:?}\n{complaint}", failed.len());
    }
    sum
}

/// Seeds beyond those of every run that found something once: a copy that a failed attempt had left, damaged bodies,
/// folders that a crash left half made, a first attempt after a standstill that was the last, an id that came again.
const FOUND_SOMETHING: [u64; 7] = [218, 443, 477, 526, 730, 4560, 7754];

#[test]
fn seeds_that_found_something_once_find_nothing_now() {
    assert_sound(FOUND_SOMETHING.into_iter().map(|seed| run(Case { seed, step: None })));
}

/// A share of the seeds, so that several cores can work.
fn share(of: u64, which: u64) -> Counts {
    let step = number("FRANKING_STEP");
    assert_sound(seeds().filter(|seed| seed % of == which).map(|seed| run(Case { seed, step })))
}

#[test]
fn every_acknowledged_message_ends_exactly_once_for_even_seeds() {
    share(2, 0);
}

#[test]
fn every_acknowledged_message_ends_exactly_once_for_odd_seeds() {
    share(2, 1);
}

/// Ends the machine, or for even seeds the process, at every operation that a short run of this seed comes to.
fn end_at_every_step(seed: u64) -> Counts {
    const NEVER: u64 = u64::MAX / 2;
    let whole = run(Case { seed, step: Some(NEVER) });
    assert!(whole.first_life > 80, "{}", whole.first_life);
    assert_sound((1..=whole.first_life).map(|step| run(Case { seed, step: Some(step) })))
}

#[test]
fn an_end_at_every_single_operation_loses_nothing() {
    if number("FRANKING_SEED").is_some() {
        return;
    }
    let seeds = if std::env::var_os("FRANKING_LONG").is_some() { 0..12 } else { 1..3 };
    for seed in seeds {
        end_at_every_step(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 14, 15, 92, 65, 35] {
        let (first, second) = (run(Case { seed, step: None }), run(Case { seed, step: None }));
        let differing = first.chronicle.iter().zip(&second.chronicle).find(|(first, second)| first != second);
        assert_eq!(differing, None, "seed {seed}");
        assert_eq!((first.fingerprint, first.operations), (second.fingerprint, second.operations), "seed {seed}");
    }
}
