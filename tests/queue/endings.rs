//! Whose time is up may have the message all the same: mailboxes are looked into before anybody is told otherwise.

use franking::model::queue::{FindJob, Sight};

use super::*;

/// A message that was put into a mailbox or sent just before the server stopped, is held since, and whose time is up.
fn held_over_its_time(targets: Vec<Target>) -> (Dispatcher, Timestamp) {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, targets);
    assert!(dispatcher.next_job(now).is_some());
    let entry = dispatcher.entry(QueueId(1)).unwrap().into_owned();
    let mut dispatcher = super::dispatcher();
    dispatcher.restore(now, entry);
    assert!(dispatcher.command(&Command::Hold(QueueId(1))));
    let events = first_record(&mut dispatcher);
    dispatcher.handle(now, Input::Recorded { id: QueueId(1), events });
    let end = now.plus(Schedule::exchange_online().expiry);
    dispatcher.handle(end, Input::Tick);
    (dispatcher, end)
}

/// What is recorded first; the notice of delay is not written.
fn first_record(dispatcher: &mut Dispatcher) -> Vec<(u32, Event)> {
    loop {
        match dispatcher.poll_effect() {
            Some(Effect::Record { events, .. }) => break events,
            Some(Effect::Report(job)) => assert_eq!(job.kind, ReportKind::Delayed),
            other => panic!("{other:?}"),
        }
    }
}

fn asked(dispatcher: &mut Dispatcher) -> FindJob {
    loop {
        match dispatcher.poll_effect() {
            Some(Effect::Find(job)) => break job,
            Some(Effect::Report(job)) => assert_eq!(job.kind, ReportKind::Delayed),
            other => panic!("no look into the mailbox, but {other:?}"),
        }
    }
}

fn found(dispatcher: &mut Dispatcher, now: Timestamp, sight: Sight) {
    dispatcher.handle(now, Input::Found { id: QueueId(1), sights: vec![(0, sight)] });
}

#[test]
fn what_is_in_the_mailbox_is_delivered_and_what_is_not_has_failed() {
    for is_there in [true, false] {
        let (mut dispatcher, now) = held_over_its_time(vec![mailbox(1)]);
        let job = asked(&mut dispatcher);
        assert_eq!((job.id, job.accepted_at, job.targets.len()), (QueueId(1), start(), 1));
        assert_eq!(dispatcher.poll_effect(), None, "nothing is said before the look");
        found(&mut dispatcher, now, if is_there { Sight::There(attempt(now, 250)) } else { Sight::NotThere });
        match first_record(&mut dispatcher).as_slice() {
            [(0, Event::Delivered(said))] => assert!(is_there && said.reply.code() == 250),
            [(0, Event::Failed(said))] => assert!(!is_there && said.reply.to_string().contains("QUEUE.Expired")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_systems_cannot_be_looked_into_and_what_was_never_tried_needs_no_look() {
    let (mut dispatcher, _) = held_over_its_time(vec![relay_to("fabrikam.example")]);
    assert!(matches!(first_record(&mut dispatcher).as_slice(), [(0, Event::Failed(_))]));

    let (mut dispatcher, now) = (super::dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![mailbox(1)]);
    assert!(dispatcher.command(&Command::Hold(QueueId(1))));
    let events = first_record(&mut dispatcher);
    dispatcher.handle(now, Input::Recorded { id: QueueId(1), events });
    let end = now.plus(Schedule::exchange_online().expiry);
    dispatcher.handle(end, Input::Tick);
    assert!(matches!(first_record(&mut dispatcher).as_slice(), [(0, Event::Failed(_))]));
}

#[test]
fn a_look_is_asked_for_again_when_its_worker_is_lost_or_the_mailbox_cannot_be_read() {
    let (mut dispatcher, mut now) = held_over_its_time(vec![mailbox(1)]);
    // Nobody answers.
    asked(&mut dispatcher);
    now = now.plus(limits().lease);
    dispatcher.handle(now, Input::Tick);
    // The mailbox cannot be read, three times; then its owner cannot read it either.
    for look in 1..=3 {
        asked(&mut dispatcher);
        found(&mut dispatcher, now, Sight::Unclear);
        if look < 3 {
            assert_eq!(dispatcher.poll_effect(), None);
            now = now.plus(limits().lease);
            dispatcher.handle(now, Input::Tick);
        }
    }
    assert!(matches!(first_record(&mut dispatcher).as_slice(), [(0, Event::Failed(_))]));
}

#[test]
fn an_administrator_who_drops_it_meanwhile_has_the_last_word() {
    let (mut dispatcher, now) = held_over_its_time(vec![mailbox(1)]);
    asked(&mut dispatcher);
    assert!(dispatcher.command(&Command::Remove(QueueId(1))));
    let Some(Effect::Record { id, events }) = dispatcher.poll_effect() else { panic!("nothing to record") };
    assert_eq!(events, [(0, Event::Removed)]);
    dispatcher.handle(now, Input::Recorded { id, events });
    assert_eq!(dispatcher.poll_effect(), Some(Effect::Forget(id)));
    found(&mut dispatcher, now, Sight::There(attempt(now, 250)));
    assert_eq!(dispatcher.poll_effect(), None);
    assert_eq!(dispatcher.next_tick(), None);
}

#[test]
fn a_last_attempt_that_fails_may_have_left_it_there() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![mailbox(1)]);
    let job = dispatcher.next_job(now).unwrap();
    end(&mut dispatcher, now, &job, &Outcome::Deferred(attempt(now, 451)));
    let late = now.plus(Schedule::exchange_online().expiry);
    dispatcher.handle(late, Input::Tick);
    let job = asked(&mut dispatcher);
    assert_eq!(job.targets.len(), 1);
}

#[test]
fn what_is_given_up_while_it_is_put_into_its_mailbox_ends_as_delivered() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![mailbox(1)]);
    let job = dispatcher.next_job(now).unwrap();
    let give_up = Command::GiveUp(QueueId(1), attempt(now, 550));
    assert!(dispatcher.command(&give_up));
    let events = first_record(&mut dispatcher);
    assert!(matches!(events.as_slice(), [(0, Event::GivenUp(_))]), "{events:?}");
    dispatcher.handle(now, Input::Recorded { id: QueueId(1), events });
    assert!(!dispatcher.command(&give_up) && !dispatcher.command(&Command::Release(QueueId(1))));
    assert_eq!(dispatcher.poll_effect(), None, "said before the attempt under way has ended");
    end(&mut dispatcher, now, &job, &Outcome::Delivered(attempt(now, 250)));
    assert_eq!(dispatcher.poll_effect(), Some(Effect::Forget(QueueId(1))));
}

#[test]
fn what_is_given_up_is_not_attempted_again_and_ends_after_a_look_even_after_a_crash() {
    for crash in [false, true] {
        let (mut dispatcher, now) = (dispatcher(), start());
        accept(&mut dispatcher, 1, now, vec![mailbox(1)]);
        let job = dispatcher.next_job(now).unwrap();
        end(&mut dispatcher, now, &job, &Outcome::Deferred(attempt(now, 451)));
        assert!(dispatcher.command(&Command::GiveUp(QueueId(1), attempt(now, 550))));
        let events = first_record(&mut dispatcher);
        if crash {
            let mut entry = dispatcher.entry(QueueId(1)).unwrap().into_owned();
            events.iter().for_each(|(place, event)| entry.apply(*place, event).unwrap());
            dispatcher = super::dispatcher();
            dispatcher.restore(now, entry);
        } else {
            dispatcher.handle(now, Input::Recorded { id: QueueId(1), events });
        }
        assert_eq!(asked(&mut dispatcher).targets.len(), 1);
        dispatcher.handle(now.plus(Duration::from_secs(3600)), Input::Tick);
        assert_eq!(dispatcher.next_job(now), None);
        found(&mut dispatcher, now, Sight::NotThere);
        let events = loop {
            match dispatcher.poll_effect() {
                Some(Effect::Record { events, .. }) => break events,
                Some(Effect::Find(_)) => {}
                other => panic!("{other:?}"),
            }
        };
        assert!(matches!(events.as_slice(), [(0, Event::Failed(said))] if said.reply.code() == 550), "{events:?}");
    }
}
