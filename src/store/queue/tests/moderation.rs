//! Decisions, requests and what an approval leads to, wherever the power fails.

use super::renewal::{by_hand, commit_by_hand, entries, finish, turn, wait_with};
use super::*;
use crate::model::policy::{Moderated, Waiting};
use crate::model::queue::{ApprovalId, Decision, Verdict};

fn moderated(now: Timestamp) -> Target {
    let path = ForwardPath::Mailbox(address("staff@contoso.example"));
    let waiting = Waiting::new(RecipientId(9), vec![RecipientId(1)], true);
    let address = address("staff@contoso.example");
    let dsn = DsnRequest::default();
    let moderated = Moderated { path, address, reverse_path: sender(), dsn, resent_from: None, waiting };
    Target::moderated(moderated, now, now.plus(Duration::from_secs(2 * 24 * 3600)))
}

fn decision(clock: &ManualClock) -> Decision {
    Decision::new(clock.now(), "alice@contoso.example", "root", "")
}

/// What happened to moderated messages across the lives of one server.
#[derive(Debug, Default)]
struct Asked {
    requests: BTreeMap<QueueId, BTreeSet<QueueId>>,
    delivered: BTreeMap<(QueueId, u32), usize>,
    decided: BTreeSet<QueueId>,
    /// Decisions of which nobody knows whether they stand: the disk died before the answer.
    unanswered: BTreeSet<QueueId>,
}

/// Plays everybody until nothing is left or the disk is dead: each message waits, and is approved once it was asked for.
fn drive_moderated(queue: &Queue, clock: &ManualClock, asked: &mut Asked) {
    let mut idle = 0;
    while idle < 20 && queue.shared.journal.failure().is_none() {
        let Some(work) = queue.take_work() else {
            idle += 1;
            if !queue.turn() {
                decide_all(queue, clock, asked);
            }
            continue;
        };
        idle = 0;
        match work {
            Work::Expand(id) => {
                let Ok(message) = queue.shared.message(id) else { return };
                let head = String::from_utf8(message.head.to_vec()).unwrap();
                let target = match head.strip_prefix("Request-Of: ") {
                    Some(original) => {
                        let original = original.trim().parse().unwrap();
                        asked.requests.entry(original).or_default().insert(id);
                        target(Hop::Mailbox(RecipientId(1)), ReversePath::Null)
                    }
                    None => moderated(clock.now()),
                };
                drop(queue.expanded(id, vec![target]));
            }
            Work::Attempt(job) => {
                for (place, _) in &job.targets {
                    *asked.delivered.entry((job.id, *place)).or_default() += usize::from(!job.repeat_possible);
                }
                let outcomes = job.targets.iter().map(|(place, _)| (*place, Outcome::Delivered(attempt(250))));
                queue.outcomes(job.lease, outcomes.collect(), 0);
            }
            Work::Find(job) => panic!("a look for {job:?}"),
            Work::Report(job) => panic!("a report of {job:?}"),
            Work::Reply(job) => panic!("a reply of {job:?}"),
            Work::Request(id, place) => {
                let content = format!("Request-Of: {id}\r\n\r\nbody").into_bytes();
                let request = OwnMessage { envelope: envelope(ReversePath::Null), content };
                drop(queue.requested(id, place, Some(request)));
            }
            Work::Branch(id, place) => {
                let below = [2, 3].map(|id| target(Hop::Mailbox(RecipientId(id)), sender()));
                drop(queue.branched(id, place, below.to_vec()));
            }
        }
        queue.turn();
    }
}

fn decide_all(queue: &Queue, clock: &ManualClock, asked: &mut Asked) {
    for waiting in queue.moderations(10).0.into_iter().filter(|one| one.target.noticed) {
        let decided = queue.decide(waiting.id(), Verdict::Approve, &decision(clock));
        match decided {
            Ok(Decided::Now(own)) => drop(asked.decided.insert(own.message)),
            Ok(_) => {}
            Err(_) => drop(asked.unanswered.insert(waiting.message)),
        }
    }
}

fn live_moderated(disk: &SimulatedDisk, clock: &Arc<ManualClock>, asked: &mut Asked, new: bool) -> Vec<QueueId> {
    let Ok(queue) = by_hand(disk, clock) else { return Vec::new() };
    clock.advance(Duration::from_secs(1));
    let acknowledged = if new { commit_by_hand(&queue, b"small").ok() } else { None };
    drive_moderated(&queue, clock, asked);
    acknowledged.into_iter().collect()
}

#[test]
fn moderators_are_asked_once_and_an_approval_delivers_once_wherever_power_fails() {
    let quiet = SimulatedDisk::new(0);
    let mut asked = Asked::default();
    let accepted = live_moderated(&quiet, &clock(), &mut asked, true);
    assert_eq!((accepted.len(), asked.decided.len(), asked.requests.len()), (1, 1, 1), "{asked:?}");
    let operations = quiet.operations();
    assert!(operations > 10, "the scenario touches the disk: {operations}");
    let mut unanswered = 0;
    for cut in 1..=operations {
        let (disk, clock, mut asked) = (SimulatedDisk::new(cut), clock(), Asked::default());
        disk.cut_power_after(cut);
        let acknowledged = live_moderated(&disk, &clock, &mut asked, true);
        let decided = asked.decided.clone();
        disk.crash();
        live_moderated(&disk, &clock, &mut asked, false);
        for id in &acknowledged {
            assert_eq!(asked.requests.get(id).map_or(0, BTreeSet::len), 1, "cut {cut}: {asked:?}");
            // Decided in one of both lives, and never in both: a decision that was answered stands.
            let answered = asked.decided.contains(id);
            assert!(answered || asked.unanswered.contains(id), "cut {cut}: {asked:?}");
            unanswered += usize::from(!answered);
            let again = decided.contains(id) && entries_of_second_life(&asked, *id) > 1;
            assert!(!again, "cut {cut}: {asked:?}");
        }
        let queue = open(&disk, &clock).unwrap();
        assert_eq!(queue.count(), 0, "cut {cut}");
    }
    // What was written and not synchronised may have survived. That is the decision's own group, and one cut is in it.
    assert!(unanswered <= 1, "{unanswered}");
}

/// How often those below were attempted without a sign that it might be a repetition.
fn entries_of_second_life(asked: &Asked, id: QueueId) -> usize {
    (1..=2).filter_map(|place| asked.delivered.get(&(id, place))).copied().max().unwrap_or(0)
}

/// A message that waits, with its request made.
fn waiting(queue: &Queue, clock: &Arc<ManualClock>) -> QueueId {
    let id = commit_by_hand(queue, b"x").unwrap();
    let Some(Work::Expand(asked)) = queue.take_work() else { panic!("nothing to expand") };
    assert_eq!(asked, id);
    drop(queue.expanded(id, vec![moderated(clock.now()), target(outside(), sender())]));
    turn(queue);
    let request = loop {
        match queue.take_work() {
            Some(Work::Request(id, place)) => break (id, place),
            Some(_) => {}
            None => panic!("nobody is asked"),
        }
    };
    assert_eq!(request, (id, 0));
    drop(queue.requested(id, 0, None));
    turn(queue);
    id
}

fn named(id: QueueId) -> ApprovalId {
    ApprovalId { message: id, place: None }
}

#[test]
fn a_decision_is_durable_when_it_is_answered_and_the_second_is_told_of_the_first() {
    let (disk, clock) = (SimulatedDisk::new(31), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    let id = waiting(&queue, &clock);
    assert_eq!(queue.moderations(10).1, 1);
    let Ok(Decided::Now(own)) = queue.decide(named(id), Verdict::Reject, &decision(&clock)) else {
        panic!("not decided")
    };
    assert_eq!((own.place, own.target.state), (0, State::Rejected));
    // The power goes without a word.
    disk.cut_power_after(0);
    drop(queue);
    disk.crash();
    let queue = by_hand(&disk, &clock).unwrap();
    let other = Decision::new(Timestamp::EPOCH, "bob@contoso.example", "root", "");
    let second = queue.decide(named(id), Verdict::Approve, &other).unwrap();
    let Decided::Before(own) = second else { panic!("decided twice: {second:?}") };
    let (verdict, made) = own.target.addressee.approval().unwrap().decision.clone().unwrap();
    assert_eq!((verdict, &*made.by), (Verdict::Reject, "alice@contoso.example"));
    assert_eq!(queue.moderations(10), (Vec::new(), 0));
    let unknown = ApprovalId { message: id.following(), place: Some(0) };
    assert_eq!(queue.decide(unknown, Verdict::Approve, &other), Ok(Decided::Unknown));
    let no_moderation = ApprovalId { message: id, place: Some(1) };
    assert_eq!(queue.moderation(no_moderation), None);
    finish(queue);
}

#[test]
fn what_waits_and_what_an_approval_led_to_outlive_old_segments() {
    let (disk, clock) = (SimulatedDisk::new(32), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    let (waits, goes_on) = (waiting(&queue, &clock), waiting(&queue, &clock));
    queue.decide(named(goes_on), Verdict::Approve, &decision(&clock)).unwrap();
    let branch = core::iter::from_fn(|| queue.take_work()).find(|work| matches!(work, Work::Branch(..)));
    assert_eq!(branch, Some(Work::Branch(goes_on, 0)));
    drop(queue.branched(goes_on, 0, vec![target(outside(), sender()); 450]));
    turn(&queue);
    // Until the lane is full; what comes later waits behind it.
    while queue.take_work().is_some() {}
    let first = queue.shared.journal.oldest_segment().map_or(1, |oldest| oldest.segment);
    for _ in 0..400 {
        let id = wait_with(&queue, &[b'y'; 800]);
        assert!(queue.command(crate::model::queue::Command::Remove(id)));
        turn(&queue);
    }
    let oldest = queue.shared.journal.oldest_segment().map_or(1, |oldest| oldest.segment);
    assert!(oldest > first, "nothing was written anew");
    let before = entries(&queue);
    disk.cut_power_after(0);
    drop(queue);
    disk.crash();
    let queue = by_hand(&disk, &clock).unwrap();
    assert_eq!(entries(&queue), before);
    let states = |id| queue.entry(id).unwrap().targets().iter().map(|target| target.state).collect::<Vec<_>>();
    assert_eq!(states(waits)[0], State::Moderated);
    assert_eq!((states(goes_on)[0], states(goes_on).len()), (State::Branched, 452));
    assert_eq!(queue.entry(goes_on).unwrap().since(2), clock.now());
    assert!(queue.moderation(named(waits)).unwrap().target.noticed, "its moderators are not asked again");
    finish(queue);
}

#[test]
fn an_expansion_below_an_approval_that_breaks_off_is_made_again_as_a_whole() {
    let (disk, clock) = (SimulatedDisk::new(33), clock());
    let queue = by_hand(&disk, &clock).unwrap();
    let id = waiting(&queue, &clock);
    queue.decide(named(id), Verdict::Approve, &decision(&clock)).unwrap();
    disk.cut_power_after(1);
    drop(queue.branched(id, 0, vec![target(outside(), sender()); 1_500]));
    drop(queue);
    disk.crash();
    let queue = by_hand(&disk, &clock).unwrap();
    assert_eq!(queue.entry(id).unwrap().targets().len(), 2);
    let branch = core::iter::from_fn(|| queue.take_work()).find(|work| matches!(work, Work::Branch(..)));
    assert_eq!(branch, Some(Work::Branch(id, 0)));
    drop(queue.branched(id, 0, vec![target(outside(), sender()); 1_500]));
    turn(&queue);
    // A second answer comes too late.
    drop(queue.branched(id, 0, vec![target(outside(), sender())]));
    turn(&queue);
    assert_eq!(queue.entry(id).unwrap().targets().len(), 1_502);
    finish(queue);
}
