//! The laws of the engine, held against every engine there is.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use franking::store::engine::{
    BATCH_CHANGES_MAX, Batch, EmbeddedEngine, Engine, EngineError, KEY_BYTES_MAX, KeyRange, MemoryEngine, Tree,
    VALUE_BYTES_MAX,
};
use proptest::prelude::*;

use crate::support::kill;

const ONE: Tree = Tree(1);
const TWO: Tree = Tree(2);
const LAST: Tree = Tree(255);

/// What a law does with an engine; `reopen` closes and opens those that keep anything.
trait Subject {
    fn engine(&self) -> &dyn Engine;
    fn reopen(self) -> Self;
}

impl Subject for MemoryEngine {
    fn engine(&self) -> &dyn Engine {
        self
    }

    fn reopen(self) -> Self {
        self
    }
}

struct Embedded {
    engine: Option<EmbeddedEngine>,
    place: tempfile::TempDir,
}

impl Embedded {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        Self { engine: Some(EmbeddedEngine::open(place.path()).unwrap()), place }
    }
}

impl Subject for Embedded {
    fn engine(&self) -> &dyn Engine {
        self.engine.as_ref().unwrap()
    }

    fn reopen(mut self) -> Self {
        drop(self.engine.take());
        Self { engine: Some(EmbeddedEngine::open(self.place.path()).unwrap()), place: self.place }
    }
}

fn commit(engine: &dyn Engine, batch: Batch) -> Result<(), EngineError> {
    engine.commit(batch).wait()
}

fn all(engine: &dyn Engine, tree: Tree) -> Vec<(Vec<u8>, Vec<u8>)> {
    engine.scan(tree, KeyRange::Prefix(b""), usize::MAX).unwrap()
}

macro_rules! laws {
    ($($law:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $law() { super::$law(franking::store::engine::MemoryEngine::new()); })*
        }
        mod embedded {
            $(#[test] fn $law() { super::$law(super::Embedded::new()); })*
        }
    };
}

laws!(
    a_batch_is_applied_whole_or_not_at_all,
    preconditions_see_every_earlier_batch,
    scans_are_ordered_and_stay_in_their_range_and_tree,
    what_exceeds_the_bounds_changes_nothing,
    of_many_rivals_exactly_one_wins,
    the_largest_entries_fit,
);

fn a_batch_is_applied_whole_or_not_at_all(subject: impl Subject) {
    let engine = subject.engine();
    commit(engine, Batch::new().put(ONE, b"a", b"1").put(TWO, b"a", b"2").delete(ONE, b"absent")).unwrap();
    let refused =
        Batch::new().put(ONE, b"b", b"3").delete(TWO, b"a").require_absent(ONE, b"z").require_absent(ONE, b"a");
    assert_eq!(commit(engine, refused), Err(EngineError::Conflict { precondition: 1 }));
    commit(engine, Batch::new().put(ONE, b"c", b"1").put(ONE, b"c", b"2").put(ONE, b"d", b"").delete(ONE, b"d"))
        .unwrap();
    let subject = subject.reopen();
    let engine = subject.engine();
    assert_eq!(all(engine, ONE), [(b"a".to_vec(), b"1".to_vec()), (b"c".to_vec(), b"2".to_vec())]);
    assert_eq!(all(engine, TWO), [(b"a".to_vec(), b"2".to_vec())]);
}

fn preconditions_see_every_earlier_batch(subject: impl Subject) {
    let engine = subject.engine();
    // Handed over at once, so that one group holds them all.
    let tickets: Vec<_> = (0..50_u8)
        .map(|number| {
            let next = [number + 1];
            let batch = Batch::new().put(ONE, b"counter", &next);
            engine.commit(match number {
                0 => batch.require_absent(ONE, b"counter"),
                number => batch.require_equal(ONE, b"counter", &[number]),
            })
        })
        .collect();
    tickets.into_iter().for_each(|ticket| ticket.wait().unwrap());
    assert_eq!(engine.read(ONE, b"counter").unwrap(), Some(vec![50]));
    let stale = Batch::new().put(ONE, b"counter", b"x").require_equal(ONE, b"counter", &[49]);
    assert_eq!(commit(engine, stale), Err(EngineError::Conflict { precondition: 0 }));
    let absent = Batch::new().require_equal(ONE, b"nothing", b"");
    assert_eq!(commit(engine, absent), Err(EngineError::Conflict { precondition: 0 }));
}

fn scans_are_ordered_and_stay_in_their_range_and_tree(subject: impl Subject) {
    let engine = subject.engine();
    let keys: [&[u8]; 7] = [b"", b"a", b"a\0", b"a\xff", b"a\xff\xff", b"b", b"\xff\xff"];
    for tree in [Tree(0), ONE, LAST] {
        let batch = keys.iter().rev().fold(Batch::new(), |batch, key| batch.put(tree, key, &[tree.0]));
        commit(engine, batch).unwrap();
    }
    let scan = |tree, range, limit| -> Vec<Vec<u8>> {
        let found = engine.scan(tree, range, limit).unwrap();
        assert!(found.iter().all(|(_, value)| *value == [tree.0]), "a key of another tree");
        found.into_iter().map(|(key, _)| key).collect()
    };
    for tree in [Tree(0), ONE, LAST] {
        assert_eq!(scan(tree, KeyRange::Prefix(b""), 100), keys);
        assert_eq!(scan(tree, KeyRange::Prefix(b"a\xff"), 100), keys[3..5]);
        assert_eq!(scan(tree, KeyRange::Prefix(b"\xff"), 100), keys[6..]);
        assert_eq!(scan(tree, KeyRange::Prefix(b"a"), 2), keys[1..3]);
        assert_eq!(scan(tree, KeyRange::Between { from: b"a\0", until: Some(b"b") }, 100), keys[2..5]);
        assert_eq!(scan(tree, KeyRange::Between { from: b"a\xff\0", until: None }, 100), keys[4..]);
        assert!(scan(tree, KeyRange::Between { from: b"b", until: Some(b"a") }, 100).is_empty());
        assert!(scan(tree, KeyRange::Between { from: b"b", until: Some(b"b") }, 100).is_empty());
        assert!(scan(tree, KeyRange::Prefix(b""), 0).is_empty());
    }
    assert!(all(engine, TWO).is_empty());
}

fn what_exceeds_the_bounds_changes_nothing(subject: impl Subject) {
    let engine = subject.engine();
    let many = (0..=BATCH_CHANGES_MAX).fold(Batch::new(), |batch, number| batch.put(ONE, &number.to_be_bytes(), b""));
    let too_large = [
        Batch::new().put(ONE, b"a", b"1").put(ONE, &[0; KEY_BYTES_MAX + 1], b""),
        Batch::new().put(ONE, b"a", b"1").put(ONE, b"b", &[0; VALUE_BYTES_MAX + 1]),
        Batch::new().put(ONE, b"a", b"1").require_absent(ONE, &[0; KEY_BYTES_MAX + 1]),
        many,
    ];
    for batch in too_large {
        assert!(matches!(commit(engine, batch), Err(EngineError::TooLarge { .. })));
    }
    assert!(all(engine, ONE).is_empty());
}

fn of_many_rivals_exactly_one_wins(subject: impl Subject) {
    let engine = subject.engine();
    let winners: usize = std::thread::scope(|scope| {
        let rivals: Vec<_> = (0..8_u8)
            .map(|rival| {
                scope.spawn(move || {
                    let won = (0..25_u8).filter(|prize| {
                        let batch = Batch::new().require_absent(ONE, &[*prize]).put(ONE, &[*prize], &[rival]);
                        commit(engine, batch).is_ok()
                    });
                    won.count()
                })
            })
            .collect();
        rivals.into_iter().map(|rival| rival.join().unwrap()).sum()
    });
    assert_eq!(winners, 25);
}

fn the_largest_entries_fit(subject: impl Subject) {
    let key = |number: u32| {
        let mut key = vec![7; KEY_BYTES_MAX];
        key[..4].copy_from_slice(&number.to_be_bytes());
        key
    };
    let engine = subject.engine();
    for round in 0..4_u32 {
        let numbers = 0..BATCH_CHANGES_MAX as u32;
        let batch =
            numbers.fold(Batch::new(), |batch, number| batch.put(ONE, &key(number), &[round as u8; VALUE_BYTES_MAX]));
        commit(engine, batch).unwrap();
    }
    let subject = subject.reopen();
    let entries = all(subject.engine(), ONE);
    assert_eq!(entries.len(), BATCH_CHANGES_MAX);
    assert!(entries.iter().all(|(_, value)| *value == [3; VALUE_BYTES_MAX]));
}

#[derive(Clone, Debug)]
enum Step {
    Commit { changes: Vec<(u8, Vec<u8>, Option<Vec<u8>>)>, guard: Option<(u8, Vec<u8>, Option<Vec<u8>>)> },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || prop::collection::vec(0..3_u8, 0..3);
    let value = || prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..4));
    let change = move || (0..2_u8, key(), value());
    let commit = (prop::collection::vec(change(), 0..6), prop::option::of(change()));
    let commit = commit.prop_map(|(changes, guard)| Step::Commit { changes, guard });
    prop::collection::vec(prop_oneof![12 => commit, 1 => Just(Step::Reopen)], 1..40)
}

/// Takes the steps with an engine and with a map, which must agree after each.
fn agrees_with_a_map(mut subject: impl Subject, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut model: BTreeMap<(u8, Vec<u8>), Vec<u8>> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Reopen => subject = subject.reopen(),
            Step::Commit { changes, guard } => {
                let mut batch = Batch::new();
                for (tree, key, value) in &changes {
                    batch = match value {
                        Some(value) => batch.put(Tree(*tree), key, value),
                        None => batch.delete(Tree(*tree), key),
                    };
                }
                let mut holds = true;
                if let Some((tree, key, value)) = guard {
                    holds = model.get(&(tree, key.clone())) == value.as_ref();
                    batch = match value {
                        Some(value) => batch.require_equal(Tree(tree), &key, &value),
                        None => batch.require_absent(Tree(tree), &key),
                    };
                }
                let expected = if holds { Ok(()) } else { Err(EngineError::Conflict { precondition: 0 }) };
                prop_assert_eq!(commit(subject.engine(), batch), expected);
                for (tree, key, value) in changes.into_iter().filter(|_| holds) {
                    match value {
                        Some(value) => model.insert((tree, key), value),
                        None => model.remove(&(tree, key)),
                    };
                }
            }
        }
        for tree in 0..2_u8 {
            let owned = model.iter().filter(|((number, _), _)| *number == tree);
            let expected: Vec<_> = owned.map(|((_, key), value)| (key.clone(), value.clone())).collect();
            prop_assert_eq!(all(subject.engine(), Tree(tree)), expected);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_memory_engine_agrees_with_a_map(steps in steps()) {
        agrees_with_a_map(MemoryEngine::new(), steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_embedded_engine_agrees_with_a_map(steps in steps()) {
        agrees_with_a_map(Embedded::new(), steps)?;
    }
}

#[test]
fn the_embedded_engine_keeps_no_value_outside_of_what_it_synchronises() {
    let subject = Embedded::new();
    for round in 0..10_u32 {
        let batch = (0..200_u32).fold(Batch::new(), |batch, number| {
            let bytes = VALUE_BYTES_MAX - (number + round) as usize % 50;
            batch.put(ONE, &(number * 7 + round).to_be_bytes(), &vec![round as u8; bytes])
        });
        commit(subject.engine(), batch).unwrap();
    }
    let subject = subject.reopen();
    let blobs = subject.place.path().join("sled/blobs");
    assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 0);
}

#[test]
fn an_embedded_store_in_use_and_a_damaged_one_are_told_apart() {
    let mut subject = Embedded::new();
    let place = subject.place.path().to_owned();
    let error = EmbeddedEngine::open(&place).unwrap_err();
    assert!(matches!(&error, EngineError::InUse { directory } if *directory == place), "{error}");
    commit(subject.engine(), Batch::new().put(ONE, b"a", b"1")).unwrap();
    drop(subject.engine.take());
    std::fs::write(place.join("sled/conf"), b"no configuration of any store").unwrap();
    let error = EmbeddedEngine::open(&place).unwrap_err();
    assert!(matches!(&error, EngineError::Corrupt { .. }), "{error}");
    let error = EmbeddedEngine::open(Path::new("/proc/franking")).unwrap_err();
    assert!(matches!(&error, EngineError::Io { .. }), "{error}");
}

#[test]
fn child_that_commits_until_it_is_killed() {
    // Runs only as the child of the next test.
    let Some(place) = kill::place() else { return };
    let engine = EmbeddedEngine::open(Path::new(&place)).unwrap();
    kill::work_until_killed(all(&engine, ONE).len() as u64, |work| {
        let key = key_of(work);
        commit(&engine, Batch::new().put(ONE, &key, b"1").put(TWO, &key, &[7; 300])).unwrap();
    });
}

fn key_of(work: kill::Work) -> Vec<u8> {
    work.map(u64::to_be_bytes).concat()
}

#[test]
fn after_kill_9_the_embedded_engine_has_every_acknowledged_batch_and_none_by_halves() {
    let place = tempfile::tempdir().unwrap();
    let mut owed: BTreeSet<Vec<u8>> = BTreeSet::new();
    for round in 0..3 {
        let child = "engine_laws::child_that_commits_until_it_is_killed";
        let acknowledged = kill::run_and_kill(child, place.path(), 200 + round * 100);
        owed.extend(acknowledged.into_iter().map(key_of));
        let engine = EmbeddedEngine::open(place.path()).unwrap();
        let keys = |tree| -> BTreeSet<Vec<u8>> { all(&engine, tree).into_iter().map(|(key, _)| key).collect() };
        assert_eq!(keys(ONE), keys(TWO), "round {round}: half a batch");
        assert!(owed.is_subset(&keys(ONE)), "round {round}: {} lost", owed.difference(&keys(ONE)).count());
    }
}
