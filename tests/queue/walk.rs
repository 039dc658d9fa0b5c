//! A server whose journal survives its crashes, under whatever agents, administrators and the clock do.

mod history;

use std::collections::{BTreeMap, BTreeSet};

use franking::model::queue::{
    Decision, DestinationName, Entry, FindJob, Lease, Party, Resumption, Sight, State, Suspendable, Suspension,
    Suspensions, Verdict,
};
use franking::world::random::{Random as _, SeededRandom};
use proptest::prelude::*;

use super::*;

/// What the journal holds, as values.
#[derive(Clone, Debug)]
enum Fact {
    Committed(EntryFacts),
    Expanded(QueueId, Vec<Target>),
    Moved(QueueId, Vec<(u32, Event)>),
    Branched(QueueId, u32, Vec<Target>),
    Suspended(Suspensions),
}

/// How much is packed must make no difference.
fn drawn(seed: u64) -> Dispatcher {
    Dispatcher::new(Schedule::exchange_online(), drawn_limits(seed), expired())
}

fn drawn_limits(seed: u64) -> Limits {
    Limits { awake_max: [0, 1, 3, 4_096][(seed % 4) as usize], ..limits() }
}

/// A server whose journal survives its crashes.
struct Walk {
    random: SeededRandom,
    now: Timestamp,
    dispatcher: Dispatcher,
    journal: Vec<Fact>,
    running: Vec<Job>,
    begun: BTreeMap<Lease, Timestamp>,
    next_id: u64,
    reports: BTreeMap<(QueueId, u32, ReportKind), u32>,
    requests: BTreeMap<(QueueId, u32), u32>,
    replies: BTreeMap<(QueueId, u32), u32>,
    forgotten: BTreeSet<QueueId>,
    /// What is in mailboxes.
    placed: BTreeSet<(QueueId, u32)>,
    /// Whose mailboxes could not be read once.
    excused: BTreeSet<(QueueId, u32)>,
}

impl Walk {
    fn new(seed: u64) -> Self {
        Self {
            random: SeededRandom::new(seed),
            now: start(),
            dispatcher: drawn(seed),
            journal: Vec::new(),
            running: Vec::new(),
            begun: BTreeMap::new(),
            next_id: 1,
            reports: BTreeMap::new(),
            requests: BTreeMap::new(),
            replies: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            placed: BTreeSet::new(),
            excused: BTreeSet::new(),
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
        if self.chance(4) {
            return moderated(addressee, flag(), self.now);
        }
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
            Some(Effect::Expand(id)) if self.chance(4) => self.dispatcher.handle(self.now, Input::Unexpanded(id)),
            Some(Effect::Expand(id)) => {
                let targets: Vec<Target> = (0..self.random.below(5)).map(|_| self.draw_target()).collect();
                self.expand(id, targets);
            }
            Some(Effect::Abandon { id, attempt }) => {
                let failed = |attempt| {
                    let reverse_path = ReversePath::Mailbox(address("bob@fabrikam.example"));
                    let given = addressee(Hop::Nowhere, reverse_path, Notify::Unspecified);
                    Target::refused(given, attempt)
                };
                self.expand(id, attempt.into_iter().map(failed).collect());
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
            Some(Effect::Reply(job)) => {
                let Some(entry) = self.dispatcher.entry(job.id) else { return true };
                if entry.target(job.place).unwrap().owes_reply() {
                    *self.replies.entry((job.id, job.place)).or_default() += 1;
                    self.record(job.id, vec![(job.place, Event::Replied(None))]);
                }
            }
            Some(Effect::Find(_)) if self.chance(4) => {}
            Some(Effect::Find(job)) => self.find(&job),
            Some(Effect::Forget(id)) => assert!(self.forgotten.insert(id), "forgotten twice"),
            // A worker that is lost: it is asked for again.
            Some(Effect::Request { .. } | Effect::Branch { .. }) if self.chance(4) => {}
            Some(Effect::Request { id, place }) => self.request(id, place),
            Some(Effect::Branch { id, place }) => self.branch(id, place),
        }
        true
    }

    fn find(&mut self, job: &FindJob) {
        let mut sights = Vec::new();
        for (place, _) in &job.targets {
            let there = self.placed.contains(&(job.id, *place));
            if self.chance(8) {
                self.excused.insert((job.id, *place));
                sights.push((*place, Sight::Unclear));
            } else {
                let sight = match there {
                    true if self.chance(2) => Sight::ThereReplyDue(attempt(self.now, 250)),
                    true => Sight::There(attempt(self.now, 250)),
                    false => Sight::NotThere,
                };
                sights.push((*place, sight));
            }
        }
        self.dispatcher.handle(self.now, Input::Found { id: job.id, sights });
    }

    /// As the store does it: whoever was asked is not asked again.
    fn request(&mut self, id: QueueId, place: u32) {
        let target = self.dispatcher.entry(id).and_then(|entry| entry.target(place).cloned());
        if target.is_some_and(|target| target.state == State::Moderated && !target.noticed) {
            *self.requests.entry((id, place)).or_default() += 1;
            self.record(id, vec![(place, Event::Requested)]);
        }
    }

    /// As the store does it: the first answer stands.
    fn branch(&mut self, id: QueueId, place: u32) {
        let target = self.dispatcher.entry(id).and_then(|entry| entry.target(place).cloned());
        if target.is_some_and(|target| target.state == State::Approved) {
            let targets: Vec<Target> = (0..self.random.below(3)).map(|_| self.draw_target()).collect();
            self.journal.push(Fact::Branched(id, place, targets.clone()));
            self.dispatcher.handle(self.now, Input::Branched { id, place, targets });
        }
    }

    fn decide(&mut self) {
        let (id, place) = (QueueId(self.random.below(self.next_id + 1)), u32::try_from(self.random.below(5)).unwrap());
        let verdict = if self.chance(3) { Verdict::Reject } else { Verdict::Approve };
        let decision = Decision::new(self.now, "alice@contoso.example", "root", "");
        let waits = self.dispatcher.entry(id).and_then(|entry| entry.target(place).cloned());
        let waits = waits.is_some_and(|target| target.state == State::Moderated);
        let decided = self.dispatcher.decide(id, place, verdict, decision);
        assert!(waits || decided.is_err());
    }

    fn expand(&mut self, id: QueueId, targets: Vec<Target>) {
        // As the store does it: the first expansion stands.
        if self.dispatcher.entry(id).is_some_and(|entry| !entry.is_expanded()) {
            self.journal.push(Fact::Expanded(id, targets.clone()));
            self.dispatcher.handle(self.now, Input::Expanded { id, targets });
        }
    }

    fn begin_one(&mut self) {
        if let Some(job) = self.dispatcher.next_job(self.now) {
            self.begun.insert(job.lease, self.now);
            self.running.push(job);
        }
    }

    fn finish_one(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let count = self.running.len() as u64;
        let job = self.running.swap_remove(usize::try_from(self.random.below(count)).unwrap());
        let away = self.chance(3);
        if self.chance(4) {
            // It is there, and not durable.
            self.place(&job);
        }
        let outcomes = job.targets.iter().filter_map(|(place, _)| {
            if away {
                return Some((*place, Outcome::Unreached(attempt(self.now, 451))));
            }
            let outcome = match self.random.below(6) {
                // The agent finds it and says so, if it can say anything.
                0 | 1 if self.placed.contains(&(job.id, *place)) => Outcome::Delivered(attempt(self.now, 250)),
                0 => Outcome::Failed(attempt(self.now, 550)),
                1 if !job.lane.is_local() => {
                    Outcome::Relayed { attempt: attempt(self.now, 250), dsn_passed_on: self.chance(2) }
                }
                1 if self.chance(2) => Outcome::DeliveredReplyDue(attempt(self.now, 250)),
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

    /// An attempt puts the message into mailboxes, and nobody hears of it. A worker that was taken for lost does so no
    /// more.
    fn place(&mut self, job: &Job) {
        if self.begun.get(&job.lease).is_none_or(|begun| self.now.since(*begun) >= limits().lease) {
            return;
        }
        let into_mailboxes = job.targets.iter().filter(|(_, addressee)| addressee.hop.is_mailbox());
        self.placed.extend(into_mailboxes.map(|(place, _)| (job.id, *place)));
    }

    fn lose_worker(&mut self) {
        if let Some(job) = self.running.pop()
            && self.chance(2)
        {
            self.place(&job);
        }
    }

    fn pass_time(&mut self, seconds_max: u64) {
        self.now = self.now.plus(Duration::from_secs(self.random.below(seconds_max)));
        self.dispatcher.handle(self.now, Input::Tick);
    }

    fn command(&mut self) {
        let id = QueueId(self.random.below(self.next_id + 1));
        let command = match self.random.below(7) {
            0 => Command::Retry(id),
            1 => Command::Remove(id),
            2 => Command::Hold(id),
            3 => Command::GiveUp(id, attempt(self.now, 550)),
            4 => Command::Move(id, Route::NextHost("mx.dead.example".into())),
            5 => return self.suspend(),
            _ => Command::Release(id),
        };
        let would = self.dispatcher.would_obey(&command, |_| true);
        assert_eq!(self.dispatcher.command_where(&command, |_| true), would);
    }

    fn suspend(&mut self) {
        let what = match self.random.below(3) {
            0 => Suspendable::Sender("bob@fabrikam.example".parse::<Party>().unwrap()),
            1 => Suspendable::Destination("fabrikam.example".parse::<DestinationName>().unwrap()),
            _ => Suspendable::Destination("mx.dead.example".parse().unwrap()),
        };
        let mut suspensions = self.dispatcher.suspensions().clone();
        if !suspensions.resume(&what) {
            assert!(suspensions.suspend(what, Suspension { since: self.now, reason: "test".into() }));
        }
        self.journal.push(Fact::Suspended(suspensions.clone()));
        self.dispatcher.handle(self.now, Input::Suspended(suspensions));
    }

    /// The recipients as the journal tells them.
    fn replayed(&self) -> BTreeMap<QueueId, Entry> {
        self.replay(|_, _, _, _| {})
    }

    fn crash(&mut self) {
        while !self.running.is_empty() {
            self.lose_worker();
        }
        let suspended = self.journal.iter().rev().find_map(|fact| match fact {
            Fact::Suspended(suspensions) => Some(suspensions.clone()),
            _ => None,
        });
        let mut resumption =
            Resumption::new(self.now, Schedule::exchange_online(), drawn_limits(self.random.next_u64()));
        for (id, entry) in self.replayed() {
            assert!(entry.is_settled() || !self.forgotten.contains(&id), "a message came back");
            resumption.insert(entry);
            resumption.relieve();
        }
        let mut settled = Vec::new();
        self.dispatcher = resumption.finish(expired(), suspended.unwrap_or_default(), |id| settled.push(id));
        self.forgotten.extend(settled);
    }

    fn step(&mut self) {
        match self.random.below(26) {
            0 | 1 => self.commit(),
            2..=9 => drop(self.effect()),
            10..=14 => self.begin_one(),
            15..=18 => self.finish_one(),
            19 => self.pass_time(120),
            20 => self.pass_time(4_000),
            21 => self.command(),
            22 => self.lose_worker(),
            23 | 24 => self.decide(),
            _ if self.chance(6) => self.crash(),
            _ => {}
        }
    }

    /// Lets everything come to its end, which it must in time.
    fn settle(&mut self) {
        let last = self.dispatcher.entries().map(|entry| entry.facts.accepted_at).max().unwrap_or(self.now);
        let moderated = |entry: &Entry| entry.targets().iter().any(|target| target.addressee.approval().is_some());
        let any = self.dispatcher.entries().any(|entry| !entry.is_expanded() || moderated(&entry));
        // Whoever is drawn in here may wait for a moderator, and go on from there.
        let more = if any { Duration::from_secs(4 * 24 * 3600) } else { Duration::ZERO };
        let end = self.now.max(last.plus(Schedule::exchange_online().expiry)).plus(more);
        // Mailboxes that cannot be read are looked into again.
        let deadline = end.plus(limits().lease * 6);
        for _ in 0..200_000 {
            while self.effect() {}
            assert!(self.now <= deadline, "the time of everything was up long ago");
            self.begin_one();
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
        let answerable = walk.answerable();
        for (id, entry) in walk.replayed() {
            prop_assert!(entry.is_settled());
            for (place, target) in (0_u32..).zip(entry.targets()) {
                let replies = walk.replies.get(&(id, place)).copied().unwrap_or(0);
                let delivered = matches!(target.state, State::Delivered | State::Reported);
                prop_assert_eq!(replies, u32::from(delivered && answerable.contains(&(id, place))));
            }
            prop_assert!(walk.forgotten.contains(&id));
            for (place, target) in (0_u32..).zip(entry.targets()) {
                let notify = target.addressee.dsn.notify;
                let kinds = [ReportKind::Failed, ReportKind::Delivered, ReportKind::Relayed, ReportKind::Rejected];
                let told: u32 = kinds
                    .iter()
                    .filter_map(|kind| walk.reports.get(&(id, place, *kind)))
                    .sum();
                // A null reverse-path never earns a report; everyone else who is owed one gets exactly one.
                let owed = target.state == State::Reported;
                prop_assert_eq!(told, u32::from(owed));
                let null = target.addressee.reverse_path == ReversePath::Null;
                prop_assert!(!(owed && null));
                let silent = target.addressee.approval().is_some_and(|approval| !approval.waiting.notifies_sender);
                let unheard = null || silent || !notify.wants_failure();
                prop_assert!(!matches!(target.state, State::Failed | State::Rejected) || unheard);
                let asked = walk.requests.get(&(id, place)).copied().unwrap_or(0);
                prop_assert!(asked <= u32::from(target.addressee.approval().is_some()));
                // Whoever has the message is not said not to have it.
                let failed = walk.reports.contains_key(&(id, place, ReportKind::Failed)) || target.state == State::Failed;
                let there = walk.placed.contains(&(id, place)) && !walk.excused.contains(&(id, place));
                prop_assert!(!(failed && there));
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
