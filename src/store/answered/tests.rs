//! Once per sender, whatever the disk does.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::mail::Address;
use crate::world::disk::SimulatedDisk;

const ANN: RecipientId = RecipientId(0x1_003F);

fn key(number: u64) -> AddressKey {
    Address::parse(&format!("s{number}@fabrikam.example")).unwrap().key()
}

fn open(disk: &SimulatedDisk) -> AnsweredSenders {
    AnsweredSenders::open(Arc::new(disk.clone()), Path::new("/replies")).unwrap()
}

fn claim(store: &AnsweredSenders, revision: u64, sender: u64, message: u64) -> io::Result<Claim> {
    let sender = &key(sender);
    let message = QueueId(message);
    store.claim(&Claimant { mailbox: ANN, revision, sender, message, senders_max: 10, regardless: false })
}

#[test]
fn a_sender_is_answered_once_by_one_message_and_again_after_a_change() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    assert_eq!(claim(&store, 5, 1, 100).unwrap(), Claim::Granted);
    assert_eq!(claim(&store, 5, 1, 101).unwrap(), Claim::Answered);
    assert_eq!(claim(&store, 5, 1, 100).unwrap(), Claim::Granted, "the same message asks again");
    assert_eq!(claim(&store, 5, 2, 102).unwrap(), Claim::Granted);
    // After a restart, and after the texts changed; who still works with the former texts is told so.
    let store = open(&disk);
    assert_eq!(claim(&store, 5, 1, 103).unwrap(), Claim::Answered);
    assert_eq!(claim(&store, 6, 1, 104).unwrap(), Claim::Granted);
    assert_eq!(claim(&store, 5, 2, 105).unwrap(), Claim::Superseded);
    assert_eq!(claim(&store, 6, 1, 106).unwrap(), Claim::Answered);
    let (sender, message) = (&key(2), QueueId(107));
    let lost = Claimant { mailbox: ANN, revision: 5, sender, message, senders_max: 10, regardless: true };
    assert_eq!(store.claim(&lost).unwrap(), Claim::Granted);
    // Another mailbox has a history of its own.
    assert_eq!(store.claim(&Claimant { mailbox: RecipientId(7), ..lost }).unwrap(), Claim::Granted);
}

#[test]
fn beyond_the_bound_the_oldest_is_forgotten_and_the_file_does_not_grow() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    for sender in 0..3_000 {
        assert_eq!(claim(&store, 1, sender, sender).unwrap(), Claim::Granted);
    }
    assert_eq!(claim(&store, 1, 2_990, 9_000).unwrap(), Claim::Answered);
    assert_eq!(claim(&store, 1, 2_989, 9_001).unwrap(), Claim::Granted);
    assert_eq!(claim(&store, 1, 2_990, 9_002).unwrap(), Claim::Granted);
    let length = disk.length(Path::new("/replies/3f/000000000001003f")).unwrap();
    assert!(length <= ((SLACK + 12) * ENTRY_BYTES) as u64, "{length}");
}

#[test]
fn what_is_no_history_of_this_mailbox_is_none() {
    let disk = SimulatedDisk::new(1);
    let path = Path::new("/replies/3f/000000000001003f");
    let store = open(&disk);
    for sender in 0..4 {
        claim(&store, 1, sender, sender).unwrap();
    }
    // The third of the four entries: what comes behind it is not believed either, and not appended to.
    disk.damage(path, 3 * ENTRY_BYTES + 5, 1);
    assert_eq!(claim(&store, 1, 1, 10).unwrap(), Claim::Answered);
    assert_eq!(claim(&store, 1, 3, 11).unwrap(), Claim::Granted);
    assert_eq!(claim(&store, 1, 3, 12).unwrap(), Claim::Answered);
    disk.damage(path, 2, 1);
    assert_eq!(claim(&store, 1, 0, 13).unwrap(), Claim::Granted);
}

#[test]
fn a_forgotten_mailbox_has_answered_nobody_whenever_the_power_goes() {
    for operations in 0.. {
        let disk = SimulatedDisk::new(operations);
        let store = open(&disk);
        assert_eq!(claim(&store, 1, 1, 10).unwrap(), Claim::Granted);
        disk.cut_power_after(operations);
        let forgotten = store.forget(ANN);
        disk.crash();
        let store = open(&disk);
        if forgotten.is_err() {
            store.forget(ANN).unwrap();
        }
        disk.crash();
        assert_eq!(claim(&open(&disk), 1, 1, 11).unwrap(), Claim::Granted, "cut after {operations}");
        if forgotten.is_ok() {
            assert!(operations > 2);
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A message that was granted its reply keeps the right, and no other message of the sender gets it, whatever the
    /// disk does in between: failing writes and synchronisations, and power cuts at any operation. A message whose
    /// claim failed asks again, as the queue makes it.
    #[test]
    fn no_two_messages_of_a_sender_are_granted_a_reply(
        seed in any::<u64>(), steps in prop::collection::vec((0..6_u64, 0..8_u8, 1..9_u64), 1..60),
    ) {
        let disk = SimulatedDisk::new(seed);
        let mut store = open(&disk);
        let mut granted: BTreeMap<u64, u64> = BTreeMap::new();
        let mut owing: Vec<(u64, u64)> = Vec::new();
        for (message, (sender, trouble, when)) in (1_u64..).zip(steps) {
            match trouble {
                0 => disk.fail_write(when % 3 + 1),
                1 => disk.fail_synchronization(when % 3 + 1),
                2 => disk.cut_power_after(when),
                _ => {}
            }
            owing.push((sender, message));
            owing.retain(|(sender, message)| match claim(&store, 1, *sender, *message) {
                Ok(Claim::Granted) => {
                    let first = *granted.entry(*sender).or_insert(*message);
                    assert_eq!(first, *message, "a second message is granted a reply to {sender}");
                    false
                }
                Ok(Claim::Answered) => false,
                Ok(Claim::Superseded) => panic!("there is one revision"),
                Err(_) => true,
            });
            if !disk.has_power() {
                disk.crash();
                store = open(&disk);
                // Whatever was granted may not have been queued before the lights went out.
                owing.extend(granted.iter().map(|(sender, message)| (*sender, *message)));
            }
        }
        disk.crash();
        store = open(&disk);
        for (sender, message) in owing.drain(..) {
            if claim(&store, 1, sender, message).unwrap() == Claim::Granted {
                prop_assert_eq!(*granted.entry(sender).or_insert(message), message);
            }
        }
        for (sender, message) in &granted {
            prop_assert_eq!(claim(&store, 1, *sender, *message).unwrap(), Claim::Granted);
            prop_assert_eq!(claim(&store, 1, *sender, 9_999).unwrap(), Claim::Answered);
        }
    }
}
