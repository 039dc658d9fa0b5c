//! `franking mailbox copy`: every message once, whatever happens meanwhile.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{deliver, done, maildir, number, refused, text};
use crate::support::maildir::{Stored, messages};
use crate::support::site::Site;
use crate::support::{PATIENCE, Place, wait_for, within};

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
const CAROL: &str = "carol@contoso.example";

fn copy<'a>(source: &'a str, target: &'a str) -> [&'a str; 6] {
    ["mailbox", "copy", source, "--to", target, "--allow-legacy-dn-mismatch"]
}

#[test]
fn a_removed_mailbox_is_copied_once_into_one_that_is_in_use() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    deliver(&site, BOB, &["first", "second", "third"]);
    let in_use = refused(&site, &copy(BOB, ALICE));
    assert!(in_use.contains("is not copied: it is active."), "{in_use}");
    done(&site, &["recipient", "remove", BOB]);
    let other = refused(&site, &["mailbox", "copy", BOB, "--to", ALICE]);
    let expected = "source and target mailbox belong to different users";
    assert!(other.contains(expected) && other.contains("--allow-legacy-dn-mismatch"), "{other}");
    let to_itself = refused(&site, &copy(BOB, BOB));
    assert!(to_itself.contains("the target must be in use"), "{to_itself}");

    let copied = site.json(&copy(BOB, ALICE));
    assert_eq!((text(&copied, "/source"), text(&copied, "/target")), (BOB.to_owned(), ALICE.to_owned()), "{copied}");
    assert_eq!(number(&copied, "/messages"), 3, "{copied}");
    let again = done(&site, &copy(BOB, ALICE));
    assert!(again.contains("is in the mailbox of alice@contoso.example already"), "{again}");
    let (source, target) = (maildir(place.path(), &site, BOB), maildir(place.path(), &site, ALICE));
    assert_eq!(messages(&source).len(), 3, "the source has altered");
    let shown = site.json(&["mailbox", "show", ALICE]);
    let bytes: usize = messages(&target).iter().map(|message| message.bytes.len()).sum();
    let held = [number(&shown, "/mailboxes/0/messages"), number(&shown, "/mailboxes/0/bytes")];
    assert_eq!(held, [3, bytes as u64], "the quota of the target counts what was copied: {shown}");
    server.stop();

    // Without a server the same, into another one.
    let alone = done(&site, &copy(BOB, CAROL));
    assert!(alone.contains("3 messages"), "{alone}");
    assert_eq!(messages(&maildir(place.path(), &site, CAROL)).len(), 3);
}

#[test]
fn the_new_user_of_an_address_gets_the_mail_of_the_former_one() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    deliver(&site, BOB, &["before"]);
    done(&site, &["user", "remove", BOB]);
    done(&site, &["recipient", "new", BOB, "--licence", "ExchangeOnlinePlan1"]);
    deliver(&site, BOB, &["after"]);
    // The legacy name agrees: no option is needed. The deleted one is meant by the source, the new one by the target.
    let copied = site.json(&["mailbox", "copy", BOB, "--to", BOB]);
    assert_eq!(number(&copied, "/messages"), 1, "{copied}");
    assert_eq!(number(&site.json(&["mailbox", "show", BOB]), "/mailboxes/0/messages"), 2);
    server.stop();
}

#[test]
fn a_full_target_takes_no_more_and_the_copy_goes_on_when_there_is_room() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    fill(&maildir(place.path(), &site, BOB), 200);
    done(&site, &["recipient", "remove", BOB]);
    let quota = ["--quota-warning", "unlimited", "--quota-send", "4000", "--quota-receive", "4000"];
    done(&site, &[&["recipient", "set", ALICE][..], &quota].concat());
    let full = refused(&site, &copy(BOB, ALICE));
    assert!(full.contains("The mailbox of alice@contoso.example is full."), "{full}");
    let target = maildir(place.path(), &site, ALICE);
    let bytes: usize = filled(&target).iter().map(|message| message.bytes.len()).sum();
    assert!((4000..4300).contains(&bytes), "{bytes} octets");
    done(&site, &["recipient", "set", ALICE, "--quota-send", "unlimited", "--quota-receive", "unlimited"]);
    done(&site, &copy(BOB, ALICE));
    let copied = filled(&target);
    assert_eq!((copied.len(), subjects(&copied).len()), (200, 200));
    server.stop();
}

/// Puts messages where a reader might, in two folders.
fn fill(maildir: &Path, count: usize) {
    for folder in ["", ".Projects"] {
        for part in ["new", "cur", "tmp"] {
            std::fs::create_dir_all(maildir.join(folder).join(part)).unwrap();
        }
    }
    for number in 0..count {
        let folder = if number % 2 == 0 { "cur" } else { ".Projects/cur" };
        let text = format!("Subject: number {number}\n\nThe text of number {number}.\n");
        let name = format!("{}.M{number}P1.host,S={}:2,S", 1_767_603_600 + number, text.len());
        std::fs::write(maildir.join(folder).join(name), text).unwrap();
    }
}

fn subjects(messages: &[Stored]) -> BTreeSet<String> {
    messages.iter().map(|message| message.header("Subject").concat()).collect()
}

/// All messages of a mailbox that was filled.
fn filled(maildir: &Path) -> Vec<Stored> {
    ["", ".Projects"].iter().flat_map(|folder| messages(&maildir.join(folder))).collect()
}

#[test]
fn a_copy_that_is_killed_again_and_again_ends_with_every_message_once() {
    const COUNT: usize = 3_000;
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let source = maildir(place.path(), &site, BOB);
    fill(&source, COUNT);
    done(&site, &["recipient", "remove", BOB]);
    let target = maildir(place.path(), &site, ALICE);
    let count = || filled(&target).len();
    for round in 0..3 {
        let (aim, ended) = (COUNT * (round + 1) / 5, AtomicBool::new(false));
        let server = site.start(&place);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Broken off by the kill; where the machine is quick, done before it.
                let _ = site.franking(&copy(BOB, ALICE));
                ended.store(true, Ordering::Relaxed);
            });
            let reached = within(PATIENCE, || (count() >= aim || ended.load(Ordering::Relaxed)).then_some(()));
            if round == 1 {
                // Asked to stop, the server does not wait for the end of the copy either.
                let was_over = ended.load(Ordering::Relaxed);
                server.stop();
                assert!(was_over || count() < COUNT, "the server has copied everything before it stopped");
            } else {
                server.kill();
            }
            assert!(reached.is_some(), "{} messages are copied", count());
        });
    }
    let server = site.start(&place);
    done(&site, &copy(BOB, ALICE));
    let copied = filled(&target);
    assert_eq!(copied.len(), COUNT, "a message came twice, or never");
    assert_eq!(subjects(&copied), subjects(&filled(&source)));
    assert!(copied.iter().all(|message| message.promised('S') == Some(message.bytes.len())), "a message is cut off");
    let bytes: usize = copied.iter().map(|message| message.bytes.len()).sum();
    wait_for("the quota to be as it was counted", || {
        let shown = site.json(&["mailbox", "show", ALICE]);
        (number(&shown, "/mailboxes/0/bytes") == bytes as u64).then_some(())
    });
    assert_eq!(filled(&source).len(), COUNT, "the source has altered");
    server.stop();
}
