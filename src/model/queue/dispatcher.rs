//! Decides what happens next in the queue. Pure: inputs and the time go in, effects come out.
//!
//! Promises, each held by a test: every recipient ends exactly once; no destination waits for another; what a stuck
//! worker holds comes back; a null reverse-path earns no report. The caller makes every [`Effect::Record`] durable and
//! answers with [`Input::Recorded`], in the order in which the effects came; only that alters a recipient.
//!
//! Every timer is removed when its reason goes, so what is kept grows with the queue and not with the traffic.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::entry::{Entry, QueueId};
use super::finding::Finding;
use super::lane::{LaneKey, Lanes, Limits, Place};
use super::retry::Schedule;
use super::target::{Attempt, Event, Outcome, ReportKind, State, Target};
use super::work::{Command, Effect, Input, Job, Lease, ReportJob};
use crate::model::mail::{Reply, ReversePath, Timestamp};

/// Whether a recipient is spoken for, in this run of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is under way.
    Idle,
    /// It waits on its lane.
    Queued,
    /// An attempt is under way.
    Leased(Lease),
    /// Its outcome is being made durable.
    Settling,
}

#[derive(Debug)]
struct Live {
    entry: Entry,
    phases: Vec<Phase>,
    /// Reports asked for and not yet recorded, by place.
    reporting: BTreeSet<(u32, ReportKind)>,
    repeat_possible: bool,
    /// When to ask again for the expansion or the reports, if they were asked for.
    ask_again: Timestamp,
}

impl Live {
    fn new(entry: Entry, repeat_possible: bool) -> Self {
        let phases = vec![Phase::Idle; entry.targets().len()];
        Self { entry, phases, reporting: BTreeSet::new(), repeat_possible, ask_again: Timestamp::EPOCH }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Due(QueueId, u32),
    Lease(Lease),
    AskAgain(QueueId),
    Notice(QueueId),
    Expire(QueueId),
}

#[derive(Debug)]
struct Running {
    id: QueueId,
    lane: LaneKey,
    places: Vec<u32>,
    deadline: Timestamp,
}

/// The queue's decisions. See the head of this file.
#[derive(Debug)]
pub struct Dispatcher {
    schedule: Schedule,
    limits: Limits,
    expired: Reply,
    entries: BTreeMap<QueueId, Live>,
    lanes: Lanes,
    timers: BTreeSet<(Timestamp, Timer)>,
    leases: BTreeMap<Lease, Running>,
    next_lease: u64,
    effects: VecDeque<Effect>,
}

impl Dispatcher {
    /// An empty queue. `expired` is the reply that a message gets whose time is up.
    pub fn new(schedule: Schedule, limits: Limits, expired: Reply) -> Self {
        Self {
            schedule,
            limits,
            expired,
            entries: BTreeMap::new(),
            lanes: Lanes::default(),
            timers: BTreeSet::new(),
            leases: BTreeMap::new(),
            next_lease: 0,
            effects: VecDeque::new(),
        }
    }

    /// Takes up a message that was in the queue before a restart. Attempts may have succeeded unseen.
    pub fn restore(&mut self, now: Timestamp, entry: Entry) {
        let id = entry.facts.id;
        let expanded = entry.is_expanded();
        self.entries.insert(id, Live::new(entry, true));
        if expanded { self.begin(now, id) } else { self.ask_expansion(now, id) }
    }

    /// Takes an input in.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Committed(facts) => {
                let id = facts.id;
                self.entries.insert(id, Live::new(Entry::accepted(facts), false));
                self.ask_expansion(now, id);
            }
            Input::Expanded { id, targets } => self.expanded(now, id, targets),
            Input::Outcomes { lease, outcomes, jitter } => self.outcomes(now, lease, outcomes, jitter),
            Input::Recorded { id, events } => self.recorded(now, id, &events),
            Input::Tick => self.tick(now),
        }
    }

    /// Obeys an administrator; false when the message is not in the queue or none of its recipients can obey.
    pub fn command(&mut self, command: Command) -> bool {
        let id = match &command {
            Command::Retry(id)
            | Command::Remove(id)
            | Command::GiveUp(id, _)
            | Command::Hold(id)
            | Command::Release(id) => *id,
        };
        let event = |state: State| match &command {
            Command::Retry(_) => (state == State::Deferred).then_some(Event::Released),
            Command::Remove(_) => state.is_open().then_some(Event::Removed),
            Command::GiveUp(_, attempt) => state.is_open().then(|| Event::Failed(attempt.clone())),
            Command::Hold(_) => matches!(state, State::Due | State::Deferred).then_some(Event::Held),
            Command::Release(_) => (state == State::Held).then_some(Event::Released),
        };
        let Some(live) = self.entries.get(&id) else { return false };
        let places = (0_u32..).zip(live.entry.targets());
        let events: Vec<_> = places.filter_map(|(place, target)| Some((place, event(target.state)?))).collect();
        let obeyed = !events.is_empty();
        if obeyed {
            self.effects.push_back(Effect::Record { id, events });
        }
        obeyed
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Input::Tick`] is due next.
    pub fn next_tick(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The messages in the queue, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|live| &live.entry)
    }

    /// One message.
    pub fn entry(&self, id: QueueId) -> Option<&Entry> {
        self.entries.get(&id).map(|live| &live.entry)
    }

    /// How many attempts are under way.
    pub const fn running(&self) -> usize {
        self.lanes.running()
    }

    fn ask_expansion(&mut self, now: Timestamp, id: QueueId) {
        self.ask_again_later(now, id);
        self.effects.push_back(Effect::Expand(id));
    }

    /// Workers can be lost: what was asked of them is asked again after a lease.
    fn ask_again_later(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        self.timers.remove(&(live.ask_again, Timer::AskAgain(id)));
        live.ask_again = now.plus(self.limits.lease);
        self.timers.insert((live.ask_again, Timer::AskAgain(id)));
    }

    fn expanded(&mut self, now: Timestamp, id: QueueId, targets: Vec<Target>) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        // A second worker's expansion comes too late: copies may be under way.
        if live.entry.is_expanded() {
            return;
        }
        live.phases = vec![Phase::Idle; targets.len()];
        live.entry.expand(targets);
        self.begin(now, id);
    }

    /// Starts the timers of an expanded message and puts its recipients where they belong.
    fn begin(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get(&id) else { return };
        let accepted_at = live.entry.facts.accepted_at;
        let count = live.phases.len();
        self.timers.insert((self.schedule.notice_at(accepted_at), Timer::Notice(id)));
        self.timers.insert((self.schedule.expires_at(accepted_at), Timer::Expire(id)));
        for place in 0..u32::try_from(count).unwrap_or(u32::MAX) {
            self.enlist(id, place);
        }
        self.conclude(now, id);
    }

    /// Puts an idle recipient on its lane or on the clock.
    fn enlist(&mut self, id: QueueId, place: u32) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        let Some(target) = live.entry.target(place) else { return };
        let Some(phase) = usize::try_from(place).ok().and_then(|index| live.phases.get_mut(index)) else { return };
        if *phase != Phase::Idle {
            return;
        }
        match target.state {
            State::Due => {
                *phase = Phase::Queued;
                let lane = target.addressee.hop.lane();
                self.lanes.push(lane, (id, place), &self.limits);
            }
            State::Deferred => {
                self.timers.insert((target.next_attempt, Timer::Due(id, place)));
            }
            State::Held | State::Delivered | State::Relayed | State::Failed | State::Removed | State::Reported => {}
        }
    }

    /// The next attempt to make, to be answered with [`Input::Outcomes`]; none when all that is due is under way, or
    /// the limits are reached. It counts as under way from here on.
    pub fn next_job(&mut self, now: Timestamp) -> Option<Job> {
        let entries = &self.entries;
        let target = |(id, place): Place| entries.get(&id).and_then(|live| live.entry.target(place));
        let waits = |(id, place): Place| {
            let phase = entries.get(&id).and_then(|live| live.phases.get(usize::try_from(place).ok()?));
            phase == Some(&Phase::Queued) && target((id, place)).is_some_and(|target| target.state != State::Held)
        };
        // One MAIL FROM for all: copies whose reverse-path was rewritten differently travel apart.
        let alike = |first: Place, next: Place| match (target(first), target(next)) {
            (Some(first), Some(next)) => {
                let (first, next) = (&first.addressee, &next.addressee);
                first.reverse_path == next.reverse_path && first.resent_from == next.resent_from
            }
            (None, _) | (_, None) => false,
        };
        let (lane, batch) = self.lanes.next(&self.limits, waits, alike)?;
        let lease = Lease(self.next_lease);
        self.next_lease = self.next_lease.saturating_add(1);
        let id = batch.first()?.0;
        let live = self.entries.get_mut(&id)?;
        let mut targets = Vec::with_capacity(batch.len());
        for (_, place) in &batch {
            let phase = usize::try_from(*place).ok().and_then(|index| live.phases.get_mut(index));
            if let (Some(phase), Some(target)) = (phase, live.entry.target(*place)) {
                *phase = Phase::Leased(lease);
                targets.push((*place, Arc::clone(&target.addressee)));
            }
        }
        let repeat_possible = live.repeat_possible;
        let places = batch.into_iter().map(|(_, place)| place).collect();
        let deadline = now.plus(self.limits.lease);
        self.leases.insert(lease, Running { id, lane: lane.clone(), places, deadline });
        self.timers.insert((deadline, Timer::Lease(lease)));
        Some(Job { lease, id, lane, targets, repeat_possible })
    }

    fn outcomes(&mut self, now: Timestamp, lease: Lease, outcomes: Vec<(u32, Outcome)>, jitter: u64) {
        // An attempt that was given up for lost has been handed to another: its word does not count any more.
        let Some(running) = self.leases.remove(&lease) else { return };
        self.timers.remove(&(running.deadline, Timer::Lease(lease)));
        let reached = outcomes.iter().any(|(_, outcome)| !matches!(outcome, Outcome::Deferred(_)));
        self.lanes.done(&running.lane, Some(reached), &self.limits);
        let Some(live) = self.entries.get_mut(&running.id) else { return };
        let expires_at = self.schedule.expires_at(live.entry.facts.accepted_at);
        let mut said: BTreeMap<u32, Outcome> = outcomes.into_iter().collect();
        let mut events = Vec::with_capacity(running.places.len());
        for place in running.places {
            let phase = usize::try_from(place).ok().and_then(|index| live.phases.get_mut(index));
            let (Some(phase), Some(target)) = (phase, live.entry.target(place)) else { continue };
            *phase = Phase::Settling;
            let event = match said.remove(&place).unwrap_or_else(|| unsaid(now)) {
                Outcome::Delivered(attempt) => Event::Delivered(attempt),
                Outcome::Relayed { attempt, dsn_passed_on } => Event::Relayed { attempt, dsn_passed_on },
                Outcome::Failed(attempt) => Event::Failed(attempt),
                Outcome::Deferred(attempt) if now >= expires_at => {
                    Event::Failed(expiry(&self.expired, now, Some(&attempt)))
                }
                Outcome::Deferred(attempt) => {
                    let attempts = target.attempts.saturating_add(1);
                    let own = jitter.rotate_left(place % 64);
                    let next_attempt = self.schedule.next_attempt(attempts, now, expires_at, own);
                    Event::Deferred { attempt, next_attempt }
                }
            };
            events.push((place, event));
        }
        self.effects.push_back(Effect::Record { id: running.id, events });
    }

    fn recorded(&mut self, now: Timestamp, id: QueueId, events: &[(u32, Event)]) {
        for (place, event) in events {
            let Some(live) = self.entries.get_mut(&id) else { return };
            if let Some(target) = live.entry.target(*place) {
                self.timers.remove(&(target.next_attempt, Timer::Due(id, *place)));
            }
            // A refused event came too late: an outcome after a removal, for example. What stands, stands.
            let _ = live.entry.apply(*place, event);
            match event {
                Event::Reported => {
                    live.reporting.retain(|(reported, kind)| reported != place || *kind == ReportKind::Delayed)
                }
                Event::Noticed => {
                    live.reporting.remove(&(*place, ReportKind::Delayed));
                }
                Event::Deferred { .. } | Event::Delivered(_) | Event::Relayed { .. } | Event::Failed(_) => {
                    release(live, *place, |phase| phase == Phase::Settling);
                }
                // What waits on its lane is passed over there; an attempt under way ends by itself.
                Event::Held | Event::Removed | Event::Released => {
                    release(live, *place, |phase| phase == Phase::Queued);
                    // A hold does not outlive the message, even one that begins after its time was up.
                    let expires_at = self.schedule.expires_at(live.entry.facts.accepted_at);
                    self.timers.insert((expires_at, Timer::Expire(id)));
                }
            }
            self.enlist(id, *place);
        }
        self.conclude(now, id);
    }

    /// Asks for the reports that are owed, or forgets the message when nothing is left.
    fn conclude(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        if live.entry.is_settled() {
            let accepted_at = live.entry.facts.accepted_at;
            self.timers.remove(&(live.ask_again, Timer::AskAgain(id)));
            self.timers.remove(&(self.schedule.notice_at(accepted_at), Timer::Notice(id)));
            self.timers.remove(&(self.schedule.expires_at(accepted_at), Timer::Expire(id)));
            self.entries.remove(&id);
            self.effects.push_back(Effect::Forget(id));
            return;
        }
        self.report(now, id, Target::owes);
    }

    /// Asks for one report per reader and kind, about all recipients that `kind_of` names and none is asked for yet.
    fn report(&mut self, now: Timestamp, id: QueueId, kind_of: impl Fn(&Target) -> Option<ReportKind>) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        let mut reports: Vec<ReportJob> = Vec::new();
        for (place, target) in (0_u32..).zip(live.entry.targets()) {
            let (Some(kind), ReversePath::Mailbox(to)) = (kind_of(target), &target.addressee.reverse_path) else {
                continue;
            };
            if !live.reporting.insert((place, kind)) {
                continue;
            }
            match reports.iter_mut().find(|report| report.kind == kind && report.to == *to) {
                Some(report) => report.targets.push(place),
                None => reports.push(ReportJob { id, kind, to: to.clone(), targets: vec![place] }),
            }
        }
        if !reports.is_empty() {
            self.ask_again_later(now, id);
        }
        self.effects.extend(reports.into_iter().map(Effect::Report));
    }

    fn tick(&mut self, now: Timestamp) {
        while let Some((at, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Due(id, place) => self.due(id, place),
                Timer::Lease(lease) => self.lost(lease),
                Timer::AskAgain(id) => self.ask_again(now, id),
                Timer::Notice(id) => {
                    self.report(now, id, |target| target.may_be_noticed().then_some(ReportKind::Delayed));
                }
                Timer::Expire(id) => self.expire(now, id),
            }
        }
    }

    fn ask_again(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        if live.entry.is_expanded() {
            live.reporting.clear();
            self.report(now, id, Target::owes);
        } else {
            self.ask_expansion(now, id);
        }
    }

    /// The time of a deferred recipient has come: it is due, which is written nowhere.
    fn due(&mut self, id: QueueId, place: u32) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        let Some(target) = live.entry.target(place) else { return };
        let Some(phase) = usize::try_from(place).ok().and_then(|index| live.phases.get_mut(index)) else { return };
        if target.state == State::Deferred && *phase == Phase::Idle {
            *phase = Phase::Queued;
            let lane = target.addressee.hop.lane();
            self.lanes.push(lane, (id, place), &self.limits);
        }
    }

    /// A worker did not answer within its lease: its recipients are tried again.
    fn lost(&mut self, lease: Lease) {
        let Some(running) = self.leases.remove(&lease) else { return };
        self.lanes.done(&running.lane, None, &self.limits);
        for place in running.places {
            let Some(live) = self.entries.get_mut(&running.id) else { return };
            live.repeat_possible = true;
            release(live, place, |phase| phase == Phase::Leased(lease));
            self.enlist(running.id, place);
            self.due(running.id, place);
        }
    }

    /// The time of a message is up: whoever was tried and did not get it, or is held, will not. Attempts under way,
    /// and recipients that were never tried because the server stood still, are judged by their next outcome.
    fn expire(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        let mut events = Vec::new();
        for ((place, target), phase) in (0_u32..).zip(live.entry.targets()).zip(&mut live.phases) {
            let tried = target.attempts > 0 || target.state == State::Held;
            if target.state.is_open() && tried && matches!(phase, Phase::Idle | Phase::Queued) {
                *phase = Phase::Settling;
                events.push((place, Event::Failed(expiry(&self.expired, now, target.last.as_deref()))));
            }
        }
        if !events.is_empty() {
            self.effects.push_back(Effect::Record { id, events });
        }
    }
}

fn release(live: &mut Live, place: u32, condition: impl Fn(Phase) -> bool) {
    if let Some(phase) = usize::try_from(place).ok().and_then(|index| live.phases.get_mut(index))
        && condition(*phase)
    {
        *phase = Phase::Idle;
    }
}

/// The agent said nothing of a recipient: as if it had not been tried in earnest.
fn unsaid(now: Timestamp) -> Outcome {
    Outcome::Deferred(Attempt { at: now, host: None, reply: Finding::Unsaid.reply() })
}

/// The reply of an expired message, with the last answer, which says what was wrong.
fn expiry(expired: &Reply, now: Timestamp, last: Option<&Attempt>) -> Attempt {
    let reply = match (last, expired.enhanced()) {
        (Some(last), Some(status)) => {
            let text = expired.to_string();
            let text = text.splitn(3, ' ').nth(2).unwrap_or_default().to_owned();
            Reply::new(expired.code(), status, format!("{text}; last error: {}", last.reply))
        }
        (None, _) | (_, None) => expired.clone(),
    };
    Attempt { at: now, host: last.and_then(|last| last.host.clone()), reply }
}
