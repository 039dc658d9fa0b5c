//! Decides what happens next in the queue. Pure: inputs and the time go in, effects come out.
//!
//! Promises, each held by a test: every recipient ends exactly once, at the latest one lease and one attempt after its
//! time is up or, where that is later, after the server came back; no destination waits for another; what a stuck
//! worker holds comes back; a null reverse-path earns no report. The caller makes every [`Effect::Record`] durable and
//! answers with [`Input::Recorded`], in the order in which the effects came; only that alters a recipient.
//!
//! Every timer is removed when its reason goes, so what is kept grows with the queue and not with the traffic.

mod attempts;
mod book;
mod endings;
mod moderation;
mod reports;
mod restricted;
mod resumption;
mod steering;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::entry::{Entry, QueueId};
use super::lane::{LaneKey, Lanes, Limits};
use super::retry::Schedule;
use super::shelf::Seen;
use super::state::State;
use super::suspension::Suspensions;
use super::target::{Attempt, Event, ReportKind, Target};
use super::work::{Effect, Input, Lease};
use crate::model::mail::{Reply, Timestamp};
use crate::model::policy::restricted::Submitter;

use book::{Book, Live};
pub use moderation::Undecidable;
use restricted::is_stopped;
pub use resumption::Resumption;
pub use steering::Destination;

/// Whether a recipient is spoken for, in this run of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// Nothing is under way.
    Idle,
    /// It waits on its lane.
    Queued,
    /// An attempt is under way.
    #[serde(skip)]
    Leased(Lease),
    /// Its outcome is being made durable.
    #[serde(skip)]
    Settling,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A message that is packed comes to hand; before its own timers ring.
    Wake(QueueId),
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
    book: Book,
    lanes: Lanes,
    suspensions: Suspensions,
    /// Whose mail to other systems waits.
    restricted: BTreeSet<Submitter>,
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
            book: Book::default(),
            lanes: Lanes::default(),
            suspensions: Suspensions::default(),
            restricted: BTreeSet::new(),
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
        self.book.insert(id, Live::restored(entry, now.plus(self.limits.lease)));
        if expanded {
            self.begin(now, id)
        } else {
            self.await_expansion(now, id)
        }
        self.relieve();
    }

    /// Takes an input in.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Committed(facts) => {
                let id = facts.id;
                self.book.insert(id, Live::new(Entry::accepted(facts)));
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
        self.relieve();
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Input::Tick`] is due next.
    pub fn next_tick(&self) -> Option<Timestamp> {
        self.book.next_timer().into_iter().chain(self.lanes.next_wake()).min()
    }

    /// The messages in the queue, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = Seen<'_, Entry>> {
        self.entries_from(QueueId(0))
    }

    /// The messages from `first` on, oldest first.
    pub fn entries_from(&self, first: QueueId) -> impl Iterator<Item = Seen<'_, Entry>> {
        self.book.iter_from(first).map(|(_, live)| live.part(|live| &live.entry, |live| live.entry))
    }

    /// How many messages are in the queue.
    pub fn count(&self) -> usize {
        self.book.len()
    }

    /// One message.
    pub fn entry(&self, id: QueueId) -> Option<Seen<'_, Entry>> {
        self.book.get(id).map(|live| live.part(|live| &live.entry, |live| live.entry))
    }

    /// The workers of these attempts are alive: their leases begin anew. Those that have ended are passed over.
    pub fn renew(&mut self, now: Timestamp, leases: impl IntoIterator<Item = Lease>) {
        let deadline = now.plus(self.limits.lease);
        for lease in leases {
            let Some(running) = self.leases.get_mut(&lease) else { continue };
            self.book.unset_timer(running.deadline, Timer::Lease(lease));
            running.deadline = deadline;
            self.book.set_timer(deadline, Timer::Lease(lease));
        }
    }

    /// How many attempts are under way.
    pub const fn running(&self) -> usize {
        self.lanes.running()
    }

    /// Asks for the expansion of a message that has just come.
    fn await_expansion(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.book.get_mut(id) else { return };
        let expires_at = self.schedule.expires_at(live.entry.facts.accepted_at).max(live.patient_until);
        self.book.look_at_time(id, expires_at);
        self.ask_expansion(now, id);
    }

    fn ask_expansion(&mut self, now: Timestamp, id: QueueId) {
        // Workers can be lost: what was asked of them is asked again after a lease.
        self.book.ask_again_at(id, now.plus(self.limits.lease));
        self.effects.push_back(Effect::Expand(id));
    }

    /// Packs what only waits, if much is at hand.
    fn relieve(&mut self) {
        self.book.relieve(self.limits.awake_max, &self.schedule);
    }

    fn expanded(&mut self, now: Timestamp, id: QueueId, targets: Vec<Target>) {
        let Some(live) = self.book.get_mut(id) else { return };
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
        if self.book.get(id).is_some_and(|live| !live.entry.is_expanded()) {
            self.book.ask_again_at(id, now.plus(self.schedule.pause(1)));
        }
    }

    /// Starts the timers of an expanded message and puts its recipients where they belong.
    fn begin(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.book.get_mut(id) else { return };
        let notices: Vec<Timestamp> = live.entry.beginnings().map(|since| self.schedule.notice_at(since)).collect();
        for at in notices {
            self.book.set_timer(at, Timer::Notice(id));
        }
        self.look_at_earliest(id);
        let places = self.places(id);
        places.iter().for_each(|place| self.enlist(id, *place));
        self.end_given_up(now, id, &places);
        self.conclude(now, id, &places);
    }

    /// Puts an idle recipient on its lane or on the clock, unless its sender is suspended, or restricted.
    fn enlist(&mut self, id: QueueId, place: u32) {
        let Some(live) = self.book.get_mut(id) else { return };
        let Some(target) = live.entry.target(place) else { return };
        if is_stopped(&self.suspensions, &self.restricted, &live.entry.facts, &target.addressee.hop) {
            return;
        }
        let (state, next_attempt, lane) = (target.state, target.next_attempt, target.addressee.hop.lane());
        let Some(phase) = live.phase(place).filter(|phase| **phase == Phase::Idle) else { return };
        match state {
            State::Due => {
                *phase = Phase::Queued;
                self.lanes.push(lane, (id, place), &self.limits, &self.suspensions);
            }
            State::Deferred => {
                self.book.set_timer(next_attempt, Timer::Due(id, place));
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
            let Some(live) = self.book.get_mut(id) else { return };
            if let Some(at) = live.entry.target(*place).map(|target| target.next_attempt) {
                self.book.unset_timer(at, Timer::Due(id, *place));
            }
            let Some(live) = self.book.get_mut(id) else { return };
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
                        self.book.look_at_time(id, now);
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
                    self.book.look_at_time(id, expires_at);
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
        while let Some(timer) = self.book.rung(now) {
            match timer {
                Timer::Wake(id) => {
                    // Its own timers ring before it may rest again.
                    self.book.wake(id);
                    continue;
                }
                Timer::Due(id, place) => self.due(id, place),
                Timer::Lease(lease) => self.lost(now, lease),
                Timer::AskAgain(id) => self.ask_again(now, id),
                Timer::Notice(id) => self.notice(now, id),
                Timer::Expire(id) => self.expire(now, id),
            }
            // Many may wake at once.
            self.relieve();
        }
    }

    fn ask_again(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.book.get_mut(id) else { return };
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
