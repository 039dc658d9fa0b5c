//! Nothing waits for ever, and a destination that is away delays nobody else.

use std::collections::BTreeMap;

use franking::model::queue::{Sight, Suspendable, Suspension, Suspensions};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Lets time pass until the queue is empty. Agents are as `agent` says: what it does not answer is lost. Gives how many
/// attempts were made on each destination, and how each recipient ended.
fn live(
    dispatcher: &mut Dispatcher,
    mut now: Timestamp,
    mut agent: impl FnMut(&Job, Timestamp) -> Option<Outcome>,
) -> (BTreeMap<String, usize>, Vec<Event>, Timestamp) {
    let (mut attempts, mut endings) = (BTreeMap::new(), Vec::new());
    for _ in 0..1_500_000 {
        if let Some(effect) = dispatcher.poll_effect() {
            match effect {
                Effect::Expand(id) => dispatcher.handle(now, Input::Unexpanded(id)),
                Effect::Abandon { id, attempt } => {
                    let hop = Hop::Nowhere;
                    let given = addressee(hop, ReversePath::Null, Notify::Unspecified);
                    let targets = attempt.into_iter().map(|attempt| Target::refused(given.clone(), attempt)).collect();
                    dispatcher.handle(now, Input::Expanded { id, targets });
                }
                Effect::Record { id, events } => {
                    endings.extend(events.iter().map(|(_, event)| event.clone()).filter(|event| {
                        matches!(event, Event::Failed(_) | Event::Delivered(_) | Event::Relayed { .. })
                    }));
                    dispatcher.handle(now, Input::Recorded { id, events });
                }
                Effect::Report(job) => {
                    let event = if job.kind == ReportKind::Delayed { Event::Noticed } else { Event::Reported };
                    let events = job.targets.iter().map(|place| (*place, event.clone())).collect();
                    dispatcher.handle(now, Input::Recorded { id: job.id, events });
                }
                Effect::Forget(_) | Effect::Request { .. } | Effect::Branch { .. } => {}
                Effect::Find(job) => {
                    let sights = job.targets.iter().map(|(place, _)| (*place, Sight::NotThere)).collect();
                    dispatcher.handle(now, Input::Found { id: job.id, sights });
                }
                Effect::Reply(job) => {
                    let events = vec![(job.place, Event::Replied(None))];
                    dispatcher.handle(now, Input::Recorded { id: job.id, events });
                }
            }
        } else if let Some(job) = dispatcher.next_job(now) {
            *attempts.entry(job.lane.to_string()).or_insert(0) += 1;
            if let Some(outcome) = agent(&job, now) {
                let outcomes = job.targets.iter().map(|(place, _)| (*place, outcome.clone())).collect();
                dispatcher.handle(now, Input::Outcomes { lease: job.lease, outcomes, jitter: job.id.0 * 7_919 });
            }
        } else if dispatcher.count() == 0 {
            return (attempts, endings, now);
        } else {
            now = now.max(dispatcher.next_tick().expect("an open message has a timer"));
            dispatcher.handle(now, Input::Tick);
        }
    }
    panic!("the queue does not come to rest");
}

fn expiry() -> Duration {
    Schedule::exchange_online().expiry
}

#[test]
fn a_hundred_thousand_messages_for_a_dead_domain_delay_nobody_and_end_in_time() {
    let (mut dispatcher, now) = (dispatcher(), start());
    for id in 1..=100_000 {
        accept(&mut dispatcher, id, now, vec![relay_to("dead.example")]);
    }
    for id in 0..50 {
        accept(&mut dispatcher, 200_000 + id, now, vec![relay_to("fabrikam.example"), mailbox(id)]);
    }
    let mut late = Duration::ZERO;
    let (attempts, endings, end) = live(&mut dispatcher, now, |job, at| {
        if job.lane.to_string() == "domain dead.example" {
            let reply = Reply::new(451, EnhancedStatus(4, 4, 1), "connection refused");
            return Some(Outcome::Unreached(Attempt { at, host: None, reply }));
        }
        late = late.max(at.since(now));
        Some(Outcome::Relayed { attempt: attempt(at, 250), dsn_passed_on: false })
    });
    assert_eq!(late, Duration::ZERO, "somebody else waited");
    // The schedule of one message, however many wait: a minute, five, ten, then every quarter of an hour.
    let dead = attempts["domain dead.example"];
    assert!((80..200).contains(&dead), "{dead} attempts on the dead domain");
    assert!(end.since(now) <= expiry() + limits().lease, "{end}");
    let failed = endings.iter().filter(|event| matches!(event, Event::Failed(_))).count();
    assert_eq!((failed, endings.len()), (100_000, 100_100));
    let Some(Event::Failed(last)) = endings.iter().rev().find(|event| matches!(event, Event::Failed(_))) else {
        panic!()
    };
    assert!(last.reply.to_string().ends_with("last error: 451 4.4.1 connection refused"), "{}", last.reply);
}

#[test]
fn a_destination_that_comes_back_is_used_at_once() {
    let (mut dispatcher, now) = (dispatcher(), start());
    for id in 1..=200 {
        accept(&mut dispatcher, id, now, vec![relay_to("dead.example")]);
    }
    let back = now.plus(HOUR);
    let (attempts, endings, end) = live(&mut dispatcher, now, |_, at| {
        Some(if at < back {
            Outcome::Unreached(attempt(at, 451))
        } else {
            Outcome::Relayed { attempt: attempt(at, 250), dsn_passed_on: false }
        })
    });
    assert!(endings.iter().all(|event| matches!(event, Event::Relayed { .. })));
    assert!(end.since(back) <= Duration::from_secs(17 * 60), "{end}");
    assert!(attempts["domain dead.example"] < 200 + 20, "{attempts:?}");
}

#[test]
fn what_no_worker_ever_answers_ends_with_its_time_and_a_lease() {
    let (mut dispatcher, now) = (dispatcher(), start());
    for id in 1..=20 {
        accept(&mut dispatcher, id, now, vec![relay_to("fabrikam.example"), mailbox(id)]);
    }
    let (_, endings, end) = live(&mut dispatcher, now, |_, _| None);
    assert_eq!(endings.len(), 40);
    assert!(end.since(now) <= expiry() + limits().lease, "{end}");
    assert!(end.since(now) >= expiry(), "given up before its time");
}

#[test]
fn after_a_standstill_everything_is_tried_for_a_lease_and_its_sender_is_not_noticed() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![mailbox(1), relay_to("fabrikam.example")]);
    for _ in 0..2 {
        let job = dispatcher.next_job(now).unwrap();
        end(&mut dispatcher, now, &job, &Outcome::Deferred(attempt(now, 451)));
    }
    // The next attempt succeeds and the power goes before that is durable; it comes back after the message's time.
    let entry = dispatcher.entry(QueueId(1)).unwrap().into_owned();
    let later = now.plus(expiry() * 2);
    let mut dispatcher = super::dispatcher();
    dispatcher.restore(later, entry);
    dispatcher.handle(later, Input::Tick);
    assert_eq!(dispatcher.poll_effect(), None, "neither a notice nor an end");
    // The disk is not quite up yet at the first attempt.
    let outcome = |job: &Job, at| {
        assert!(job.repeat_possible);
        Some(if job.lane.is_local() && at > later {
            Outcome::Delivered(attempt(at, 250))
        } else {
            Outcome::Deferred(attempt(at, 451))
        })
    };
    let (attempts, endings, last) = live(&mut dispatcher, later, outcome);
    assert_eq!((attempts["mailbox 1"], last), (2, later.plus(limits().lease)));
    assert!(attempts["domain fabrikam.example"] > 2, "{attempts:?}");
    assert!(matches!(endings.as_slice(), [Event::Delivered(_), Event::Failed(_)]), "{endings:?}");
}

#[test]
fn a_second_attempt_looks_for_what_the_first_one_left() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![mailbox(1)]);
    let mut repeats = Vec::new();
    live(&mut dispatcher, now, |job, at| {
        repeats.push(job.repeat_possible);
        let outcome = if repeats.len() < 3 { Outcome::Deferred } else { Outcome::Delivered };
        Some(outcome(attempt(at, 250)))
    });
    assert_eq!(repeats, [false, true, true]);
}

#[test]
fn a_message_that_can_never_be_expanded_is_given_up_in_its_time() {
    let (mut dispatcher, now) = (dispatcher(), start());
    dispatcher.handle(now, Input::Committed(facts(1, now)));
    let (_, _, end) = live(&mut dispatcher, now, |_, _| None);
    assert!(end.since(now) >= expiry() && end.since(now) <= expiry() + limits().lease, "{end}");
    // After a long standstill there is time for one expansion.
    let entry = franking::model::queue::Entry::accepted(facts(2, now));
    let later = now.plus(expiry() * 3);
    dispatcher.restore(later, entry);
    dispatcher.handle(later, Input::Tick);
    assert_eq!(dispatcher.poll_effect(), Some(Effect::Expand(QueueId(2))));
    assert_eq!(dispatcher.poll_effect(), None);
    dispatcher.handle(later, Input::Expanded { id: QueueId(2), targets: vec![mailbox(1)] });
    let delivered = |_: &Job, at| Some(Outcome::Delivered(attempt(at, 250)));
    let (attempts, endings, _) = live(&mut dispatcher, later, delivered);
    assert_eq!(attempts.values().sum::<usize>(), 1, "one attempt");
    assert!(matches!(endings.as_slice(), [Event::Delivered(_)]), "{endings:?}");
}

#[test]
fn an_administrator_can_drop_or_give_up_what_is_not_expanded() {
    for (command, told) in
        [(Command::Remove(QueueId(1)), false), (Command::GiveUp(QueueId(1), attempt(start(), 550)), true)]
    {
        let (mut dispatcher, now) = (dispatcher(), start());
        dispatcher.handle(now, Input::Committed(facts(1, now)));
        assert_eq!(dispatcher.poll_effect(), Some(Effect::Expand(QueueId(1))));
        assert!(!dispatcher.command(&Command::Hold(QueueId(1))));
        assert!(dispatcher.command(&command));
        let Some(Effect::Abandon { id, attempt }) = dispatcher.poll_effect() else { panic!() };
        assert_eq!((id, attempt.is_some()), (QueueId(1), told));
    }
}

fn suspended(what: &str) -> Suspensions {
    let mut suspensions = Suspensions::default();
    let what = match what.parse() {
        Ok(party) if what.contains('@') => Suspendable::Sender(party),
        _ => Suspendable::Destination(what.parse().unwrap()),
    };
    assert!(suspensions.suspend(what, Suspension { since: start(), reason: "test".into() }));
    suspensions
}

#[test]
fn what_is_suspended_waits_and_goes_on_when_resumed_and_still_expires() {
    for what in ["dead.example", "bob@fabrikam.example", "@fabrikam.example"] {
        let (mut dispatcher, now) = (dispatcher(), start());
        accept(&mut dispatcher, 1, now, vec![relay_to("dead.example")]);
        dispatcher.handle(now, Input::Suspended(suspended(what)));
        assert_eq!(dispatcher.next_job(now), None, "{what}");
        accept(&mut dispatcher, 2, now, vec![relay_to("dead.example")]);
        assert_eq!(dispatcher.next_job(now), None, "{what}");
        dispatcher.handle(now, Input::Suspended(Suspensions::default()));
        let jobs: Vec<Job> = core::iter::from_fn(|| dispatcher.next_job(now)).collect();
        assert_eq!(jobs.len(), 2, "{what}");
        // An attempt under way ends by itself; what it leaves waits.
        dispatcher.handle(now, Input::Suspended(suspended(what)));
        for job in &jobs {
            end(&mut dispatcher, now, job, &Outcome::Deferred(attempt(now, 451)));
        }
        let (attempts, endings, end) = live(&mut dispatcher, now, |_, _| panic!("{what} is suspended"));
        assert!(attempts.is_empty());
        assert!(endings.len() == 2 && endings.iter().all(|event| matches!(event, Event::Failed(_))), "{endings:?}");
        assert!(end.since(now) <= expiry() + limits().lease, "{end}");
    }
}

#[test]
fn what_is_moved_goes_the_other_way_and_not_the_old_one() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![relay_to("dead.example"), mailbox(1)]);
    let moved = Command::Move(QueueId(1), Route::NextHost("backup.example:2525".into()));
    assert_eq!(dispatcher.command_where(&moved, |_| true), 1, "a mailbox is not moved");
    let Some(Effect::Record { id, events }) = dispatcher.poll_effect() else { panic!() };
    dispatcher.handle(now, Input::Recorded { id, events });
    let lanes: Vec<String> = core::iter::from_fn(|| dispatcher.next_job(now)).map(|job| job.lane.to_string()).collect();
    assert_eq!(lanes, ["mailbox 1", "host backup.example:2525"]);
    assert_eq!(dispatcher.next_job(now), None);
}

#[test]
fn a_retry_ends_the_pause_of_a_destination() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![relay_to("dead.example")]);
    accept(&mut dispatcher, 2, now, vec![relay_to("dead.example")]);
    for job in core::iter::from_fn(|| dispatcher.next_job(now)).collect::<Vec<_>>() {
        end(&mut dispatcher, now, &job, &Outcome::Unreached(attempt(now, 451)));
    }
    accept(&mut dispatcher, 3, now, vec![relay_to("dead.example")]);
    assert_eq!(dispatcher.next_job(now), None, "it waits for its destination");
    assert_eq!(dispatcher.would_obey(&Command::Retry(QueueId(3)), |_| true), 1);
    assert!(dispatcher.command(&Command::Retry(QueueId(3))));
    assert_eq!(dispatcher.next_job(now).map(|job| job.id), Some(QueueId(3)));
}
