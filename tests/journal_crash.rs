//! What the journal promises, under torn tails, power cuts, failed synchronisations, decay and kill -9.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use franking::store::journal::{Journal, JournalError, JournalFailure, JournalOptions, Location, Recovery, repair};
use franking::world::disk::{Disk, RealDisk, SimulatedDisk};
use proptest::prelude::*;

use crate::support::kill;

const PLACE: &str = "/journal";
type Records = Vec<(Location, Vec<u8>)>;

fn options() -> JournalOptions {
    JournalOptions { segment_bytes: 600, ..JournalOptions::new(0x5a17) }
}

fn open(disk: &SimulatedDisk, options: JournalOptions) -> Result<(Journal, Recovery, Records), JournalError> {
    let mut records = Vec::new();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, recovery) = Journal::open(disk, Path::new(PLACE), options, |record, location| {
        records.push((location, record.payload.to_vec()));
    })?;
    Ok((journal, recovery, records))
}

fn append(journal: &Journal, payload: &[u8]) -> Result<Location, JournalFailure> {
    journal.append_blocking(1, payload.to_vec())?.wait()
}

fn segments(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new(PLACE)).unwrap();
    let paths = names.into_iter().map(|name| Path::new(PLACE).join(name));
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "segment")).collect()
}

/// A payload that says which batch it belongs to, its place there, and how many there are.
fn member(batch: u32, place: u32, of: u32, bytes: usize) -> Vec<u8> {
    let mut payload = [batch, place, of].map(u32::to_le_bytes).concat();
    payload.resize(12 + bytes, batch as u8);
    payload
}

fn identity(payload: &[u8]) -> (u32, u32, u32) {
    let number = |at: usize| u32::from_le_bytes(payload[at..at + 4].try_into().unwrap());
    assert!(payload[12..].iter().all(|byte| *byte == number(0) as u8), "half a record was replayed");
    (number(0), number(4), number(8))
}

/// The batches among replayed records; panics unless each is whole, in order, side by side and there once.
fn whole_batches(records: &Records) -> BTreeSet<u32> {
    let mut batches = BTreeSet::new();
    let mut rest = records.as_slice();
    while let Some((_, payload)) = rest.first() {
        let (batch, _, of) = identity(payload);
        assert!(batches.insert(batch), "batch {batch} was replayed twice");
        for place in 0..of {
            let (_, payload) = rest.first().expect("a batch was replayed in part");
            assert_eq!(identity(payload), (batch, place, of));
            rest = &rest[1..];
        }
    }
    for pair in records.windows(2) {
        assert_eq!(pair[0].0.sequence + 1, pair[1].0.sequence, "a record in the middle is missing");
    }
    batches
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_cut_of_the_tail_replays_the_whole_batches_before_it(
        batches in prop::collection::vec(prop::collection::vec(0..40_usize, 1..4), 1..6),
    ) {
        let disk = SimulatedDisk::new(1);
        let big = || JournalOptions { segment_bytes: 1 << 20, ..options() };
        let (journal, _, _) = open(&disk, big()).unwrap();
        let mut ends = vec![40];
        for (number, sizes) in batches.iter().enumerate() {
            let of = sizes.len() as u32;
            let records = sizes.iter().enumerate();
            let records: Vec<_> = records.map(|(place, bytes)| (1, member(number as u32, place as u32, of, *bytes))).collect();
            let locations = journal.append_all_blocking(records).unwrap().wait().unwrap();
            let last = locations.last().unwrap();
            ends.push(u64::from(last.offset) + last.record_bytes());
        }
        drop(journal);
        let path = segments(&disk).remove(0);
        let mut content = disk.read(&path).unwrap();
        let written = usize::try_from(*ends.last().unwrap()).unwrap();
        prop_assert!(content.split_off(written).iter().all(|octet| *octet == 0), "behind the records is headroom");
        for cut in (40..content.len()).rev() {
            let torn = SimulatedDisk::new(2);
            torn.create_directories(Path::new(PLACE)).unwrap();
            torn.create_new(&path).unwrap().append(&content[..cut]).unwrap();
            let (journal, recovery, records) = open(&torn, big()).unwrap();
            let expected = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
            prop_assert_eq!(whole_batches(&records).len(), expected);
            prop_assert_eq!(recovery.cut.is_some(), !ends.contains(&(cut as u64)));
            append(&journal, &member(99, 0, 1, 5)).unwrap();
            drop(journal);
            let (_, recovery, records) = open(&torn, big()).unwrap();
            prop_assert!(recovery.cut.is_none() && whole_batches(&records).contains(&99));
        }
    }
}

/// One life of the journal on a disk whose power goes at an arbitrary operation; several threads append.
fn live_until_the_power_goes(disk: &SimulatedDisk, journal: &Journal, batches: core::ops::Range<u32>) -> BTreeSet<u32> {
    let acknowledged = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for lane in 0..3 {
            let (acknowledged, batches) = (&acknowledged, batches.clone());
            scope.spawn(move || {
                for batch in batches.filter(|batch| batch % 3 == lane) {
                    let of = batch % 4 + 1;
                    let records: Vec<_> =
                        (0..of).map(|place| (1, member(batch, place, of, (batch % 50) as usize))).collect();
                    let Ok(ticket) = journal.append_all_blocking(records) else { return };
                    if ticket.wait().is_err() {
                        return;
                    }
                    acknowledged.lock().unwrap().insert(batch);
                }
            });
        }
    });
    disk.crash();
    acknowledged.into_inner().unwrap()
}

#[test]
fn after_a_power_cut_everything_acknowledged_is_replayed_and_nothing_by_halves() {
    let (mut lives_cut_short, mut unacknowledged_replayed) = (0, 0);
    for seed in 0..300_u64 {
        let disk = SimulatedDisk::new(seed);
        let mut owed = BTreeSet::new();
        for life in 0..3_u32 {
            if seed % 2 == 1 && life > 0 {
                // The power may also go while the journal is being opened.
                disk.cut_power_after(1 + (seed + u64::from(life)) % 12);
                let _ = open(&disk, options());
                disk.crash();
            }
            let (journal, _, records) = open(&disk, options()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let found = whole_batches(&records);
            assert!(owed.is_subset(&found), "seed {seed}, life {life}: {:?} lost", owed.difference(&found));
            unacknowledged_replayed += found.difference(&owed).count();
            owed = found;
            disk.cut_power_after(1 + (seed * 7 + u64::from(life) * 13) % 60);
            let acknowledged = live_until_the_power_goes(&disk, &journal, life * 100..life * 100 + 30);
            lives_cut_short += u32::from(acknowledged.len() < 30);
            owed.extend(acknowledged);
        }
        let (_, _, records) = open(&disk, options()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = whole_batches(&records);
        assert!(owed.is_subset(&found), "seed {seed}: {:?} lost", owed.difference(&found));
    }
    assert!(lives_cut_short > 300, "the power must go while work is under way: {lives_cut_short}");
    assert!(unacknowledged_replayed > 0, "some cuts must fall between durable and acknowledged");
}

#[test]
fn a_fact_never_leaves_before_what_it_is_about() {
    let (mut reclaimed, mut kept) = (0, 0);
    for seed in 0..200_u64 {
        let disk = SimulatedDisk::new(seed);
        let (journal, _, _) = open(&disk, options()).unwrap();
        disk.cut_power_after(20 + seed);
        let (mut entries, mut settled) = (BTreeSet::new(), BTreeSet::new());
        let mut open_entries: BTreeMap<u32, Vec<(u32, Location)>> = BTreeMap::new();
        'steps: for batch in 0..60 {
            // A fact settles each entry, mostly one step later; then neither is needed any more. Those that stay open
            // for long hold many segments, which then go at once.
            let Ok(entry) = append(&journal, &member(batch, 0, 1, 40)) else { break };
            entries.insert(batch);
            let steps_open = if batch % 15 == 0 { 14 } else { 1 };
            open_entries.entry(batch + steps_open).or_default().push((batch, entry));
            for (about, entry) in open_entries.remove(&batch).unwrap_or_default() {
                let Ok(fact) = append(&journal, &member(1_000 + about, 0, 1, 0)) else { break 'steps };
                settled.insert(about);
                journal.release(entry);
                journal.release(fact);
            }
        }
        reclaimed += u32::from(journal.usage().segments < entries.len() / 6);
        disk.crash();
        drop(journal);
        let (_, _, records) = open(&disk, options()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = whole_batches(&records);
        for entry in entries {
            if settled.contains(&entry) {
                assert!(!found.contains(&entry) || found.contains(&(1_000 + entry)), "seed {seed}: {entry} came back");
                kept += u32::from(found.contains(&entry));
            } else {
                assert!(found.contains(&entry), "seed {seed}: {entry} is lost");
            }
        }
    }
    assert!(reclaimed > 50 && kept > 50, "{reclaimed} journals shrank, {kept} settled entries were replayed");
}

#[test]
fn a_failed_synchronisation_or_write_is_never_acknowledged_and_never_healed_by_chance() {
    for seed in 0..200_u64 {
        let disk = SimulatedDisk::new(seed);
        // Too little for a spare, so that each failure is a record's.
        disk.set_room(Some(1 << 40));
        let (journal, _, _) = open(&disk, JournalOptions { free_bytes_floor: 1 << 41, ..options() }).unwrap();
        let mut owed = BTreeSet::new();
        let mut refused = BTreeSet::new();
        if seed % 2 == 0 {
            disk.fail_synchronization(1 + seed % 9)
        } else {
            disk.fail_write(1 + seed % 9)
        }
        for batch in 0..12 {
            match append(&journal, &member(batch, 0, 1, 60)) {
                Ok(_) => owed.insert(batch),
                Err(_) => refused.insert(batch),
            };
        }
        assert!(!disk.exists(&Path::new(PLACE).join("spare.new")).unwrap(), "seed {seed}");
        let first_refused = *refused.first().unwrap_or_else(|| panic!("seed {seed}: no failure was met"));
        assert!(journal.failure().is_some(), "seed {seed}");
        assert!(owed.iter().all(|batch| *batch < first_refused), "seed {seed}: accepted after a failure");
        let recovered = seed % 3 != 0;
        if recovered {
            journal.recover_blocking().unwrap();
            for batch in 20..30 {
                append(&journal, &member(batch, 0, 1, 60)).unwrap();
                owed.insert(batch);
            }
        }
        if seed % 5 == 0 {
            // A restarted process reads what the page cache shows, and must not believe it.
            drop(journal);
            let (journal, _, records) = open(&disk, options()).unwrap();
            owed.extend(whole_batches(&records));
            append(&journal, &member(50, 0, 1, 9)).unwrap();
            owed.insert(50);
        }
        disk.crash();
        let (_, _, records) = open(&disk, options()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = whole_batches(&records);
        assert!(owed.is_subset(&found), "seed {seed}: {:?} lost", owed.difference(&found));
        assert!(!recovered || found.is_disjoint(&refused), "seed {seed}: recovery kept what was refused");
    }
}

#[test]
fn decay_of_any_octet_is_an_error_and_a_repair_reports_exactly_what_is_missing() {
    let build = || {
        let disk = SimulatedDisk::new(3);
        let (journal, _, _) = open(&disk, options()).unwrap();
        let written: BTreeMap<u64, Vec<u8>> = (0..30)
            .map(|batch| {
                let payload = member(batch, 0, 1, 20);
                (append(&journal, &payload).unwrap().sequence, payload)
            })
            .collect();
        (disk, written)
    };
    let (whole, _) = build();
    let paths = segments(&whole);
    assert!(paths.len() > 2);
    let last = paths.last().unwrap();
    for path in &paths {
        let length = whole.read(path).unwrap().len();
        // In the last segment the last record cannot be told from a torn one.
        let certain = if path == last { length - 57 } else { length };
        for offset in (0..certain).step_by(5) {
            let (disk, written) = build();
            disk.damage(path, offset, 0x10);
            let error = open(&disk, options()).expect_err("damage was not noticed");
            let JournalError::Damaged { file, .. } = &error else { panic!("{error}") };
            assert_eq!(file, path);
            let shared: Arc<dyn Disk> = Arc::new(disk.clone());
            let skipped = repair(&shared, Path::new(PLACE), &options()).unwrap();
            assert!(!skipped.is_empty() && disk.exists(&path.with_extension("damaged")).unwrap());
            let missing: BTreeSet<u64> = skipped.iter().flat_map(|skipped| skipped.sequences.clone()).collect();
            assert!(missing.len() <= 1, "{path:?} {offset}: {skipped:?}");
            let (journal, _, records) = open(&disk, options()).unwrap();
            let found: BTreeMap<u64, Vec<u8>> =
                records.into_iter().map(|(location, payload)| (location.sequence, payload)).collect();
            let expected = written.into_iter().filter(|(sequence, _)| !missing.contains(sequence)).collect();
            assert_eq!(found, expected);
            append(&journal, b"and on it goes").unwrap();
            drop(journal);
            assert!(repair(&shared, Path::new(PLACE), &options()).unwrap().is_empty(), "repaired is sound");
        }
    }
}

#[test]
fn a_missing_segment_is_an_error_and_a_repair_goes_on_without_it() {
    let disk = SimulatedDisk::new(4);
    let (journal, _, _) = open(&disk, options()).unwrap();
    for batch in 0..30 {
        append(&journal, &member(batch, 0, 1, 20)).unwrap();
    }
    drop(journal);
    let path = segments(&disk).remove(1);
    disk.remove(&path).unwrap();
    let error = open(&disk, options()).unwrap_err();
    assert!(matches!(&error, JournalError::Missing { file } if *file == path), "{error}");
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let skipped = repair(&shared, Path::new(PLACE), &options()).unwrap();
    let missing: u64 = skipped.iter().map(|skipped| skipped.sequences.end - skipped.sequences.start).sum();
    let (_, recovery, _) = open(&disk, options()).unwrap();
    assert_eq!(recovery.records + missing, 30);
    assert!(missing > 3);
}

#[test]
fn a_payload_that_looks_like_records_is_never_taken_for_some() {
    // The attacker knows the format and everything but the salt.
    let stranger = SimulatedDisk::new(5);
    let (journal, _, _) = open(&stranger, JournalOptions::new(1)).unwrap();
    let bytes = append(&journal, b"forged").unwrap().record_bytes();
    drop(journal);
    let mut forged = stranger.read(&segments(&stranger)[0]).unwrap().split_off(40);
    forged.truncate(usize::try_from(bytes).unwrap());
    let disk = SimulatedDisk::new(6);
    let (journal, _, _) = open(&disk, JournalOptions::new(2)).unwrap();
    append(&journal, &forged.repeat(20)).unwrap();
    append(&journal, b"true").unwrap();
    drop(journal);
    disk.damage(&segments(&disk)[0], 44, 1);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    repair(&shared, Path::new(PLACE), &JournalOptions::new(2)).unwrap();
    let (_, _, records) = open(&disk, JournalOptions::new(2)).unwrap();
    assert_eq!(records.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>(), [b"true"]);
}

#[test]
fn appends_under_way_together_share_a_synchronisation() {
    let place = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(Arc::new(RealDisk), place.path(), JournalOptions::new(1), |_, _| {}).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut tickets = Vec::new();
        for number in 0..1_000_u32 {
            tickets.push(journal.append(1, number.to_le_bytes().to_vec()).await.unwrap());
        }
        for ticket in tickets {
            ticket.await.unwrap();
        }
    });
    let counts = journal.counts();
    assert_eq!(counts.records, 1_000);
    assert!(counts.synchronizations < 500, "{counts:?}");
}

#[test]
fn child_that_appends_until_it_is_killed() {
    // Runs only as the child of the next test.
    let Some(place) = kill::place() else { return };
    let options = JournalOptions { segment_bytes: 20_000, ..JournalOptions::new(9) };
    let (journal, recovery) = Journal::open(Arc::new(RealDisk), Path::new(&place), options, |_, _| {}).unwrap();
    kill::work_until_killed(recovery.records, |work| {
        append(&journal, &payload_of(work)).unwrap();
    });
}

fn payload_of(work: kill::Work) -> Vec<u8> {
    work.map(u64::to_le_bytes).concat()
}

#[test]
fn after_kill_9_everything_acknowledged_is_there() {
    let place = tempfile::tempdir().unwrap();
    let mut owed: BTreeSet<Vec<u8>> = BTreeSet::new();
    for round in 0..3 {
        let child = "journal_crash::child_that_appends_until_it_is_killed";
        let acknowledged = kill::run_and_kill(child, place.path(), 300 + round * 100);
        owed.extend(acknowledged.into_iter().map(payload_of));
        let mut found = BTreeSet::new();
        let options = JournalOptions::new(9);
        Journal::open(Arc::new(RealDisk), place.path(), options, |record, _| {
            assert!(found.insert(record.payload.to_vec()), "replayed twice");
        })
        .unwrap();
        assert!(owed.is_subset(&found), "round {round}: {} lost", owed.difference(&found).count());
    }
}
