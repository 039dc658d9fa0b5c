//! `franking mailbox recoverable`: what was deleted from a mailbox on hold is listed, shown and exported, and whoever
//! looks leaves an entry.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{deliver, done, maildir, number, refused, text};
use crate::support::Place;
use crate::support::maildir::{files, messages};
use crate::support::server::PROGRAM;
use crate::support::site::Site;

const ALICE: &str = "alice@contoso.example";

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
    items.iter().map(|item| text(item, "/name")).collect()
}

#[test]
fn what_was_deleted_from_a_mailbox_on_hold_is_listed_shown_and_exported() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    done(&site, &["hold", "place", ALICE]);
    deliver(&site, ALICE, &["stays", "goes-1", "goes-2"]);
    for message in messages(&maildir(place.path(), &site, ALICE)) {
        if message.contains("Subject: goes") {
            std::fs::remove_file(message.path).unwrap();
        }
    }
    let list = site.json(&["mailbox", "recoverable", "list", "alice"]);
    assert_eq!(number(&list, "/total/messages"), 2, "{list}");
    let subjects: BTreeSet<String> =
        list["items"].as_array().unwrap().iter().map(|item| text(item, "/subject")).collect();
    assert_eq!(subjects, ["goes-1", "goes-2"].map(str::to_owned).into());
    let names = names(&list);
    let first = site.json(&["mailbox", "recoverable", "list", "alice", "--limit", "1"]);
    assert_eq!(text(&first, "/items/0/name"), names[0], "{first}");
    assert_eq!(text(&first, "/next"), names[0], "{first}");
    let second = site.json(&["mailbox", "recoverable", "list", "alice", "--after", &names[0]]);
    assert_eq!(text(&second, "/items/0/name"), names[1], "{second}");
    let shown = done(&site, &["mailbox", "recoverable", "show", "alice", &names[0]]);
    assert!(shown.contains("\nbody of goes-"), "{shown}");

    let to = place.path().join("evidence");
    let directory = to.to_str().unwrap();
    let exported = site.json(&["mailbox", "recoverable", "export", "alice", "--to", directory]);
    assert_eq!(number(&exported, "/messages"), 2, "{exported}");
    let written = files(&to);
    assert_eq!(written.len(), 2);
    assert!(written.iter().all(|file| file.path.extension().is_some_and(|end| end == "eml")));
    assert!(written.iter().all(|file| file.contains("Subject: goes-") && file.contains("\nbody of goes-")));
    // What is there stays as it is, and nothing is written twice.
    std::fs::write(&written[0].path, "altered by its reader").unwrap();
    let again = site.json(&["mailbox", "recoverable", "export", "alice", "--to", directory]);
    assert_eq!(number(&again, "/messages"), 0, "{again}");
    assert_eq!(std::fs::read(&written[0].path).unwrap(), b"altered by its reader");
    server.stop();
}

#[test]
fn nothing_is_written_elsewhere_and_every_look_leaves_an_entry() {
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    done(&site, &["hold", "place", ALICE]);
    deliver(&site, ALICE, &["goes"]);
    let stored = messages(&maildir(place.path(), &site, ALICE)).remove(0);
    std::fs::remove_file(stored.path).unwrap();
    let to = place.path().join("evidence");
    let directory = to.to_str().unwrap();
    let name = names(&site.json(&["mailbox", "recoverable", "list", "alice"])).remove(0);
    for item in ["../../keys/srs", "..", ".", "/etc/passwd", "no-such-thing", "a/b", "\u{1b}[2J"] {
        let shown = refused(&site, &["mailbox", "recoverable", "show", "alice", item]);
        assert!(shown.contains("is kept of the mailbox of"), "{shown}");
        refused(&site, &["mailbox", "recoverable", "export", "alice", "--to", directory, &name, item]);
    }
    assert!(!to.exists(), "an export of what is not there has begun");
    // Neither among the data nor through a link into them.
    let inside = place.path().join("data/mailboxes/recipient-2/new");
    std::fs::create_dir_all(&inside).unwrap();
    let link = place.path().join("link");
    std::os::unix::fs::symlink(&inside, &link).unwrap();
    for place in [&inside, &link, &link.join("new")] {
        let text = refused(&site, &["mailbox", "recoverable", "export", "alice", "--to", place.to_str().unwrap()]);
        assert!(text.contains("it is in the data directory"), "{text}");
    }
    assert!(files(&inside).is_empty());
    let nowhere = refused(&site, &["mailbox", "recoverable", "export", "alice", "--to", "/proc/nowhere/x"]);
    assert!(nowhere.contains("/proc/nowhere/x cannot be used for an export: "), "{nowhere}");
    // A name that somebody else has put there is neither followed nor replaced.
    std::fs::create_dir(&to).unwrap();
    let victim = place.file("victim", "untouched");
    std::os::unix::fs::symlink(&victim, to.join(format!(".{name}.part"))).unwrap();
    done(&site, &["mailbox", "recoverable", "export", "alice", "--to", directory, &name]);
    assert_eq!(std::fs::read(&victim).unwrap(), b"untouched");
    assert!(files(&to).iter().any(|file| file.contains("body of goes")));

    let audit = site.json(&["audit", "access", "--mailbox", "alice", "--limit", "0"]);
    let accesses = audit["accesses"].as_array().unwrap_or_else(|| panic!("{audit}"));
    let of = |kind: &str| accesses.iter().filter(|access| access["kind"] == kind).count();
    assert_eq!((of("recoverable_listed"), of("recoverable_exported")), (1, 1), "{audit}");
    assert_eq!(of("recoverable_shown"), 0, "what is not there is not read: {audit}");
    assert!(accesses.iter().all(|access| access["actor"].as_str().is_some_and(|actor| actor.starts_with("uid "))));
    server.stop();
    // Without a server the entry is another's, in the same file.
    done(&site, &["mailbox", "recoverable", "show", "alice", &name]);
    let last = done(&site, &["audit", "access", "--limit", "1"]);
    assert!(last.contains("command line  alice@contoso.example (#1)  read a deleted message"), "{last}");
    // Where no entry can be left, nothing is shown.
    std::fs::remove_dir_all(place.path().join("data/audit")).unwrap();
    std::fs::write(place.path().join("data/audit"), "in the way").unwrap();
    let unheard = refused(&site, &["mailbox", "recoverable", "show", "alice", &name]);
    assert!(unheard.contains("the access log cannot be written") && !unheard.contains("body of goes"), "{unheard}");
}

/// Keeps messages that are in no mailbox any more.
fn keep(place: &Path, count: usize) {
    let held = place.join("data/mailboxes/.held/recipient-1");
    std::fs::create_dir_all(&held).unwrap();
    for number in 0..count {
        let text = format!("Subject: number {number}\n\nThe text of number {number}.\n");
        std::fs::write(held.join(format!("1767603600.M{number:06}P1.host")), text).unwrap();
    }
}

/// The most memory that a process ever had, in octets.
fn memory_peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn any_number_of_deleted_messages_is_listed_and_exported_in_bounded_memory() {
    // An answer holds 5,000.
    let count = if std::env::var_os("FRANKING_LONG").is_some() { 100_000 } else { 5_200 };
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    done(&site, &["hold", "place", ALICE]);
    keep(place.path(), count);
    let server = site.start(&place);
    let first = site.json(&["mailbox", "recoverable", "list", "alice", "--limit", "1"]);
    assert_eq!(number(&first, "/total/messages"), count as u64, "{first}");
    let before = memory_peak(server.process_id());
    let list = site.json(&["mailbox", "recoverable", "list", "alice", "--limit", "0"]);
    let all: BTreeSet<String> = names(&list).into_iter().collect();
    assert_eq!((names(&list).len(), all.len()), (count, count), "one is listed twice, or never");
    let to = place.path().join("evidence");
    // Synchronising so many files may take more time than other commands get.
    let mut command = std::process::Command::new(PROGRAM);
    command.arg("--config").arg(&site.config).args(["mailbox", "recoverable", "export", "alice", "--to"]).arg(&to);
    assert!(command.stdout(std::process::Stdio::null()).status().unwrap().success());
    assert_eq!(to.read_dir().unwrap().count(), count);
    let grown = memory_peak(server.process_id()).saturating_sub(before);
    assert!(grown < 64 << 20, "the server has grown by {grown} octets");
    server.stop();
}
