//! A queue that is taken up from its journal goes on as one whose messages are taken up one by one.

use franking::model::queue::{Entry, Resumption, Suspendable, Suspension, Suspensions};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A recipient to which these have happened.
fn after(mut target: Target, events: &[Event]) -> Target {
    events.iter().for_each(|event| target.apply(event).unwrap());
    target
}

fn deferred(minutes: u32) -> Event {
    let at = start();
    Event::Deferred { attempt: attempt(at, 451), next_attempt: at.plus(MINUTE * minutes) }
}

/// Recipients in every state that a restart can meet.
fn recipients() -> Vec<Option<Vec<Target>>> {
    let now = start();
    let relay = || relay_to("fabrikam.example");
    let staff = || moderated(addressee(Hop::Postmaster, ReversePath::Null, Notify::Unspecified), true, now);
    vec![
        None,
        Some(vec![relay()]),
        Some(vec![after(relay(), &[deferred(5)])]),
        Some(vec![after(relay(), &[deferred(300)]), after(mailbox(7), &[deferred(1)]), mailbox(8)]),
        Some(vec![after(relay(), &[deferred(20)]), after(mailbox(7), &[Event::Delivered(attempt(now, 250))])]),
        Some(vec![after(relay(), &[deferred(9), Event::Noticed])]),
        Some(vec![after(relay(), &[Event::Failed(attempt(now, 550))])]),
        Some(vec![after(relay(), &[deferred(2)]), after(relay(), &[Event::Failed(attempt(now, 550))])]),
        Some(vec![after(relay(), &[Event::Failed(attempt(now, 550)), Event::Reported])]),
        Some(vec![after(relay(), &[Event::Held])]),
        Some(vec![after(relay(), &[deferred(1), Event::GivenUp(attempt(now, 550))])]),
        Some(vec![after(mailbox(7), &[Event::ReplyDue, Event::Delivered(attempt(now, 250))]), relay()]),
        Some(vec![staff()]),
        Some(vec![after(staff(), &[Event::Requested]), after(relay(), &[deferred(4)])]),
        Some(vec![after(relay(), &[Event::Removed])]),
        Some((0..150).map(|_| after(relay(), &[deferred(7)])).collect()),
    ]
}

/// Messages that were accepted just now, and a day before.
fn entries() -> Vec<Entry> {
    let ages = [Duration::ZERO, MINUTE * 60 * 25];
    let all = ages.iter().flat_map(|age| recipients().into_iter().map(|targets| (*age, targets)));
    let entry = |(id, (age, targets)): (u64, (Duration, Option<Vec<Target>>))| {
        let accepted = Timestamp::from_unix_milliseconds(start().unix_milliseconds() - age.as_millis() as u64);
        let mut entry = Entry::accepted(facts(id, accepted));
        targets.into_iter().for_each(|targets| entry.expand(targets));
        entry
    };
    (1..).zip(all).map(entry).collect()
}

/// All that a queue does in two days in which everything is deferred again.
fn told(mut dispatcher: Dispatcher) -> Vec<String> {
    let (mut told, mut now) = (Vec::new(), start());
    let end = now.plus(MINUTE * 60 * 48);
    while now <= end {
        while let Some(effect) = dispatcher.poll_effect() {
            told.push(format!("{now} {effect:?}"));
            if let Effect::Record { id, events } = effect {
                dispatcher.handle(now, Input::Recorded { id, events });
            }
        }
        while let Some(job) = dispatcher.next_job(now) {
            told.push(format!("{now} {job:?}"));
            let deferred = |(place, _): &(u32, Arc<Addressee>)| (*place, Outcome::Deferred(attempt(now, 451)));
            let outcomes = job.targets.iter().map(deferred).collect();
            dispatcher.handle(now, Input::Outcomes { lease: job.lease, outcomes, jitter: job.id.0 });
            while let Some(Effect::Record { id, events }) = dispatcher.poll_effect() {
                dispatcher.handle(now, Input::Recorded { id, events });
            }
        }
        let Some(at) = dispatcher.next_tick() else { break };
        now = now.plus(Duration::from_millis(1)).max(at);
        dispatcher.handle(now, Input::Tick);
    }
    told.extend(dispatcher.entries().map(|entry| format!("{:?}", *entry)));
    told
}

/// Taken up message by message, as they are once the journal is read.
fn one_by_one(limits: Limits, suspensions: Suspensions) -> Dispatcher {
    let mut dispatcher = Dispatcher::new(Schedule::exchange_online(), limits, expired());
    dispatcher.handle(start(), Input::Suspended(suspensions));
    for entry in entries().into_iter().filter(|entry| !entry.is_settled()) {
        dispatcher.restore(start(), entry);
    }
    dispatcher
}

/// Taken up from a journal, which tells of every message several times.
fn recovered(limits: Limits, suspensions: Suspensions) -> Dispatcher {
    let mut resumption = Resumption::new(start(), Schedule::exchange_online(), limits);
    for entry in entries() {
        resumption.insert(Entry::accepted(entry.facts.clone()));
        resumption.relieve();
    }
    for round in 0..3 {
        for entry in entries().into_iter().filter(|entry| entry.is_expanded()) {
            let known = resumption.entry_mut(entry.facts.id).unwrap();
            // What was deferred and held in between is so no more.
            let waits = || vec![after(relay_to("dead.example"), &[deferred(1)]), after(mailbox(9), &[Event::Held])];
            known.expand(if round < 2 { waits() } else { entry.targets().to_vec() });
            resumption.relieve();
        }
    }
    let mut settled = Vec::new();
    let dispatcher = resumption.finish(expired(), suspensions, |id| settled.push(id));
    let all = entries().into_iter().filter(Entry::is_settled).map(|entry| entry.facts.id);
    assert_eq!(settled, all.collect::<Vec<_>>());
    dispatcher
}

/// All that is there was sent by him.
fn of_the_sender() -> Suspensions {
    let mut suspensions = Suspensions::default();
    let sender = Suspendable::Sender("bob@fabrikam.example".parse().unwrap());
    assert!(suspensions.suspend(sender, Suspension { since: start(), reason: "test".into() }));
    suspensions
}

#[test]
fn a_queue_goes_on_as_if_its_messages_were_taken_up_one_by_one() {
    for suspensions in [Suspensions::default(), of_the_sender()] {
        for awake_max in [0, 3, 4_096] {
            let limits = Limits { awake_max, ..limits() };
            let (one, other) = (one_by_one(limits, suspensions.clone()), recovered(limits, suspensions.clone()));
            assert_eq!((one.count(), one.next_tick()), (other.count(), other.next_tick()));
            let (one, other) = (told(one), told(other));
            for (line, (one, other)) in one.iter().zip(&other).enumerate() {
                assert_eq!(one, other, "line {line}, {awake_max} at hand");
            }
            assert_eq!(one.len(), other.len());
        }
    }
}

#[test]
fn what_a_suspended_sender_has_sent_is_not_woken_for_an_attempt() {
    let due = start().plus(MINUTE * 5);
    let wakes = |suspensions| {
        let mut entry = Entry::accepted(facts(1, start()));
        entry.expand(vec![after(relay_to("fabrikam.example"), &[deferred(5)])]);
        let limits = Limits { awake_max: 0, ..limits() };
        let mut resumption = Resumption::new(start(), Schedule::exchange_online(), limits);
        resumption.insert(entry);
        resumption.relieve();
        let dispatcher = resumption.finish(expired(), suspensions, |id| panic!("{id} is not settled"));
        dispatcher.next_tick().unwrap()
    };
    assert_eq!(wakes(Suspensions::default()), due);
    assert!(wakes(of_the_sender()) > due);
}
