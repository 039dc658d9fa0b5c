//! Mail of those who are restricted: what of it goes to other systems waits, the rest does not, and nobody else's.

use std::collections::BTreeSet;

use franking::model::policy::restricted::Submitter;

use super::*;

fn by(submitter: Submitter, id: u64, now: Timestamp) -> EntryFacts {
    EntryFacts { submitter: Some(submitter), origin: Origin::Account(RecipientId(1)), ..facts(id, now) }
}

fn alice() -> Submitter {
    Submitter::Account(RecipientId(1))
}

fn scanner() -> Submitter {
    Submitter::Device(RecipientId(1), "scanner-2".into())
}

fn accept_of(dispatcher: &mut Dispatcher, submitter: Submitter, id: u64, now: Timestamp, targets: Vec<Target>) {
    dispatcher.handle(now, Input::Committed(by(submitter, id, now)));
    assert_eq!(dispatcher.poll_effect(), Some(Effect::Expand(QueueId(id))));
    dispatcher.handle(now, Input::Expanded { id: QueueId(id), targets });
}

/// The messages of all jobs that there are, each with the lanes of its copies.
fn jobs(dispatcher: &mut Dispatcher, now: Timestamp) -> Vec<(u64, usize)> {
    core::iter::from_fn(|| dispatcher.next_job(now)).map(|job| (job.id.0, job.targets.len())).collect()
}

#[test]
fn only_what_leaves_waits_and_only_of_those_who_are_restricted() {
    let (mut dispatcher, now) = (dispatcher(), start());
    dispatcher.restrict(BTreeSet::from([scanner()]));
    accept_of(&mut dispatcher, scanner(), 1, now, vec![relay_to("fabrikam.example"), mailbox(7)]);
    accept_of(&mut dispatcher, alice(), 2, now, vec![relay_to("fabrikam.example")]);
    accept(&mut dispatcher, 3, now, vec![relay_to("fabrikam.example")]);
    // Of the scanner's message the copy inside goes.
    let mut first = jobs(&mut dispatcher, now);
    first.sort_unstable();
    assert_eq!(first, [(1, 1), (2, 1), (3, 1)]);
    // Released, the other one goes; restricting somebody else alters nothing.
    dispatcher.restrict(BTreeSet::from([scanner(), Submitter::Account(RecipientId(9))]));
    assert_eq!(jobs(&mut dispatcher, now), []);
    dispatcher.restrict(BTreeSet::from([Submitter::Account(RecipientId(9))]));
    assert_eq!(jobs(&mut dispatcher, now), [(1, 1)]);
}

#[test]
fn what_waits_for_its_turn_or_for_another_attempt_is_stopped_and_nothing_brings_it_back() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept_of(&mut dispatcher, scanner(), 1, now, vec![relay_to("dead.example")]);
    let job = dispatcher.next_job(now).unwrap();
    accept_of(&mut dispatcher, scanner(), 2, now, vec![relay_to("fabrikam.example")]);
    accept_of(&mut dispatcher, scanner(), 3, now, vec![relay_to("fabrikam.example")]);
    dispatcher.restrict(BTreeSet::from([scanner()]));
    assert_eq!(jobs(&mut dispatcher, now), [], "queued on its lane before that");
    // The attempt under way ends by itself, and is the last one.
    end(&mut dispatcher, now, &job, &Outcome::Deferred(attempt(now, 451)));
    let later = now.plus(Duration::from_secs(3_600));
    dispatcher.handle(later, Input::Tick);
    assert_eq!(jobs(&mut dispatcher, later), []);
    // An administrator's orders do not either, but for the end.
    dispatcher.command(&Command::Retry(QueueId(1)));
    while let Some(effect) = dispatcher.poll_effect() {
        if let Effect::Record { id, events } = effect {
            dispatcher.handle(later, Input::Recorded { id, events });
        }
    }
    assert_eq!(jobs(&mut dispatcher, later), []);
    assert!(dispatcher.command(&Command::Remove(QueueId(3))));
    while let Some(effect) = dispatcher.poll_effect() {
        if let Effect::Record { id, events } = effect {
            dispatcher.handle(later, Input::Recorded { id, events });
        }
    }
    dispatcher.restrict(BTreeSet::new());
    let mut left = jobs(&mut dispatcher, later);
    left.sort_unstable();
    assert_eq!(left, [(1, 1), (2, 1)]);
}

/// Its time runs on: nothing waits for ever for somebody who is never released.
#[test]
fn what_is_kept_back_is_given_up_when_its_time_is_up() {
    let (mut dispatcher, now) = (dispatcher(), start());
    dispatcher.restrict(BTreeSet::from([scanner()]));
    accept_of(&mut dispatcher, scanner(), 1, now, vec![relay_to("fabrikam.example")]);
    let end = now.plus(Duration::from_secs(25 * 3_600));
    dispatcher.handle(end, Input::Tick);
    let effects: Vec<Effect> = core::iter::from_fn(|| dispatcher.poll_effect()).collect();
    let failed = |effect: &Effect| match effect {
        Effect::Record { events, .. } => events.iter().any(|(_, event)| matches!(event, Event::Failed(_))),
        _ => false,
    };
    assert!(effects.iter().any(failed), "{effects:?}");
}
