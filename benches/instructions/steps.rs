//! The steps of a message's way that are counted.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use franking::model::directory::{Change, RecipientId};
use franking::model::mail::{Address, EnhancedStatus, ForwardPath, Reply, ReversePath, Timestamp};
use franking::model::policy::{
    DsnRequest, Envelope, Evidence, MessageParameters, Permit, Posting, Proof, Refusal, Sender, Settings, Unrecorded,
    admit, author, expand, resolve, sign_in, submit_as,
};
use franking::model::queue::{
    Attempt, Dispatcher, Effect, EntryFacts, Input, Limits, Outcome, QueueId, Schedule, Target,
};
use franking::model::smtp;
use franking::model::smtp::data::{Content, ContentRules, DotReader};
use franking::model::smtp::grammar;
use franking::model::smtp::line::LineBuffer;
use franking::store::Hands;
use franking::store::journal::{Journal, JournalOptions};
use franking::world::disk::SimulatedDisk;

use super::organisation::{address, directory, user};
use super::session;

/// Something that is done for many a message.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// How often it is done for a measurement.
    pub(crate) times: u64,
    pub(crate) run: fn(u64),
}

const fn step(name: &'static str, times: u64, run: fn(u64)) -> Step {
    Step { name, times, run }
}

pub(crate) const STEPS: [Step; 15] = [
    step("a command line is read", 1_000, line),
    step("dots of 4 KiB are unstuffed", 200, unstuff),
    step("4 KiB of content are judged", 200, content),
    step("sign_in", 5_000, signing_in),
    step("submit_as, by SendAs", 5_000, submitting_as),
    step("author, envelope and header", 1_000, authoring),
    step("resolve", 10_000, resolving),
    step("admit", 5_000, admitting),
    step("expand a group of 100", 20, expanding),
    step("one recipient of 1,000 changes", 500, changing),
    step("a record of 4 KiB is appended", 200, appending),
    step("a message through the queue", 200, queueing),
    step("a message that waits is packed and unpacked", 100, waiting),
    step("a message of 4 KiB over a session", 100, session::whole_messages),
    step("ten refused recipients over a session", 100, session::refused_recipients),
];

pub(crate) const RECIPIENTS: u64 = 1_000;

fn line(times: u64) {
    let (mut lines, limits) = (LineBuffer::default(), smtp::Limits::default());
    for _ in 0..times {
        lines.push(b"RCPT TO:<user7@contoso.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;user7@contoso.example\r\n");
        black_box(lines.take_line(1_000, |line| grammar::read(line, &limits))).unwrap().unwrap();
    }
}

/// Header and body of 4 KiB, as DATA carries them, with a line that begins with a dot.
pub(crate) fn message() -> Vec<u8> {
    let mut octets = b"From: <user0@contoso.example>\r\nTo: <user1@contoso.example>\r\nSubject: scan\r\n\r\n".to_vec();
    while octets.len() < 4096 {
        octets.extend_from_slice(b"..Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam.\r\n");
    }
    octets.extend_from_slice(b".\r\n");
    octets
}

fn unstuff(times: u64) {
    let message = message();
    for _ in 0..times {
        let mut output = Vec::with_capacity(message.len());
        assert!(DotReader::default().read(black_box(&message), &mut output).ended);
        black_box(output);
    }
}

fn content(times: u64) {
    let message = message();
    let rules = ContentRules { message_bytes_max: 1 << 20, header_bytes_max: 1 << 16, binary: false };
    for _ in 0..times {
        let mut content = Content::new(rules);
        black_box(content.feed(message.clone()));
        black_box(content.finish()).unwrap();
    }
}

/// How long a look takes depends on the seed of a table and on who is looked for: steps ask for one after the other.
fn some_of<T>(all: &[T], times: u64) -> impl Iterator<Item = &T> {
    all.iter().cycle().take(usize::try_from(times).unwrap())
}

fn each_address() -> Vec<String> {
    (0..RECIPIENTS).map(|number| address(number).to_string()).collect()
}

fn each_path() -> Vec<ForwardPath> {
    (0..RECIPIENTS).map(|number| ForwardPath::Mailbox(address(number))).collect()
}

fn signing_in(times: u64) {
    let (snapshot, settings) = (directory(RECIPIENTS), Settings::default());
    for address in some_of(&each_address(), times) {
        let right = Evidence::Right(Proof::Password);
        black_box(sign_in(&snapshot, &settings, address, right, &mut Unrecorded)).unwrap();
    }
}

fn submitting_as(times: u64) {
    let (snapshot, settings, other) = (directory(RECIPIENTS), Settings::default(), address(1));
    for _ in 0..times {
        black_box(submit_as(&snapshot, &settings, RecipientId(1), &other, &mut Unrecorded));
    }
}

fn authoring(times: u64) {
    let (snapshot, settings) = (directory(RECIPIENTS), Settings::default());
    let right = Evidence::Right(Proof::Password);
    let account = sign_in(&snapshot, &settings, "user0@contoso.example", right, &mut Unrecorded).unwrap();
    let reverse_path = ReversePath::Mailbox(address(0));
    let head = b"From: Info <user1@contoso.example>\r\nTo: user2@contoso.example\r\nSubject: scan\r\n";
    for _ in 0..times {
        black_box(author(&snapshot, &settings, &account, &reverse_path, head, &mut Unrecorded)).unwrap();
    }
}

fn resolving(times: u64) {
    let (snapshot, settings) = (directory(RECIPIENTS), Settings::default());
    for path in some_of(&each_path(), times) {
        black_box(resolve(&snapshot, &settings, path, &mut Unrecorded));
    }
}

fn permit(path: &str) -> (franking::model::directory::Snapshot, Permit) {
    let snapshot = directory(RECIPIENTS);
    let path = ForwardPath::Mailbox(Address::parse(path).unwrap());
    let (posting, dsn) = (Posting::own(), DsnRequest::default());
    let permit = admit(&snapshot, &Settings::default(), &posting, path, dsn, &mut Unrecorded).unwrap();
    (snapshot, permit)
}

fn admitting(times: u64) {
    let (snapshot, settings) = (directory(RECIPIENTS), Settings::default());
    let posting = Posting::own();
    for path in some_of(&each_path(), times) {
        let (path, dsn) = (path.clone(), DsnRequest::default());
        black_box(admit(&snapshot, &settings, &posting, path, dsn, &mut Unrecorded)).unwrap();
    }
}

fn expanding(times: u64) {
    let (snapshot, permit) = permit("staff@contoso.example");
    let (settings, posting) = (Settings::default(), Posting::own());
    for _ in 0..times {
        let permits = core::slice::from_ref(&permit);
        black_box(expand(&snapshot, &settings, &posting, permits, Timestamp::EPOCH, &mut Unrecorded));
    }
}

fn changing(times: u64) {
    let (snapshot, other) = (directory(RECIPIENTS), user(0));
    for _ in 0..times {
        let change = Change::PutRecipient(Box::new(other.clone()));
        black_box(snapshot.apply(core::slice::from_ref(&change))).unwrap();
    }
}

fn appending(times: u64) {
    let options =
        JournalOptions { hands: Hands::Caller, free_bytes_floor: 0, free_inodes_floor: 0, ..JournalOptions::new(7) };
    let disk = Arc::new(SimulatedDisk::new(7));
    let (journal, _) = Journal::open(disk, Path::new("/journal"), options, |_, _| {}).unwrap();
    for _ in 0..times {
        let ticket = journal.append_blocking(1, vec![b'x'; 4096]).unwrap();
        while journal.turn() {}
        black_box(ticket.wait()).unwrap();
    }
}

/// A queue, and what goes through it: facts and one recipient in another system.
fn queue(awake_max: usize) -> (Dispatcher, EntryFacts, Target) {
    let expired = Refusal::MessageExpired.bare_reply(&Settings::default());
    let limits = Limits { awake_max, ..Limits::default() };
    let dispatcher = Dispatcher::new(Schedule::exchange_online(), limits, expired);
    let (snapshot, permit) = permit("user1@contoso.example");
    let sender = Sender::Anonymous;
    let reverse_path = ReversePath::Mailbox(Address::parse("eve@fabrikam.example").unwrap());
    let parameters = MessageParameters::default();
    let envelope = Envelope::new(&sender, reverse_path, parameters, vec![permit]).unwrap();
    let facts = EntryFacts::new(QueueId(1), Timestamp::EPOCH, &envelope, 4096);
    let (settings, now) = (Settings::default(), Timestamp::EPOCH);
    let posting = Posting::own();
    let found = expand(&snapshot, &settings, &posting, envelope.permits(), now, &mut Unrecorded);
    let target = found.into_iter().map(|one| Target::of(one, &snapshot, &settings, now)).next().unwrap();
    (dispatcher, facts, target)
}

/// Commits, expands and attempts a message, and records how that went.
fn attempt(dispatcher: &mut Dispatcher, facts: EntryFacts, target: Target, outcome: &Outcome) {
    let (id, now) = (facts.id, Timestamp::EPOCH);
    dispatcher.handle(now, Input::Committed(facts));
    dispatcher.handle(now, Input::Expanded { id, targets: vec![target] });
    let job = dispatcher.next_job(now).unwrap();
    let outcomes = job.targets.iter().map(|(place, _)| (*place, outcome.clone())).collect();
    dispatcher.handle(now, Input::Outcomes { lease: job.lease, outcomes, jitter: id.0 });
    while let Some(effect) = dispatcher.poll_effect() {
        if let Effect::Record { id, events } = effect {
            dispatcher.handle(now, Input::Recorded { id, events });
        }
    }
}

fn queueing(times: u64) {
    let (mut dispatcher, facts, target) = queue(4_096);
    let reply = Reply::new(250, EnhancedStatus(2, 1, 5), "delivered");
    let outcome = Outcome::Delivered(Attempt { at: Timestamp::EPOCH, host: None, reply });
    for number in 0..times {
        let facts = EntryFacts { id: QueueId(number + 1), ..facts.clone() };
        attempt(&mut dispatcher, facts, target.clone(), &outcome);
    }
    assert_eq!(dispatcher.count(), 0);
}

fn waiting(times: u64) {
    let (mut dispatcher, facts, target) = queue(16);
    let reply = Reply::new(452, EnhancedStatus(4, 2, 2), "the mailbox is full");
    let outcome = Outcome::Deferred(Attempt { at: Timestamp::EPOCH, host: None, reply });
    for number in 0..times {
        let facts = EntryFacts { id: QueueId(number + 1), ..facts.clone() };
        attempt(&mut dispatcher, facts, target.clone(), &outcome);
    }
    let later = dispatcher.next_tick().unwrap().plus(core::time::Duration::from_secs(3_600));
    dispatcher.handle(later, Input::Tick);
    assert_eq!(dispatcher.count() as u64, times);
    let mut jobs = 0;
    while let Some(job) = dispatcher.next_job(later) {
        jobs += 1;
        let outcomes = job.targets.iter().map(|(place, _)| (*place, outcome.clone())).collect();
        dispatcher.handle(later, Input::Outcomes { lease: job.lease, outcomes, jitter: jobs });
        while let Some(effect) = dispatcher.poll_effect() {
            if let Effect::Record { id, events } = effect {
                dispatcher.handle(later, Input::Recorded { id, events });
            }
        }
    }
    assert_eq!(jobs, times);
}
