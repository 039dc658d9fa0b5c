//! The dispatcher under random outcomes, lost workers, administrators and crashes; its fairness and its deadlines.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use franking::model::directory::RecipientId;
use franking::model::mail::{Address, EnhancedStatus, ForwardPath, Reply, ReversePath, Timestamp};
use franking::model::policy::{DsnRequest, MessageParameters, Notify, Origin, Route};
use franking::model::queue::{
    Addressee, Attempt, Command, Dispatcher, Effect, Entry, EntryFacts, Event, Hop, Input, Job, Limits, Outcome,
    QueueId, ReportKind, Schedule, State, Target,
};
use franking::world::random::{Random as _, SeededRandom};
use proptest::prelude::*;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn expired() -> Reply {
    Reply::new(550, EnhancedStatus(4, 4, 7), "QUEUE.Expired; message expired")
}

fn limits() -> Limits {
    Limits { lease: Duration::from_secs(600), ..Limits::default() }
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
    }
}

fn addressee(hop: Hop, reverse_path: ReversePath, notify: Notify) -> Addressee {
    let address = match &hop {
        Hop::Relay { address, .. } => address.clone(),
        _ => address("alice@contoso.example"),
    };
    let path = ForwardPath::Mailbox(address.clone());
    let dsn = DsnRequest { notify, original_recipient: None };
    Addressee { hop, address, path, reverse_path, dsn, resent_from: None }
}

fn relay_to(domain: &str) -> Target {
    let hop = Hop::Relay { address: address(&format!("partner@{domain}")), route: Route::Domain };
    Target::new(addressee(hop, ReversePath::Mailbox(address("bob@fabrikam.example")), Notify::Unspecified))
}

fn mailbox(id: u64) -> Target {
    let reverse_path = ReversePath::Mailbox(address("bob@fabrikam.example"));
    Target::new(addressee(Hop::Mailbox(RecipientId(id)), reverse_path, Notify::Unspecified))
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

/// What the journal holds, as values.
#[derive(Clone, Debug)]
enum Fact {
    Committed(EntryFacts),
    Expanded(QueueId, Vec<Target>),
    Moved(QueueId, Vec<(u32, Event)>),
}

/// A server whose journal survives its crashes.
struct Walk {
    random: SeededRandom,
    now: Timestamp,
    dispatcher: Dispatcher,
    journal: Vec<Fact>,
    running: Vec<Job>,
    next_id: u64,
    reports: BTreeMap<(QueueId, u32, ReportKind), u32>,
    forgotten: BTreeSet<QueueId>,
}

impl Walk {
    fn new(seed: u64) -> Self {
        Self {
            random: SeededRandom::new(seed),
            now: start(),
            dispatcher: dispatcher(),
            journal: Vec::new(),
            running: Vec::new(),
            next_id: 1,
            reports: BTreeMap::new(),
            forgotten: BTreeSet::new(),
        }
    }

    fn chance(&self, of: u64) -> bool {
        self.random.below(of) == 0
    }

    fn draw_target(&self) -> Target {
        let hop = match self.random.below(4) {
            0 => Hop::Mailbox(RecipientId(self.random.below(3))),
            1 => Hop::SentItems(RecipientId(self.random.below(3))),
            2 => Hop::Relay { address: address("partner@fabrikam.example"), route: Route::Domain },
            _ => Hop::Relay { address: address("x@dead.example"), route: Route::NextHost("mx.dead.example".into()) },
        };
        let reverse_path = match self.random.below(3) {
            0 => ReversePath::Null,
            1 => ReversePath::Mailbox(address("bob@fabrikam.example")),
            _ => ReversePath::Mailbox(address("carol@contoso.example")),
        };
        let flag = || self.chance(2);
        let notify = match self.random.below(3) {
            0 => Notify::Unspecified,
            1 => Notify::Never,
            _ => Notify::On { success: flag(), failure: flag(), delay: flag() },
        };
        let addressee = addressee(hop, reverse_path, notify);
        if self.chance(5) { Target::refused(addressee, attempt(self.now, 550)) } else { Target::new(addressee) }
    }

    fn commit(&mut self) {
        let facts = facts(self.next_id, self.now);
        self.next_id += 1;
        self.journal.push(Fact::Committed(facts.clone()));
        self.dispatcher.handle(self.now, Input::Committed(facts));
    }

    fn record(&mut self, id: QueueId, events: Vec<(u32, Event)>) {
        self.journal.push(Fact::Moved(id, events.clone()));
        self.dispatcher.handle(self.now, Input::Recorded { id, events });
    }

    /// Does what the dispatcher wants next; false when it wants nothing.
    fn effect(&mut self) -> bool {
        match self.dispatcher.poll_effect() {
            None => return false,
            Some(Effect::Expand(id)) => {
                let targets: Vec<Target> = (0..self.random.below(5)).map(|_| self.draw_target()).collect();
                // As the store does it: the first expansion stands.
                if self.dispatcher.entry(id).is_some_and(|entry| !entry.is_expanded()) {
                    self.journal.push(Fact::Expanded(id, targets.clone()));
                    self.dispatcher.handle(self.now, Input::Expanded { id, targets });
                }
            }
            Some(Effect::Record { id, events }) => self.record(id, events),
            Some(Effect::Report(job)) => {
                // A notice may be overtaken by the end of all recipients.
                let Some(entry) = self.dispatcher.entry(job.id) else { return true };
                let owed = |place: &u32| {
                    let target = entry.target(*place).unwrap();
                    assert_eq!(target.addressee.reverse_path, ReversePath::Mailbox(job.to.clone()));
                    match job.kind {
                        ReportKind::Delayed => target.may_be_noticed(),
                        kind => target.owes() == Some(kind),
                    }
                };
                let places: Vec<u32> = job.targets.iter().copied().filter(owed).collect();
                let event = || if job.kind == ReportKind::Delayed { Event::Noticed } else { Event::Reported };
                for place in &places {
                    *self.reports.entry((job.id, *place, job.kind)).or_default() += 1;
                }
                self.record(job.id, places.iter().map(|place| (*place, event())).collect());
            }
            Some(Effect::Forget(id)) => assert!(self.forgotten.insert(id), "forgotten twice"),
        }
        true
    }

    fn finish_one(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let count = self.running.len() as u64;
        let job = self.running.swap_remove(usize::try_from(self.random.below(count)).unwrap());
        let outcomes = job.targets.iter().filter_map(|(place, _)| {
            let outcome = match self.random.below(6) {
                0 => Outcome::Failed(attempt(self.now, 550)),
                1 if !job.lane.is_local() => {
                    Outcome::Relayed { attempt: attempt(self.now, 250), dsn_passed_on: self.chance(2) }
                }
                1 => Outcome::Delivered(attempt(self.now, 250)),
                2 => return None,
                _ => Outcome::Deferred(attempt(self.now, 451)),
            };
            Some((*place, outcome))
        });
        let outcomes = outcomes.collect();
        let jitter = self.random.next_u64();
        self.dispatcher.handle(self.now, Input::Outcomes { lease: job.lease, outcomes, jitter });
    }

    fn pass_time(&mut self, seconds_max: u64) {
        self.now = self.now.plus(Duration::from_secs(self.random.below(seconds_max)));
        self.dispatcher.handle(self.now, Input::Tick);
    }

    fn command(&mut self) {
        let id = QueueId(self.random.below(self.next_id + 1));
        let command = match self.random.below(4) {
            0 => Command::Retry(id),
            1 => Command::Remove(id),
            2 => Command::Hold(id),
            _ => Command::Release(id),
        };
        self.dispatcher.command(command);
    }

    fn replayed(&self) -> BTreeMap<QueueId, Entry> {
        let mut entries = BTreeMap::new();
        for fact in &self.journal {
            match fact {
                Fact::Committed(facts) => drop(entries.insert(facts.id, Entry::accepted(facts.clone()))),
                Fact::Expanded(id, targets) => entries.get_mut(id).unwrap().expand(targets.clone()),
                Fact::Moved(id, events) => {
                    for (place, event) in events {
                        let _ = entries.get_mut(id).unwrap().apply(*place, event);
                    }
                }
            }
        }
        entries
    }

    fn crash(&mut self) {
        self.running.clear();
        self.dispatcher = dispatcher();
        for (id, entry) in self.replayed() {
            if entry.is_settled() {
                self.forgotten.insert(id);
            } else {
                assert!(!self.forgotten.contains(&id), "a message came back");
                self.dispatcher.restore(self.now, entry);
            }
        }
    }

    fn step(&mut self) {
        match self.random.below(24) {
            0 | 1 => self.commit(),
            2..=9 => drop(self.effect()),
            10..=14 => self.running.extend(self.dispatcher.next_job(self.now)),
            15..=18 => self.finish_one(),
            19 => self.pass_time(120),
            20 => self.pass_time(4_000),
            21 => self.command(),
            22 => drop(self.running.pop()),
            _ if self.chance(6) => self.crash(),
            _ => {}
        }
    }

    /// Lets everything come to its end.
    fn settle(&mut self) {
        for _ in 0..200_000 {
            while self.effect() {}
            self.running.extend(self.dispatcher.next_job(self.now));
            if self.running.is_empty() {
                if self.dispatcher.entries().next().is_none() {
                    return;
                }
                let next = self.dispatcher.next_tick().expect("an open message has a timer");
                self.now = self.now.max(next);
                self.dispatcher.handle(self.now, Input::Tick);
            } else {
                self.finish_one();
            }
        }
        panic!("the queue does not come to rest");
    }

    /// How often the events of the journal, as applied, ended each recipient.
    fn endings(&self) -> BTreeMap<(QueueId, u32), u32> {
        let mut entries: BTreeMap<QueueId, Entry> = BTreeMap::new();
        let mut endings = BTreeMap::new();
        for fact in &self.journal {
            match fact {
                Fact::Committed(facts) => drop(entries.insert(facts.id, Entry::accepted(facts.clone()))),
                Fact::Expanded(id, targets) => {
                    for (place, target) in (0_u32..).zip(targets) {
                        endings.insert((*id, place), u32::from(!target.state.is_open()));
                    }
                    entries.get_mut(id).unwrap().expand(targets.clone());
                }
                Fact::Moved(id, events) => {
                    for (place, event) in events {
                        let applied = entries.get_mut(id).unwrap().apply(*place, event).is_ok();
                        let ends = matches!(
                            event,
                            Event::Delivered(_) | Event::Relayed { .. } | Event::Failed(_) | Event::Removed
                        );
                        *endings.entry((*id, *place)).or_default() += u32::from(applied && ends);
                    }
                }
            }
        }
        endings
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_admitted_recipient_ends_exactly_once(seed in any::<u64>(), steps in 0..600_u32) {
        let mut walk = Walk::new(seed);
        for _ in 0..steps {
            walk.step();
        }
        walk.settle();
        prop_assert!(walk.endings().values().all(|endings| *endings == 1), "{:?}", walk.endings());
        for (id, entry) in walk.replayed() {
            prop_assert!(entry.is_settled());
            prop_assert!(walk.forgotten.contains(&id));
            for (place, target) in (0_u32..).zip(entry.targets()) {
                let notify = target.addressee.dsn.notify;
                let told: u32 = [ReportKind::Failed, ReportKind::Delivered, ReportKind::Relayed]
                    .iter()
                    .filter_map(|kind| walk.reports.get(&(id, place, *kind)))
                    .sum();
                // A null reverse-path never earns a report; everyone else who is owed one gets exactly one.
                let owed = target.state == State::Reported;
                prop_assert_eq!(told, u32::from(owed));
                let null = target.addressee.reverse_path == ReversePath::Null;
                prop_assert!(!(owed && null));
                prop_assert!(target.state != State::Failed || null || !notify.wants_failure());
                let noticed = walk.reports.get(&(id, place, ReportKind::Delayed)).copied().unwrap_or(0);
                prop_assert!(noticed <= u32::from(notify.wants_delay() && !null));
            }
        }
        // Nothing is kept about what has gone, except leases of workers that were lost on purpose.
        prop_assert_eq!(walk.dispatcher.entries().count(), 0);
        walk.now = walk.now.plus(Duration::from_secs(10_000));
        walk.dispatcher.handle(walk.now, Input::Tick);
        prop_assert_eq!(walk.dispatcher.next_tick(), None);
        prop_assert_eq!(walk.dispatcher.running(), 0);
    }
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
    assert!(dispatcher.command(Command::Hold(QueueId(1))), "held, so that no attempt comes between");
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
        assert!(dispatcher.command(command));
        let Some(Effect::Record { id, events }) = dispatcher.poll_effect() else { panic!("nothing to record") };
        dispatcher.handle(now, Input::Recorded { id, events });
    };
    obey(&mut dispatcher, Command::Hold(id));
    assert_eq!(dispatcher.next_job(now), None);
    assert!(!dispatcher.command(Command::Retry(id)), "what is held stays held");
    obey(&mut dispatcher, Command::Release(id));
    let job = dispatcher.next_job(now).unwrap();
    assert_eq!(job.targets.len(), 2);
    end(&mut dispatcher, now, &job, &Outcome::Deferred(attempt(now, 451)));
    assert_eq!(dispatcher.next_job(now), None);
    obey(&mut dispatcher, Command::Retry(id));
    assert!(dispatcher.next_job(now).is_some());
    obey(&mut dispatcher, Command::Remove(id));
    assert_eq!(dispatcher.poll_effect(), Some(Effect::Forget(id)), "removed without a report");
    assert!(!dispatcher.command(Command::Remove(id)));
}
