//! The queue on a disk that loses power, fails, and fills up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::model::directory::{AcceptedDomain, Change, DomainType, RecipientId, Snapshot};
use crate::model::mail::{Address, EnhancedStatus, ForwardPath, ReversePath};
use crate::model::policy::{
    DsnRequest, MessageParameters, Notify, Passage, Posting, Route, Sender as From, Settings, Unrecorded, admit,
};
use crate::model::queue::{Addressee, Attempt, Hop, State};
use crate::store::spool::{SpoolDirectory, SpoolLimits};
use crate::world::clock::ManualClock;
use crate::world::disk::SimulatedDisk;

mod backlog;
mod control;
mod hearing;
mod moderation;
mod renewal;

const PLACE: &str = "/queue";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn snapshot() -> Snapshot {
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default();
    Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap()
}

fn envelope(reverse_path: ReversePath) -> Envelope {
    let path = ForwardPath::Mailbox(address("partner@fabrikam.example"));
    let settings = Settings::default();
    let dsn = DsnRequest::default();
    let permit = admit(&snapshot(), &settings, &Posting::own(), path, dsn, &mut Unrecorded).unwrap();
    Envelope::new(&From::System, reverse_path, MessageParameters::default(), vec![permit]).unwrap()
}

fn sender() -> ReversePath {
    ReversePath::Mailbox(address("alice@contoso.example"))
}

fn target(hop: Hop, reverse_path: ReversePath) -> Target {
    let address = address("partner@fabrikam.example");
    let path = ForwardPath::Mailbox(address.clone());
    let dsn = DsnRequest { notify: Notify::Unspecified, original_recipient: None };
    let passage = Passage { path, reverse_path, dsn, resent_from: None, automatic_replies: true };
    Target::new(Addressee { hop, address, passage: Arc::new(passage) })
}

fn outside() -> Hop {
    Hop::Relay { address: address("partner@fabrikam.example"), route: Route::Domain }
}

fn attempt(code: u16) -> Attempt {
    let class = u8::try_from(code / 100).unwrap();
    Attempt { at: Timestamp::EPOCH, host: None, reply: Reply::new(code, EnhancedStatus(class, 1, 1), "said") }
}

fn options(segment_bytes: u32) -> QueueOptions {
    QueueOptions {
        journal: JournalOptions { segment_bytes, free_bytes_floor: 0, free_inodes_floor: 0, ..JournalOptions::new(7) },
        schedule: Schedule::exchange_online(),
        limits: Limits::default(),
        expired: Reply::new(550, EnhancedStatus(4, 4, 7), "QUEUE.Expired; message expired"),
        witness: Arc::new(Unwitnessed),
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()))
}

fn open(disk: &SimulatedDisk, clock: &Arc<ManualClock>) -> Result<Queue, OpenError> {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Queue::open(Arc::new(disk.clone()), Path::new(PLACE), options(4096), clock).map(|(queue, _)| queue)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn commit(queue: &Queue, body: SpooledBody) -> Result<QueueId, CommitFailure> {
    queue.commit(queue.reserve_id(), envelope(sender()), b"Subject: x\r\n\r\n".to_vec(), body).await
}

fn large(disk: &SimulatedDisk, bytes: usize) -> io::Result<SpooledBody> {
    let limits = SpoolLimits { memory_bytes: 100, body_bytes_max: 1 << 20 };
    let directory = SpoolDirectory::open(Arc::new(disk.clone()), Path::new("/queue/spool"), limits)?;
    let mut spool = directory.begin(1 << 20);
    spool.write(vec![b'x'; bytes]).map_err(io::Error::other)?;
    spool.finish()
}

/// What agents saw across the lives of one server.
#[derive(Debug, Default)]
struct Seen {
    /// Reports by the message that they are about.
    reports: BTreeMap<QueueId, BTreeSet<QueueId>>,
    /// Messages whose relay attempt was recorded as failed.
    attempts: BTreeMap<QueueId, u32>,
}

/// Plays the agents until nothing is left, or the disk is dead: what goes outside fails, mailboxes take everything.
async fn drive(queue: &Queue, seen: &mut Seen) {
    let mut idle = 0;
    while queue.count() > 0 && idle < 200 {
        let Some(work) = queue.take_work() else {
            idle += 1;
            let _ = tokio::time::timeout(Duration::from_millis(1), queue.changed()).await;
            if queue.shared.journal.failure().is_some() {
                return;
            }
            continue;
        };
        idle = 0;
        match work {
            Work::Expand(id) => {
                let Ok(message) = queue.message(id).await else { return };
                let head = String::from_utf8(message.head.to_vec()).unwrap();
                let targets = match head.strip_prefix("Report-Of: ") {
                    Some(original) => {
                        let original = original.trim().parse().unwrap();
                        seen.reports.entry(original).or_default().insert(id);
                        vec![target(Hop::Mailbox(RecipientId(2)), ReversePath::Null)]
                    }
                    None => vec![target(outside(), sender()), target(Hop::Mailbox(RecipientId(1)), sender())],
                };
                drop(queue.expanded(id, targets));
            }
            Work::Attempt(job) => {
                let outcome = |place: &u32| match job.lane.is_local() {
                    true => (*place, Outcome::Delivered(attempt(250))),
                    false => (*place, Outcome::Failed(attempt(550))),
                };
                *seen.attempts.entry(job.id).or_default() += 1;
                let outcomes = job.targets.iter().map(|(place, _)| outcome(place)).collect();
                queue.outcomes(job.lease, outcomes, 0);
            }
            Work::Reply(job) => drop(queue.replied(job, None)),
            Work::Find(job) => panic!("a look for {job:?}"),
            Work::Report(job) => {
                let content = format!("Report-Of: {}\r\n\r\nbody", job.id).into_bytes();
                let report = OwnMessage { envelope: envelope(ReversePath::Null), content };
                drop(queue.reported(job, Some(report)));
            }
            Work::Request(id, place) => {
                let content = format!("Request-Of: {id}\r\n\r\nbody").into_bytes();
                let request = OwnMessage { envelope: envelope(ReversePath::Null), content };
                drop(queue.requested(id, place, Some(request)));
            }
            // A mailbox that nobody else here leads to.
            Work::Branch(id, place) => {
                drop(queue.branched(id, place, vec![target(Hop::Mailbox(RecipientId(3)), sender())]));
            }
        }
    }
}

/// One life: takes up what is there, accepts two messages, delivers what it can. Gives what it acknowledged.
fn live(disk: &SimulatedDisk, clock: &Arc<ManualClock>, seen: &mut Seen, new: bool) -> Vec<QueueId> {
    let Ok(queue) = open(disk, clock) else { return Vec::new() };
    clock.advance(Duration::from_secs(1));
    runtime().block_on(async {
        let mut acknowledged = Vec::new();
        if new {
            acknowledged.extend(commit(&queue, SpooledBody::Memory(b"small".to_vec())).await.ok());
            if let Ok(body) = large(disk, 3_000) {
                acknowledged.extend(commit(&queue, body).await.ok());
            }
        }
        drive(&queue, seen).await;
        acknowledged
    })
}

#[test]
fn what_was_acknowledged_ends_once_and_is_reported_once_wherever_power_fails() {
    let quiet = SimulatedDisk::new(0);
    live(&quiet, &clock(), &mut Seen::default(), true);
    let operations = quiet.operations();
    assert!(operations > 30, "the scenario touches the disk: {operations}");
    for cut in 1..=operations {
        let (disk, clock, mut seen) = (SimulatedDisk::new(cut), clock(), Seen::default());
        disk.cut_power_after(cut);
        let acknowledged = live(&disk, &clock, &mut seen, true);
        disk.crash();
        live(&disk, &clock, &mut seen, false);
        for id in &acknowledged {
            let reports = seen.reports.get(id).map_or(0, BTreeSet::len);
            assert_eq!(reports, 1, "cut {cut}: {id} of {acknowledged:?}, {seen:?}");
        }
        // Nothing is left for a third life but the record that tells the last id.
        let queue = open(&disk, &clock).unwrap();
        let mark = locked(&queue.shared.table).mark.map_or(0, |location| location.record_bytes());
        assert_eq!((queue.count(), queue.usage().live_bytes), (0, mark), "cut {cut}");
        assert_eq!(disk.list(Path::new("/queue/bodies")).unwrap().len(), 0, "cut {cut}");
    }
}

#[test]
fn a_failing_disk_delays_what_happened_and_forgets_nothing() {
    let mut worked = 0;
    for nth in 1..40 {
        let (disk, clock, mut seen) = (SimulatedDisk::new(nth), clock(), Seen::default());
        let queue = open(&disk, &clock).unwrap();
        disk.fail_synchronization(nth);
        runtime().block_on(async {
            let Ok(id) = commit(&queue, SpooledBody::Memory(b"small".to_vec())).await else { return };
            for _ in 0..100 {
                drive(&queue, &mut seen).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
                if queue.count() == 0 {
                    break;
                }
            }
            assert_eq!(queue.count(), 0, "synchronisation {nth}");
            // A group that failed may come back after a crash; here there is none, so once is once.
            assert_eq!(seen.reports.get(&id).map(BTreeSet::len), Some(1), "synchronisation {nth}");
            worked += 1;
        });
    }
    assert!(worked > 30);
}

#[test]
fn contents_come_back_as_they_were_given_in_this_life_and_the_next() {
    let (disk, clock) = (SimulatedDisk::new(3), clock());
    let check = |queue: &Queue, small: QueueId, big: QueueId| {
        runtime().block_on(async {
            let message = queue.message(small).await.unwrap();
            assert_eq!(message.head.as_ref(), b"Subject: x\r\n\r\n");
            assert_eq!(message.body, StoredBody::Memory(b"small"[..].into()));
            assert_eq!(message.envelope, envelope(sender()));
            let body = &queue.message(big).await.unwrap().body;
            let StoredBody::File { path, bytes, .. } = body else { panic!("in memory") };
            assert_eq!((*bytes, disk.read(path).unwrap()), (3_000, vec![b'x'; 3_000]));
            assert!(matches!(queue.message(QueueId(1)).await, Err(JournalError::NoRecord(_))));
        });
    };
    let queue = open(&disk, &clock).unwrap();
    let (small, big) = runtime().block_on(async {
        let small = commit(&queue, SpooledBody::Memory(b"small".to_vec())).await.unwrap();
        (small, commit(&queue, large(&disk, 3_000).unwrap()).await.unwrap())
    });
    check(&queue, small, big);
    drop(queue);
    disk.crash();
    let queue = open(&disk, &clock).unwrap();
    check(&queue, small, big);
    assert!(queue.reserve_id() > big);
    let listed = queue.list(&crate::model::queue::Selection::default(), QueueId(0), 100).messages;
    assert_eq!(
        listed.iter().map(|summary| summary.id.clone()).collect::<Vec<_>>(),
        [small, big].map(|id| id.to_string())
    );
    assert_eq!((listed[0].bytes, listed[0].sender.as_str()), (19, "alice@contoso.example"));
}

#[test]
fn a_large_expansion_survives_whole_and_a_broken_one_is_made_again() {
    let (disk, clock) = (SimulatedDisk::new(4), clock());
    let expand = |queue: &Queue| {
        let Some(Work::Expand(id)) = queue.take_work() else { panic!("nothing to expand") };
        runtime().block_on(queue.expanded(id, vec![target(outside(), sender()); 1_500])).map(|()| id)
    };
    let queue = open(&disk, &clock).unwrap();
    let id = runtime().block_on(commit(&queue, SpooledBody::Memory(Vec::new()))).unwrap();
    assert_eq!(expand(&queue), Ok(id));
    drop(queue);
    disk.crash();
    let queue = open(&disk, &clock).unwrap();
    assert_eq!(queue.show(id).unwrap().recipients.len(), 1_500);
    let Some(Work::Attempt(job)) = queue.take_work() else { panic!("nothing to attempt") };
    assert!(job.repeat_possible && job.targets.len() == 100);
    drop(queue);

    let disk = SimulatedDisk::new(5);
    let queue = open(&disk, &clock).unwrap();
    runtime().block_on(commit(&queue, SpooledBody::Memory(Vec::new()))).unwrap();
    disk.cut_power_after(1);
    let Some(Work::Expand(id)) = queue.take_work() else { panic!("nothing to expand") };
    let ticket = queue.expanded(id, vec![target(outside(), sender()); 1_500]);
    drop(queue);
    assert!(ticket.wait().is_err());
    disk.crash();
    let queue = open(&disk, &clock).unwrap();
    assert_eq!(queue.take_work(), Some(Work::Expand(id)));
}

#[test]
fn a_full_disk_refuses_before_it_promises_and_room_is_enough_to_go_on() {
    let (disk, clock) = (SimulatedDisk::new(8), clock());
    let queue = open(&disk, &clock).unwrap();
    disk.set_room(Some(20));
    let refused = runtime().block_on(commit(&queue, SpooledBody::Memory(vec![0; 500])));
    assert!(matches!(refused, Err(CommitFailure::Failed(_) | CommitFailure::NoRoom)), "{refused:?}");
    assert_eq!(queue.count(), 0);
    assert!(!queue.has_room(500));
    disk.set_room(None);
    assert!(queue.has_room(500), "an idle queue finds out by itself");
    let accepted = runtime().block_on(commit(&queue, SpooledBody::Memory(vec![0; 500]))).unwrap();
    drop(queue);
    disk.crash();
    assert!(open(&disk, &clock).unwrap().show(accepted).is_some());
}

#[test]
fn a_message_that_was_accepted_is_told_of_by_itself() {
    let (disk, clock) = (SimulatedDisk::new(8), clock());
    let queue = open(&disk, &clock).unwrap();
    runtime().block_on(async {
        let brief = Duration::from_millis(1);
        assert!(tokio::time::timeout(brief, queue.came()).await.is_err(), "nothing has come");
        let id = commit(&queue, SpooledBody::Memory(b"small".to_vec())).await.unwrap();
        assert!(tokio::time::timeout(brief, queue.changed()).await.is_err(), "that is not in haste");
        queue.came().await;
        assert_eq!(queue.take_work(), Some(Work::Expand(id)));
        assert!(tokio::time::timeout(brief, queue.came()).await.is_err(), "it was told once");
    });
}

#[test]
fn a_message_that_was_just_accepted_is_at_hand_and_the_same_as_on_the_disk() {
    let disk = SimulatedDisk::new(11);
    let clock = clock();
    runtime().block_on(async {
        let queue = open(&disk, &clock).unwrap();
        for body in [SpooledBody::Memory(b"body".to_vec()), large(&disk, 1_000).unwrap()] {
            let id = commit(&queue, body).await.unwrap();
            let before = disk.operations();
            let at_hand = queue.message(id).await.unwrap();
            assert_eq!(disk.operations(), before, "the disk was asked");
            queue.shared.recent.forget(id);
            assert_eq!(queue.message(id).await.unwrap(), at_hand);
            assert!(disk.operations() > before);
        }
    });
}

#[test]
fn of_a_backlog_too_large_for_memory_those_whose_turn_is_next_are_at_hand_and_no_message_that_is_held_stays() {
    let (disk, clock) = (SimulatedDisk::new(12), clock());
    let body = || SpooledBody::Memory(vec![b'x'; 500_000]);
    runtime().block_on(async {
        let queue =
            Queue::open(Arc::new(disk.clone()), Path::new(PLACE), options(64 << 20), Arc::<ManualClock>::clone(&clock));
        let queue = queue.unwrap().0;
        let mut ids = Vec::new();
        for _ in 0..30 {
            ids.push(commit(&queue, body()).await.unwrap());
        }
        let at_hand: Vec<bool> = ids.iter().map(|id| queue.at_hand(*id).is_some()).collect();
        assert!(at_hand[..16].iter().all(|kept| *kept), "{at_hand:?}");
        assert!(at_hand[17..].iter().all(|kept| !kept), "{at_hand:?}");
        clock.advance(Duration::from_secs(10));
        let late = commit(&queue, body()).await.unwrap();
        assert!(queue.at_hand(late).is_some() && queue.at_hand(ids[0]).is_none(), "what waits so long is held");
    });
}

/// Keeps what it is told, and starts where a former one had come to.
#[derive(Debug, Default)]
struct Listener {
    seen: u64,
    told: Mutex<Vec<(u64, String)>>,
    /// How much it had been told at each pause.
    pauses: Mutex<Vec<usize>>,
}

impl Listener {
    fn note(&self, sequence: u64, text: String) {
        locked(&self.told).push((sequence, text));
    }
}

impl Witness for Listener {
    fn seen(&self) -> u64 {
        self.seen
    }

    fn committed(&self, sequence: u64, _: &EntryFacts, _: &Envelope, head: &[u8]) {
        self.note(sequence, format!("committed {}", String::from_utf8_lossy(head).trim()));
    }

    fn expanded(&self, sequence: u64, _: &EntryFacts, targets: &[Target]) {
        self.note(sequence, format!("expanded {}", targets.len()));
    }

    fn branched(&self, sequence: u64, _: &EntryFacts, place: u32, first: u32, targets: &[Target]) {
        self.note(sequence, format!("branched {place} {first} {}", targets.len()));
    }

    fn moved(&self, sequence: u64, _: &EntryFacts, happened: &[Happened]) {
        let places: Vec<u32> = happened.iter().map(|one| one.place).collect();
        self.note(sequence, format!("moved {places:?}"));
    }

    fn paused(&self) {
        locked(&self.pauses).push(locked(&self.told).len());
    }
}

fn by_hand(disk: &SimulatedDisk, witness: &Arc<Listener>) -> Queue {
    let mut options = QueueOptions { witness: Arc::<Listener>::clone(witness), ..options(4096) };
    options.journal.hands = Hands::Caller;
    Queue::open(Arc::new(disk.clone()), Path::new(PLACE), options, clock()).unwrap().0
}

#[test]
fn the_witness_hears_everything_once_and_after_a_crash_what_it_missed() {
    let (disk, witness) = (SimulatedDisk::new(5), Arc::new(Listener::default()));
    let queue = by_hand(&disk, &witness);
    runtime().block_on(async {
        let turning = async {
            for _ in 0..20 {
                queue.turn();
                tokio::task::yield_now().await;
            }
        };
        let (id, ()) = tokio::join!(commit(&queue, SpooledBody::Memory(b"small".to_vec())), turning);
        let id = id.unwrap();
        let targets = vec![target(outside(), sender()), target(Hop::Mailbox(RecipientId(1)), sender())];
        let expanded = queue.expanded(id, targets);
        assert!(queue.turn());
        expanded.await.unwrap();
        let Some(Work::Expand(_)) = queue.take_work() else { panic!("the expansion was asked for") };
        let Some(Work::Attempt(job)) = queue.take_work() else { panic!("an attempt is due") };
        queue.outcomes(job.lease, vec![(job.targets[0].0, Outcome::Failed(attempt(550)))], 0);
        assert!(queue.turn());
        assert!(!queue.turn(), "nothing is left to do");
    });
    let told = locked(&witness.told).clone();
    let texts: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts[..2], ["committed Subject: x", "expanded 2"]);
    assert!(texts.len() == 3 && texts[2].starts_with("moved ["), "{texts:?}");
    disk.cut_power_after(0);
    drop(queue);
    disk.crash();
    // Its own last second is lost: it had made durable the first record only.
    let again = Arc::new(Listener { seen: told[0].0, ..Listener::default() });
    drop(by_hand(&disk, &again));
    assert_eq!(*locked(&again.told), told[1..]);
}

#[test]
fn the_witness_hears_when_all_of_a_batch_is_told() {
    let (disk, witness) = (SimulatedDisk::new(6), Arc::new(Listener::default()));
    let queue = by_hand(&disk, &witness);
    runtime().block_on(async {
        let mut expanded = Vec::new();
        for _ in 0..2 {
            let turning = async {
                for _ in 0..20 {
                    queue.turn();
                    tokio::task::yield_now().await;
                }
            };
            let (id, ()) = tokio::join!(commit(&queue, SpooledBody::Memory(b"small".to_vec())), turning);
            expanded.push(id.unwrap());
        }
        locked(&witness.pauses).clear();
        let mailbox = || vec![target(Hop::Mailbox(RecipientId(1)), sender())];
        let tickets: Vec<_> = expanded.into_iter().map(|id| queue.expanded(id, mailbox())).collect();
        assert!(queue.turn());
        for ticket in tickets {
            ticket.await.unwrap();
        }
    });
    assert_eq!(*locked(&witness.pauses), [4], "once, after both");
}
