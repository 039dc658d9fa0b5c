//! What was in a mailbox on hold stays readable, whatever readers and the power do, and goes with the hold.

use super::purge::{files_with, go_on};
use super::usage::{BOB, by_hand, deliver_by_hand, tend, to_bob};
use super::*;
use crate::world::disk::ReadFile;

fn bob() -> MailboxName {
    MailboxName::of_recipient(BOB)
}

fn hold(store: &MailboxStore) {
    store.set_on_hold(Arc::new([BOB].into()));
}

fn recoverable(store: &MailboxStore) -> Vec<String> {
    let messages = store.recoverable(&bob(), None, 1_000).unwrap();
    messages.into_iter().map(|message| message.name.into_string()).collect()
}

fn content(file: &dyn ReadFile) -> Vec<u8> {
    let mut content = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
    file.read_exact_at(&mut content, 0).unwrap();
    content
}

/// What a reader does with a message of a folder.
fn rename(disk: &SimulatedDisk, from: &Path, part: &str, name: &str) -> PathBuf {
    let to = Path::new(ROOT).join(bob().as_str()).join(part).join(name);
    disk.rename(from, &to).unwrap();
    to
}

#[test]
fn what_a_reader_removes_is_listed_and_read_until_the_hold_is_released() {
    let disk = SimulatedDisk::new(1);
    let store = by_hand(&disk);
    let subject = |id: &str, subject: &str| Delivery {
        message: Message::Bytes(format!("Subject: {subject}\r\n\r\nbody of {id}\r\n").into_bytes().into()),
        ..to_bob(id, 0)
    };
    let first = deliver_by_hand(&store, subject("a1", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=")).unwrap();
    assert_eq!(store.begin_hold(BOB, &mut go_on), Err(CustodyError::NotOnHold));
    hold(&store);
    assert_eq!(store.begin_hold(BOB, &mut go_on).unwrap(), Progress { files: 1, bytes: first.bytes });
    assert_eq!(store.begin_hold(BOB, &mut go_on).unwrap(), Progress::default(), "it can be repeated");
    let second = deliver_by_hand(&store, subject("a2", "second")).unwrap();
    assert!(recoverable(&store).is_empty());
    // Other flags, and another folder, are no other message.
    let name = first.path.file_name().unwrap().to_str().unwrap().to_owned();
    let seen = rename(&disk, &first.path, "cur", &format!("{name}:2,S"));
    assert!(recoverable(&store).is_empty());
    for path in [&seen, &second.path] {
        disk.remove(path).unwrap();
    }
    let listed = store.recoverable(&bob(), None, 10).unwrap();
    assert_eq!(listed.iter().map(|one| &*one.subject).collect::<Vec<_>>(), ["Grüße", "second"]);
    assert_eq!(listed[0].bytes, first.bytes);
    assert_eq!(listed[0].received_at.unwrap().unix_seconds(), 1_767_603_600);
    assert_eq!(store.recoverable(&bob(), Some(&listed[0].name), 10).unwrap(), listed[1..]);
    assert_eq!(store.recoverable(&bob(), None, 1).unwrap(), listed[..1]);
    let usage = store.recoverable_usage(&bob()).unwrap();
    assert_eq!(usage, Usage { bytes: first.bytes + second.bytes, messages: 2 });
    let read = store.recoverable_message(&bob(), &listed[0].name).unwrap().unwrap();
    assert!(content(&*read).ends_with(b"\n\nbody of a1\n"));
    for none in ["", ".", "..", "../recipient-7", "a/b", "none"] {
        assert!(store.recoverable_message(&bob(), none).unwrap().is_none(), "{none}");
    }
    assert_eq!(store.release_hold(BOB, &mut go_on), Err(CustodyError::OnHold));
    assert_eq!(store.purge(BOB, &mut go_on), Err(CustodyError::OnHold));
    store.set_on_hold(Arc::default());
    let third = deliver_by_hand(&store, subject("a3", "third")).unwrap();
    assert_eq!(store.release_hold(BOB, &mut go_on).unwrap().files, 2);
    assert_eq!(store.release_hold(BOB, &mut go_on).unwrap().files, 0);
    assert!(recoverable(&store).is_empty() && files_with(&disk, "held").is_empty());
    assert!(disk.exists(&third.path).unwrap() && store.recoverable_message(&bob(), &listed[0].name).unwrap().is_none());
}

#[test]
fn what_readers_bring_is_kept_in_turn_and_a_copied_message_once() {
    for linkless in [false, true] {
        let disk = SimulatedDisk::new(2);
        disk.set_linkless(linkless);
        let store = by_hand(&disk);
        hold(&store);
        let first = deliver_by_hand(&store, to_bob("a1", 30)).unwrap();
        let archive = MailboxName::of_archive(BOB);
        store.create(&archive).unwrap();
        for (mailbox, number) in (0..30).map(|number| (if number < 20 { bob() } else { archive.clone() }, number)) {
            let path = store.path_of(&mailbox).join("cur").join(format!("{number}.M1P2.host,S=5,W=6:2,S"));
            disk.create_new(&path).unwrap().append(b"12345").unwrap();
        }
        tend(&store);
        assert_eq!(files_with(&disk, "/.held/recipient-7/").len(), 21);
        assert_eq!(files_with(&disk, "/.held/archive-7/").len(), 10);
        // Copied to another folder, as Dovecot does it, and removed from the first.
        let folder = Folder::named("Archive").unwrap();
        writer::create_folder(&disk, &store.path_of(&bob()), &folder).unwrap();
        let copy = store.path_of(&bob()).join(".Archive/cur/9.M9P9.host:2,S");
        if linkless {
            disk.create_new(&copy).unwrap().append(b"another file").unwrap();
        } else {
            disk.link(&first.path, &copy).unwrap();
        }
        disk.remove(&first.path).unwrap();
        assert_eq!(recoverable(&store).is_empty(), !linkless, "it is the same file");
        tend(&store);
        assert_eq!(files_with(&disk, "/.held/recipient-7/").len(), if linkless { 22 } else { 21 });
        // All of it is removed: what is kept is whole, and was durable before.
        disk.crash();
        let store = by_hand(&disk);
        for path in files_with(&disk, "host").into_iter().chain(files_with(&disk, "contoso")) {
            if !path.to_str().unwrap().contains(".held") {
                disk.remove(&path).unwrap();
            }
        }
        assert!(store.is_on_hold(BOB), "until the set comes, whoever has kept copies is on hold");
        let listed = store.recoverable(&bob(), None, 100).unwrap();
        assert_eq!(listed.len(), if linkless { 22 } else { 21 });
        assert!(listed.iter().filter(|one| one.name.contains("M1P2")).all(|one| one.bytes == 5));
        assert_eq!(store.recoverable_usage(&archive).unwrap(), Usage { bytes: 50, messages: 10 });
    }
}

#[test]
fn an_acknowledged_delivery_is_kept_whenever_the_power_goes() {
    for operations in 0.. {
        for linkless in [false, true] {
            let disk = SimulatedDisk::new(operations);
            disk.set_linkless(linkless);
            let store = by_hand(&disk);
            hold(&store);
            disk.cut_power_after(operations);
            let send = |store: &MailboxStore, id| {
                deliver_by_hand(store, Delivery { repeat: Repeat::Possible, ..to_bob(id, 90) })
            };
            let outcomes = ["a1", "a2"].map(|id| send(&store, id));
            drop(store);
            disk.crash();
            let store = by_hand(&disk);
            let gone = |outcome: &Result<Delivered, _>| disk.remove(&outcome.as_ref().unwrap().path).unwrap();
            outcomes.iter().filter(|outcome| outcome.is_ok()).for_each(gone);
            let acknowledged = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            assert!(recoverable(&store).len() >= acknowledged, "cut after {operations}");
            // Delivered again, every message is in the mailbox and kept, and whole.
            hold(&store);
            for outcome in ["a1", "a2"].map(|id| send(&store, id)) {
                disk.remove(&outcome.unwrap().path).unwrap();
            }
            let listed = store.recoverable(&bob(), None, 10).unwrap();
            let sizes: Vec<u64> = listed.iter().map(|one| one.bytes).collect();
            assert_eq!(sizes, [125, 125], "cut after {operations}");
            if linkless && acknowledged == 2 {
                assert!(operations > 20);
                return;
            }
        }
    }
}

#[test]
fn beginning_and_releasing_a_hold_survive_every_power_cut() {
    let mut ended = (false, false);
    for operations in 0.. {
        let disk = SimulatedDisk::new(operations);
        let store = by_hand(&disk);
        let ids: Vec<String> = (0..12).map(|number| format!("a{number:02}")).collect();
        let paths: Vec<PathBuf> = ids.iter().map(|id| deliver_by_hand(&store, to_bob(id, 20)).unwrap().path).collect();
        hold(&store);
        disk.cut_power_after(operations);
        let begun = store.begin_hold(BOB, &mut go_on);
        drop(store);
        disk.crash();
        let store = by_hand(&disk);
        hold(&store);
        if begun.is_err() {
            store.begin_hold(BOB, &mut go_on).unwrap();
            disk.crash();
        }
        drop(store);
        let store = by_hand(&disk);
        paths.iter().for_each(|path| disk.remove(path).unwrap());
        assert_eq!(recoverable(&store).len(), 12, "cut after {operations}");
        store.set_on_hold(Arc::default());
        disk.cut_power_after(operations);
        let released = store.release_hold(BOB, &mut go_on);
        drop(store);
        disk.crash();
        let store = by_hand(&disk);
        store.set_on_hold(Arc::default());
        let left = files_with(&disk, "held").len();
        assert!(released.is_err() || left == 0, "cut after {operations}: {left}");
        store.release_hold(BOB, &mut go_on).unwrap();
        assert!(files_with(&disk, "held").is_empty() && recoverable(&store).is_empty());
        ended = (ended.0 || begun.is_ok(), ended.1 || released.is_ok());
        if ended == (true, true) {
            assert!(operations > 20);
            return;
        }
    }
}

#[test]
fn a_held_mailbox_costs_one_synchronisation_more_for_each_group() {
    let cost = |on_hold: bool| {
        let disk = SimulatedDisk::new(5);
        let store = by_hand(&disk);
        store.set_on_hold(Arc::new(on_hold.then_some(BOB).into_iter().collect()));
        deliver_by_hand(&store, to_bob("a0", 1)).unwrap();
        let before = (disk.synchronizations(), disk.operations());
        let tickets: Vec<_> =
            (1..=30).map(|number| store.deliver_blocking(to_bob(&format!("a{number}"), 1)).unwrap()).collect();
        while store.turn() {}
        tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
        (disk.synchronizations() - before.0, disk.operations() - before.1)
    };
    let (without, with) = (cost(false), cost(true));
    assert_eq!((with.0 - without.0, with.1 - without.1), (1, 31), "one link for each message");
}

#[test]
fn a_message_that_cannot_be_kept_is_not_acknowledged() {
    let disk = SimulatedDisk::new(6);
    let store = by_hand(&disk);
    deliver_by_hand(&store, to_bob("a0", 1)).unwrap();
    hold(&store);
    deliver_by_hand(&store, to_bob("a1", 1)).unwrap();
    // The first is that of the file, the second that of the kept copies.
    disk.fail_synchronization(2);
    assert!(deliver_by_hand(&store, to_bob("a2", 1)).is_err());
    let again = deliver_by_hand(&store, Delivery { repeat: Repeat::Possible, ..to_bob("a2", 1) }).unwrap();
    assert!(again.was_there);
    disk.crash();
    disk.remove(&again.path).unwrap();
    assert_eq!(recoverable(&by_hand(&disk)).len(), 1);
}

#[test]
fn names_that_are_kept_are_harmless_and_apart() {
    let names =
        [&b"1767603600.Qa1R1.mx"[..], b"..", b".x", b"", b"a/b", b"a%2Fb", b"\xff\xfe", &[b'a'; 250], &[b'a'; 251]];
    let kept: BTreeSet<String> = names.iter().map(|name| name::kept_name(name)).collect();
    assert_eq!(kept.len(), names.len());
    assert!(kept.iter().all(|name| is_one_harmless_name(name) && !name.starts_with('.') && name.is_ascii()));
    assert!(kept.contains("1767603600.Qa1R1.mx"));
}

#[test]
fn a_hold_that_failed_to_begin_is_durable_when_it_is_begun_again() {
    for synchronization in 1.. {
        let disk = SimulatedDisk::new(synchronization);
        let store = by_hand(&disk);
        let paths = ["a1", "a2", "a3"].map(|id| deliver_by_hand(&store, to_bob(id, 20)).unwrap().path);
        hold(&store);
        disk.fail_synchronization(synchronization);
        let begun = store.begin_hold(BOB, &mut go_on);
        if begun.is_err() {
            store.begin_hold(BOB, &mut go_on).unwrap();
        }
        disk.crash();
        paths.iter().for_each(|path| disk.remove(path).unwrap());
        assert_eq!(recoverable(&by_hand(&disk)).len(), 3, "{synchronization}");
        if begun.is_ok() {
            assert!(synchronization > 4);
            return;
        }
    }
}

#[test]
fn where_only_copies_can_be_kept_the_room_that_is_to_stay_free_stays_free() {
    let disk = SimulatedDisk::new(7);
    let store = by_hand(&disk);
    let delivered = deliver_by_hand(&store, to_bob("a1", 500)).unwrap();
    disk.set_linkless(true);
    store.keep_free(1_000);
    hold(&store);
    disk.set_room(Some(999));
    let failed = store.begin_hold(BOB, &mut go_on);
    assert!(matches!(failed, Err(CustodyError::Failed(MailboxFailure::NoRoom { .. }))), "{failed:?}");
    disk.set_room(None);
    assert_eq!(store.begin_hold(BOB, &mut go_on).unwrap().files, 1);
    disk.remove(&delivered.path).unwrap();
    assert_eq!(recoverable(&store).len(), 1);
}
