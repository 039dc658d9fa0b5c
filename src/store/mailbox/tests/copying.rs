//! A copied mailbox has every message once, in its folder and with its flags, however often the copy is begun.

use core::ops::ControlFlow;

use super::purge::{files_with, go_on};
use super::usage::{BOB, by_hand, deliver_by_hand, tend, to_bob};
use super::*;
use crate::model::directory::RecipientId;

const EVE: RecipientId = RecipientId(8);

fn bob() -> MailboxName {
    MailboxName::of_recipient(BOB)
}

fn eve() -> MailboxName {
    MailboxName::of_recipient(EVE)
}

/// Puts a file where a reader might.
fn put(disk: &SimulatedDisk, store: &MailboxStore, path: &str, content: &[u8]) {
    let path = store.path_of(&bob()).join(path);
    disk.create_directories(path.parent().unwrap()).unwrap();
    disk.create_new(&path).unwrap().append(content).unwrap();
}

/// Bob has 30 messages in all, in three folders, two with names that nobody can have, and two that were removed.
fn furnish(disk: &SimulatedDisk) -> MailboxStore {
    let store = by_hand(disk);
    store.set_on_hold(Arc::new([BOB].into()));
    for number in 0..22 {
        let (folder, flags) = match number % 3 {
            0 => (Folder::Inbox, Flags::NONE),
            1 => (Folder::Inbox, Flags::SEEN.with(Flags::REPLIED)),
            _ => (Folder::named("Sent Items/2026").unwrap(), Flags::FLAGGED),
        };
        let delivery = Delivery { folder, flags, ..to_bob(&format!("m{number:02}"), 20) };
        let delivered = deliver_by_hand(&store, delivery).unwrap();
        if number >= 20 {
            disk.remove(&delivered.path).unwrap();
        }
    }
    for (number, folder) in
        ["", ".Plain/", ".too..many/", ".a\nb/", &format!(".{}/", "d.".repeat(25) + "d")].iter().enumerate()
    {
        for part in ["new", "cur"] {
            put(disk, &store, &format!("{folder}{part}/{number}.M1{part}.host:2,ST"), b"foreign\n");
        }
    }
    // All of it is durable, as a reader makes it.
    for path in files_with(disk, "recipient-7/") {
        disk.synchronize_file(&path).unwrap();
        disk.synchronize_directory(path.parent().unwrap()).unwrap();
    }
    store
}

fn copy(store: &MailboxStore, full_at: Option<u64>) -> Result<Progress, CustodyError> {
    store.copy_contents(&bob(), &eve(), full_at, &mut go_on)
}

/// The files of messages in a mailbox, from their directory on.
fn messages_of(disk: &SimulatedDisk, mailbox: &MailboxName) -> Vec<String> {
    let begin = format!("{ROOT}/{}/", mailbox.as_str());
    let found = files_with(disk, &begin).into_iter().map(|path| path.to_str().unwrap()[begin.len()..].to_owned());
    found.filter(|path| path.contains("new/") || path.contains("cur/")).collect()
}

fn uniques(paths: &[String]) -> BTreeSet<String> {
    paths.iter().map(|path| path.rsplit('/').next().unwrap().split([',', ':']).next().unwrap().to_owned()).collect()
}

#[test]
fn every_message_arrives_in_its_folder_with_its_flags_and_the_source_stays() {
    for linkless in [false, true] {
        let disk = SimulatedDisk::new(1);
        disk.set_linkless(linkless);
        let store = furnish(&disk);
        let before = messages_of(&disk, &bob());
        let mut told = Progress::default();
        let copied = store.copy_contents(&bob(), &eve(), None, &mut |progress| {
            assert!(progress.files >= told.files);
            told = progress;
            ControlFlow::Continue(())
        });
        assert_eq!((copied.unwrap().files, told.files), (32, 32));
        assert_eq!(messages_of(&disk, &bob()), before);
        let after = messages_of(&disk, &eve());
        assert_eq!((after.len(), uniques(&after).len()), (32, 32));
        let in_folder = |folder: &str| after.iter().filter(|path| path.starts_with(folder)).count();
        assert_eq!((in_folder("new/"), in_folder("cur/"), in_folder(".Sent Items.2026/cur/")), (7, 9, 6));
        assert_eq!((in_folder(".Plain/"), in_folder(".Recovered Items/cur/")), (2, 8));
        assert!(after.contains(&"new/1767603600.Qm00R1.mx.contoso.example,S=55,W=56".to_owned()), "{after:#?}");
        assert!(after.iter().any(|path| path.contains("Qm01R1") && path.ends_with(":2,RS")));
        assert!(after.contains(&".Plain/cur/1.M1new.host,S=8:2,ST".to_owned()), "{after:#?}");
        assert_eq!(store.usage(EVE), Some(store.recount(&eve()).unwrap()));
        // Moved by its reader within the folder, a message does not come again.
        let mailbox = Path::new(ROOT).join("recipient-8");
        let first = "1767603600.Qm00R1.mx.contoso.example,S=55,W=56";
        disk.rename(&mailbox.join("new").join(first), &mailbox.join("cur").join(format!("{first}:2,FS"))).unwrap();
        assert_eq!(copy(&store, None).unwrap(), Progress::default());
        assert_eq!(messages_of(&disk, &eve()).len(), 32);
        // Either can be purged without the other.
        store.set_on_hold(Arc::default());
        store.purge(BOB, &mut go_on).unwrap();
        disk.crash();
        let content = disk.read(&mailbox.join(".Plain/cur/1.M1new.host,S=8:2,ST")).unwrap();
        assert_eq!(content, b"foreign\n");
    }
}

#[test]
fn a_copy_that_the_power_ends_is_finished_by_the_next_without_doubles() {
    for (operations, linkless) in (0..).step_by(3).map(|number| (number, number % 2 == 0)) {
        let disk = SimulatedDisk::new(operations);
        let store = furnish(&disk);
        disk.set_linkless(linkless);
        disk.cut_power_after(operations);
        let copied = copy(&store, None);
        drop(store);
        disk.crash();
        let store = by_hand(&disk);
        if copied.is_ok() {
            assert_eq!(messages_of(&disk, &eve()).len(), 32);
            assert!(operations > 100);
        }
        copy(&store, None).unwrap();
        disk.crash();
        let found = messages_of(&disk, &eve());
        assert_eq!((uniques(&found).len(), found.len()), (32, 32), "cut after {operations}: {found:#?}");
        for path in found.iter().filter(|path| path.contains(",S=")) {
            let content = disk.read(&Path::new(ROOT).join(eve().as_str()).join(path)).unwrap();
            assert_eq!(stored_bytes_of(path.rsplit('/').next().unwrap()), content.len() as u64, "{path}");
        }
        if copied.is_ok() {
            return;
        }
    }
}

#[test]
fn a_full_target_and_a_full_disk_are_said_and_the_copy_goes_on_with_room() {
    let disk = SimulatedDisk::new(3);
    let store = furnish(&disk);
    store.keep_free(1_000);
    disk.set_room(Some(999));
    assert!(matches!(copy(&store, None), Err(CustodyError::Failed(MailboxFailure::NoRoom { .. }))));
    assert!(messages_of(&disk, &eve()).is_empty());
    disk.set_room(None);
    assert_eq!(copy(&store, Some(500)), Err(CustodyError::Failed(MailboxFailure::Full)));
    let usage = store.recount(&eve()).unwrap();
    assert!((500..560).contains(&usage.bytes), "{usage:?}");
    assert_eq!(copy(&store, Some(500)), Err(CustodyError::Failed(MailboxFailure::Full)));
    let interrupted = store.copy_contents(&bob(), &eve(), None, &mut |_| ControlFlow::Break(()));
    assert_eq!(interrupted, Err(CustodyError::Interrupted));
    copy(&store, None).unwrap();
    assert_eq!(messages_of(&disk, &eve()).len(), 32);
    assert_eq!(store.copy_contents(&bob(), &bob(), None, &mut go_on), Err(CustodyError::Itself));
}

#[test]
fn a_full_archive_takes_a_batch_more_at_most() {
    let disk = SimulatedDisk::new(5);
    let store = furnish(&disk);
    let archive = MailboxName::of_archive(EVE);
    let into = |full_at| store.copy_contents(&bob(), &archive, Some(full_at), &mut go_on);
    assert_eq!(into(500), Err(CustodyError::Failed(MailboxFailure::Full)));
    let before = store.recount(&archive).unwrap();
    assert!((500..500 + 32 * 60).contains(&before.bytes), "{before:?}");
    assert_eq!(into(500), Err(CustodyError::Failed(MailboxFailure::Full)));
    assert_eq!(store.recount(&archive).unwrap(), before, "what it held before counts");
    into(1 << 20).unwrap();
    assert_eq!(messages_of(&disk, &archive).len(), 32);
}

#[test]
fn what_is_copied_to_a_mailbox_on_hold_is_kept_and_archives_are_copied_alike() {
    let disk = SimulatedDisk::new(4);
    let store = furnish(&disk);
    store.set_on_hold(Arc::new([BOB, EVE].into()));
    let archive = MailboxName::of_archive(EVE);
    store.copy_contents(&bob(), &archive, None, &mut go_on).unwrap();
    assert_eq!(messages_of(&disk, &archive).len(), 32);
    assert_eq!(files_with(&disk, "/.held/archive-8/").len(), 32);
    let back = store.copy_contents(&archive, &bob(), None, &mut go_on).unwrap();
    // Their own messages are recognised by their names; six come from folders that nobody can have, two were removed.
    assert_eq!(back.files, 8);
    tend(&store);
    assert_eq!(files_with(&disk, "/.held/archive-8/").len(), 32);
}

#[test]
fn what_a_reader_has_not_synchronised_is_durable_in_the_copy() {
    for seed in 0..20 {
        let disk = SimulatedDisk::new(seed);
        let store = by_hand(&disk);
        (0..3).for_each(|number| put(&disk, &store, &format!("cur/{number}.M1.host:2,"), b"not synchronised\n"));
        copy(&store, None).unwrap();
        disk.crash();
        for path in messages_of(&disk, &eve()) {
            let content = disk.read(&Path::new(ROOT).join(eve().as_str()).join(path)).unwrap();
            assert_eq!(content, b"not synchronised\n", "seed {seed}");
        }
        assert_eq!(messages_of(&disk, &eve()).len(), 3, "seed {seed}");
    }
}

#[test]
fn on_real_files_links_are_not_followed_and_no_name_leads_elsewhere() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = tempfile::tempdir().unwrap();
    let (root, outside) = (place.path().join("mail"), place.path().join("outside"));
    let store = MailboxStore::open(Arc::new(RealDisk), &root, "mx", 1).unwrap();
    store.set_on_hold(Arc::new([BOB].into()));
    let path = deliver(&store, to_bob("a1", 5)).unwrap().path;
    let mailbox = store.path_of(&bob());
    std::fs::create_dir_all(outside.join("cur")).unwrap();
    std::fs::write(outside.join("cur/1.secret.mx"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.join("cur/1.secret.mx"), mailbox.join("cur/2.link.mx:2,S")).unwrap();
    std::os::unix::fs::symlink(&outside, mailbox.join(".Linked")).unwrap();
    std::fs::create_dir(mailbox.join(".Half")).unwrap();
    std::os::unix::fs::symlink(outside.join("cur"), mailbox.join(".Half/cur")).unwrap();
    let nameless = mailbox.join(std::ffi::OsStr::from_bytes(b".\xff\xfe"));
    std::fs::create_dir_all(nameless.join("cur")).unwrap();
    std::fs::write(nameless.join(std::ffi::OsStr::from_bytes(b"cur/\xff:2,S")), "in a nameless folder").unwrap();
    assert_eq!(store.begin_hold(BOB, &mut go_on).unwrap().files, 1, "the other was kept when it came");
    assert_eq!(copy(&store, None).unwrap().files, 2);
    assert_eq!(copy(&store, None).unwrap().files, 0);
    let target = store.path_of(&eve());
    let read = |directory: PathBuf| {
        let found = directory.read_dir().unwrap().flatten();
        found.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read(target.join("new")), [std::fs::read_to_string(&path).unwrap()]);
    assert_eq!(read(target.join(".Recovered Items/cur")), ["in a nameless folder"]);
    assert!(read(target.join("cur")).is_empty());
    assert!(read(root.join(".held/recipient-7")).iter().all(|kept| !kept.contains("secret")));
    // The time at which a message came is the same.
    let copied = target.join("new").join(path.file_name().unwrap());
    let modified = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(modified(&copied), modified(&path));
}
