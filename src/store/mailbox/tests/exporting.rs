//! What was deleted is written whole or not at all, wherever the power fails, and nowhere else.

use super::purge::{files_with, go_on};
use super::usage::{BOB, by_hand, deliver_by_hand, to_bob};
use super::*;

const TO: &str = "/mail/evidence";

fn bob() -> MailboxName {
    MailboxName::of_recipient(BOB)
}

/// Bob is on hold, and has removed 20 of 22 messages: more than are compared at a time.
fn furnish(disk: &SimulatedDisk) -> MailboxStore {
    let store = by_hand(disk);
    store.set_on_hold(Arc::new([BOB].into()));
    for number in 0..22 {
        let delivered = deliver_by_hand(&store, to_bob(&format!("m{number:02}"), 20)).unwrap();
        if number < 20 {
            disk.remove(&delivered.path).unwrap();
        }
    }
    store
}

fn export(store: &MailboxStore) -> Result<Progress, CustodyError> {
    store.export_recoverable(&bob(), &[], Path::new(TO), &mut go_on)
}

fn assert_all_is_written(disk: &SimulatedDisk, store: &MailboxStore) {
    let written = files_with(disk, "/evidence/");
    assert_eq!(written.iter().filter(|path| path.to_str().unwrap().ends_with(".eml")).count(), 20);
    for message in store.recoverable(&bob(), None, 100).unwrap() {
        let kept = disk.read(&store.held_path(&bob()).join(&*message.name)).unwrap();
        assert_eq!(disk.read(&Path::new(TO).join(format!("{}.eml", message.name))).unwrap(), kept);
    }
}

#[test]
fn an_export_that_the_power_ends_is_finished_by_the_next() {
    for operations in (0..).step_by(3) {
        let disk = SimulatedDisk::new(operations);
        let store = furnish(&disk);
        disk.cut_power_after(operations);
        let exported = export(&store);
        drop(store);
        disk.crash();
        let store = by_hand(&disk);
        if exported.is_ok() {
            assert_all_is_written(&disk, &store);
            assert!(operations > 60);
        }
        export(&store).unwrap();
        disk.crash();
        assert_all_is_written(&disk, &by_hand(&disk));
        if exported.is_ok() {
            return;
        }
    }
}

#[test]
fn only_what_is_named_is_written_and_no_name_leads_elsewhere() {
    let disk = SimulatedDisk::new(1);
    let store = furnish(&disk);
    let name = store.recoverable(&bob(), None, 1).unwrap()[0].name.to_string();
    let only = ["../recipient-8/new/x", "..", ".hidden", "a/b", "", "unknown"].map(str::to_owned);
    let all: Vec<String> = only.into_iter().chain([name.clone()]).collect();
    let exported = store.export_recoverable(&bob(), &all, Path::new(TO), &mut go_on).unwrap();
    assert_eq!(exported.files, 1);
    assert_eq!(files_with(&disk, "/evidence/"), [Path::new(TO).join(format!("{name}.eml"))]);
    assert!(files_with(&disk, "recipient-8").is_empty());
    let interrupted = store.export_recoverable(&bob(), &[], Path::new(TO), &mut |_| core::ops::ControlFlow::Break(()));
    assert_eq!(interrupted, Err(CustodyError::Interrupted));
}
