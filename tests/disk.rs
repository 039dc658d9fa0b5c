//! Trouble with the disk under the real server: space and inodes run out, the file system turns read-only.
//!
//! The data are on a small file system of their own. Whatever happens to it, nothing that was answered with 250 is
//! lost, new mail is refused with 4xx, the log says where and what to do, the queue can be seen and steered, and all
//! goes on without a restart once the disk works again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::process::{Running, run};
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::{Place, parts, wait_for};

/// Floors that fit a small file system, and retries at once.
const SMALL: &str = "[queue]\nretry_seconds = [1]\nfree_bytes_min = 8388608\nfree_files_min = 60\n\n\
                     [limits]\nmessages_per_minute = 10000\nsessions_per_account_max = 100\nsessions_per_address_max = 100\n";
const MIB: u64 = 1 << 20;

/// A file system in memory, mounted where the data go.
struct Disk {
    path: PathBuf,
    /// Mounted over it as well, so that nothing can be written through its path.
    covered: bool,
}

impl Disk {
    /// `None` after saying that the test is left out.
    fn mount(place: &Place) -> Option<Self> {
        if !parts::may_act_as_root("a file system cannot be mounted by an ordinary user") {
            return None;
        }
        let path = place.directory("data");
        let mut command = Command::new(parts::find("mount")?);
        command.args(["-t", "tmpfs", "-o", "size=32m,nr_inodes=400,mode=700", "franking-test"]).arg(&path);
        let outcome = run(&mut command, "");
        if !outcome.status.success() {
            parts::left_out(&format!("no file system can be mounted here: {}", outcome.text.trim()));
            return None;
        }
        Some(Self { path, covered: false })
    }

    fn free_bytes(&self) -> u64 {
        let numbers = rustix::fs::statvfs(&self.path).unwrap();
        numbers.f_bavail * numbers.f_frsize
    }

    fn free_files(&self) -> u64 {
        rustix::fs::statvfs(&self.path).unwrap().f_favail
    }

    /// Leaves this many octets free.
    fn leave(&self, bytes: u64) {
        let length = self.free_bytes().saturating_sub(bytes);
        let content = vec![b'x'; usize::try_from(length).unwrap()];
        let mut ballast = File::options().create(true).append(true).open(self.path.join("ballast")).unwrap();
        // Whatever fits, when nothing shall be left.
        let _ = ballast.write_all(&content);
        assert!(self.free_bytes() <= bytes + 64 * 1024, "{} octets are free", self.free_bytes());
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path.join("ballast")).unwrap();
    }

    /// Leaves this many files free.
    fn leave_files(&self, files: u64) {
        let directory = self.path.join("files");
        let _ = std::fs::create_dir(&directory);
        for number in 1_000 - files.. {
            if self.free_files() <= files || std::fs::write(directory.join(number.to_string()), "").is_err() {
                break;
            }
        }
        assert!(self.free_files() <= files, "{} files are free", self.free_files());
    }

    fn make_room_for_files(&self) {
        std::fs::remove_dir_all(self.path.join("files")).unwrap();
    }

    /// Nothing can be written by name any more. The kernel does not permit more while files are open for writing.
    fn turn_read_only(&mut self) {
        let mount = |arguments: &[&str]| {
            let outcome = run(Command::new("mount").args(arguments).arg(&self.path), "");
            assert!(outcome.status.success(), "{}", outcome.text);
        };
        mount(&["--bind", self.path.to_str().unwrap()]);
        mount(&["-o", "remount,bind,ro"]);
        self.covered = true;
        assert!(std::fs::write(self.path.join("probe"), "").is_err());
    }

    fn turn_writable(&mut self) {
        self.covered = !unmount(&self.path);
        assert!(!self.covered);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.covered {
            unmount(&self.path);
        }
        unmount(&self.path);
    }
}

/// Also while a file is open there, so that no failed test leaves it behind.
fn unmount(path: &Path) -> bool {
    run(Command::new("umount").arg("-l").arg(path), "").status.success()
}

/// A message that needs more than one block of the disk.
fn content(token: &str) -> String {
    content_of(token, 300)
}

fn content_of(token: &str, lines: usize) -> String {
    let body = "seventy characters of nothing in particular, again and again and again.\r\n".repeat(lines);
    format!("From: alice@contoso.example\r\nSubject: {token}\r\n\r\n{body}end of {token}\r\n")
}

fn send(site: &Site, token: &str) -> std::io::Result<()> {
    site.alice().send("alice@contoso.example", &["bob@contoso.example"], &content(token))
}

/// A session that has said everything but the end of the message.
fn all_but_the_dot(site: &Site, token: &str) -> Client {
    all_but_the_dot_of(site, &content(token))
}

fn all_but_the_dot_of(site: &Site, content: &str) -> Client {
    let mut client = site.alice();
    for (line, class) in [("MAIL FROM:<alice@contoso.example>", '2'), ("RCPT TO:<bob@contoso.example>", '2')] {
        client.command(line, class).unwrap();
    }
    client.command("DATA", '3').unwrap();
    // Without a reply to wait for.
    client.say(content.as_bytes()).unwrap();
    client
}

/// Waits until a new message is refused at MAIL FROM, and gives the reply.
fn wait_for_refusal(site: &Site) -> String {
    let mut client = site.alice();
    let refusal = wait_for("a refusal", || {
        let refusal = client.command("MAIL FROM:<alice@contoso.example>", '2').err();
        if refusal.is_none() {
            client.command("RSET", '2').unwrap();
        }
        refusal
    });
    refusal.to_string()
}

fn wait_for_acceptance(site: &Site, token: &str) {
    wait_for("mail to be accepted again", || send(site, token).ok());
}

/// The line of the log that says why mail is refused, with everything that it has to say.
fn wait_for_alarm(server: &Server, needles: &[&str]) {
    let alarmed = |line: &Value| {
        let said = line["message"].as_str().unwrap_or_default();
        line["level"] == "ERROR" && said.contains("new mail is refused") && needles.iter().all(|one| said.contains(one))
    };
    wait_for(&format!("an error in the log with {needles:?}"), || {
        server.log().iter().find(|line| alarmed(line)).map(drop)
    });
}

/// What the queue says about the message with this subject; found by its place in the list.
fn waiting(site: &Site) -> Vec<(String, String)> {
    let list = site.json(&["queue", "list"]);
    let of =
        |one: &Value| (one["id"].as_str().unwrap().to_owned(), one["last_answer"].as_str().unwrap_or("").to_owned());
    list["messages"].as_array().unwrap_or_else(|| panic!("{list}")).iter().map(of).collect()
}

fn stored(server: &Server, token: &str) -> usize {
    server.mailbox("bob").messages().iter().filter(|one| one.contains(&format!("end of {token}"))).count()
}

#[test]
fn while_space_runs_out_nothing_is_lost_and_with_space_all_goes_on() {
    let place = Place::new();
    let Some(disk) = Disk::mount(&place) else { return };
    let site = Site::set_up(&place, &[], SMALL);
    let server = site.start(&place);
    send(&site, "with-room").unwrap();
    server.mailbox("bob").wait_for("end of with-room");
    let mut late = ["under-way", "waits", "removed"].map(|token| all_but_the_dot(&site, token));
    // More than the journal has headroom for, and less than what goes to a file of its own at once.
    let mut too_late = all_but_the_dot_of(&site, &content_of("refused", 3_000));

    // Less than what is kept free: nothing new begins, and what is under way is taken and delivered.
    disk.leave(6 * MIB);
    let refusal = wait_for_refusal(&site);
    assert!(refusal.starts_with("452 4.3.1 "), "{refusal}");
    wait_for_alarm(&server, &[place.path().to_str().unwrap(), "octets are free", "Make room"]);
    late[0].command(".", '2').unwrap();
    server.mailbox("bob").wait_for("end of under-way");
    // Its copy in the sender's mailbox, too: it would wait for room with the others.
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));

    // Less than half of it: what is accepted waits, and can be seen and steered.
    disk.leave(2 * MIB);
    late[1].command(".", '2').unwrap();
    late[2].command(".", '2').unwrap();
    let shown = wait_for("two messages that wait for room", || {
        let shown = waiting(&site);
        let short = shown.iter().filter(|(_, said)| said.starts_with("452 4.3.1 There is no room for the mailbox"));
        (short.count() == 2).then_some(shown)
    });
    let (removed, said) = site.franking(&["queue", "remove", &shown[1].0, "--silently"]);
    assert!(removed, "{said}");

    // Nothing at all: no promise is made, and what there is can still be seen.
    disk.leave(0);
    let refusal = too_late.command(".", '2').unwrap_err().to_string();
    assert!(refusal.starts_with("452 4.3.1 "), "{refusal}");
    assert_eq!(waiting(&site).len(), 1);

    disk.make_room();
    wait_for_acceptance(&site, "again");
    for token in ["waits", "again"] {
        server.mailbox("bob").wait_for(&format!("end of {token}"));
    }
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    for (token, copies) in
        [("with-room", 1), ("under-way", 1), ("waits", 1), ("removed", 0), ("refused", 0), ("again", 1)]
    {
        assert_eq!(stored(&server, token), copies, "{token}");
    }
    server.stop();
}

#[test]
fn on_a_disk_without_a_single_octet_orders_are_carried_out_once_there_is_room() {
    let place = Place::new();
    let Some(disk) = Disk::mount(&place) else { return };
    let site = Site::set_up(&place, &[], SMALL);
    let server = site.start(&place);
    let mut late = ["waits", "removed"].map(|token| all_but_the_dot(&site, token));
    let last = |number| all_but_the_dot_of(&site, &content_of(&format!("last {number}"), 100));
    let last: Vec<Client> = (0..30).map(last).collect();
    disk.leave(2 * MIB);
    late.iter_mut().for_each(|client| client.command(".", '2').unwrap());
    let shown = wait_for("two messages that wait for room", || {
        let shown = waiting(&site);
        (shown.iter().filter(|(_, said)| said.starts_with("452 4.3.1")).count() == 2).then_some(shown)
    });
    // It must not be under way when there is room again.
    let (held, said) = site.franking(&["queue", "hold", &shown[1].0]);
    assert!(held, "{said}");
    disk.leave(0);
    // The journal's headroom takes some more messages.
    let taken = last.into_iter().map_while(|mut client| client.command(".", '2').ok()).count();
    assert!(taken < 30, "there was room for all of them");
    // What is left of it takes some orders; then one has to wait, and says so.
    let refused = (0..400).find_map(|number| {
        let order = if number % 2 == 0 { "hold" } else { "release" };
        let (obeyed, said) = site.franking(&["queue", order, &shown[0].0]);
        (!obeyed).then_some(said)
    });
    let refused = refused.expect("no order ever met the end of the disk");
    assert!(refused.contains("the disk cannot be written") && refused.contains("No space left"), "{refused}");
    let (obeyed, said) = site.franking(&["queue", "remove", &shown[1].0, "--silently"]);
    assert!(!obeyed && said.contains("is carried out once it can"), "{said}");
    assert_eq!(waiting(&site).len(), 2 + taken);
    disk.make_room();
    wait_for_acceptance(&site, "again");
    wait_for("the end of what was removed", || (!waiting(&site).iter().any(|(id, _)| *id == shown[1].0)).then_some(()));
    // Nothing happens if it was released in the end.
    site.franking(&["queue", "release", &shown[0].0]);
    server.mailbox("bob").wait_for("end of waits");
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    assert_eq!((stored(&server, "waits"), stored(&server, "removed")), (1, 0));
    server.stop();
}

#[test]
fn while_no_file_can_be_created_nothing_is_lost_and_with_inodes_all_goes_on() {
    let place = Place::new();
    let Some(disk) = Disk::mount(&place) else { return };
    let site = Site::set_up(&place, &[], SMALL);
    let server = site.start(&place);
    send(&site, "with-files").unwrap();
    server.mailbox("bob").wait_for("end of with-files");
    let mut late = ["under-way", "waits"].map(|token| all_but_the_dot(&site, token));

    disk.leave_files(30);
    let refusal = wait_for_refusal(&site);
    assert!(refusal.starts_with("452 4.3.1 "), "{refusal}");
    wait_for_alarm(&server, &[place.path().to_str().unwrap(), "more files can be created", "inodes"]);
    late[0].command(".", '2').unwrap();
    server.mailbox("bob").wait_for("end of under-way");

    disk.leave_files(0);
    late[1].command(".", '2').unwrap();
    wait_for("a message that waits for an inode", || {
        let short = |(_, said): &(String, String)| said.starts_with("452 4.3.1 There is no room for the mailbox");
        waiting(&site).iter().any(short).then_some(())
    });
    disk.make_room_for_files();
    wait_for_acceptance(&site, "again");
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    for token in ["with-files", "under-way", "waits", "again"] {
        assert_eq!(stored(&server, token), 1, "{token}");
    }
    server.stop();
}

/// Makes writing to the queue's open files fail, which a mount cannot do; until it is dropped.
fn fail_open_files(place: &Place, server: &Server) -> Option<Running> {
    let mut command = Command::new(parts::find("strace")?);
    command.args(["-f", "-qq", "-o", "/dev/null", "-p", &server.process_id().to_string()]);
    let calls = "write,writev,pwrite64,fsync,fdatasync";
    command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:error=EROFS")]);
    for entry in place.path().join("data/queue").read_dir().unwrap().flatten() {
        command.arg("-P").arg(entry.path());
    }
    let mut tracer = Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    let tasks = PathBuf::from(format!("/proc/{}/task", server.process_id()));
    let traced = |task: &Path| {
        let status = std::fs::read_to_string(task.join("status")).unwrap_or_default();
        !status.contains("TracerPid:\t0\n")
    };
    let attached = wait_for("a tracer", || {
        let all = tasks.read_dir().unwrap().flatten().all(|task| traced(&task.path()));
        if tracer.ended().is_some() { Some(false) } else { all.then_some(true) }
    });
    if !attached {
        parts::left_out("no process may be traced here");
        return None;
    }
    Some(tracer)
}

#[test]
fn a_read_only_disk_is_never_written_off_and_never_promised() {
    let place = Place::new();
    let Some(mut disk) = Disk::mount(&place) else { return };
    let site = Site::set_up(&place, &[], SMALL);
    let server = site.start(&place);
    send(&site, "writable").unwrap();
    server.mailbox("bob").wait_for("end of writable");
    let mut late = ["waits", "refused"].map(|token| all_but_the_dot(&site, token));

    disk.turn_read_only();
    let refusal = wait_for_refusal(&site);
    assert!(refusal.starts_with("452 4.3.1 "), "{refusal}");
    let data = place.path().join("data/queue");
    wait_for_alarm(&server, &[data.to_str().unwrap(), "Read-only file system", "mounted for writing"]);
    // The journal's file is open and can be written: what it has is durable, and the mailbox waits.
    late[0].command(".", '2').unwrap();
    wait_for("a message that waits for the disk", || {
        let failed = |(_, said): &(String, String)| said.starts_with("451 4.3.0 The mailbox cannot be written");
        waiting(&site).iter().any(failed).then_some(())
    });
    if let Some(tracer) = fail_open_files(&place, &server) {
        let refusal = late[1].command(".", '2').unwrap_err().to_string();
        assert!(refusal.starts_with('4'), "{refusal}");
        drop(tracer);
    }
    let refusal = wait_for_refusal(&site);
    assert!(refusal.starts_with("452 4.3.1 "), "{refusal}");
    assert_eq!(waiting(&site).len(), 1);

    disk.turn_writable();
    wait_for_acceptance(&site, "again");
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    for (token, copies) in [("writable", 1), ("waits", 1), ("again", 1), ("refused", 0)] {
        assert_eq!(stored(&server, token), copies, "{token}");
    }
    server.stop();
}
