//! A purge deletes all of one recipient and nothing else, whatever the power does, and no delivery fails because of it.

use core::ops::ControlFlow;
use std::os::unix::fs::symlink;

use super::usage::{BOB, by_hand, deliver_by_hand, tend, to_bob};
use super::*;
use crate::model::directory::RecipientId;
use crate::model::mail::Timestamp;

/// Its name begins as Bob's does.
const OTHER: RecipientId = RecipientId(77);

pub(super) fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// All files whose path has this in it.
pub(super) fn files_with(disk: &SimulatedDisk, part: &str) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![PathBuf::from(ROOT)]);
    while let Some(directory) = waiting.pop() {
        disk.visit(&directory, &mut |entry| {
            let path = directory.join(entry.name);
            match entry.kind {
                crate::world::disk::Kind::Directory => waiting.push(path),
                _ => found.extend(path.to_str().unwrap().contains(part).then_some(path)),
            }
            Ok(())
        })
        .unwrap();
    }
    found.sort();
    found
}

/// Bob has a mailbox, an archive and kept copies; so has somebody else.
fn inhabited(seed: u64) -> (SimulatedDisk, MailboxStore) {
    let disk = SimulatedDisk::new(seed);
    let store = by_hand(&disk);
    store.set_on_hold(Arc::new([BOB, OTHER].into()));
    for id in ["old1", "old2", "old3"] {
        for mailbox in [BOB, OTHER].map(MailboxName::of_recipient).into_iter().chain([MailboxName::of_archive(BOB)]) {
            deliver_by_hand(&store, Delivery { mailbox, ..to_bob(id, 50) }).unwrap();
        }
    }
    let folder = Folder::named("Sent Items").unwrap();
    deliver_by_hand(&store, Delivery { folder, ..to_bob("old4", 50) }).unwrap();
    store.warn(BOB, Timestamp::from_unix_milliseconds(1)).unwrap();
    store.set_on_hold(Arc::new([OTHER].into()));
    (disk, store)
}

#[test]
fn a_purge_leaves_nothing_of_one_recipient_and_everything_of_the_others() {
    let (disk, store) = inhabited(1);
    assert_eq!(files_with(&disk, "Qold").len(), 7 + 7 + 6, "{:?}", files_with(&disk, "Qold"));
    store.set_on_hold(Arc::new([BOB].into()));
    assert_eq!(store.purge(BOB, &mut go_on), Err(CustodyError::OnHold));
    store.set_on_hold(Arc::new([OTHER].into()));
    let mut told = 0;
    let purged = store.purge(BOB, &mut |progress| {
        told = progress.files;
        ControlFlow::Continue(())
    });
    // A folder has two files of its own: its mark, and its place on the list of subscriptions.
    assert_eq!((purged.unwrap().files, told), (16, 16));
    let left = files_with(&disk, "Qold");
    assert!(left.len() == 6 && left.iter().all(|path| path.to_str().unwrap().contains("recipient-77")), "{left:?}");
    assert!(files_with(&disk, "recipient-7/").is_empty() && files_with(&disk, "archive-7/").is_empty());
    assert_eq!((store.usage(BOB), store.warned_at(BOB)), (None, None));
    assert!(store.usage(OTHER).is_some());
    assert_eq!(store.purge(BOB, &mut go_on), Ok(Progress::default()), "it can be repeated");
    drop(store);
    disk.restart();
    let store = by_hand(&disk);
    tend(&store);
    assert_eq!((store.usage(BOB), store.warned_at(BOB)), (None, None), "forgotten for good");
}

#[test]
fn wherever_the_power_goes_a_purge_is_finished_and_deliveries_begin_anew() {
    for operations in 0.. {
        let (disk, store) = inhabited(operations);
        disk.cut_power_after(operations);
        let purged = store.purge(BOB, &mut go_on);
        drop(store);
        disk.crash();
        let of_bob = |disk: &SimulatedDisk| {
            let found = files_with(disk, "Qold").into_iter();
            found.filter(|path| !path.to_str().unwrap().contains("-77")).collect::<Vec<_>>()
        };
        let store = by_hand(&disk);
        store.set_on_hold(Arc::new([OTHER].into()));
        if purged.is_ok() {
            assert_eq!(of_bob(&disk), Vec::<PathBuf>::new(), "cut after {operations}");
        }
        // Whatever was out of reach is deleted by the next life, and nothing else is.
        tend(&store);
        assert!(files_with(&disk, "/.purged/").is_empty(), "cut after {operations}");
        let delivered = deliver_by_hand(&store, to_bob("new1", 10)).unwrap();
        assert!(disk.exists(&delivered.path).unwrap());
        store.purge(BOB, &mut go_on).unwrap();
        assert_eq!(of_bob(&disk), Vec::<PathBuf>::new(), "cut after {operations}");
        assert!(files_with(&disk, "new1").is_empty() && store.usage(BOB).is_none());
        deliver_by_hand(&store, Delivery { repeat: Repeat::Possible, ..to_bob("new2", 10) }).unwrap();
        assert_eq!(store.usage(BOB).map(|usage| usage.messages), Some(1));
        assert_eq!(files_with(&disk, "-77/").iter().filter(|path| path.to_str().unwrap().contains("Qold")).count(), 6);
        if purged.is_ok() {
            assert!(operations > 40, "{operations}");
            return;
        }
    }
}

#[test]
fn a_purge_that_fails_or_is_ended_goes_on_where_it_was() {
    for synchronization in 1..20 {
        let (disk, store) = inhabited(3);
        disk.fail_synchronization(synchronization);
        let first = store.purge(BOB, &mut go_on);
        assert!(first.is_ok() || store.purge(BOB, &mut go_on).is_ok());
        disk.crash();
        let left = files_with(&disk, "Qold");
        assert!(left.iter().all(|path| path.to_str().unwrap().contains("-77")), "{synchronization}: {left:?}");
        if first.is_ok() {
            assert!(synchronization > 5);
            break;
        }
    }
    let (disk, store) = inhabited(4);
    let mut files = 0;
    while store.purge(BOB, &mut |_| ControlFlow::Break(())) == Err(CustodyError::Interrupted) {
        files += 1;
    }
    assert_eq!(files, 16);
    assert!(files_with(&disk, "/.purged/").is_empty());
}

#[test]
fn deliveries_under_way_arrive_before_or_after_and_never_fail() {
    let (disk, store) = inhabited(5);
    let tickets: Vec<_> =
        (0..5).map(|number| store.deliver_blocking(to_bob(&format!("w{number}"), 9)).unwrap()).collect();
    store.purge(BOB, &mut go_on).unwrap();
    tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
    // Told again, the same message is another delivery: the first is gone for good.
    let again = deliver_by_hand(&store, Delivery { repeat: Repeat::Possible, ..to_bob("w1", 9) }).unwrap();
    assert!(!again.was_there && disk.exists(&again.path).unwrap());
    drop(store);

    let store = MailboxStore::open(Arc::new(disk.clone()), Path::new(ROOT), "mx.contoso.example", 3).unwrap();
    store.set_on_hold(Arc::default());
    std::thread::scope(|scope| {
        let delivering = scope.spawn(|| {
            for number in 0..400 {
                let repeat = if number % 2 == 0 { Repeat::Possible } else { Repeat::Never };
                deliver(&store, Delivery { repeat, ..to_bob(&format!("c{number}"), 9) }).unwrap();
            }
        });
        while !delivering.is_finished() {
            store.purge(BOB, &mut go_on).unwrap();
        }
    });
    store.purge(BOB, &mut go_on).unwrap();
    assert!(files_with(&disk, "c399").is_empty());
}

#[test]
fn on_real_files_nothing_outside_is_deleted_through_a_link() {
    let place = tempfile::tempdir().unwrap();
    let (root, outside) = (place.path().join("mail"), place.path().join("outside"));
    let store = MailboxStore::open(Arc::new(RealDisk), &root, "mx", 1).unwrap();
    std::fs::create_dir_all(outside.join("cur")).unwrap();
    std::fs::write(outside.join("cur/1.kept.mx"), "x").unwrap();
    let mailbox = MailboxName::of_recipient(BOB);
    deliver(&store, to_bob("a1", 5)).unwrap();
    let path = store.path_of(&mailbox);
    symlink(&outside, path.join(".Archive")).unwrap();
    symlink(outside.join("cur"), path.join("linked")).unwrap();
    symlink(outside.join("cur/1.kept.mx"), path.join("cur/2.link.mx:2,S")).unwrap();
    store.purge(BOB, &mut go_on).unwrap();
    assert!(!path.exists() && outside.join("cur/1.kept.mx").exists());
    // A mailbox that somebody has put elsewhere: its content would stay, so it does not count as purged.
    symlink(&outside, &path).unwrap();
    let failed = store.purge(BOB, &mut go_on).unwrap_err();
    assert!(failed.to_string().contains("symbolic link"), "{failed}");
    assert!(outside.join("cur/1.kept.mx").exists() && path.exists());
    std::fs::remove_file(&path).unwrap();
    store.purge(BOB, &mut go_on).unwrap();
    assert_eq!(root.join(".purged").read_dir().unwrap().count(), 0);
}
