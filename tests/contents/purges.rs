//! `kill -9` while many mailboxes are purged, and what is in the way of a purge and of the clean-up after it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{deliver, done, maildir, number, refused, text};
use crate::crash::rounds;
use crate::support::maildir::messages;
use crate::support::site::Site;
use crate::support::{PATIENCE, Place, wait_for, within};

const ALICE: &str = "alice@contoso.example";
const BOB: &str = "bob@contoso.example";
const KIOSK: &str = "kiosk@contoso.example";

/// Mailboxes of a round whose time is over, and such whose is not because a hold keeps them.
const GONE: usize = 24;
const HELD: usize = 4;
const MESSAGES: usize = 12;

fn gone(round: usize, number: usize) -> String {
    format!("gone-{round}-{number}@contoso.example")
}

fn held(round: usize, number: usize) -> String {
    format!("held-{round}-{number}@contoso.example")
}

/// Mailboxes that were removed long ago.
fn document(round: usize) -> String {
    let mut text = String::new();
    for number in 0..GONE {
        let address = gone(round, number);
        text += &format!(
            "[[recipient]]\ntype = \"SharedMailbox\"\naddress = \"{address}\"\nlifecycle = \"SoftDeleted\"\n\
             since = \"2026-01-05T09:00:00Z\"\n\n"
        );
    }
    for number in 0..HELD {
        let address = held(round, number);
        text += &format!(
            "[[recipient]]\ntype = \"SharedMailbox\"\naddress = \"{address}\"\nlifecycle = \"SoftDeleted\"\n\
             since = \"2026-01-05T09:00:00Z\"\n\n[[recipient.provisioning.holds]]\nkind = \"LitigationHold\"\n\
             since = \"2026-01-05T09:00:00Z\"\n\n"
        );
    }
    text
}

/// Fills a mailbox, and its archive.
fn fill(maildir: &Path) {
    let archive = maildir.to_str().unwrap().replace("recipient-", "archive-");
    for place in [maildir.to_owned(), PathBuf::from(archive)] {
        for part in ["new", "cur", "tmp", ".Projects/cur"] {
            std::fs::create_dir_all(place.join(part)).unwrap();
        }
        for number in 0..MESSAGES {
            let folder = if number % 3 == 0 { ".Projects/cur" } else { "cur" };
            let text = format!("Subject: number {number}\n\nThe text of number {number}.\n");
            std::fs::write(place.join(folder).join(format!("1767603600.M{number}P1.host:2,S")), text).unwrap();
        }
    }
}

/// Whether all that was put into a mailbox and its archive is there.
fn is_whole(maildir: &Path) -> bool {
    let archive = maildir.to_str().unwrap().replace("recipient-", "archive-");
    let count = |place: &Path| messages(place).len() + messages(&place.join(".Projects")).len();
    count(maildir) == MESSAGES && count(Path::new(&archive)) == MESSAGES
}

/// Whether nothing of a mailbox, its archive and what was kept of it is there any more.
fn is_purged(maildir: &Path) -> bool {
    let (root, name) = (maildir.parent().unwrap(), maildir.file_name().unwrap().to_str().unwrap());
    let names = [name.to_owned(), name.replace("recipient-", "archive-")];
    names.iter().all(|name| !root.join(name).exists() && !root.join(".held").join(name).exists())
}

fn is_empty(directory: &Path) -> bool {
    directory.read_dir().map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn whatever_is_killed_in_the_midst_of_purging_is_purged_in_the_end_and_nothing_else() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let mailboxes = place.path().join("data/mailboxes");
    let (mut due, mut kept) = (Vec::new(), Vec::new());
    let server = site.start(&place);
    deliver(&site, KIOSK, &["traced-1", "traced-2"]);
    for own in [ALICE, BOB] {
        let own = maildir(place.path(), &site, own);
        fill(&own);
        kept.push(own);
    }
    due.push(maildir(place.path(), &site, KIOSK));
    server.stop();
    let mut seed = 0x9E37_79B9_u64;
    for round in 0..rounds() {
        let server = site.start(&place);
        let name = format!("round-{round}.toml");
        done(&site, &["import", place.file(&name, document(round)).to_str().unwrap()]);
        let of_round: Vec<PathBuf> =
            (0..GONE).map(|number| maildir(place.path(), &site, &gone(round, number))).collect();
        let held_of_round = (0..HELD).map(|number| maildir(place.path(), &site, &held(round, number)));
        kept.extend(held_of_round.inspect(|maildir| fill(maildir)));
        of_round.iter().for_each(|maildir| fill(maildir));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Broken off by the kill.
                let _ = site.franking(&["lifecycle", "confirm", "deletions"]);
                if round == 1 {
                    let _ = site.franking(&["recipient", "remove", KIOSK, "--permanently"]);
                }
            });
            let begun = within(PATIENCE, || of_round.iter().any(|maildir| !maildir.exists()).then_some(()));
            // From the first directory on, up to after the last.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_micros((seed >> 33) % [1_000, 20_000, 100_000][round % 3]));
            server.kill();
            assert!(begun.is_some(), "nothing was purged");
        });
        due.extend(of_round);
        assert!(kept.iter().all(|maildir| is_whole(maildir)), "something that nobody asked for was touched");
    }
    let server = site.start(&place);
    done(&site, &["lifecycle", "confirm", "deletions"]);
    let _ = site.franking(&["recipient", "remove", KIOSK, "--permanently"]);
    wait_for("the end of all purges", || {
        (due.iter().all(|maildir| is_purged(maildir)) && is_empty(&mailboxes.join(".purged"))).then_some(())
    });
    assert!(kept.iter().all(|maildir| is_whole(maildir)), "something that nobody asked for was touched");
    for round in 0..rounds() {
        let state = |address: &str| text(&site.json(&["recipient", "show", address]), "/state");
        assert_eq!(state(&gone(round, 0)), "purged", "round {round}");
        assert!(state(&held(round, HELD - 1)).starts_with("removed "), "round {round}");
        let history = done(&site, &["audit", "changes", "--object", &gone(round, GONE - 1), "--limit", "0"]);
        assert!(history.contains("franking-lifecycle") && history.contains("Purged"), "{history}");
    }
    let errors = done(&site, &["lifecycle", "errors"]);
    assert!(errors.contains("There is none."), "{errors}");
    let trace = done(&site, &["trace", "--recipient", KIOSK, "--since", "2h"]);
    assert!(trace.contains("traced-1") && trace.contains("traced-2"), "the trace outlives the mailbox: {trace}");
    server.stop();
}

#[test]
fn a_clean_up_that_fails_is_told_and_tried_again_when_nothing_is_in_the_way() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    let own = maildir(place.path(), &site, BOB);
    fill(&own);
    let id = number(&site.json(&["recipient", "show", BOB]), "/id");
    // Whom it has answered is a file; a directory in its place cannot be removed as one.
    let obstacle = place.path().join(format!("data/replies/{:02x}/{id:016x}/in-the-way", id & 0xFF));
    std::fs::create_dir_all(&obstacle).unwrap();
    done(&site, &["mailbox", "show", BOB]);
    done(&site, &["licence", "remove", BOB]);
    done(&site, &["mailbox", "forget-previous", BOB]);
    assert!(is_purged(&own), "the contents go all the same");
    let shown = done(&site, &["recipient", "show", BOB]);
    assert!(shown.contains("mailbox: stale attributes"), "{shown}");
    assert!(shown.contains("previous mailbox: UserMailbox"), "it is remembered still: {shown}");
    let errors = done(&site, &["lifecycle", "errors"]);
    assert!(errors.contains("The previous mailbox of \"bob\" could not be cleared: "), "{errors}");
    let again = refused(&site, &["mailbox", "forget-previous", BOB]);
    assert!(again.contains("could not be cleared") && again.contains("franking lifecycle errors"), "{again}");
    // A restart changes nothing about it.
    server.stop();
    let server = site.start(&place);
    assert!(done(&site, &["lifecycle", "errors"]).contains("could not be cleared"));
    std::fs::remove_dir_all(obstacle.parent().unwrap()).unwrap();
    done(&site, &["lifecycle", "retry", BOB]);
    assert!(done(&site, &["lifecycle", "errors"]).contains("There is none."));
    let shown = done(&site, &["recipient", "show", BOB]);
    assert!(!shown.contains("previous mailbox"), "{shown}");
    server.stop();
}

#[test]
fn a_mailbox_that_is_a_link_is_not_followed_and_its_purge_waits() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    let own = maildir(place.path(), &site, BOB);
    let elsewhere = place.directory("elsewhere");
    fill(&elsewhere.join("recipient-0"));
    std::os::unix::fs::symlink(elsewhere.join("recipient-0"), &own).unwrap();
    done(&site, &["licence", "remove", BOB]);
    done(&site, &["mailbox", "forget-previous", BOB]);
    let state = || text(&site.json(&["recipient", "show", BOB]), "/state");
    assert!(state().starts_with("being purged"), "{}", state());
    assert!(is_whole(&elsewhere.join("recipient-0")), "what the link leads to is not ours to delete");
    server.stop();
    // The administrator has taken the link away; the next start looks again.
    std::fs::remove_file(&own).unwrap();
    let server = site.start(&place);
    wait_for("the end of the purge", || (!state().starts_with("being purged")).then_some(()));
    assert!(is_whole(&elsewhere.join("recipient-0")));
    server.stop();
}
