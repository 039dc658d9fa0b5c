//! Files: their ends, damage, how long they are kept, and disks that fail and fill up.

use super::*;

#[test]
fn wherever_a_file_is_cut_off_the_records_before_are_kept_and_more_follow() {
    let mut rig = Rig::new(1);
    travel(&mut rig);
    rig.trace.flush();
    let path = rig.files().pop().unwrap();
    let whole = rig.disk.read(&path).unwrap();
    let query = rig.everything();
    let mut lengths = std::collections::BTreeSet::new();
    for cut in (HEADER_BYTES..whole.len()).rev() {
        let torn = SimulatedDisk::new(2);
        torn.create_directories(Path::new(PLACE)).unwrap();
        torn.create_new(&path).unwrap().append(&whole[..cut]).unwrap();
        let trace = open(&torn, &rig.clock, &rig.options);
        let (page, _) = search(&torn, Path::new(PLACE), &query, &mut |_, _| {}).unwrap();
        assert_eq!(page.damaged, 0, "a torn end is no damage: {cut}");
        lengths.insert(torn.length(&path).unwrap());
        let facts = EntryFacts { id: QueueId::after(rig.last_id, start()), ..facts_of("new@contoso.example", &rig) };
        let sequence = rig.sequence + 10;
        trace.committed(sequence, &facts, &envelope("new@contoso.example", &[ANN]), b"");
        trace.settled(sequence);
        drop(trace);
        let (page, _) = search(&torn, Path::new(PLACE), &query, &mut |_, _| {}).unwrap();
        assert!(page.lines.iter().any(|line| line.from == "new@contoso.example"), "{cut}");
        assert_eq!(page.damaged, 0, "{cut}");
        assert_eq!(open(&torn, &rig.clock, &rig.options).seen(), sequence);
    }
    assert!(lengths.len() >= 6, "cut to whole records: {lengths:?}");
}

fn facts_of(from: &str, rig: &Rig) -> EntryFacts {
    EntryFacts::new(rig.last_id, rig.now(), &envelope(from, &[ANN]), 10)
}

#[test]
fn damage_costs_what_is_damaged_and_keeps_nobody_from_starting() {
    let mut rig = Rig::new(2);
    for number in 0..20 {
        let facts = rig.accept("alice@contoso.example", &[ANN], &format!("Subject: number-{number}-end\r\n\r\n"));
        rig.expand(&facts, &[(ANN, ANN)]);
    }
    rig.trace.flush();
    let path = rig.files().pop().unwrap();
    let content = rig.disk.read(&path).unwrap();
    let place = content.windows(12).position(|window| window == b"number-7-end").unwrap();
    rig.disk.damage(&path, place, 0x20);
    let rig = rig.restart();
    let page = rig.find(&rig.everything());
    let subjects: Vec<&str> = page.lines.iter().map(|line| line.subject.as_str()).collect();
    assert_eq!((page.lines.len(), page.damaged), (19, 1), "{subjects:?}");
    assert!(!subjects.contains(&"number-7-end"));
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(
        examine(&rig.disk, Path::new(PLACE)).unwrap(),
        [(name, "1 damaged places, whose records are lost".to_owned())]
    );
    // A header that decayed costs its file; the next start tells anew what is not in the files before.
    rig.disk.damage(&path, 20, 0xff);
    let mut rig = rig.restart();
    assert_eq!((rig.trace.seen(), rig.find(&rig.everything()).lines.len()), (0, 0));
    rig.trace.settled(rig.sequence);
    travel(&mut rig);
    assert_eq!(rig.find(&rig.everything()).lines.len(), 2);
}

#[test]
fn old_days_go_while_the_server_runs_and_at_its_start() {
    let mut rig = Rig::with(3, |options| options.days = 3);
    for day in 0..10 {
        rig.accept("alice@contoso.example", &[ANN], &format!("Subject: day {day}\r\n\r\n"));
        rig.trace.flush();
        rig.clock.advance(Duration::from_secs(86_400));
    }
    let subjects = |rig: &Rig| {
        let lines = rig.find(&rig.everything()).lines;
        lines.iter().map(|line| line.subject.clone()).collect::<Vec<_>>().join(",")
    };
    // The eleventh day has begun; nothing was written since, and nobody has looked.
    assert_eq!(rig.files().len(), 4);
    rig.trace.turn();
    assert_eq!(subjects(&rig), "day 9,day 8,day 7");
    rig.clock.advance(Duration::from_secs(2 * 86_400));
    let mut rig = rig.restart();
    rig.trace.turn();
    assert_eq!(subjects(&rig), "day 9");
    // Also the one that is being written, on a server that nobody uses.
    rig.accept("alice@contoso.example", &[ANN], "Subject: last\r\n\r\n");
    rig.trace.turn();
    rig.clock.advance(Duration::from_secs(3 * 86_400));
    rig.trace.turn();
    assert_eq!(subjects(&rig), "last");
    rig.clock.advance(Duration::from_secs(86_400));
    rig.trace.turn();
    assert_eq!((subjects(&rig).as_str(), rig.files().len()), ("", 0));
}

#[test]
fn the_oldest_files_go_when_there_is_too_much() {
    let mut rig = Rig::with(4, |options| options.bytes_max = 40_000);
    for number in 0..2_000 {
        let facts = rig.accept("alice@contoso.example", &[ANN], &format!("Subject: number {number}\r\n\r\n"));
        rig.expand(&facts, &[(ANN, ANN)]);
        rig.trace.flush();
        let bytes: u64 = rig.files().iter().map(|path| rig.disk.length(path).unwrap()).sum();
        assert!(bytes <= 40_000 + 5_500, "{bytes} octets after {number}");
    }
    let page = rig.find(&rig.everything());
    assert!((50..500).contains(&page.lines.len()), "{}", page.lines.len());
    assert_eq!(page.lines[0].subject, "number 1999");
    let oldest: usize = page.lines.last().unwrap().subject.split(' ').next_back().unwrap().parse().unwrap();
    assert_eq!(2_000 - oldest, page.lines.len(), "without a gap");
    assert!(rig.files().len() <= 10);
}

#[test]
fn a_full_disk_delays_the_trace_and_what_finds_no_room_is_counted() {
    let mut rig = Rig::with(5, |options| options.free_bytes_floor = 1_000);
    travel(&mut rig);
    rig.trace.flush();
    rig.disk.set_room(Some(20));
    travel(&mut rig);
    rig.trace.flush();
    assert_eq!(rig.find(&rig.everything()).lines.len(), 2, "the disk took nothing");
    rig.disk.set_room(None);
    assert_eq!(rig.find(&rig.everything()).lines.len(), 4, "and takes all of it when it can");
    assert_eq!(rig.trace.seen(), 12);
    // Below the floor nothing is begun, and writing what is open fails later.
    rig.disk.set_read_only(true);
    let big = "x".repeat(250);
    for _ in 0..50_000 {
        rig.accept("alice@contoso.example", &[ANN], &format!("Subject: {big}\r\n\r\n"));
    }
    rig.disk.set_read_only(false);
    rig.trace.turn();
    let after = travel(&mut rig);
    let page = rig.find(&Query { limit: 100_000, ..rig.everything() });
    assert!(page.lost > 1_000 && page.lines.len() > 10_000, "{} lost, {} kept", page.lost, page.lines.len());
    assert_eq!(u64::try_from(page.lines.len()).unwrap() + page.lost, 50_000 + 6, "kept, or counted");
    assert!(rig.history(after.id).is_some());
    assert_eq!(rig.trace.seen(), rig.sequence);
}

#[test]
fn a_thread_whose_disk_fails_keeps_nobody_waiting() {
    let mut rig = Rig::with(6, |options| options.hands = Hands::Threads);
    travel(&mut rig);
    assert!(rig.trace.flush());
    rig.disk.set_read_only(true);
    travel(&mut rig);
    assert!(rig.trace.flush(), "it was heard, in vain");
    let big = "x".repeat(250);
    for _ in 0..50_000 {
        rig.accept("alice@contoso.example", &[ANN], &format!("Subject: {big}\r\n\r\n"));
    }
    rig.disk.set_read_only(false);
    // Asked for, it tries at once.
    let page = rig.find(&Query { limit: 100_000, ..rig.everything() });
    let page = if page.lost > 0 { page } else { rig.find(&Query { limit: 100_000, ..rig.everything() }) };
    assert_eq!(u64::try_from(page.lines.len()).unwrap() + page.lost, 50_000 + 4, "kept, or counted");
    assert!(page.lost > 0);
}

#[test]
fn each_failing_operation_is_got_over_and_nothing_is_shown_twice() {
    let mut quiet = Rig::new(7);
    travel(&mut quiet);
    quiet.trace.flush();
    let expected = quiet.find(&quiet.everything());
    for nth in 1..8 {
        for kind in 0..2 {
            let mut rig = Rig::new(nth);
            if kind == 0 {
                rig.disk.fail_write(nth)
            } else {
                rig.disk.fail_synchronization(nth)
            }
            let facts = rig.accept("alice@contoso.example", &[ANN, "team@fabrikam.example"], SUBJECT);
            rig.trace.flush();
            rig.expand(&facts, &[(ANN, ANN), (BEN, "team@fabrikam.example")]);
            rig.trace.flush();
            rig.defer(&facts, 0, ANN);
            rig.defer(&facts, 1, BEN);
            rig.trace.flush();
            rig.clock.advance(Duration::from_secs(60));
            rig.relay(&facts, 0, ANN);
            rig.trace.flush();
            rig.step(&facts, 0, ANN, Event::Reported);
            rig.trace.flush();
            rig.trace.flush();
            // Nothing that was durable before a power cut is missing after it.
            rig.disk.crash();
            let seen = rig.trace.seen();
            let Rig { disk, clock, options, .. } = rig;
            assert_eq!(seen, 6, "{nth} {kind}");
            let trace = open(&disk, &clock, &options);
            // What a group vouches for is written with the next one.
            assert!(trace.seen() >= 4, "{nth} {kind}: {}", trace.seen());
            let (page, _) = search(&disk, Path::new(PLACE), &quiet.everything(), &mut |_, _| {}).unwrap();
            assert_eq!(page.lines, expected.lines, "{nth} {kind}");
            let told = history(&disk, Path::new(PLACE), facts.id, None, &mut |_, _| {}).unwrap().unwrap();
            assert_eq!(told.events.len(), 7, "{nth} {kind}");
        }
    }
}

#[test]
fn two_writers_are_one_too_many_and_readers_need_no_lock() {
    let mut rig = Rig::new(8);
    travel(&mut rig);
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&rig.clock);
    let second = Trace::open(Arc::new(rig.disk.clone()), Path::new(PLACE), rig.options.clone(), Arc::clone(&clock));
    assert_eq!(second.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(remove(&rig.disk, Path::new(PLACE)).map_err(|error| error.kind()), Ok(()), "there is nothing yet");
    assert_eq!(rig.find(&rig.everything()).lines.len(), 2);
    assert!(remove(&rig.disk, Path::new(PLACE)).is_err());
    let Rig { disk, trace, .. } = rig;
    drop(trace);
    remove(&disk, Path::new(PLACE)).unwrap();
    assert_eq!(file::list(&disk, Path::new(PLACE)).unwrap().len(), 0);
    // A disk that takes nothing keeps nobody from starting, and is tried again.
    disk.set_read_only(true);
    let trace = Trace::open(Arc::new(disk), Path::new(PLACE), TraceOptions::new(1), clock);
    assert_eq!(trace.unwrap().seen(), 0);
}

#[test]
fn what_is_written_at_once_over_many_files_survives_a_power_cut() {
    for seed in 0..10 {
        let mut rig = Rig::with(seed, |options| options.bytes_max = 40_000);
        for _ in 0..100 {
            rig.accept("alice@contoso.example", &[ANN], SUBJECT);
        }
        rig.trace.flush();
        assert!(rig.files().len() > 2);
        rig.disk.crash();
        let (page, _) = search(&rig.disk, Path::new(PLACE), &rig.everything(), &mut |_, _| {}).unwrap();
        assert_eq!(page.lines.len(), 100, "seed {seed}");
    }
}
