//! Decides what happens next in the queue. Pure: inputs and the time go in, effects come out.
//!
//! Promises, each held by a test: every recipient ends exactly once, at the latest one lease and one attempt after its
//! time is up or, where that is later, after the server came back; no destination waits for another; what a stuck
//! worker holds comes back; a null reverse-path earns no report. The caller makes every [`Effect::Record`] durable and
//! answers with [`Input::Recorded`], in the order in which the effects came; only that alters a recipient.
//!
//! Every timer is removed when its reason goes, so what is kept grows with the queue and not with the traffic.

mod attempts;
mod endings;
mod moderation;
mod reports;
mod steering;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::entry::{Entry, QueueId};
use super::lane::{LaneKey, Lanes, Limits};
use super::retry::Schedule;
use super::state::State;
use super::suspension::Suspensions;
use super::target::{Attempt, Event, ReportKind, Target};
use super::work::{Effect, Input, Lease};
use crate::model::mail::{Reply, Timestamp};

use endings::Ending;
pub use moderation::Undecidable;
pub use steering::Destination;

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
    /// Moderated recipients for which something was asked and not yet recorded.
    asked: BTreeSet<u32>,
    /// Automatic replies asked for and not yet recorded, by place.
    replying: BTreeSet<u32>,
    /// Recipients whose time is up and who may have the message all the same, by place.
    ending: BTreeMap<u32, Ending>,
    repeat_possible: bool,
    /// It does not end before that.
    patient_until: Timestamp,
    /// When to ask again for the expansion or the reports, if they were asked for.
    ask_again: Timestamp,
    /// When its time is looked at next.
    expire: Timestamp,
}

impl Live {
    fn new(entry: Entry) -> Self {
        let phases = vec![Phase::Idle; entry.targets().len()];
        let (patient_until, ask_again, expire) = (Timestamp::EPOCH, Timestamp::EPOCH, Timestamp::EPOCH);
        let (reporting, asked, replying) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (ending, repeat_possible) = (BTreeMap::new(), false);
        Self { entry, phases, reporting, asked, replying, ending, repeat_possible, patient_until, ask_again, expire }
    }

    /// One that was in the queue before a restart.
    fn restored(entry: Entry, patient_until: Timestamp) -> Self {
        Self { repeat_possible: true, patient_until, ..Self::new(entry) }
    }

    fn phase(&mut self, place: u32) -> Option<&mut Phase> {
        self.phases.get_mut(usize::try_from(place).ok()?)
    }

    /// Takes a phase back to idle, if `condition` holds for it.
    fn release(&mut self, place: u32, condition: impl Fn(Phase) -> bool) {
        if let Some(phase) = self.phase(place).filter(|phase| condition(**phase)) {
            *phase = Phase::Idle;
        }
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
    suspensions: Suspensions,
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
            suspensions: Suspensions::default(),
            timers: BTreeSet::new(),
            leases: BTreeMap::new(),
            next_lease: 0,
            effects: VecDeque::new(),
        }
    }

    /// Takes up a message that was in the queue before a restart. Attempts may have succeeded unseen.
    ///
    /// Whatever its age, it is tried for a lease from now: the server may have stood still for days, and a first
    /// attempt after that can meet a name server or a disk that is not up yet.
    pub fn restore(&mut self, now: Timestamp, entry: Entry) {
        let (id, expanded) = (entry.facts.id, entry.is_expanded());
        self.entries.insert(id, Live::restored(entry, now.plus(self.limits.lease)));
        if expanded { self.begin(now, id) } else { self.await_expansion(now, id) }
    }

    /// Takes an input in.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Committed(facts) => {
                let id = facts.id;
                self.entries.insert(id, Live::new(Entry::accepted(facts)));
                self.await_expansion(now, id);
            }
            Input::Expanded { id, targets } => self.expanded(now, id, targets),
            Input::Branched { id, place, targets } => self.branched(now, id, place, targets),
            Input::Unexpanded(id) => self.unexpanded(now, id),
            Input::Found { id, sights } => self.found(now, id, sights),
            Input::Outcomes { lease, outcomes, jitter } => self.outcomes(now, lease, outcomes, jitter),
            Input::Recorded { id, events } => self.recorded(now, id, &events),
            Input::Suspended(suspensions) => self.suspended(suspensions),
            Input::Tick => self.tick(now),
        }
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Input::Tick`] is due next.
    pub fn next_tick(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        timer.into_iter().chain(self.lanes.next_wake()).min()
    }

    /// The messages in the queue, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|live| &live.entry)
    }

    /// The messages from `first` on, oldest first.
    pub fn entries_from(&self, first: QueueId) -> impl Iterator<Item = &Entry> {
        self.entries.range(first..).map(|(_, live)| &live.entry)
    }

    /// How many messages are in the queue.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// One message.
    pub fn entry(&self, id: QueueId) -> Option<&Entry> {
        self.entries.get(&id).map(|live| &live.entry)
    }

    /// The workers of these attempts are alive: their leases begin anew. Those that have ended are passed over.
    pub fn renew(&mut self, now: Timestamp, leases: impl IntoIterator<Item = Lease>) {
        let deadline = now.plus(self.limits.lease);
        for lease in leases {
            let Some(running) = self.leases.get_mut(&lease) else { continue };
            self.timers.remove(&(running.deadline, Timer::Lease(lease)));
            running.deadline = deadline;
            self.timers.insert((deadline, Timer::Lease(lease)));
        }
    }

    /// How many attempts are under way.
    pub const fn running(&self) -> usize {
        self.lanes.running()
    }

    /// Asks for the expansion of a message that has just come.
    fn await_expansion(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get(&id) else { return };
        let expires_at = self.schedule.expires_at(live.entry.facts.accepted_at);
        self.look_at_time(id, expires_at.max(live.patient_until));
        self.ask_expansion(now, id);
    }

    fn ask_expansion(&mut self, now: Timestamp, id: QueueId) {
        // Workers can be lost: what was asked of them is asked again after a lease.
        self.ask_again_at(id, now.plus(self.limits.lease));
        self.effects.push_back(Effect::Expand(id));
    }

    fn ask_again_at(&mut self, id: QueueId, at: Timestamp) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        self.timers.remove(&(live.ask_again, Timer::AskAgain(id)));
        live.ask_again = at;
        self.timers.insert((at, Timer::AskAgain(id)));
    }

    /// Looks at the time of a message at `at`, or before if that was said.
    fn look_at_time(&mut self, id: QueueId, at: Timestamp) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        if !self.timers.remove(&(live.expire, Timer::Expire(id))) || at < live.expire {
            live.expire = at;
        }
        self.timers.insert((live.expire, Timer::Expire(id)));
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

    /// The message cannot be read, or its expansion broke: soon again.
    fn unexpanded(&mut self, now: Timestamp, id: QueueId) {
        if self.entries.get(&id).is_some_and(|live| !live.entry.is_expanded()) {
            self.ask_again_at(id, now.plus(self.schedule.pause(1)));
        }
    }

    /// Starts the timers of an expanded message and puts its recipients where they belong.
    fn begin(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get(&id) else { return };
        for since in live.entry.beginnings() {
            self.timers.insert((self.schedule.notice_at(since), Timer::Notice(id)));
        }
        self.look_at_earliest(id);
        let places = self.places(id);
        places.iter().for_each(|place| self.enlist(id, *place));
        self.end_given_up(now, id, &places);
        self.conclude(now, id, &places);
    }

    /// Puts an idle recipient on its lane or on the clock, unless its sender is suspended.
    fn enlist(&mut self, id: QueueId, place: u32) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        if self.suspensions.of_sender(&live.entry.facts).is_some() {
            return;
        }
        let Some(target) = live.entry.target(place) else { return };
        let (state, next_attempt, lane) = (target.state, target.next_attempt, target.addressee.hop.lane());
        let Some(phase) = live.phase(place).filter(|phase| **phase == Phase::Idle) else { return };
        match state {
            State::Due => {
                *phase = Phase::Queued;
                self.lanes.push(lane, (id, place), &self.limits, &self.suspensions);
            }
            State::Deferred => {
                self.timers.insert((next_attempt, Timer::Due(id, place)));
            }
            State::Held
            | State::Delivered
            | State::Relayed
            | State::Failed
            | State::Removed
            | State::Reported
            | State::Moderated
            | State::Approved
            | State::Branched
            | State::Rejected => {}
        }
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
                Event::Replied(_) => {
                    live.replying.remove(place);
                }
                // What it announces comes with it.
                Event::ReplyDue => {}
                Event::Deferred { .. } | Event::Delivered(_) | Event::Relayed { .. } | Event::Failed(_) => {
                    live.release(*place, |phase| phase == Phase::Settling);
                    // Its time may have run out while this was made durable.
                    if now >= self.schedule.expires_at(live.entry.facts.accepted_at) {
                        self.look_at_time(id, now);
                    }
                }
                Event::Requested | Event::Approved(_) | Event::Rejected(_) | Event::Branched(_) => {
                    live.asked.remove(place);
                    live.release(*place, |phase| phase == Phase::Settling);
                    // Its time may have run out while this was made durable.
                    self.look_at_earliest(id);
                }
                // What waits on its lane is passed over there; an attempt under way ends by itself.
                Event::Held | Event::GivenUp(_) | Event::Removed | Event::Released | Event::Redirected(_) => {
                    live.release(*place, |phase| phase == Phase::Queued);
                    // A hold does not outlive the message, even one that begins after its time was up.
                    let expires_at = self.schedule.expires_at(live.entry.facts.accepted_at);
                    self.look_at_time(id, expires_at);
                }
            }
            self.enlist(id, *place);
        }
        let places: Vec<u32> = events.iter().map(|(place, _)| *place).collect();
        self.end_given_up(now, id, &places);
        self.conclude(now, id, &places);
    }

    fn tick(&mut self, now: Timestamp) {
        self.lanes.wake(now, &self.limits, &self.suspensions);
        while let Some((at, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Due(id, place) => self.due(id, place),
                Timer::Lease(lease) => self.lost(now, lease),
                Timer::AskAgain(id) => self.ask_again(now, id),
                Timer::Notice(id) => self.notice(now, id),
                Timer::Expire(id) => self.expire(now, id),
            }
        }
    }

    fn ask_again(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.entries.get_mut(&id) else { return };
        if live.entry.is_expanded() {
            live.reporting.clear();
            live.asked.clear();
            live.replying.clear();
            self.ask_for_owed(now, id, &self.places(id));
            self.find_again(now, id);
        } else {
            self.ask_expansion(now, id);
        }
    }
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
