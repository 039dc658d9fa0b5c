//! Old segments and long histories are written anew: little is kept, and no crash finds anything between two states.

use super::*;
use crate::model::queue::{Command, Entry};

pub(super) fn by_hand(disk: &SimulatedDisk, clock: &Arc<ManualClock>) -> Result<Queue, OpenError> {
    let mut options = options(4096);
    options.journal.hands = Hands::Caller;
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Queue::open(Arc::new(disk.clone()), Path::new(PLACE), options, clock).map(|(queue, _)| queue)
}

pub(super) fn turn(queue: &Queue) {
    while queue.turn() {}
}

/// Commits a message; an error when the disk does not take it.
pub(super) fn commit_by_hand(queue: &Queue, body: &[u8]) -> Result<QueueId, CommitFailure> {
    let mut content = b"Subject: x\r\n\r\n".to_vec();
    content.extend_from_slice(body);
    let promise = queue.shared.reserve_id();
    let message = OwnMessage { envelope: envelope(sender()), content };
    let commit = queue.commit_own(message);
    // Nothing waits: the work is done by hand before the answer is looked at.
    let id = runtime().block_on(async {
        let mut commit = core::pin::pin!(commit);
        let first = core::future::poll_fn(|context| core::task::Poll::Ready(commit.as_mut().poll(context))).await;
        assert!(first.is_pending());
        turn(queue);
        commit.await
    })?;
    assert!(id > promise);
    Ok(id)
}

/// Commits a message to one recipient outside, and expands it.
pub(super) fn wait_with(queue: &Queue, body: &[u8]) -> QueueId {
    let id = commit_by_hand(queue, body).unwrap();
    let Some(Work::Expand(asked)) = queue.take_work() else { panic!("nothing to expand") };
    let _ticket = queue.expanded(asked, vec![target(outside(), sender())]);
    turn(queue);
    id
}

/// Lets every attempt that is due fail.
pub(super) fn defer_all(queue: &Queue) {
    while let Some(work) = queue.take_work() {
        match work {
            Work::Attempt(job) => {
                let outcomes = job.targets.iter().map(|(place, _)| (*place, Outcome::Deferred(attempt(451))));
                queue.outcomes(job.lease, outcomes.collect(), 0);
            }
            // Nobody is told here.
            Work::Report(job) => drop(queue.reported(job, None)),
            Work::Expand(id) | Work::Request(id, _) | Work::Branch(id, _) | Work::Find(FindJob { id, .. }) => {
                panic!("{id} needs something else")
            }
            Work::Reply(job) => drop(queue.replied(job, None)),
        }
        turn(queue);
    }
}

pub(super) fn entries(queue: &Queue) -> Vec<Entry> {
    locked(&queue.shared.table).dispatcher.entries().map(crate::model::queue::Seen::into_owned).collect()
}

pub(super) fn finish(queue: Queue) {
    turn(&queue);
    drop(queue);
}

#[test]
fn one_message_that_waits_does_not_keep_the_journal_from_shrinking() {
    let (disk, clock) = (SimulatedDisk::new(6), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    let waiting = wait_with(&queue, b"waits");
    defer_all(&queue);
    for _ in 0..40 {
        let id = wait_with(&queue, &[b'y'; 800]);
        assert!(queue.command(Command::Remove(id)));
        turn(&queue);
    }
    let usage = queue.usage();
    assert!(usage.segments < 10 && usage.bytes < 60_000, "{usage:?}");
    assert!(queue.shared.journal.counts().bytes > 3 * usage.bytes / 2);
    finish(queue);
    disk.crash();
    let queue = by_hand(&disk, &clock).unwrap();
    let summary = queue.show(waiting).unwrap();
    assert_eq!((summary.recipients[0].state, summary.recipients[0].attempts), (State::Deferred, 1));
    let message = runtime().block_on(queue.message(waiting)).unwrap();
    assert_eq!(message.body, StoredBody::Memory(b"waits"[..].into()));
}

#[test]
fn a_message_tried_a_hundred_times_has_a_short_history() {
    let (disk, clock) = (SimulatedDisk::new(9), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    let id = wait_with(&queue, b"waits");
    for round in 1..=90_u16 {
        defer_all(&queue);
        assert_eq!(queue.show(id).unwrap().recipients[0].attempts, round);
        let kept =
            locked(&queue.shared.table).stored.iter_from(id).map(|(_, stored)| stored.facts.len()).max().unwrap();
        assert!(kept <= 10, "{kept} records after {round} attempts");
        clock.advance(Duration::from_secs(15 * 60));
    }
    let usage = queue.usage();
    assert!(usage.live_bytes < 4_096 && usage.bytes < 4 * 4_096, "{usage:?}");
    let before = entries(&queue);
    finish(queue);
    disk.crash();
    assert_eq!(entries(&by_hand(&disk, &clock).unwrap()), before);
}

#[test]
fn many_messages_are_written_anew_in_few_batches() {
    let (disk, clock) = (SimulatedDisk::new(10), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    let mut waiting = Vec::new();
    for number in 0..300 {
        let id = wait_with(&queue, format!("{number} {}", "x".repeat(400)).as_bytes());
        if number % 3 == 0 {
            waiting.push(id)
        } else {
            assert!(queue.command(Command::Remove(id)))
        }
        turn(&queue);
    }
    let counts = queue.shared.journal.counts();
    let usage = queue.usage();
    assert!(usage.live_bytes * 2 <= usage.bytes + 8_192, "{usage:?}");
    for id in waiting.split_off(10) {
        assert!(queue.command(Command::Remove(id)));
    }
    turn(&queue);
    let synchronizations = queue.shared.journal.counts().synchronizations - counts.synchronizations;
    let usage = queue.usage();
    assert!(usage.bytes < 60_000, "{usage:?}");
    assert!(synchronizations < 20, "{synchronizations} synchronisations");
    finish(queue);
    disk.crash();
    let left: Vec<QueueId> = entries(&by_hand(&disk, &clock).unwrap()).iter().map(|entry| entry.facts.id).collect();
    assert_eq!(left, waiting);
}

#[test]
fn renewal_that_is_broken_off_anywhere_changes_nothing() {
    let mut done = false;
    for operations in 0.. {
        let (disk, clock) = (SimulatedDisk::new(100 + operations), clock());
        let queue = by_hand(&disk, &clock).unwrap();
        let waiting: Vec<QueueId> = (0..12).map(|_| wait_with(&queue, &[b'w'; 300])).collect();
        defer_all(&queue);
        let needless: Vec<QueueId> = (0..40).map(|_| wait_with(&queue, &[b'n'; 900])).collect();
        let before: Vec<Entry> = entries(&queue).into_iter().filter(|one| waiting.contains(&one.facts.id)).collect();
        for id in &needless {
            assert!(queue.command(Command::Remove(*id)));
        }
        let begun = disk.operations();
        disk.cut_power_after(operations);
        turn(&queue);
        let whole = disk.operations() - begun <= operations;
        drop(queue);
        disk.crash();
        let queue = by_hand(&disk, &clock).unwrap();
        let mut after = entries(&queue);
        after.retain(|one| waiting.contains(&one.facts.id));
        assert_eq!(after, before, "power was cut after {operations} operations");
        for id in waiting {
            let message = runtime().block_on(queue.message(id)).unwrap();
            assert_eq!(message.body, StoredBody::Memory(vec![b'w'; 300].into()));
        }
        if whole {
            done = true;
            assert!(operations > 20, "only {operations} operations");
            break;
        }
    }
    assert!(done);
}

#[test]
fn no_id_is_given_twice_when_everything_has_gone_and_the_clock_was_set_back() {
    let (disk, clock) = (SimulatedDisk::new(12), clock());
    let begin = clock.now();
    let mut greatest = QueueId(0);
    for life in 0..4 {
        let queue = by_hand(&disk, &clock).unwrap();
        assert!(queue.shared.reserve_id() > greatest, "life {life}");
        // In the second life old messages are tried again, in the third nothing happens at all.
        for _ in 0..[12, 2, 0, 12][life] {
            greatest = wait_with(&queue, &[b'y'; 800]);
            if life != 1 {
                assert!(queue.command(Command::Remove(greatest)));
                turn(&queue);
            }
            clock.advance(Duration::from_secs(1));
        }
        for _ in 0..[0, 60, 0, 0][life] {
            clock.advance(Duration::from_secs(15 * 60));
            defer_all(&queue);
        }
        if life != 1 {
            let usage = queue.usage();
            assert!(usage.segments <= 3 && usage.live_bytes < 1_500, "life {life}: {usage:?}");
        }
        for entry in entries(&queue) {
            assert!(queue.command(Command::Remove(entry.facts.id)));
        }
        finish(queue);
        disk.crash();
        clock.set(begin);
    }
}

#[test]
fn a_huge_expansion_leaves_in_several_batches_and_is_written_anew_in_several() {
    const RECIPIENTS: usize = 30_000;
    let (disk, clock) = (SimulatedDisk::new(12), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    let small = wait_with(&queue, b"small");
    let id = commit_by_hand(&queue, b"to everybody").unwrap();
    let Some(Work::Expand(asked)) = queue.take_work() else { panic!("nothing to expand") };
    assert_eq!(asked, id);
    let synchronizations = || queue.shared.journal.counts().synchronizations;
    let before = synchronizations();
    drop(queue.expanded(id, vec![target(outside(), sender()); RECIPIENTS]));
    turn(&queue);
    assert!(synchronizations() - before >= 2, "everything was in memory at once");
    let pieces = RECIPIENTS.div_ceil(record::TARGETS_OF_A_PIECE);
    let records = || locked(&queue.shared.table).stored.get(id).map(|stored| stored.facts.len());
    assert_eq!(records(), Some(pieces));
    // Each of these is a record for every piece.
    for command in [Command::Hold(id), Command::Release(id), Command::Hold(id)] {
        assert!(queue.command(command));
        turn(&queue);
    }
    let kept = records().unwrap();
    assert!(kept <= 2 * pieces, "{kept} records are kept");
    let before = entries(&queue);
    assert!(before.iter().any(|entry| entry.facts.id == small));
    finish(queue);
    disk.crash();
    assert_eq!(entries(&by_hand(&disk, &clock).unwrap()), before);
}
