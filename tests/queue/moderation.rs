//! A recipient that waits for a moderator: what is asked for, what a decision does, and whose time runs from when.

use franking::model::queue::{Decision, State, Undecidable, Verdict};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn staff(notifies_sender: bool, now: Timestamp) -> Target {
    let reverse_path = ReversePath::Mailbox(address("bob@fabrikam.example"));
    moderated(addressee(Hop::Nowhere, reverse_path, Notify::Unspecified), notifies_sender, now)
}

fn decision(now: Timestamp) -> Decision {
    Decision::new(now, "alice@contoso.example", "root", "Not today.")
}

fn effects(dispatcher: &mut Dispatcher) -> Vec<Effect> {
    core::iter::from_fn(|| dispatcher.poll_effect()).collect()
}

/// Records what is to be recorded; gives everything else that is to be done.
fn record(dispatcher: &mut Dispatcher, now: Timestamp) -> Vec<Effect> {
    let mut others = Vec::new();
    while let Some(effect) = dispatcher.poll_effect() {
        match effect {
            Effect::Record { id, events } => dispatcher.handle(now, Input::Recorded { id, events }),
            other => others.push(other),
        }
    }
    others
}

fn state(dispatcher: &Dispatcher, place: u32) -> State {
    dispatcher.entry(QueueId(1)).unwrap().target(place).unwrap().state
}

/// The only thing that is to be done.
fn only_report(effects: Vec<Effect>) -> franking::model::queue::ReportJob {
    match effects.as_slice() {
        [Effect::Report(job)] => job.clone(),
        other => panic!("{other:?}"),
    }
}

const ID: QueueId = QueueId(1);

#[test]
fn it_holds_no_lease_is_not_late_and_is_given_up_when_its_own_time_is_up() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![staff(true, now), mailbox(7)]);
    assert_eq!(effects(&mut dispatcher), [Effect::Request { id: ID, place: 0 }]);
    let job = dispatcher.next_job(now).unwrap();
    assert_eq!(job.targets.len(), 1, "only the mailbox is tried");
    assert_eq!(dispatcher.next_job(now), None);
    end(&mut dispatcher, now, &job, &Outcome::Delivered(attempt(now, 250)));
    // A request whose worker was lost is asked for again, and after it was made not any more.
    let later = now.plus(limits().lease);
    dispatcher.handle(later, Input::Tick);
    assert_eq!(effects(&mut dispatcher), [Effect::Request { id: ID, place: 0 }]);
    dispatcher.handle(later, Input::Recorded { id: ID, events: vec![(0, Event::Requested)] });
    dispatcher.handle(later.plus(limits().lease), Input::Tick);
    assert_eq!(effects(&mut dispatcher), []);
    // Neither a notice of delay nor the end of what is tried concerns it.
    for hours in [4, 24, 47] {
        dispatcher.handle(now.plus(Duration::from_secs(hours * 3600)), Input::Tick);
        assert_eq!(effects(&mut dispatcher), [], "after {hours} hours");
    }
    let end = now.plus(DAY * 2);
    dispatcher.handle(end, Input::Tick);
    assert_eq!(dispatcher.decide(ID, 0, Verdict::Approve, decision(end)), Err(Undecidable::UnderWay));
    let report = only_report(record(&mut dispatcher, end));
    assert_eq!((report.kind, report.targets), (ReportKind::Failed, vec![0]));
    let said = dispatcher.entry(ID).unwrap().target(0).unwrap().last.clone().unwrap().reply.to_string();
    assert_eq!(said, "550 5.6.0 APPROVAL.InvalidExpiry; Cannot read expiry policy");
    assert_eq!(dispatcher.decide(ID, 0, Verdict::Approve, decision(end)), Err(Undecidable::NotWaiting));
    dispatcher.handle(end, Input::Recorded { id: ID, events: vec![(0, Event::Reported)] });
    assert_eq!(effects(&mut dispatcher), [Effect::Forget(ID)]);
    assert_eq!(dispatcher.next_tick(), None);
}

#[test]
fn an_approval_goes_on_below_and_gives_those_there_a_time_of_their_own() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![staff(true, now)]);
    effects(&mut dispatcher);
    dispatcher.handle(now, Input::Recorded { id: ID, events: vec![(0, Event::Requested)] });
    let approved = now.plus(DAY + DAY / 2);
    dispatcher.decide(ID, 0, Verdict::Approve, decision(approved)).unwrap();
    assert_eq!(dispatcher.decide(ID, 0, Verdict::Reject, decision(approved)), Err(Undecidable::UnderWay));
    assert_eq!(record(&mut dispatcher, approved), [Effect::Branch { id: ID, place: 0 }]);
    assert_eq!(dispatcher.decide(ID, 0, Verdict::Reject, decision(approved)), Err(Undecidable::NotWaiting));
    // Asked for again when the worker is lost.
    let later = approved.plus(limits().lease);
    dispatcher.handle(later, Input::Tick);
    assert_eq!(effects(&mut dispatcher), [Effect::Branch { id: ID, place: 0 }]);
    let below = vec![mailbox(7), relay_to("dead.example"), staff(true, later)];
    dispatcher.handle(later, Input::Branched { id: ID, place: 0, targets: below.clone() });
    assert_eq!(effects(&mut dispatcher), [Effect::Request { id: ID, place: 3 }]);
    assert_eq!(state(&dispatcher, 0), State::Branched);
    // A second worker comes too late.
    dispatcher.handle(later, Input::Branched { id: ID, place: 0, targets: below });
    assert_eq!(dispatcher.entry(ID).unwrap().targets().len(), 4);
    let jobs: Vec<Job> = core::iter::from_fn(|| dispatcher.next_job(later)).collect();
    assert_eq!(jobs.iter().map(|job| job.targets[0].0).collect::<Vec<_>>(), [1, 2]);
    end(&mut dispatcher, later, &jobs[0], &Outcome::Delivered(attempt(later, 250)));
    end(&mut dispatcher, later, &jobs[1], &Outcome::Deferred(attempt(later, 451)));
    dispatcher.command(&Command::Hold(ID));
    record(&mut dispatcher, later);
    dispatcher.handle(later, Input::Recorded { id: ID, events: vec![(3, Event::Requested)] });
    // Four hours and a day count from the approval.
    let noticed = approved.plus(Duration::from_secs(4 * 3600));
    dispatcher.handle(noticed, Input::Tick);
    let notice = only_report(effects(&mut dispatcher));
    assert_eq!((notice.kind, notice.targets), (ReportKind::Delayed, vec![2]));
    dispatcher.handle(noticed, Input::Recorded { id: ID, events: vec![(2, Event::Noticed)] });
    dispatcher.handle(approved.plus(DAY - Duration::from_secs(1)), Input::Tick);
    assert_eq!(effects(&mut dispatcher), []);
    dispatcher.handle(approved.plus(DAY), Input::Tick);
    let report = only_report(record(&mut dispatcher, approved.plus(DAY)));
    assert_eq!((report.kind, report.targets), (ReportKind::Failed, vec![2]));
    // The one below it that waits for its own moderators has two days from when it came up.
    dispatcher.handle(later.plus(DAY * 2), Input::Tick);
    let given_up = |effect: &Effect| matches!(effect, Effect::Record { events, .. } if events[0].0 == 3);
    assert!(effects(&mut dispatcher).iter().any(given_up));
}

#[test]
fn those_below_an_approval_come_back_after_a_restart_with_their_own_time() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![staff(true, now)]);
    let approved = now.plus(DAY + DAY / 2);
    dispatcher.decide(ID, 0, Verdict::Approve, decision(approved)).unwrap();
    record(&mut dispatcher, approved);
    let entry = dispatcher.entry(ID).unwrap().into_owned();
    // The power goes between the decision and its effect.
    let mut dispatcher = super::dispatcher();
    dispatcher.restore(approved, entry);
    assert_eq!(effects(&mut dispatcher), [Effect::Branch { id: ID, place: 0 }]);
    let below = vec![relay_to("dead.example")];
    dispatcher.handle(approved, Input::Branched { id: ID, place: 0, targets: below });
    let mut entry = dispatcher.entry(ID).unwrap().into_owned();
    // As the queue writes it anew: all recipients at once.
    entry.expand(entry.targets().to_vec());
    assert_eq!((entry.since(0), entry.since(1)), (now, approved));
    let mut dispatcher = super::dispatcher();
    dispatcher.restore(approved, entry);
    dispatcher.handle(approved.plus(DAY / 2), Input::Tick);
    assert_eq!(state(&dispatcher, 1), State::Due, "its message's own day was over long ago");
    dispatcher.handle(approved.plus(DAY + limits().lease), Input::Tick);
    record(&mut dispatcher, approved.plus(DAY + limits().lease));
    assert_eq!(state(&dispatcher, 1), State::Failed);
}

#[test]
fn a_rejection_is_told_to_the_sender_unless_it_is_to_hear_nothing() {
    for notifies in [true, false] {
        let (mut dispatcher, now) = (dispatcher(), start());
        accept(&mut dispatcher, 1, now, vec![staff(notifies, now)]);
        effects(&mut dispatcher);
        dispatcher.decide(ID, 0, Verdict::Reject, decision(now)).unwrap();
        let others = record(&mut dispatcher, now);
        if notifies {
            let report = only_report(others);
            assert_eq!((report.kind, report.to), (ReportKind::Rejected, address("bob@fabrikam.example")));
        } else {
            assert_eq!(others, [Effect::Forget(ID)]);
        }
    }
}

#[test]
fn nobody_hears_of_an_expiry_either_where_nobody_is_to_hear() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![staff(false, now)]);
    effects(&mut dispatcher);
    dispatcher.handle(now.plus(DAY * 2), Input::Tick);
    // The request was asked for again meanwhile, since nobody made it.
    assert_eq!(record(&mut dispatcher, now.plus(DAY * 2)).last(), Some(&Effect::Forget(ID)));
}

#[test]
fn administrators_can_remove_it_and_give_it_up_and_nothing_else() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![staff(false, now)]);
    effects(&mut dispatcher);
    let elsewhere = Command::Move(ID, Route::NextHost("mx.fabrikam.example".into()));
    for command in [Command::Hold(ID), Command::Release(ID), Command::Retry(ID), elsewhere] {
        assert!(!dispatcher.command(&command), "{command:?}");
    }
    // Given up by an administrator it is reported, whatever the moderated recipient wants of moderation.
    assert!(dispatcher.command(&Command::GiveUp(ID, attempt(now, 550))));
    assert_eq!(dispatcher.decide(ID, 0, Verdict::Approve, decision(now)), Err(Undecidable::UnderWay));
    let report = only_report(record(&mut dispatcher, now));
    assert_eq!(report.kind, ReportKind::Failed);
    accept(&mut dispatcher, 2, now, vec![staff(true, now)]);
    effects(&mut dispatcher);
    assert!(dispatcher.command(&Command::Remove(QueueId(2))));
    assert_eq!(record(&mut dispatcher, now), [Effect::Forget(QueueId(2))]);
}
