//! One run: a seed in, a verdict out.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use franking::store::journal::{JournalError, repair};
use franking::store::queue::OpenError;

use super::life::{Outcome, Pending, live};
use super::oracle::{self, Counts};
use super::plan::{self, End, Life};
use super::scenario::{FILLERS_FROM, Size, drafts};
use super::world::{House, QUEUE, World};

/// What a run is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) seed: u64,
    /// A short run without other trouble than that the machine, or for even seeds the process alone, ends after so many
    /// operations of the disk.
    pub(super) step: Option<u64>,
}

/// How it went.
pub(super) struct Verdict {
    pub(super) case: Case,
    pub(super) counts: Counts,
    pub(super) violations: Vec<String>,
    pub(super) chronicle: Vec<String>,
    pub(super) fingerprint: u64,
    /// Operations of the disk in the first life, and in all.
    pub(super) first_life: u64,
    pub(super) operations: u64,
}

/// Events that a complaint shows, unless one seed is asked for.
const LINES: usize = 60;
/// Lives that cannot begin, because the disk fails, are tried again so often.
const STARTS_MAX: usize = 40;

/// Runs a case to its end.
pub(super) fn run(case: Case) -> Verdict {
    let world = Arc::new(World::new(case.seed));
    let size = if case.step.is_some() { Size::Short } else { Size::Usual };
    let to_send = drafts(case.seed, size, &world.snapshot, &world.settings.current());
    let pending: Pending = Arc::new(Mutex::new(VecDeque::from(to_send)));
    let lives = match case.step {
        Some(step) => {
            let end = if case.seed.is_multiple_of(2) { End::Kill } else { End::PowerCut };
            let lasts = Duration::from_secs(13 * 3600);
            let first = Life { operations: Some(step), end, lasts, keen_reader: true, ..Life::calm() };
            vec![first, Life { fills: false, ..Life::calm() }]
        }
        None => plan::draw(case.seed),
    };
    let mut first_life = None;
    for life in &lives {
        one_life(&world, life, &pending);
        first_life.get_or_insert_with(|| world.disk.operations());
    }
    is_empty_when_opened_again(&world);
    let (counts, violations) = oracle::judge(&world);
    Verdict {
        case,
        counts,
        violations,
        chronicle: world.chronicle.lines(),
        fingerprint: world.chronicle.fingerprint(),
        first_life: first_life.unwrap_or_default(),
        operations: world.disk.operations(),
    }
}

/// A life, with as many starts as it needs.
fn one_life(world: &Arc<World>, life: &Life, pending: &Pending) {
    let mut life = life.clone();
    for _ in 0..STARTS_MAX {
        let number = {
            let mut books = world.ledger.books();
            books.life += 1;
            books.life
        };
        world.chronicle.note(&format!("life {number}: {life:?}"));
        match live(world, &life, pending) {
            Outcome::Ended(end) => {
                let dark = !matches!(end, End::Stop | End::Done);
                if dark {
                    world.ledger.books().broken_off.insert(number);
                }
                after(world, end);
                world.clock.pass(life.down);
                return;
            }
            Outcome::Stuck(text) => {
                world.ledger.violation(text);
                return after(world, End::Kill);
            }
            Outcome::NotOpened { error, dark } => {
                not_opened(world, &life, &error);
                after(world, if dark { End::PowerCut } else { End::Kill });
                if dark {
                    return;
                }
                if is_damage(&error) {
                    mend(world);
                }
            }
        }
        // What the disk did to one start it does not do to the next.
        life = Life { failing_write: None, failing_synchronization: None, ailment: None, ..life };
    }
    world.ledger.violation("the server does not start".to_owned());
}

/// What becomes of the disk when a life is over.
fn after(world: &World, end: End) {
    match end {
        End::PowerCut => {
            world.chronicle.note("power cut");
            world.disk.crash();
            if world.disk.lies() > 0 {
                world.ledger.books().forget_sequences();
            }
        }
        End::Kill | End::Stop | End::Done => world.disk.restart(),
    }
}

const fn is_damage(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::Journal(JournalError::Damaged { .. } | JournalError::Missing { .. }) | OpenError::Record { .. }
    )
}

/// A start may fail because the disk does, or because the journal says that it is damaged; never without a cause.
fn not_opened(world: &World, life: &Life, error: &OpenError) {
    world.chronicle.note(&format!("not opened: {error}"));
    let failed = matches!(error, OpenError::Journal(JournalError::Io(_)) | OpenError::Io(_));
    let cause = life.operations.is_some() || life.disk_may_fail();
    let lied = world.disk.lies() > 0;
    if !(failed && cause || lied && (failed || is_damage(error))) {
        world.ledger.violation(format!("the queue cannot be opened: {error}"));
    }
}

/// What an operator does with a damaged journal.
fn mend(world: &World) {
    world.ledger.books().damage_known = true;
    let skipped = repair(&world.shared_disk(), Path::new(QUEUE), &world.journal);
    world.chronicle.note(&format!("repaired: {skipped:?}"));
    match skipped {
        Ok(skipped) if skipped.is_empty() => {
            world.ledger.violation("a damaged journal has nothing to repair".to_owned())
        }
        Ok(_) => {}
        Err(error) => world.ledger.violation(format!("the journal cannot be repaired: {error}")),
    }
}

/// After the last life nothing comes back.
fn is_empty_when_opened_again(world: &Arc<World>) {
    world.disk.crash();
    {
        let mut books = world.ledger.books();
        (books.life, books.replaying) = (books.life + 1, true);
    }
    match House::open(world, u64::MAX) {
        Ok((house, opened)) => {
            if opened.messages > 0 {
                world.ledger.violation(format!("{} messages came back", opened.messages));
            }
            drop(house);
        }
        Err(error) => world.ledger.violation(format!("the queue cannot be opened after the end: {error}")),
    }
    world.disk.restart();
}

impl Verdict {
    /// Everything that one needs to know of a failure: how to run it again, what is wrong, how it came to it.
    pub(super) fn complaint(&self) -> String {
        let mut text = String::new();
        let step = self.case.step.map(|step| format!(" FRANKING_STEP={step}")).unwrap_or_default();
        let _ = writeln!(text, "seed {} fails at commit {}; run it again with", self.case.seed, commit());
        let _ = writeln!(text, "    FRANKING_SEED={}{step} cargo test --test franking simulation::", self.case.seed);
        for violation in &self.violations {
            let _ = writeln!(text, "  breach: {violation}");
        }
        // What is sent at the end to move the journal on tells nothing of a failure before it.
        let filled = self.chronicle.iter().position(|line| line.contains(&format!("token {FILLERS_FROM} ")));
        let to = filled.filter(|_| !whole()).unwrap_or(self.chronicle.len());
        let from = if whole() { 0 } else { to.saturating_sub(LINES) };
        let _ = writeln!(text, "after {} operations of the disk; the last events:", self.operations);
        for line in &self.chronicle[from..to] {
            let _ = writeln!(text, "  {line}");
        }
        text
    }
}

/// Whether the whole chronicle of a failure is wanted.
fn whole() -> bool {
    std::env::var_os("FRANKING_SEED").is_some()
}

fn commit() -> String {
    let output =
        Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let known = output.ok().filter(|output| output.status.success());
    known.map_or_else(|| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
