//! Tests of the journal: torn tails, power cuts, failed writes, reclaiming, decay and repair.

use std::io;

use super::*;
use crate::world::disk::SimulatedDisk;

fn options() -> JournalOptions {
    JournalOptions { segment_bytes: 300, ..JournalOptions::new(7) }
}

fn open(disk: &SimulatedDisk) -> (Journal, Vec<(Location, Vec<u8>)>) {
    let mut records = Vec::new();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let opened = Journal::open(disk, Path::new("/j"), options(), |record, location| {
        records.push((location, record.payload.to_vec()));
    });
    (opened.unwrap().0, records)
}

fn append(journal: &Journal, text: &str) -> Location {
    journal.append_blocking(1, text.as_bytes().to_vec()).unwrap().wait().unwrap()
}

#[test]
fn what_is_appended_is_read_and_replayed_in_order() {
    let disk = SimulatedDisk::new(1);
    let (journal, found) = open(&disk);
    assert!(found.is_empty());
    let written: Vec<_> = (0..40)
        .map(|number| {
            let text = format!("record {number}");
            (append(&journal, &text), text.into_bytes())
        })
        .collect();
    for (location, payload) in &written {
        assert_eq!(&journal.read(*location).unwrap(), payload);
    }
    assert!(journal.usage().segments > 3, "the segments are small");
    drop(journal);
    let (journal, found) = open(&disk);
    assert_eq!(found, written);
    let missing = Location { segment: 99, ..written[0].0 };
    assert!(matches!(journal.read(missing), Err(JournalError::NoRecord(location)) if location == missing));
}

#[test]
fn segments_go_oldest_first_and_only_when_nothing_in_them_is_needed() {
    let disk = SimulatedDisk::new(2);
    let (journal, _) = open(&disk);
    let locations: Vec<_> = (0..40).map(|number| append(&journal, &format!("record {number}"))).collect();
    let (first, rest) = locations.split_first().unwrap();
    let full = journal.usage();
    rest.iter().for_each(|location| journal.release(*location));
    append(&journal, "turn");
    assert_eq!(journal.usage().segments, full.segments, "the oldest record keeps everything after it");
    let oldest = journal.oldest_segment().unwrap();
    assert_eq!((oldest.live_records, oldest.live_bytes), (1, first.record_bytes()));

    let copied = append(&journal, "record 0, carried forward");
    journal.release(*first);
    journal.release(*first);
    append(&journal, "turn");
    // The nudge and the append may be taken in one turn or in two.
    append(&journal, "turn");
    assert!(journal.usage().segments <= 2, "{:?}", journal.usage());
    assert!(journal.read(copied).is_ok());
    drop(journal);
    disk.crash();
    let (_, found) = open(&disk);
    assert!(found.iter().any(|(location, _)| *location == copied));
    assert!(found.iter().all(|(location, _)| location.segment >= copied.segment.saturating_sub(1)));
}

#[test]
fn what_exceeds_the_bounds_is_refused_and_nothing_else_is() {
    let disk = SimulatedDisk::new(3);
    let (journal, _) = open(&disk);
    let bytes_max = options().record_bytes_max;
    let refused = journal.append_blocking(1, vec![0; bytes_max + 1]).unwrap_err();
    assert_eq!(refused, JournalFailure::TooLarge { bytes: bytes_max + 1, bytes_max });
    assert_eq!(journal.append_blocking(KIND_MAX + 1, vec![]).unwrap_err(), JournalFailure::Refused);
    assert_eq!(journal.append_all_blocking(vec![]).unwrap_err(), JournalFailure::Refused);
    let whole = journal.append_blocking(1, vec![1; bytes_max]).unwrap().wait().unwrap();
    assert_eq!(journal.read(whole).unwrap(), vec![1; bytes_max]);
    append(&journal, "");
}

#[test]
fn a_directory_has_one_journal() {
    let disk = SimulatedDisk::new(4);
    let (journal, _) = open(&disk);
    let again: Arc<dyn Disk> = Arc::new(disk.clone());
    let error = Journal::open(again, Path::new("/j"), options(), |_, _| {}).unwrap_err();
    assert!(matches!(error, JournalError::InUse { .. }), "{error}");
    drop(journal);
    open(&disk);
}

#[test]
fn low_space_is_seen_before_it_hurts() {
    let disk = SimulatedDisk::new(5);
    let (journal, _) = open(&disk);
    let floor = options().free_bytes_floor;
    disk.set_room(Some(floor + 10));
    assert_eq!(journal.shortage(10), None);
    let shortage = journal.shortage(11).unwrap();
    assert!(shortage.is_of_room());
    let said = shortage.to_string();
    assert!(
        said.starts_with(&format!("only {} octets are free at /j", floor + 10)) && said.contains("Make room"),
        "{said}"
    );
}

#[test]
fn a_full_disk_fails_the_append_and_recovery_waits_for_space() {
    let disk = SimulatedDisk::new(6);
    let (journal, _) = open(&disk);
    let kept = append(&journal, "kept");
    disk.set_room(Some(5));
    let failed = journal.append_blocking(1, vec![b'r'; 300]).unwrap().wait().unwrap_err();
    assert!(matches!(failed, JournalFailure::Failed { .. }));
    assert!(matches!(journal.append_blocking(1, vec![]).unwrap_err(), JournalFailure::Failed { .. }));
    assert!(journal.recover_blocking().is_err());
    assert!(journal.failure().is_some());
    disk.set_room(None);
    journal.recover_blocking().unwrap();
    let later = append(&journal, "later");
    assert_eq!(journal.read(kept).unwrap(), b"kept");
    drop(journal);
    let (_, found) = open(&disk);
    assert_eq!(found, [(kept, b"kept".to_vec()), (later, b"later".to_vec())]);
}

#[test]
fn large_bodies_are_whole_or_absent_and_orphans_are_swept() {
    for seed in 0..50 {
        let disk = SimulatedDisk::new(seed);
        let (journal, _) = open(&disk);
        let bodies = journal.bodies();
        let mut writer = bodies.create().unwrap();
        writer.write(b"a large ").unwrap();
        writer.write(b"body").unwrap();
        let body = writer.finish("q1").unwrap();
        let orphan = bodies.create().unwrap().finish("q2").unwrap();
        let mut unfinished = bodies.create().unwrap();
        unfinished.write(b"unfinished").unwrap();
        disk.crash();
        drop((journal, unfinished));
        let (journal, _) = open(&disk);
        journal.bodies().verify(&body).unwrap();
        let swept = journal.bodies().sweep(|name| name == "q1").unwrap();
        assert!((1..=2).contains(&swept), "the orphan, and the unfinished one if its name survived");
        assert!(journal.bodies().read(&orphan).is_err());
        journal.bodies().verify(&body).unwrap();
        disk.damage(&journal.bodies().path_of(&body).unwrap(), 3, 1);
        assert_eq!(journal.bodies().verify(&body).unwrap_err().kind(), io::ErrorKind::InvalidData);
        journal.bodies().remove("q1").unwrap();
        journal.bodies().remove("q1").unwrap();
        assert!(journal.bodies().remove("../q1").is_err());
    }
}

#[test]
fn a_segment_that_no_writer_made_so_long_is_not_read_into_memory() {
    let disk = SimulatedDisk::new(1);
    let tight = || JournalOptions { record_bytes_max: 300, group_bytes_max: 300, ..options() };
    drop(open(&disk));
    let path = Path::new("/j").join(format!("{:016x}.segment", 1));
    disk.open_append(&path).unwrap().append(&[0; 4 * 600]).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let opened = Journal::open(disk, Path::new("/j"), tight(), |_, _| {});
    let failed = opened.unwrap_err().to_string();
    assert!(failed.contains("the file is longer than any segment"), "{failed}");
}

fn path_of(segment: u64) -> PathBuf {
    Path::new("/j").join(format!("{segment:016x}.segment"))
}

#[test]
fn records_are_written_over_the_headroom_which_is_no_flaw() {
    let disk = SimulatedDisk::new(8);
    let roomy = || JournalOptions { segment_bytes: 2_000_000, ..options() };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (journal, _) = Journal::open(Arc::clone(&shared), Path::new("/j"), roomy(), |_, _| {}).unwrap();
    append(&journal, "one");
    let length = disk.length(&path_of(1)).unwrap();
    assert_eq!(length, 40 + 24 + 3 + (64 << 10));
    for number in 0..100 {
        append(&journal, &format!("record {number}"));
    }
    assert_eq!(disk.length(&path_of(1)).unwrap(), length, "nothing grows while there is headroom");
    assert_eq!(journal.usage().bytes, journal.usage().live_bytes + 40, "headroom is no record");
    let payload = vec![b'x'; usize::try_from(length).unwrap()];
    journal.append_blocking(1, payload).unwrap().wait().unwrap();
    assert!(disk.length(&path_of(1)).unwrap() > 2 * length, "as much headroom as there are records");
    journal.append_blocking(2, vec![b'x'; 300_000]).unwrap().wait().unwrap();
    assert_eq!(disk.length(&path_of(1)).unwrap(), journal.usage().bytes, "a large group is written once");
    drop(journal);
    disk.crash();
    assert_eq!(repair(&shared, Path::new("/j"), &roomy()).unwrap(), []);
    let (journal, recovery) = Journal::open(shared, Path::new("/j"), roomy(), |_, _| {}).unwrap();
    assert_eq!((recovery.records, recovery.cut), (103, None));
    drop(journal);
    assert_eq!(
        disk.length(&path_of(1)).unwrap(),
        40 + 100 * 33 - 10 + 27 + 24 + length + 300_024,
        "opened, it has none"
    );
}

#[test]
fn a_disk_without_room_for_headroom_may_have_some_for_records() {
    let disk = SimulatedDisk::new(9);
    let (journal, _) = open(&disk);
    disk.set_room(Some(100));
    let kept = append(&journal, "kept");
    append(&journal, "in the part of the headroom that there was");
    assert_eq!(disk.space(Path::new("/j")).unwrap().free_bytes, 0);
    assert!(journal.append_blocking(1, vec![1; 40]).unwrap().wait().is_err());
    drop(journal);
    disk.set_room(None);
    let (_, found) = open(&disk);
    assert_eq!(found[0], (kept, b"kept".to_vec()));
    assert!(found.len() >= 2, "{found:?}");
}

#[test]
fn octets_in_the_headroom_are_cut_and_told() {
    let disk = SimulatedDisk::new(10);
    let (journal, _) = open(&disk);
    append(&journal, "one");
    drop(journal);
    disk.damage(&path_of(1), 100, 1);
    let shared: Arc<dyn Disk> = Arc::new(disk);
    let (_, recovery) = Journal::open(shared, Path::new("/j"), options(), |_, _| {}).unwrap();
    let cut = Cut { segment: 1, offset: 67, bytes: 34, sound_records: 0, kept: None };
    assert_eq!((recovery.records, recovery.cut), (1, Some(cut)));
}

fn by_hand(disk: &SimulatedDisk, segment_bytes: u32) -> (Journal, u64) {
    let options = JournalOptions { segment_bytes, hands: Hands::Caller, ..options() };
    let (journal, recovery) = Journal::open(Arc::new(disk.clone()), Path::new("/j"), options, |_, _| {}).unwrap();
    assert_eq!(recovery.cut, None);
    (journal, recovery.records)
}

fn length_of(disk: &SimulatedDisk, path: &Path) -> Option<u64> {
    disk.exists(path).unwrap().then(|| disk.length(path).unwrap())
}

#[test]
fn the_next_segment_is_made_ready_while_this_one_is_written_and_is_begun_early_where_headroom_ends() {
    let (disk, spare) = (SimulatedDisk::new(11), Path::new("/j/spare.new"));
    let (journal, _) = by_hand(&disk, 600_000);
    let mut records = 0;
    let mut until = |there: &dyn Fn() -> bool| {
        while !there() {
            append(&journal, &"x".repeat(1_000));
            records += 1;
        }
    };
    until(&|| journal.usage().bytes >= 149_000);
    assert_eq!(length_of(&disk, spare), None, "a journal that is hardly used needs none");
    until(&|| journal.usage().bytes >= 150_000);
    assert_eq!(length_of(&disk, spare), Some(600_000));
    let headroom_end = disk.length(&path_of(1)).unwrap();
    until(&|| journal.newest_segment() == 2);
    assert_eq!(disk.length(&path_of(1)).unwrap(), headroom_end, "no more headroom was made");
    assert_eq!((length_of(&disk, spare), length_of(&disk, &path_of(2))), (None, Some(600_000)));
    until(&|| journal.newest_segment() == 3);
    assert!(disk.length(&path_of(2)).unwrap() >= 600_000, "a whole segment");
    until(&|| length_of(&disk, spare).is_some());
    let disk_after = disk.clone();
    drop(journal);
    assert_eq!(length_of(&disk_after, spare), None, "it goes with its writer");
    disk.crash();
    assert_eq!(by_hand(&disk, 600_000).1, records);
}

#[test]
fn a_spare_that_cannot_be_had_is_done_without() {
    let (disk, spare) = (SimulatedDisk::new(12), Path::new("/j/spare.new"));
    disk.create_directories(Path::new("/j")).unwrap();
    disk.create_new(spare).unwrap().append(b"of another life").unwrap();
    let (journal, _) = by_hand(&disk, 600_000);
    assert_eq!(length_of(&disk, spare), None);
    // Enough for the records, and not for what is kept free besides.
    disk.set_room(Some(options().free_bytes_floor));
    for _ in 0..1_000 {
        append(&journal, &"x".repeat(1_000));
    }
    assert_eq!((length_of(&disk, spare), journal.newest_segment()), (None, 2));
    disk.set_room(None);
    drop(journal);
    let (journal, found) = by_hand(&disk, 600_000);
    assert_eq!(found, 1_000);
    while length_of(&disk, spare).is_none() {
        append(&journal, &"x".repeat(1_000));
    }
    // Somebody takes it away.
    disk.remove(spare).unwrap();
    let before = journal.newest_segment();
    while journal.newest_segment() == before {
        append(&journal, &"x".repeat(1_000));
    }
    append(&journal, "and goes on");
}

#[test]
fn records_in_a_spare_survive_a_power_cut_at_any_operation() {
    let run = |disk: &SimulatedDisk| {
        let options = JournalOptions { segment_bytes: 1_000, hands: Hands::Caller, ..options() };
        let Ok((journal, _)) = Journal::open(Arc::new(disk.clone()), Path::new("/j"), options, |_, _| {}) else {
            return 0;
        };
        let append = |number: u64| {
            let ticket = journal.append_blocking(1, format!("record {number}").into_bytes()).ok()?;
            ticket.wait().ok()
        };
        (0..100).take_while(|number| append(*number).is_some()).count()
    };
    let quiet = SimulatedDisk::new(0);
    assert_eq!(run(&quiet), 100);
    for cut in 1..=quiet.operations() {
        let disk = SimulatedDisk::new(cut);
        disk.cut_power_after(cut);
        let acknowledged = run(&disk);
        disk.crash();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut found = Vec::new();
        let show = |record: Record<'_>, _| found.push(String::from_utf8(record.payload.to_vec()).unwrap());
        Journal::open(shared, Path::new("/j"), JournalOptions { segment_bytes: 1_000, ..options() }, show).unwrap();
        let expected: Vec<String> = (0..found.len()).map(|number| format!("record {number}")).collect();
        assert!(found == expected && found.len() >= acknowledged, "cut {cut}: {acknowledged} of {}", found.len());
    }
}

#[test]
fn a_fault_in_making_the_spare_refuses_nothing_and_one_in_a_group_only_what_comes_after_it() {
    type Fault = fn(&SimulatedDisk, u64);
    let faults: [Fault; 2] = [SimulatedDisk::fail_write, SimulatedDisk::fail_synchronization];
    for fail in faults {
        let mut unnoticed = 0;
        for nth in 1..=40 {
            let disk = SimulatedDisk::new(nth);
            let options = JournalOptions { segment_bytes: 1_000, hands: Hands::Caller, ..options() };
            let open = |options| Journal::open(Arc::new(disk.clone()), Path::new("/j"), options, |_, _| {}).unwrap();
            let (journal, _) = open(options.clone());
            fail(&disk, nth);
            let append = |number: u64| {
                let ticket = journal.append_blocking(1, format!("record {number}").into_bytes()).ok()?;
                ticket.wait().ok()
            };
            let kept = (0..60).filter(|number| append(*number).is_some()).count() as u64;
            assert_eq!(kept == 60, journal.failure().is_none(), "{nth}");
            unnoticed += u64::from(kept == 60);
            drop(journal);
            disk.crash();
            let found = open(options).1.records;
            assert!((kept..=kept + 1).contains(&found), "{nth}: {found} of {kept}");
        }
        // A spare takes one of about twenty operations.
        assert!((1..=10).contains(&unnoticed), "{unnoticed}");
    }
}
