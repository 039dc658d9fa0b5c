//! Tests of mailboxes: names, repeats, line ends, failures and power cuts.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::model::policy::quota::Usage;
use crate::world::disk::{RealDisk, SimulatedDisk};

mod copying;
mod exporting;
mod held;
mod purge;
mod under_way;
mod usage;

const ROOT: &str = "/mail";

fn store(disk: &SimulatedDisk) -> MailboxStore {
    MailboxStore::open(Arc::new(disk.clone()), Path::new(ROOT), "mx.contoso.example", 2).unwrap()
}

/// One that nobody has started.
fn writer(disk: &SimulatedDisk) -> Writer {
    let tree = Tree {
        disk: Arc::new(disk.clone()),
        root: ROOT.into(),
        hostname: "mx.contoso.example".into(),
        free_bytes_min: Arc::default(),
        occupancy: Arc::new(Occupancy::open(Arc::new(disk.clone()), Path::new(ROOT))),
    };
    Writer {
        tree: Arc::new(tree),
        intake: Intake::new(QUEUE),
        held: Arc::default(),
        on_hold: Arc::default(),
        counts: BTreeMap::new(),
        unmeasured: None,
        hands: Hands::Threads,
        under_way: UnderWay::default(),
        rests: false,
        buffer: Vec::new(),
    }
}

fn alice() -> MailboxName {
    MailboxName::encode("alice@contoso.example").unwrap()
}

fn delivery(queue_id: &str, message: &[u8]) -> Delivery {
    Delivery {
        mailbox: alice(),
        folder: Folder::Inbox,
        name: DeliveryName::new(queue_id, 1, 1_767_603_600).unwrap(),
        head: b"Return-Path: <bob@contoso.example>\r\n".to_vec(),
        message: Message::Bytes(message.to_vec().into()),
        flags: Flags::NONE,
        repeat: Repeat::Never,
        full_at: None,
    }
}

fn deliver(store: &MailboxStore, delivery: Delivery) -> Result<Delivered, MailboxFailure> {
    store.deliver_blocking(delivery).unwrap().wait()
}

fn names(disk: &SimulatedDisk, part: &str) -> Vec<String> {
    let names = disk.list(&Path::new(ROOT).join("alice@contoso.example").join(part)).unwrap();
    names.into_iter().map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn a_message_arrives_with_lf_lines_under_its_own_name() {
    let disk = SimulatedDisk::new(1);
    let store = store(&disk);
    let delivered = deliver(&store, delivery("a1", b"Subject: x\r\n\r\nbody\r\n")).unwrap();
    let content = disk.read(&delivered.path).unwrap();
    assert_eq!(content, b"Return-Path: <bob@contoso.example>\nSubject: x\n\nbody\n");
    assert_eq!(names(&disk, "new"), ["1767603600.Qa1R1.mx.contoso.example,S=52,W=56"]);
    assert_eq!((delivered.bytes, delivered.was_there), (52, false));
    assert!(names(&disk, "tmp").is_empty());
}

#[test]
fn flags_put_a_message_into_cur_and_folders_into_their_directory() {
    let disk = SimulatedDisk::new(2);
    let store = store(&disk);
    let sent = Delivery {
        folder: Folder::named("Sent Items").unwrap(),
        flags: Flags::SEEN.with(Flags::FLAGGED),
        ..delivery("a1", b"x\r\n")
    };
    let delivered = deliver(&store, sent).unwrap();
    let folder = Path::new(ROOT).join("alice@contoso.example/.Sent Items");
    assert_eq!(delivered.path, folder.join("cur/1767603600.Qa1R1.mx.contoso.example,S=37,W=39:2,FS"));
    assert!(disk.exists(&folder.join("maildirfolder")).unwrap() && names(&disk, "cur").is_empty());
}

#[test]
fn a_new_folder_joins_the_subscriptions_that_a_reader_keeps() {
    let disk = SimulatedDisk::new(2);
    let mailbox = Path::new(ROOT).join("alice@contoso.example");
    disk.create_directories(&mailbox).unwrap();
    let list = mailbox.join("subscriptions");
    disk.create_new(&list).unwrap().append(b"V\t2\n\nDrafts\n").unwrap();
    let store = store(&disk);
    let into = |name: &str, id: &str| Delivery { folder: Folder::named(name).unwrap(), ..delivery(id, b"x\r\n") };
    deliver(&store, into("Sent Items", "a1")).unwrap();
    deliver(&store, into("Sent Items", "a2")).unwrap();
    deliver(&store, into("Drafts", "a3")).unwrap();
    assert_eq!(disk.read(&list).unwrap(), b"V\t2\n\nDrafts\nSent Items\n");
}

#[test]
fn a_repeated_delivery_changes_nothing_wherever_the_reader_put_the_message() {
    let disk = SimulatedDisk::new(3);
    let store = store(&disk);
    let repeat = Delivery { repeat: Repeat::Possible, ..delivery("a1", b"x\r\n") };
    let first = deliver(&store, repeat.clone()).unwrap();
    let again = deliver(&store, repeat.clone()).unwrap();
    assert_eq!(again, Delivered { was_there: true, ..first.clone() });
    let name = first.path.file_name().unwrap().to_str().unwrap();
    let seen = Path::new(ROOT).join("alice@contoso.example/cur").join(format!("{name}:2,RS"));
    disk.rename(&first.path, &seen).unwrap();
    assert_eq!(deliver(&store, repeat).unwrap(), Delivered { path: seen, was_there: true, ..first });
    // Another message, or the same for another recipient, is not the same.
    for other in [DeliveryName::new("a1", 11, 1_767_603_600), DeliveryName::new("a", 1, 1_767_603_600)] {
        let other = Delivery { name: other.unwrap(), repeat: Repeat::Possible, ..delivery("a1", b"x\r\n") };
        assert!(!deliver(&store, other).unwrap().was_there);
    }
    assert_eq!(store.recount(&alice()).unwrap().messages, 3);
}

#[test]
fn after_a_power_cut_a_delivered_message_is_whole_and_repeating_the_others_makes_each_once() {
    let mut lost_and_repeated = 0;
    for seed in 0..200_u64 {
        let disk = SimulatedDisk::new(seed);
        let mailboxes = store(&disk);
        // Half of them have no mailbox yet: the power may also go while that is made.
        if seed.is_multiple_of(2) {
            mailboxes.create(&alice()).unwrap();
        }
        disk.cut_power_after(seed % 40);
        let queue: Vec<String> = (0..6).map(|number| format!("q{number}")).collect();
        let message = |queue_id: &str| format!("Subject: {queue_id}\r\n\r\n{}\r\n", queue_id.repeat(50));
        let tickets: Vec<_> =
            queue.iter().map(|id| mailboxes.deliver_blocking(delivery(id, message(id).as_bytes())).unwrap()).collect();
        let outcomes: Vec<_> = tickets.into_iter().map(Ticket::wait).collect();
        drop(mailboxes);
        disk.crash();
        for (id, outcome) in queue.iter().zip(&outcomes) {
            let Ok(delivered) = outcome else { continue };
            let content = disk.read(&delivered.path).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert!(content.ends_with(message(id).replace('\r', "").as_bytes()), "seed {seed}: {id} is not whole");
        }
        let mailboxes = store(&disk);
        for id in &queue {
            let again = Delivery { repeat: Repeat::Possible, ..delivery(id, message(id).as_bytes()) };
            lost_and_repeated += u32::from(!deliver(&mailboxes, again).unwrap().was_there);
        }
        let found: BTreeSet<String> = names(&disk, "new").into_iter().collect();
        assert_eq!(found.len(), queue.len(), "seed {seed}: {found:?}");
        for name in found {
            let content = disk.read(&Path::new(ROOT).join("alice@contoso.example/new").join(&name)).unwrap();
            assert_eq!(stored_bytes_of(&name), content.len() as u64, "seed {seed}: {name} is not whole");
        }
    }
    assert!(lost_and_repeated > 100);
}

fn stored_bytes_of(name: &str) -> u64 {
    name::stored_bytes(name.as_ref()).unwrap()
}

#[test]
fn failures_are_transient_and_leave_nothing_behind() {
    let disk = SimulatedDisk::new(4);
    let store = store(&disk);
    store.create(&alice()).unwrap();
    disk.set_room(Some(10));
    assert!(matches!(deliver(&store, delivery("a1", b"x\r\n")), Err(MailboxFailure::NoRoom { .. })));
    disk.set_room(None);
    disk.set_read_only(true);
    assert!(matches!(deliver(&store, delivery("a1", b"x\r\n")), Err(MailboxFailure::Disk { .. })));
    disk.set_read_only(false);
    disk.fail_synchronization(1);
    assert!(matches!(deliver(&store, delivery("a1", b"x\r\n")), Err(MailboxFailure::Disk { .. })));
    let missing = Delivery { message: Message::File { path: "/mail/none".into(), checksum: 0 }, ..delivery("a1", b"") };
    assert!(matches!(deliver(&store, missing), Err(MailboxFailure::Message { .. })));
    assert!(names(&disk, "tmp").is_empty() && names(&disk, "new").is_empty());
    // The file is in place but its name may not last: no success, and the repeat finds it.
    disk.fail_synchronization(2);
    assert!(deliver(&store, delivery("a1", b"x\r\n")).is_err());
    let again = Delivery { repeat: Repeat::Possible, ..delivery("a1", b"x\r\n") };
    assert!(deliver(&store, again).unwrap().was_there);
    assert_eq!(names(&disk, "new").len(), 1);
}

#[test]
fn what_is_found_is_durable_wherever_the_reader_put_it() {
    let disk = SimulatedDisk::new(4);
    let mailboxes = store(&disk);
    mailboxes.create(&alice()).unwrap();
    let sought = |queue_id| {
        let Delivery { mailbox, folder, name, .. } = delivery(queue_id, b"");
        Sought { mailbox, folder, name }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let find = |store: &MailboxStore, sought| runtime.block_on(store.find(sought));
    assert_eq!(find(&mailboxes, sought("a1")), Ok(None));
    // The file is in place and its name may not last.
    disk.fail_synchronization(2);
    assert!(deliver(&mailboxes, delivery("a1", b"x\r\n")).is_err());
    let found = find(&mailboxes, sought("a1")).unwrap().expect("it is there");
    assert!(found.was_there && disk.read(&found.path).is_ok());
    drop(mailboxes);
    disk.crash();
    let mailboxes = store(&disk);
    assert_eq!(find(&mailboxes, sought("a1")), Ok(Some(found.clone())), "the power took what was found");
    let name = found.path.file_name().unwrap().to_str().unwrap();
    let seen = Path::new(ROOT).join("alice@contoso.example/cur").join(format!("{name}:2,S"));
    disk.rename(&found.path, &seen).unwrap();
    assert_eq!(find(&mailboxes, sought("a1")).unwrap().map(|found| found.path), Some(seen));
    let elsewhere = Sought { mailbox: MailboxName::postmaster(), ..sought("a1") };
    assert_eq!(find(&mailboxes, elsewhere), Ok(None), "a mailbox that is not there has no messages");
}

#[test]
fn many_messages_share_their_synchronisations() {
    let disk = SimulatedDisk::new(5);
    let store = store(&disk);
    store.create(&alice()).unwrap();
    let before = disk.synchronizations();
    let tickets: Vec<_> = (0..300)
        .map(|number| store.deliver_blocking(delivery(&format!("q{number}"), &[b'x'; 20_000])).unwrap())
        .collect();
    let delivered: Vec<Delivered> = tickets.into_iter().map(|ticket| ticket.wait().unwrap()).collect();
    // One by one each would need two of its own.
    let synchronizations = disk.synchronizations() - before;
    assert!(synchronizations < 200, "{synchronizations} for 300 messages");
    disk.crash();
    for Delivered { path, bytes, .. } in delivered {
        assert_eq!(disk.length(&path).unwrap(), bytes, "the power took what was delivered");
    }
}

#[test]
fn a_message_twice_in_one_group_arrives_once() {
    let disk = SimulatedDisk::new(6);
    let mut writer = writer(&disk);
    let ids = ["a1", "a2", "a1", "a3", "a1"];
    let (jobs, tickets): (Vec<Job>, Vec<DeliveryTicket>) = ids
        .map(|id| {
            let (promise, ticket) = ticket();
            let delivery = Delivery { repeat: Repeat::Possible, ..delivery(id, b"x\r\n") };
            (Job::Deliver(delivery, promise), ticket)
        })
        .into_iter()
        .unzip();
    writer.work(jobs);
    let was_there: Vec<bool> = tickets.into_iter().map(|ticket| ticket.wait().unwrap().was_there).collect();
    assert_eq!(was_there, [false, false, true, false, true]);
    assert_eq!((names(&disk, "new").len(), names(&disk, "tmp").len()), (3, 0));
}

#[test]
fn what_has_to_stay_free_stays_free_and_deliveries_go_on_with_room() {
    let disk = SimulatedDisk::new(7);
    let store = store(&disk);
    store.create(&alice()).unwrap();
    store.keep_free(1_000);
    disk.set_room(Some(999));
    assert!(matches!(deliver(&store, delivery("a1", b"x\r\n")), Err(MailboxFailure::NoRoom { .. })));
    assert_eq!((names(&disk, "new").len(), names(&disk, "tmp").len()), (0, 0));
    disk.set_room(Some(2_000));
    assert!(deliver(&store, delivery("a1", b"x\r\n")).is_ok());
}

#[test]
fn usage_is_counted_over_all_folders_with_and_without_sizes_in_names() {
    let place = tempfile::tempdir().unwrap();
    let store = MailboxStore::open(Arc::new(RealDisk), place.path(), "mx", 1).unwrap();
    assert_eq!(store.recount(&alice()).unwrap(), Usage::default());
    let inbox = deliver(&store, delivery("a1", b"one\r\n")).unwrap();
    let folder = Folder::named("Archive/2026").unwrap();
    let archived = deliver(&store, Delivery { folder, flags: Flags::SEEN, ..delivery("a2", b"two\r\n") }).unwrap();
    let foreign = store.path_of(&alice()).join("cur/1.foreign.host:2,S");
    RealDisk.create_new(&foreign).unwrap().append(b"12345").unwrap();
    RealDisk.create_new(&store.path_of(&alice()).join(".file")).unwrap();
    let expected = Usage { bytes: inbox.bytes + archived.bytes + 5, messages: 3 };
    assert_eq!(store.recount(&alice()).unwrap(), expected);
    assert_eq!(RealDisk.length(&inbox.path).unwrap(), inbox.bytes);
}

#[test]
fn a_large_file_passes_in_parts_and_line_ends_at_their_seams_are_kept() {
    let disk = SimulatedDisk::new(6);
    let store = store(&disk);
    let mut wire = Vec::new();
    for line in 0..40_000_u32 {
        wire.extend_from_slice(&b"x".repeat(line as usize % 7));
        wire.extend_from_slice(if line % 11 == 0 { b"\r\r\n" } else { b"\r\n" });
    }
    wire.extend_from_slice(b"last \r");
    let path = Path::new(ROOT).join("large");
    disk.create_new(&path).unwrap().append(&wire).unwrap();
    let stored = String::from_utf8(wire.clone()).unwrap().replace("\r\n", "\n").into_bytes();
    let damaged = Message::File { path: path.clone(), checksum: crc32fast::hash(b"other") };
    let refused = deliver(&store, Delivery { message: damaged, ..delivery("d", b"") });
    assert!(matches!(refused, Err(MailboxFailure::Message { .. })) && names(&disk, "new").is_empty());
    let file = Message::File { path, checksum: crc32fast::hash(&wire) };
    for (id, message) in [("f", file), ("m", Message::Bytes(wire.into()))] {
        let delivered = deliver(&store, Delivery { head: Vec::new(), message, ..delivery(id, b"") }).unwrap();
        assert_eq!(disk.read(&delivered.path).unwrap(), stored);
    }
}

#[test]
fn folder_names_are_those_of_imap() {
    let on_disk = |name| match Folder::named(name) {
        Ok(Folder::Named(name)) => Ok(name.as_str().to_owned()),
        Ok(Folder::Inbox) => Ok("INBOX".to_owned()),
        Err(error) => Err(error),
    };
    assert_eq!(on_disk("Sent").unwrap(), ".Sent");
    assert_eq!(on_disk("inbox").unwrap(), "INBOX");
    assert_eq!(on_disk("A&B/Entwürfe").unwrap(), ".A&-B.Entw&APw-rfe");
    // The example of RFC 3501 section 5.1.3.
    assert_eq!(on_disk("~peter/mail/台北/日本語").unwrap(), ".~peter.mail.&U,BTFw-.&ZeVnLIqe-");
    assert_eq!(on_disk(""), Err(NameError::Empty));
    assert_eq!(on_disk("a//b"), Err(NameError::Empty));
    assert_eq!(on_disk("../x"), Err(NameError::Character));
    assert_eq!(on_disk("a\0b"), Err(NameError::Character));
    assert_eq!(on_disk(&"a".repeat(255)), Err(NameError::TooLong));
}

fn is_one_harmless_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.contains(['/', '\0']) && name != "." && name != ".."
}

proptest! {
    #[test]
    fn no_identity_leaves_the_root_and_no_two_share_a_mailbox(one in "\\PC{1,90}|[./%@\0a-c]{1,9}", two in "[./%@\0a-c]{1,9}") {
        let (first, second) = (MailboxName::encode(&one).unwrap(), MailboxName::encode(&two).unwrap());
        prop_assert!(is_one_harmless_name(first.as_str()) && !first.as_str().starts_with('.'));
        prop_assert_eq!(first == second, one == two);
    }

    #[test]
    fn no_folder_and_no_queue_id_leaves_the_mailbox(name in "\\PC{0,40}|[./&\0a-c]{0,9}") {
        if let Ok(Folder::Named(folder)) = Folder::named(&name) {
            prop_assert!(is_one_harmless_name(folder.as_str()) && !folder.as_str().starts_with(".."));
        }
        if let Ok(delivery) = DeliveryName::new(&name, 1, 1) {
            prop_assert!(is_one_harmless_name(&delivery.unique("host")));
        }
        let delivery = DeliveryName::new("q", 1, 1).unwrap();
        prop_assert!(is_one_harmless_name(&delivery.unique(&name::in_file_name(&name))));
    }
}

#[test]
fn long_identities_stay_apart_although_they_are_cut() {
    let long = |last: &str| MailboxName::encode(&format!("{}{last}", "ü".repeat(100))).unwrap();
    assert!(long("a").as_str().len() <= MAILBOX_BYTES && long("a") != long("b") && long("a") == long("a"));
    assert!(!long("a").as_str().contains("%%%"), "cut between escapes");
    assert_eq!(MailboxName::encode(""), Err(NameError::Empty));
    assert_eq!(MailboxName::encode(".a/B").unwrap().as_str(), "%2Ea%2FB");
}

const MAILBOX_BYTES: usize = 200;

#[test]
fn a_delivery_of_many_mailboxes_is_awaited_by_tasks() {
    let disk = SimulatedDisk::new(8);
    let store = store(&disk);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for number in 0..20 {
            let mailbox = MailboxName::encode(&format!("kiosk{number}@contoso.example")).unwrap();
            let ticket = store.deliver(Delivery { mailbox, ..delivery("a1", b"x\r\n") }).await.unwrap();
            assert!(disk.exists(&ticket.await.unwrap().path).unwrap());
        }
    });
}

#[test]
fn a_power_cut_while_a_folder_is_created_does_not_spoil_it() {
    let sent = || Delivery {
        folder: Folder::named("Sent Items").unwrap(),
        flags: Flags::SEEN,
        repeat: Repeat::Possible,
        ..delivery("a1", b"x\r\n")
    };
    for operations in 0.. {
        let disk = SimulatedDisk::new(operations);
        let first = MailboxStore::open(Arc::new(disk.clone()), Path::new(ROOT), "mx.contoso.example", 1).unwrap();
        disk.cut_power_after(operations);
        let outcome = deliver(&first, sent());
        drop(first);
        disk.crash();
        let again = deliver(&store(&disk), sent());
        assert!(again.is_ok(), "cut after {operations} operations: {again:?}");
        let is_folder = disk.exists(&Path::new(ROOT).join("alice@contoso.example/.Sent Items/maildirfolder"));
        assert!(is_folder.unwrap(), "cut after {operations} operations");
        // Never a part of the list; none while a lock is left, which readers take away when it is old.
        let list = Path::new(ROOT).join("alice@contoso.example/subscriptions");
        let subscribed = disk.read(&list).is_ok_and(|content| content == b"Sent Items\n");
        let locked = disk.exists(&list.with_extension("lock")).unwrap() && !disk.exists(&list).unwrap();
        assert!(subscribed || locked, "cut after {operations} operations");
        if outcome.is_ok() {
            assert!(operations > 10);
            return;
        }
    }
}
