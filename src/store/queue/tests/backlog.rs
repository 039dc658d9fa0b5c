//! What leaves is recorded soon: no more than a few departures are forgotten by a crash.

use super::super::backlog::UNRECORDED_MAX;
use super::*;

/// A queue without threads, with `count` messages that go outside.
fn with_messages(disk: &SimulatedDisk, count: usize) -> Queue {
    let queue = by_hand(disk, &Arc::default());
    runtime().block_on(async {
        for _ in 0..count {
            let turning = async {
                for _ in 0..5 {
                    queue.turn();
                    tokio::task::yield_now().await;
                }
            };
            let (id, ()) = tokio::join!(commit(&queue, SpooledBody::Memory(Vec::new())), turning);
            let expanded = queue.expanded(id.unwrap(), vec![target(outside(), sender())]);
            queue.turn();
            expanded.await.unwrap();
        }
    });
    while matches!(queue.take_work(), Some(Work::Expand(_))) {}
    queue
}

/// Relays whatever may be relayed, without recording anything; how many that were.
fn relay_all(queue: &Queue) -> usize {
    let mut relayed = 0;
    while let Some(work) = queue.take_work() {
        let Work::Attempt(job) = work else { panic!("{work:?}") };
        let said = |(place, _): &(u32, _)| (*place, Outcome::Relayed { attempt: attempt(250), dsn_passed_on: false });
        relayed += job.targets.len();
        queue.outcomes(job.lease, job.targets.iter().map(said).collect(), 0);
    }
    relayed
}

#[test]
fn what_is_not_recorded_yet_bounds_what_leaves() {
    let disk = SimulatedDisk::new(31);
    let queue = with_messages(&disk, UNRECORDED_MAX + 20);
    // The first attempt was taken while expansions were looked for.
    let first = relay_all(&queue);
    assert_eq!(first, UNRECORDED_MAX);
    while queue.turn() {}
    let second = relay_all(&queue);
    assert!((1..=UNRECORDED_MAX).contains(&second), "what is recorded makes room: {second}");
    while queue.turn() {}
    while relay_all(&queue) > 0 {
        while queue.turn() {}
    }
    assert!(queue.count() <= 1, "{} left", queue.count());
}

#[test]
fn nothing_leaves_while_the_disk_takes_no_record() {
    let disk = SimulatedDisk::new(32);
    let queue = with_messages(&disk, 3);
    disk.set_room(Some(0));
    assert!(!runtime().block_on(async {
        let turning = async {
            for _ in 0..5 {
                queue.shared.journal.turn();
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(commit(&queue, SpooledBody::Memory(vec![0; 80_000])), turning).0.is_ok()
    }));
    assert_eq!(relay_all(&queue), 0);
    disk.set_room(None);
    assert!(queue.has_room(0));
    assert!(relay_all(&queue) >= 2);
}
