//! The dispatcher under random outcomes, lost workers, administrators and crashes; its fairness and its deadlines.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

use std::sync::Arc;

use std::time::Duration;

use franking::model::directory::RecipientId;
use franking::model::mail::{Address, EnhancedStatus, ForwardPath, Reply, ReversePath, Timestamp};
use franking::model::policy::{DsnRequest, MessageParameters, Moderated, Notify, Origin, Passage, Route, Waiting};
use franking::model::queue::{
    Addressee, Attempt, Command, Dispatcher, Effect, EntryFacts, Event, Hop, Input, Job, Limits, Outcome, QueueId,
    ReportKind, Schedule, Target,
};

mod deadlines;
mod endings;
mod moderation;
mod restricted;
mod resumption;
mod selection;
mod walk;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn expired() -> Reply {
    Reply::new(550, EnhancedStatus(4, 4, 7), "QUEUE.Expired; message expired")
}

fn limits() -> Limits {
    // Whatever only waits is packed at once.
    Limits { lease: Duration::from_secs(600), awake_max: 0, ..Limits::default() }
}

fn dispatcher() -> Dispatcher {
    Dispatcher::new(Schedule::exchange_online(), limits(), expired())
}

fn facts(id: u64, at: Timestamp) -> EntryFacts {
    EntryFacts {
        id: QueueId(id),
        accepted_at: at,
        origin: Origin::Anonymous,
        reverse_path: ReversePath::Mailbox(address("bob@fabrikam.example")),
        parameters: MessageParameters::default(),
        bytes: 1000,
        submitter: None,
    }
}

fn addressee(hop: Hop, reverse_path: ReversePath, notify: Notify) -> Addressee {
    let address = match &hop {
        Hop::Relay { address, .. } => address.clone(),
        _ => address("alice@contoso.example"),
    };
    let path = ForwardPath::Mailbox(address.clone());
    let dsn = DsnRequest { notify, original_recipient: None };
    let passage = Passage { path, reverse_path, dsn, resent_from: None, automatic_replies: true };
    Addressee { hop, address, passage: Arc::new(passage) }
}

fn relay_to(domain: &str) -> Target {
    let hop = Hop::Relay { address: address(&format!("partner@{domain}")), route: Route::Domain };
    Target::new(addressee(hop, ReversePath::Mailbox(address("bob@fabrikam.example")), Notify::Unspecified))
}

fn mailbox(id: u64) -> Target {
    let reverse_path = ReversePath::Mailbox(address("bob@fabrikam.example"));
    Target::new(addressee(Hop::Mailbox(RecipientId(id)), reverse_path, Notify::Unspecified))
}

/// A recipient that waits two days for a moderator; the sender hears of it or not.
fn moderated(addressee: Addressee, notifies_sender: bool, now: Timestamp) -> Target {
    let Addressee { address, passage, .. } = addressee;
    let Passage { path, reverse_path, dsn, resent_from, .. } = Arc::unwrap_or_clone(passage);
    let waiting = Waiting::new(RecipientId(100), vec![RecipientId(1)], notifies_sender);
    let moderated = Moderated { path, address, reverse_path, dsn, resent_from, waiting };
    Target::moderated(moderated, now, now.plus(Duration::from_secs(2 * 24 * 3600)))
}

fn attempt(at: Timestamp, code: u16) -> Attempt {
    let class = u8::try_from(code / 100).unwrap();
    Attempt {
        at,
        host: Some("mx.fabrikam.example".into()),
        reply: Reply::new(code, EnhancedStatus(class, 1, 0), "said"),
    }
}

fn start() -> Timestamp {
    Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()
}

fn accept(dispatcher: &mut Dispatcher, id: u64, now: Timestamp, targets: Vec<Target>) {
    dispatcher.handle(now, Input::Committed(facts(id, now)));
    assert_eq!(dispatcher.poll_effect(), Some(Effect::Expand(QueueId(id))));
    dispatcher.handle(now, Input::Expanded { id: QueueId(id), targets });
}

/// Ends a job alike for all its recipients and records that.
fn end(dispatcher: &mut Dispatcher, now: Timestamp, job: &Job, outcome: &Outcome) {
    let outcomes = job.targets.iter().map(|(place, _)| (*place, outcome.clone())).collect();
    dispatcher.handle(now, Input::Outcomes { lease: job.lease, outcomes, jitter: 0 });
    let Some(Effect::Record { id, events }) = dispatcher.poll_effect() else { panic!("nothing to record") };
    dispatcher.handle(now, Input::Recorded { id, events });
}

#[test]
fn a_dead_domain_with_many_messages_does_not_delay_others() {
    let (mut dispatcher, now) = (dispatcher(), start());
    for id in 1..=1000 {
        accept(&mut dispatcher, id, now, vec![relay_to("dead.example")]);
    }
    accept(&mut dispatcher, 2000, now, vec![relay_to("fabrikam.example"), mailbox(7)]);
    let jobs: Vec<Job> = core::iter::from_fn(|| dispatcher.next_job(now)).collect();
    assert_eq!(jobs.iter().filter(|job| job.id == QueueId(2000)).count(), 2);
    assert_eq!(jobs.len(), 2 + Limits::default().per_lane);
    // Once an attempt reached nobody, the domain is asked by one attempt at a time.
    for job in jobs.iter().filter(|job| job.id != QueueId(2000)) {
        end(&mut dispatcher, now, job, &Outcome::Deferred(attempt(now, 451)));
    }
    let after: Vec<Job> = core::iter::from_fn(|| dispatcher.next_job(now)).collect();
    assert_eq!(after.len(), 1);
    end(&mut dispatcher, now, &after[0], &Outcome::Failed(attempt(now, 550)));
    assert_eq!(core::iter::from_fn(|| dispatcher.next_job(now)).count(), Limits::default().per_lane);
}

#[test]
fn recipients_of_one_domain_travel_together_up_to_the_batch() {
    let (mut dispatcher, now) = (dispatcher(), start());
    let mut targets: Vec<Target> = (0..250).map(|_| relay_to("fabrikam.example")).collect();
    let hop = Hop::Relay { address: address("x@fabrikam.example"), route: Route::Domain };
    let rewritten = ReversePath::Mailbox(address("list@contoso.example"));
    targets.push(Target::new(addressee(hop, rewritten, Notify::Unspecified)));
    accept(&mut dispatcher, 1, now, targets);
    let sizes: Vec<usize> = core::iter::from_fn(|| dispatcher.next_job(now)).map(|job| job.targets.len()).collect();
    // The last one has another MAIL FROM.
    assert_eq!(sizes, [100, 100, 50, 1]);
}

#[test]
fn a_stuck_workers_recipients_come_back_after_the_lease_and_its_late_word_is_void() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![mailbox(1)]);
    let lost = dispatcher.next_job(now).unwrap();
    assert!(!lost.repeat_possible);
    let later = now.plus(limits().lease);
    dispatcher.handle(later, Input::Tick);
    let again = dispatcher.next_job(later).unwrap();
    assert!(again.repeat_possible && again.targets == lost.targets);
    let outcomes = vec![(0, Outcome::Failed(attempt(later, 550)))];
    dispatcher.handle(later, Input::Outcomes { lease: lost.lease, outcomes, jitter: 0 });
    assert_eq!(dispatcher.poll_effect(), None);
    end(&mut dispatcher, later, &again, &Outcome::Delivered(attempt(later, 250)));
    assert_eq!(dispatcher.poll_effect(), Some(Effect::Forget(QueueId(1))));
}

#[test]
fn a_deferred_message_is_noticed_once_and_given_up_when_its_time_is_up() {
    let (mut dispatcher, now) = (dispatcher(), start());
    accept(&mut dispatcher, 1, now, vec![relay_to("dead.example")]);
    let job = dispatcher.next_job(now).unwrap();
    end(&mut dispatcher, now, &job, &Outcome::Deferred(attempt(now, 451)));
    assert!(dispatcher.command(&Command::Hold(QueueId(1))), "held, so that no attempt comes between");
    let Some(Effect::Record { id, events }) = dispatcher.poll_effect() else { panic!("no record") };
    dispatcher.handle(now, Input::Recorded { id, events });

    let late = now.plus(Duration::from_secs(4 * 3600));
    dispatcher.handle(late, Input::Tick);
    let Some(Effect::Report(notice)) = dispatcher.poll_effect() else { panic!("no notice") };
    assert_eq!(notice.kind, ReportKind::Delayed);
    dispatcher.handle(late, Input::Recorded { id, events: vec![(0, Event::Noticed)] });

    let end = now.plus(Duration::from_secs(24 * 3600));
    dispatcher.handle(end, Input::Tick);
    let Some(Effect::Record { events, .. }) = dispatcher.poll_effect() else { panic!("not given up") };
    let [(0, Event::Failed(last))] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(last.reply.to_string(), "550 4.4.7 QUEUE.Expired; message expired; last error: 451 4.1.0 said");
    dispatcher.handle(end, Input::Recorded { id, events });
    let Some(Effect::Report(report)) = dispatcher.poll_effect() else { panic!("no report") };
    assert_eq!((report.kind, report.targets), (ReportKind::Failed, vec![0]));
    dispatcher.handle(end, Input::Recorded { id, events: vec![(0, Event::Reported)] });
    assert_eq!(dispatcher.poll_effect(), Some(Effect::Forget(id)));
}

#[test]
fn administrators_can_retry_remove_hold_and_release() {
    let (mut dispatcher, now) = (dispatcher(), start());
    let id = QueueId(1);
    accept(&mut dispatcher, 1, now, vec![relay_to("dead.example"), relay_to("dead.example")]);
    let obey = |dispatcher: &mut Dispatcher, command| {
        assert!(dispatcher.command(&command));
        let Some(Effect::Record { id, events }) = dispatcher.poll_effect() else { panic!("nothing to record") };
        dispatcher.handle(now, Input::Recorded { id, events });
    };
    obey(&mut dispatcher, Command::Hold(id));
    assert_eq!(dispatcher.next_job(now), None);
    assert!(!dispatcher.command(&Command::Retry(id)), "what is held stays held");
    obey(&mut dispatcher, Command::Release(id));
    let job = dispatcher.next_job(now).unwrap();
    assert_eq!(job.targets.len(), 2);
    end(&mut dispatcher, now, &job, &Outcome::Deferred(attempt(now, 451)));
    assert_eq!(dispatcher.next_job(now), None);
    obey(&mut dispatcher, Command::Retry(id));
    assert!(dispatcher.next_job(now).is_some());
    obey(&mut dispatcher, Command::Remove(id));
    assert_eq!(dispatcher.poll_effect(), Some(Effect::Forget(id)), "removed without a report");
    assert!(!dispatcher.command(&Command::Remove(id)));
}
