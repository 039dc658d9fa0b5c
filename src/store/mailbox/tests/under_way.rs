//! Tests of rounds that end beside the writer: what depends on one waits for it, what does not goes on.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::model::directory::RecipientId;
use crate::store::mailbox::errand::{Errand, Trees};
use crate::store::mailbox::round::Round;
use crate::store::mailbox::writer::Look;
use crate::world::disk::AppendFile;

/// A file that is not synchronised before somebody opens the gate.
#[derive(Debug)]
struct Gated {
    file: Box<dyn AppendFile>,
    gate: mpsc::Receiver<()>,
}

impl AppendFile for Gated {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }

    fn synchronize(&mut self) -> io::Result<()> {
        self.gate.recv().unwrap();
        self.file.synchronize()
    }

    fn synchronize_file_system(&mut self) -> io::Result<()> {
        self.synchronize()
    }
}

const NUMBER: RecipientId = RecipientId(7);

/// Into the mailbox of a recipient, whose messages are counted.
fn counted(queue_id: &str) -> Delivery {
    Delivery { mailbox: MailboxName::of_recipient(NUMBER), ..delivery(queue_id, b"x\r\n") }
}

/// A round with the message `a1`, under way until the gate is opened.
fn begin(writer: &mut Writer) -> (mpsc::Sender<()>, DeliveryTicket) {
    let (opener, gate) = mpsc::channel();
    let (mut round, (promise, ticket)) = (Round::default(), ticket());
    writer.deliver(counted("a1"), promise, &mut round);
    let file = &mut round.written[0].file;
    *file = Some(Box::new(Gated { file: file.take().unwrap(), gate }));
    writer.under_way.begin(&writer.tree, round);
    (opener, ticket)
}

/// What a job finds that is begun while `a1` is under way, which ends only afterwards.
fn during<T>(writer: &mut Writer, job: impl FnOnce(&mut Writer) -> T) -> T {
    let (opener, first) = begin(writer);
    // Whoever does not wait has long been done by then.
    let opening = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        opener.send(()).unwrap();
    });
    let found = job(writer);
    opening.join().unwrap();
    writer.under_way.wait();
    assert!(first.wait().is_ok());
    found
}

fn delivered(writer: &mut Writer, delivery: Delivery) -> Result<Delivered, MailboxFailure> {
    let (promise, ticket) = ticket();
    writer.work(vec![Job::Deliver(delivery, promise)]);
    ticket.wait()
}

fn new_messages(disk: &SimulatedDisk) -> usize {
    let mailbox = Path::new(ROOT).join(MailboxName::of_recipient(NUMBER).as_str());
    assert!(disk.list(&mailbox.join("tmp")).unwrap().is_empty());
    disk.list(&mailbox.join("new")).unwrap().len()
}

#[test]
fn the_next_messages_are_delivered_while_a_round_is_under_way() {
    let disk = SimulatedDisk::new(61);
    let mut writer = writer(&disk);
    let (opener, first) = begin(&mut writer);
    assert!(delivered(&mut writer, counted("a2")).is_ok());
    let mailbox = Path::new(ROOT).join(MailboxName::of_recipient(NUMBER).as_str());
    let lengths = ["tmp", "new"].map(|part| disk.list(&mailbox.join(part)).unwrap().len());
    assert_eq!(lengths, [1, 1], "the first is not in its place, the second is");
    opener.send(()).unwrap();
    assert!(first.wait().is_ok());
    assert_eq!(new_messages(&disk), 2);
}

#[test]
fn a_large_round_ends_beside_the_writer() {
    let disk = SimulatedDisk::new(62);
    let mut writer = writer(&disk);
    let (jobs, tickets): (Vec<Job>, Vec<DeliveryTicket>) = (0..40)
        .map(|number| {
            let (promise, ticket) = ticket();
            (Job::Deliver(counted(&format!("q{number}")), promise), ticket)
        })
        .unzip();
    writer.work(jobs);
    assert!(writer.under_way.is_any());
    assert!(tickets.into_iter().all(|ticket| ticket.wait().is_ok()));
    assert_eq!(new_messages(&disk), 40);
}

#[test]
fn a_delivery_that_may_repeat_one_under_way_finds_it() {
    for repeat in [Repeat::Possible, Repeat::Never] {
        let disk = SimulatedDisk::new(63);
        let mut writer = writer(&disk);
        let again = Delivery { repeat, ..counted("a1") };
        let found = during(&mut writer, |writer| delivered(writer, again)).unwrap();
        // Where nobody thinks of a repeat it is written once more, over the first.
        assert_eq!(found.was_there, repeat == Repeat::Possible);
        assert_eq!(new_messages(&disk), 1);
    }
}

#[test]
fn what_is_under_way_takes_its_part_of_a_quota() {
    let disk = SimulatedDisk::new(64);
    let mut writer = writer(&disk);
    let bytes = delivered(&mut writer, counted("a0")).unwrap().bytes;
    let next = |full_at: u64| Delivery { full_at: Some(full_at), ..counted("a2") };
    let found = during(&mut writer, |writer| delivered(writer, next(2 * bytes)));
    assert_eq!(found, Err(MailboxFailure::Full));
    assert!(delivered(&mut writer, next(2 * bytes + 1)).is_ok(), "there is room for one more");
}

#[test]
fn who_looks_finds_what_is_under_way_in_its_place() {
    let disk = SimulatedDisk::new(65);
    let mut writer = writer(&disk);
    let sought = Sought { mailbox: MailboxName::of_recipient(NUMBER), folder: Folder::Inbox, name: counted("a1").name };
    let found = during(&mut writer, |writer| {
        let (promise, ticket) = ticket();
        writer.work(vec![Job::Find(sought, promise)]);
        ticket.wait()
    });
    assert!(found.unwrap().is_some());

    let disk = SimulatedDisk::new(66);
    let mut writer = self::writer(&disk);
    let usage = during(&mut writer, |writer| {
        let (promise, ticket) = ticket();
        writer.work(vec![Job::Look(Look { mailbox: NUMBER, anew: true, promise: Some(promise) })]);
        ticket.wait()
    });
    assert_eq!(usage.unwrap().messages, 1);
    assert_eq!(writer.tree.occupancy.usage(NUMBER).unwrap().messages, 1, "and it is counted once");
}

#[test]
fn a_mailbox_is_taken_away_with_what_is_under_way() {
    let disk = SimulatedDisk::new(67);
    let mut writer = writer(&disk);
    let mailbox = MailboxName::of_recipient(NUMBER);
    let detached = during(&mut writer, |writer| {
        let (promise, ticket) = ticket();
        writer.work(vec![Job::Errand(Errand::Detach(mailbox.clone(), Trees::All, promise))]);
        ticket.wait()
    });
    assert_eq!(detached, Ok(()));
    assert!(!disk.exists(&Path::new(ROOT).join(mailbox.as_str())).unwrap());
    assert_eq!(writer.tree.occupancy.usage(NUMBER), None);
}
