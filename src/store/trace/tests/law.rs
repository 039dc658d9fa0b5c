//! The law: wherever power fails, everything that is durable in the queue is in the trace after the replay.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::model::queue::{Limits, Outcome, Schedule};
use crate::store::journal::JournalOptions;
use crate::store::queue::{OwnMessage, Queue, QueueOptions, Work};
use crate::world::random::{Random as _, SeededRandom};

const QUEUE: &str = "/queue";

/// Keeps what it is told; knows nothing from before.
#[derive(Debug, Default)]
struct Everything(Mutex<Vec<(u64, u8, QueueId)>>);

impl Witness for Everything {
    fn seen(&self) -> u64 {
        0
    }

    fn committed(&self, sequence: u64, facts: &EntryFacts, _: &Envelope, _: &[u8]) {
        locked(&self.0).push((sequence, record::ACCEPTED, facts.id));
    }

    fn branched(&self, _: u64, _: &EntryFacts, _: u32, _: u32, _: &[Target]) {}

    fn expanded(&self, sequence: u64, facts: &EntryFacts, _: &[Target]) {
        locked(&self.0).push((sequence, record::EXPANDED, facts.id));
    }

    fn moved(&self, sequence: u64, facts: &EntryFacts, _: &[Happened]) {
        locked(&self.0).push((sequence, record::MOVED, facts.id));
    }
}

fn queue(disk: &SimulatedDisk, clock: &Arc<ManualClock>, witness: Arc<dyn Witness>) -> Option<Queue> {
    let journal = JournalOptions {
        segment_bytes: 2_000,
        free_bytes_floor: 0,
        free_inodes_floor: 0,
        hands: Hands::Caller,
        ..JournalOptions::new(7)
    };
    let options = QueueOptions {
        journal,
        schedule: Schedule::exchange_online(),
        limits: Limits::default(),
        expired: Reply::new(550, EnhancedStatus(4, 4, 7), "expired"),
        witness,
    };
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Queue::open(Arc::new(disk.clone()), Path::new(QUEUE), options, clock).ok().map(|(queue, _)| queue)
}

type Commit<'queue> = Pin<Box<dyn Future<Output = bool> + 'queue>>;

/// One life in the order that the seed gives: sessions commit, agents deliver, and whoever writes writes at any moment.
async fn live(queue: &Queue, trace: &Trace, clock: &ManualClock, random: &SeededRandom, steps: u32) {
    let mut commits: Vec<Commit<'_>> = Vec::new();
    let waker = Waker::noop();
    for _ in 0..steps {
        match random.next_u64() % 8 {
            0 => {
                let commit = async {
                    let body = crate::store::spool::SpooledBody::Memory(vec![b'x'; 100]);
                    let envelope = envelope("alice@contoso.example", &[ANN, BEN]);
                    queue.commit(queue.reserve_id(), envelope, SUBJECT.as_bytes().to_vec(), body).await.is_ok()
                };
                commits.push(Box::pin(commit));
            }
            1 => {
                let message = OwnMessage { envelope: envelope("", &[ANN]), content: SUBJECT.as_bytes().to_vec() };
                let commit = queue.commit_own(message);
                commits.push(Box::pin(async move { commit.await.is_ok() }));
            }
            2 => drop(queue.turn()),
            3 => drop(trace.turn()),
            4 => tokio::task::yield_now().await,
            5 => {
                // Any of those that wait looks whether it is through.
                let count = u64::try_from(commits.len()).unwrap_or(1).max(1);
                let one = usize::try_from(random.next_u64() % count).unwrap_or(0);
                let ready = commits.get_mut(one).map(|commit| commit.as_mut().poll(&mut Context::from_waker(waker)));
                if let Some(Poll::Ready(_)) = ready {
                    drop(commits.remove(one));
                }
            }
            // A new day begins a new file now and then.
            6 if random.next_u64().is_multiple_of(8) => clock.advance(Duration::from_secs(20 * 3_600)),
            6 => clock.advance(Duration::from_secs(random.next_u64() % 100)),
            _ => {
                for _ in 0..random.next_u64() % 4 {
                    work(queue, random);
                }
            }
        }
    }
}

fn work(queue: &Queue, random: &SeededRandom) {
    match queue.take_work() {
        Some(Work::Expand(id)) => {
            let targets = [ANN, BEN].map(|to| Target::new(addressee(to, to)));
            drop(queue.expanded(id, targets.to_vec()));
        }
        Some(Work::Attempt(job)) => {
            let outcome = |(place, _): &(u32, _)| match random.next_u64() % 3 {
                0 => (*place, Outcome::Deferred(attempt(start(), 451))),
                1 => (*place, Outcome::Failed(attempt(start(), 550))),
                _ => (*place, Outcome::Relayed { attempt: attempt(start(), 250), dsn_passed_on: false }),
            };
            let outcomes = job.targets.iter().map(outcome).collect();
            queue.outcomes(job.lease, outcomes, random.next_u64());
        }
        Some(Work::Report(job)) => {
            let message = OwnMessage { envelope: envelope("", &[ANN]), content: SUBJECT.as_bytes().to_vec() };
            drop(queue.reported(job, Some(message)));
        }
        Some(Work::Request(..) | Work::Branch(..) | Work::Find(_)) | None => {}
        Some(Work::Reply(job)) => drop(queue.replied(job, None)),
    }
}

/// Everything in the trace's files: the sequences of each message and kind.
fn written(disk: &SimulatedDisk) -> BTreeMap<(QueueId, u8), BTreeSet<u64>> {
    let mut found: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
    for name in file::list(disk, Path::new(PLACE)).unwrap() {
        let content = file::read(disk, &name.within(Path::new(PLACE))).unwrap();
        for record in content.sound().records {
            let Some((prefix, _)) = record::divide(record.payload) else { continue };
            found.entry((prefix.id, record.label.kind)).or_default().insert(record.label.sequence);
        }
    }
    found
}

/// Several lives, each ended by a power cut at a random moment. Gives how many events were told again.
fn lives_and_power_cuts(seed: u64) -> usize {
    let (disk, clock, random) =
        (SimulatedDisk::new(seed), Arc::new(ManualClock::new(start())), SeededRandom::new(seed));
    let options =
        TraceOptions { hands: Hands::Caller, bytes_max: 1 << 20, free_bytes_floor: 0, ..TraceOptions::new(7) };
    let mut again = 0;
    for life in 0..3 {
        // With its own tasks: they hold the queue, and must not outlive the power.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if random.next_u64() % 4 > 0 {
            disk.cut_power_after(20 + random.next_u64() % 300);
        }
        let clock_of_trace: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        if let Ok(trace) = Trace::open(Arc::new(disk.clone()), Path::new(PLACE), options.clone(), clock_of_trace) {
            let trace = Arc::new(trace);
            if let Some(queue) = queue(&disk, &clock, Arc::<Trace>::clone(&trace)) {
                let steps = 50 + u32::try_from(random.next_u64() % 300).unwrap();
                runtime.block_on(live(&queue, &trace, &clock, &random, steps));
                // The power goes now at the latest: nobody closes anything.
                disk.cut_power_after(0);
            }
        }
        drop(runtime);
        disk.crash();
        // A machine takes its time to start; the queue gives no id twice because of that.
        clock.advance(Duration::from_secs(1));
        let truth = Arc::new(Everything::default());
        drop(queue(&disk, &clock, Arc::<Everything>::clone(&truth)).unwrap());
        let trace = Arc::new(open(&disk, &clock, &options));
        let seen = trace.seen();
        drop(queue(&disk, &clock, Arc::<Trace>::clone(&trace)).unwrap());
        trace.turn();
        let written = written(&disk);
        for (sequence, kind, id) in locked(&truth.0).iter() {
            let sequences = written.get(&(*id, *kind));
            // What was written anew in the queue may be known under its former sequence.
            let known = sequences.is_some_and(|known| *kind != record::MOVED || known.contains(sequence));
            assert!(known, "seed {seed}, life {life}: kind {kind} of {id} at {sequence} is missing; seen {seen}");
            again += usize::from(*sequence > seen);
        }
        let query = Query {
            since: Timestamp::EPOCH,
            until: clock.now(),
            sender: None,
            recipient: None,
            subject: None,
            status: None,
            limit: 100_000,
        };
        let (page, _) = search(&disk, Path::new(PLACE), &query, &mut |_, _| {}).unwrap();
        let distinct: BTreeSet<_> = page.lines.iter().map(|line| (&line.id, &line.recipient)).collect();
        assert_eq!((distinct.len(), page.lost), (page.lines.len(), 0), "seed {seed}: shown twice");
    }
    again
}

#[test]
fn everything_durable_in_the_queue_is_in_the_trace_after_the_replay() {
    let seeds = if std::env::var_os("FRANKING_LONG").is_some() { 2_000 } else { 120 };
    let again: usize = (0..seeds).map(lives_and_power_cuts).sum();
    assert!(again > 500, "only {again} events had to be told again");
}
