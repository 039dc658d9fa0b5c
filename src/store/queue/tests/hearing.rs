//! A long journal is read on one thread and taken in on another.

use super::*;
use crate::model::queue::Selection;

const MESSAGES: usize = 700;

/// Commits messages, most of which were tried once; every seventh was not even expanded, and every fifth is gone.
fn fill(disk: &SimulatedDisk) {
    let queue = by_hand(disk, &Arc::default());
    runtime().block_on(async {
        for number in 0..MESSAGES {
            let turning = async {
                for _ in 0..5 {
                    queue.turn();
                    tokio::task::yield_now().await;
                }
            };
            let (id, ()) = tokio::join!(commit(&queue, SpooledBody::Memory(vec![b'x'; number % 9])), turning);
            let Some(Work::Expand(_)) = queue.take_work() else { panic!("the expansion was asked for") };
            if number % 7 == 0 {
                continue;
            }
            let expanded = queue.expanded(id.unwrap(), vec![target(outside(), sender()); 1 + number % 3]);
            queue.turn();
            expanded.await.unwrap();
            let Some(Work::Attempt(job)) = queue.take_work() else { panic!("an attempt is due") };
            let said = |place| match number % 5 {
                0 => (place, Outcome::Relayed { attempt: attempt(250), dsn_passed_on: false }),
                _ => (place, Outcome::Deferred(attempt(451))),
            };
            queue.outcomes(job.lease, job.targets.iter().map(|(place, _)| said(*place)).collect(), 0);
            queue.turn();
        }
    });
    while queue.turn() {}
}

/// Everything that a start on this disk finds, and what its witness hears.
fn found(disk: &SimulatedDisk, hands: Hands) -> (String, usize, Vec<(u64, String)>) {
    let witness = Arc::new(Listener { seen: 40, ..Listener::default() });
    let mut options = QueueOptions { witness: Arc::<Listener>::clone(&witness), ..options(4096) };
    options.journal.hands = hands;
    // Most lie packed, as in a queue that is much longer.
    options.limits.awake_max = 20;
    let (queue, opened) = Queue::open(Arc::new(disk.clone()), Path::new(PLACE), options, clock()).unwrap();
    let listed = queue.list(&Selection::default(), QueueId(0), MESSAGES).messages;
    let last = queue.reserve_id();
    let told = locked(&witness.told).clone();
    (format!("{last} {listed:?}"), opened.messages, told)
}

#[test]
fn a_journal_that_is_read_beside_is_taken_in_as_one_that_is_read_before() {
    let disk = SimulatedDisk::new(9);
    fill(&disk);
    let records = super::super::hearing::BATCH_RECORDS * (super::super::hearing::WAITING_MAX + 1);
    let (listed, messages, told) = found(&disk, Hands::Caller);
    assert!(told.len() > records, "some have to wait: {}", told.len());
    assert!(messages > MESSAGES / 2, "{messages}");
    assert_eq!(found(&disk, Hands::Threads), (listed, messages, told));
}
