//! Tests of the simulated disk: what survives a crash, and which faults it can play.

use super::*;

fn disk_with_file(seed: u64) -> (SimulatedDisk, PathBuf, Box<dyn AppendFile>) {
    let disk = SimulatedDisk::new(seed);
    disk.create_directories(Path::new("/d")).unwrap();
    let path = PathBuf::from("/d/file");
    let file = disk.create_new(&path).unwrap();
    (disk, path, file)
}

#[test]
fn what_was_synchronised_survives_every_power_cut_and_the_rest_only_as_a_tail() {
    let mut lengths = BTreeSet::new();
    for seed in 0..200 {
        let (disk, path, mut file) = disk_with_file(seed);
        file.append(b"durable ").unwrap();
        file.synchronize().unwrap();
        disk.synchronize_directory(Path::new("/d")).unwrap();
        file.append(b"tail").unwrap();
        disk.crash();
        let content = disk.read(&path).unwrap();
        assert!(content.starts_with(b"durable "), "seed {seed}");
        lengths.insert(content.len());
        assert!(file.append(b"x").is_err(), "a file from before the power cut is dead");
    }
    assert_eq!(lengths, BTreeSet::from([8, 9, 10, 11, 12]));
}

#[test]
fn of_what_was_written_over_any_pieces_survive_a_power_cut() {
    let (mut kinds, mut holes) = (BTreeSet::new(), 0);
    for seed in 0..200 {
        let (disk, path, mut file) = disk_with_file(seed);
        file.append(&[b'a'; 96]).unwrap();
        file.synchronize().unwrap();
        disk.synchronize_directory(Path::new("/d")).unwrap();
        let mut over = disk.open_write(&path).unwrap();
        over.write_at(32, &[b'b'; 96]).unwrap();
        assert_eq!(disk.read(&path).unwrap(), [&[b'a'; 32][..], &[b'b'; 96]].concat());
        let synchronised = seed % 4 == 0;
        if synchronised {
            over.synchronize().unwrap();
        }
        disk.crash();
        let content = disk.read(&path).unwrap();
        let piece = |place: usize| content.get(place).copied();
        let pieces = [0, 32, 64, 96].map(piece);
        assert!(pieces[0] == Some(b'a') && pieces[1] != Some(0) && (content.len() == 96 || content.len() == 128));
        assert!(!synchronised || content == [&[b'a'; 32][..], &[b'b'; 96]].concat(), "seed {seed}");
        holes += u32::from(pieces[2] == Some(b'a') && pieces[3] == Some(b'b'));
        kinds.insert(pieces);
    }
    assert!(kinds.len() == 8 && holes > 10, "{kinds:?}, {holes}");
}

#[test]
fn what_is_written_over_needs_no_room() {
    let (disk, path, mut file) = disk_with_file(3);
    file.append(b"0123456789").unwrap();
    disk.set_room(Some(2));
    let mut over = disk.open_write(&path).unwrap();
    over.write_at(5, b"five!").unwrap();
    assert_eq!(over.write_at(9, b"four").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.read(&path).unwrap(), b"01234five".iter().chain(b"fou").copied().collect::<Vec<u8>>());
    assert_eq!(disk.space(&path).unwrap().free_bytes, 0);
}

#[test]
fn names_that_were_not_synchronised_sometimes_survive() {
    let mut survived = 0;
    for seed in 0..200 {
        let (disk, path, mut file) = disk_with_file(seed);
        file.append(b"content").unwrap();
        file.synchronize().unwrap();
        disk.crash();
        survived += u32::from(disk.exists(&path).unwrap());
    }
    assert!((50..150).contains(&survived), "{survived} of 200");
}

#[test]
fn a_synchronised_rename_is_whole() {
    for seed in 0..50 {
        let (disk, path, mut file) = disk_with_file(seed);
        disk.create_directories(Path::new("/e")).unwrap();
        file.append(b"content").unwrap();
        file.synchronize().unwrap();
        disk.rename(&path, Path::new("/e/renamed")).unwrap();
        disk.synchronize_directory(Path::new("/e")).unwrap();
        disk.crash();
        assert!(!disk.exists(&path).unwrap());
        assert_eq!(disk.read(Path::new("/e/renamed")).unwrap(), b"content");
    }
}

#[test]
fn a_failed_synchronisation_is_not_healed_by_the_next() {
    let lost = (0..100).filter(|seed| {
        let (disk, path, mut file) = disk_with_file(*seed);
        disk.synchronize_directory(Path::new("/d")).unwrap();
        disk.fail_synchronization(1);
        file.append(b"content").unwrap();
        file.synchronize().unwrap_err();
        file.synchronize().unwrap();
        assert_eq!(disk.read(&path).unwrap(), b"content", "the page cache still shows it");
        disk.crash();
        disk.read(&path).unwrap() != b"content"
    });
    assert!(lost.count() > 30);
}

#[test]
fn faults_have_the_kinds_of_the_real_ones() {
    let (disk, _, mut file) = disk_with_file(7);
    disk.set_room(Some(3));
    assert_eq!(file.append(b"four").unwrap_err().kind(), io::ErrorKind::StorageFull);
    disk.set_room(None);
    disk.set_read_only(true);
    assert_eq!(file.append(b"four").unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    disk.set_read_only(false);
    disk.fail_write(2);
    file.append(b"one").unwrap();
    file.append(b"two").unwrap_err();
    disk.cut_power_after(1);
    file.append(b"three").unwrap();
    file.append(b"four").unwrap_err();
    assert!(disk.lock(Path::new("/d")).is_err());
    disk.crash();
    let held = disk.lock(Path::new("/d")).unwrap();
    assert_eq!(disk.lock(Path::new("/d")).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(held);
    disk.lock(Path::new("/d")).unwrap();
}

#[test]
fn a_write_that_goes_astray_is_seen_until_the_power_cut() {
    for (lie, expected) in [(Lie::Lost, "one \0\0\0\0three"), (Lie::OtherFile, "one \0\0\0\0three")] {
        let (disk, path, mut file) = disk_with_file(5);
        let mut other = disk.create_new(Path::new("/d/other")).unwrap();
        other.append(b"0123456789").unwrap();
        other.synchronize().unwrap();
        disk.synchronize_directory(Path::new("/d")).unwrap();
        disk.misdirect_write(Path::new("/d"), 2, lie);
        for part in ["one ", "two ", "three"] {
            file.append(part.as_bytes()).unwrap();
            file.synchronize().unwrap();
        }
        assert_eq!((disk.read(&path).unwrap(), disk.lies()), (b"one two three".to_vec(), 1));
        assert_eq!(disk.writes_since_lie(), Some(1));
        disk.crash();
        assert_eq!(disk.read(&path).unwrap(), expected.as_bytes());
        let other = disk.read(Path::new("/d/other")).unwrap();
        let intended: &[u8] = if lie == Lie::OtherFile { b"0123two 89" } else { b"0123456789" };
        assert_eq!(other, intended);
    }
    let (disk, path, mut file) = disk_with_file(6);
    disk.synchronize_directory(Path::new("/d")).unwrap();
    disk.misdirect_write(Path::new("/d"), 2, Lie::Elsewhere);
    for part in ["aaaa", "b", "cccc"] {
        file.append(part.as_bytes()).unwrap();
        file.synchronize().unwrap();
    }
    disk.crash();
    let content = disk.read(&path).unwrap();
    assert_eq!(content.iter().filter(|octet| **octet == b'b').count(), 1);
    assert_eq!((content[4], &content[5..]), (0, &b"cccc"[..]));
}

#[test]
fn a_synchronisation_can_be_skipped_in_silence() {
    let mut lost = 0;
    for seed in 0..40 {
        let (disk, path, mut file) = disk_with_file(seed);
        disk.synchronize_directory(Path::new("/d")).unwrap();
        file.append(b"content").unwrap();
        disk.skip_synchronization(Path::new("/d"), 1);
        file.synchronize().unwrap();
        assert_eq!(disk.lies(), 1);
        disk.crash();
        lost += u32::from(disk.read(&path).unwrap() != b"content");
    }
    assert!(lost > 10, "{lost}");
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_was_written() {
    let (disk, path, mut file) = disk_with_file(1);
    let _lock = disk.lock(Path::new("/d")).unwrap();
    file.append(b"content").unwrap();
    disk.cut_power_after(0);
    assert!(disk.has_power() && file.append(b"more").is_err() && !disk.has_power());
    disk.restart();
    assert!(file.append(b"more").is_err(), "a file of the process before is dead");
    assert_eq!(disk.read(&path).unwrap(), b"content");
    disk.lock(Path::new("/d")).unwrap();
}

#[test]
fn a_full_or_read_only_disk_heals_after_some_operations() {
    let (disk, _, mut file) = disk_with_file(1);
    disk.set_room(Some(0));
    disk.set_read_only(true);
    disk.heal_after(2);
    assert!(file.append(b"a").is_err() && file.append(b"a").is_err());
    file.append(b"a").unwrap();
}

#[test]
fn a_file_renamed_twice_does_not_come_back_under_the_name_between() {
    for seed in 0..40 {
        let disk = SimulatedDisk::new(seed);
        for directory in ["/tmp", "/new", "/cur"] {
            disk.create_directories(Path::new(directory)).unwrap();
        }
        let [tmp, new, cur] = ["/tmp/file", "/new/file", "/cur/file"].map(Path::new);
        disk.create_new(tmp).unwrap().synchronize().unwrap();
        disk.synchronize_directory(Path::new("/tmp")).unwrap();
        disk.rename(tmp, new).unwrap();
        disk.rename(new, cur).unwrap();
        disk.synchronize_directory(Path::new("/cur")).unwrap();
        disk.crash();
        assert_eq!([tmp, new, cur].map(|path| disk.exists(path).unwrap()), [false, false, true], "seed {seed}");
    }
}

#[test]
fn a_directory_is_moved_whole_or_not_at_all_and_durably_once_it_is_synchronised() {
    let mut moved = 0;
    for seed in 0..100 {
        let disk = SimulatedDisk::new(seed);
        disk.create_directories(Path::new("/mail/one/cur")).unwrap();
        disk.create_directories(Path::new("/away")).unwrap();
        let file = Path::new("/mail/one/cur/file");
        disk.create_new(file).unwrap().synchronize().unwrap();
        disk.synchronize_directory(Path::new("/mail/one/cur")).unwrap();
        let stamp = disk.stamp(Path::new("/mail/one/cur")).unwrap();
        disk.rename_directory(Path::new("/mail/one"), Path::new("/away/one.0")).unwrap();
        assert!(!disk.exists(file).unwrap() && disk.exists(Path::new("/away/one.0/cur/file")).unwrap());
        let synchronised = seed % 2 == 0;
        if synchronised {
            disk.synchronize_directory(Path::new("/away")).unwrap();
        }
        disk.crash();
        let there = disk.exists(Path::new("/away/one.0/cur/file")).unwrap();
        assert!(there != disk.exists(file).unwrap() && (there || !synchronised), "seed {seed}");
        moved += u32::from(there && !synchronised);
        // One of the same path is another one.
        if there {
            disk.create_directories(Path::new("/mail/one/cur")).unwrap();
            assert_ne!(disk.stamp(Path::new("/mail/one/cur")).unwrap(), stamp);
        }
    }
    assert!((10..40).contains(&moved), "{moved} of 50");
}

#[test]
fn a_second_name_keeps_a_file_and_survives_once_its_directory_is_synchronised() {
    let (disk, path, mut file) = disk_with_file(3);
    file.append(b"content").unwrap();
    file.synchronize().unwrap();
    disk.create_directories(Path::new("/e")).unwrap();
    disk.link(&path, Path::new("/e/second")).unwrap();
    let (first, second) = (disk.facts(&path).unwrap(), disk.facts(Path::new("/e/second")).unwrap());
    assert_eq!((first, first.kind, first.bytes), (second, Kind::File, 7));
    assert_eq!(disk.link(&path, Path::new("/e/second")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(disk.link(Path::new("/d/none"), Path::new("/e/x")).unwrap_err().kind(), io::ErrorKind::NotFound);
    disk.synchronize_directory(Path::new("/e")).unwrap();
    disk.remove(&path).unwrap();
    disk.synchronize_directory(Path::new("/d")).unwrap();
    disk.crash();
    assert_eq!(disk.read(Path::new("/e/second")).unwrap(), b"content");
    disk.set_linkless(true);
    assert!(super::super::is_linkless(&disk.link(Path::new("/e/second"), Path::new("/e/third")).unwrap_err()));
}

#[test]
fn a_tree_is_removed_one_file_after_the_other() {
    let (disk, ..) = disk_with_file(4);
    disk.create_directories(Path::new("/d/inner")).unwrap();
    disk.create_new(Path::new("/d/inner/file")).unwrap();
    assert!(disk.remove_tree(Path::new("/d"), &mut || ControlFlow::Break(())).unwrap().is_break());
    assert!(disk.exists(Path::new("/d/file")).unwrap() && !disk.exists(Path::new("/d/inner/file")).unwrap());
    assert!(disk.remove_tree(Path::new("/d"), &mut || ControlFlow::Continue(())).unwrap().is_continue());
    disk.synchronize_directory(Path::new("/")).unwrap();
    disk.crash();
    assert!(!disk.exists(Path::new("/d")).unwrap());
}
