//! The messages and the clock of the queue.
//!
//! A message that only waits is packed ([`Shelf`]), and its timers with it: one stands for all of them. It comes to
//! hand again with the first thing that happens to it, and then everything is as it was.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::endings::Ending;
use super::{Phase, Timer};
use crate::model::mail::Timestamp;
use crate::model::queue::entry::{Entry, QueueId};
use crate::model::queue::retry::Schedule;
use crate::model::queue::shelf::{Seen, Shelf, Shelved};
use crate::model::queue::state::State;
use crate::model::queue::target::{ReportKind, Target};

/// A message with more recipients stays at hand: something happens to one of them all the time.
const RESTING_TARGETS_MAX: usize = 100;

/// A message, and what is under way for it in this run of the server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Live {
    pub(super) entry: Entry,
    pub(super) phases: Vec<Phase>,
    /// Reports asked for and not yet recorded, by place.
    #[serde(skip)]
    pub(super) reporting: BTreeSet<(u32, ReportKind)>,
    /// Moderated recipients for which something was asked and not yet recorded.
    #[serde(skip)]
    pub(super) asked: BTreeSet<u32>,
    /// Automatic replies asked for and not yet recorded, by place.
    #[serde(skip)]
    pub(super) replying: BTreeSet<u32>,
    /// Recipients whose time is up and who may have the message all the same, by place.
    #[serde(skip)]
    pub(super) ending: BTreeMap<u32, Ending>,
    pub(super) repeat_possible: bool,
    /// It does not end before that.
    pub(super) patient_until: Timestamp,
    /// When to ask again for the expansion or the reports, if they were asked for.
    pub(super) ask_again: Timestamp,
    /// When its time is looked at next.
    pub(super) expire: Timestamp,
    /// Its timers while it is packed.
    alarms: Vec<(Timestamp, Alarm)>,
}

/// A timer, without its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Alarm {
    Due(u32),
    AskAgain,
    Notice,
    Expire,
}

impl Alarm {
    const fn of(self, id: QueueId) -> Timer {
        match self {
            Self::Due(place) => Timer::Due(id, place),
            Self::AskAgain => Timer::AskAgain(id),
            Self::Notice => Timer::Notice(id),
            Self::Expire => Timer::Expire(id),
        }
    }
}

impl Live {
    pub(super) fn new(entry: Entry) -> Self {
        Self {
            phases: vec![Phase::Idle; entry.targets().len()],
            entry,
            reporting: BTreeSet::new(),
            asked: BTreeSet::new(),
            replying: BTreeSet::new(),
            ending: BTreeMap::new(),
            repeat_possible: false,
            patient_until: Timestamp::EPOCH,
            ask_again: Timestamp::EPOCH,
            expire: Timestamp::EPOCH,
            alarms: Vec::new(),
        }
    }

    /// One that was in the queue before a restart.
    pub(super) fn restored(entry: Entry, patient_until: Timestamp) -> Self {
        Self { repeat_possible: true, patient_until, ..Self::new(entry) }
    }

    pub(super) fn phase(&mut self, place: u32) -> Option<&mut Phase> {
        self.phases.get_mut(usize::try_from(place).ok()?)
    }

    /// Takes a phase back to idle, if `condition` holds for it.
    pub(super) fn release(&mut self, place: u32, condition: impl Fn(Phase) -> bool) {
        if let Some(phase) = self.phase(place).filter(|phase| condition(**phase)) {
            *phase = Phase::Idle;
        }
    }

    /// Whether it only waits: for its turn, for the clock, or for an administrator.
    fn rests(&self) -> bool {
        self.entry.is_expanded()
            && self.phases.len() <= RESTING_TARGETS_MAX
            && self.phases.iter().all(|phase| matches!(phase, Phase::Idle | Phase::Queued))
            && self.reporting.is_empty()
            && self.asked.is_empty()
            && self.replying.is_empty()
            && self.ending.is_empty()
    }

    /// The timers with which it goes on after a restart, if it needs nothing else; prepares it for that.
    fn first_alarms(&mut self, schedule: &Schedule) -> Option<Vec<(Timestamp, Alarm)>> {
        let targets = self.entry.targets();
        let waits = |target: &Target| match target.state {
            State::Deferred | State::Held => target.given_up().is_none(),
            State::Due | State::Moderated | State::Approved => false,
            State::Delivered
            | State::Relayed
            | State::Failed
            | State::Removed
            | State::Reported
            | State::Branched
            | State::Rejected => target.is_settled(),
        };
        if targets.len() > RESTING_TARGETS_MAX || !targets.iter().all(waits) {
            return None;
        }
        let expire = self.earliest_end(schedule)?;
        let deferred = (0_u32..).zip(targets).filter(|(_, target)| target.state == State::Deferred);
        let due = deferred.map(|(place, target)| (target.next_attempt, Alarm::Due(place)));
        let notices = self.entry.beginnings().map(|since| (schedule.notice_at(since), Alarm::Notice));
        let alarms = due.chain(notices).chain([(expire, Alarm::Expire)]).collect();
        self.phases = vec![Phase::Idle; targets.len()];
        self.expire = expire;
        Some(alarms)
    }

    /// The timers that it can have.
    fn possible_alarms(&self, schedule: &Schedule) -> Vec<(Timestamp, Alarm)> {
        let due = |(place, target): (u32, &Target)| (target.next_attempt, Alarm::Due(place));
        let notices = self.entry.beginnings().map(|since| (schedule.notice_at(since), Alarm::Notice));
        let own = [(self.ask_again, Alarm::AskAgain), (self.expire, Alarm::Expire)];
        (0_u32..).zip(self.entry.targets()).map(due).chain(notices).chain(own).collect()
    }

    fn wakes_at(&self) -> Option<Timestamp> {
        self.alarms.iter().map(|(at, _)| *at).min()
    }
}

impl Shelved for Live {
    fn unpacked(&mut self) {
        self.entry.share();
    }
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Book {
    lives: Shelf<Live>,
    timers: BTreeSet<(Timestamp, Timer)>,
}

impl Book {
    pub(super) fn len(&self) -> usize {
        self.lives.len()
    }

    pub(super) fn insert(&mut self, id: QueueId, live: Live) {
        self.lives.insert(id, live);
    }

    /// Takes a message out; timers that are left over find nothing.
    pub(super) fn remove(&mut self, id: QueueId) {
        self.lives.remove(id);
    }

    /// A message, to be altered. Whoever alters it finds its timers.
    pub(super) fn get_mut(&mut self, id: QueueId) -> Option<&mut Live> {
        self.wake(id);
        self.lives.get_mut(id)
    }

    /// A message, to be read.
    pub(super) fn get(&self, id: QueueId) -> Option<Seen<'_, Live>> {
        self.lives.get(id)
    }

    /// The messages from `first` on, to be read.
    pub(super) fn iter_from(&self, first: QueueId) -> impl Iterator<Item = (QueueId, Seen<'_, Live>)> {
        self.lives.iter_from(first)
    }

    /// Brings a message to hand, and its timers.
    pub(super) fn wake(&mut self, id: QueueId) {
        if self.lives.wake(id) {
            self.wind(id);
        }
    }

    /// Sets the timers of a message that has just come to hand.
    fn wind(&mut self, id: QueueId) {
        let Some(live) = self.lives.get_mut(id) else { return };
        if let Some(at) = live.wakes_at() {
            self.timers.remove(&(at, Timer::Wake(id)));
        }
        let alarms = core::mem::take(&mut live.alarms);
        self.timers.extend(alarms.into_iter().map(|(at, alarm)| (at, alarm.of(id))));
    }

    /// Packs some of the messages that only wait, if more than `awake_max` are at hand.
    pub(super) fn relieve(&mut self, awake_max: usize, schedule: &Schedule) {
        let timers = &mut self.timers;
        self.lives.relieve(awake_max, |id, live| {
            if !live.rests() {
                return false;
            }
            let mut alarms = live.possible_alarms(schedule);
            alarms.retain(|(at, alarm)| timers.remove(&(*at, alarm.of(id))));
            live.alarms = alarms;
            timers.extend(live.wakes_at().map(|at| (at, Timer::Wake(id))));
            true
        });
    }

    /// A message of a queue whose journal is being read, to be altered; it has no timers then.
    pub(super) fn unwound(&mut self, id: QueueId) -> Option<&mut Live> {
        if self.lives.wake(id) {
            self.unwind(id);
        }
        self.lives.get_mut(id)
    }

    fn unwind(&mut self, id: QueueId) {
        let Some(live) = self.lives.get_mut(id) else { return };
        if let Some(at) = live.wakes_at() {
            self.timers.remove(&(at, Timer::Wake(id)));
        }
        live.alarms.clear();
    }

    /// Packs some of the messages of a queue whose journal is being read. Those that will only wait get their timers.
    pub(super) fn shelve(&mut self, awake_max: usize, schedule: &Schedule) {
        let timers = &mut self.timers;
        self.lives.relieve(awake_max, |id, live| {
            live.alarms = live.first_alarms(schedule).unwrap_or_default();
            timers.extend(live.wakes_at().map(|at| (at, Timer::Wake(id))));
            true
        });
    }

    /// The messages of a queue whose journal was read, oldest first, without those that lie packed with their timers if
    /// these may stay so.
    pub(super) fn all_but_resting(&self, may_rest: bool) -> Vec<QueueId> {
        let wakes = self.timers.iter().filter_map(|(_, timer)| match timer {
            Timer::Wake(id) => Some(*id).filter(|id| may_rest && !self.lives.is_at_hand(*id)),
            Timer::Due(..) | Timer::Lease(_) | Timer::AskAgain(_) | Timer::Notice(_) | Timer::Expire(_) => None,
        });
        let mut resting: Vec<QueueId> = wakes.collect();
        resting.sort_unstable();
        self.lives.ids().into_iter().filter(|id| resting.binary_search(id).is_err()).collect()
    }

    /// Takes a message of a queue whose journal was read out.
    pub(super) fn take(&mut self, id: QueueId) -> Option<Entry> {
        self.lives.wake(id);
        self.unwind(id);
        self.lives.remove(id).map(|live| live.entry)
    }

    pub(super) fn set_timer(&mut self, at: Timestamp, timer: Timer) {
        self.timers.insert((at, timer));
    }

    /// False when it was not set.
    pub(super) fn unset_timer(&mut self, at: Timestamp, timer: Timer) -> bool {
        self.timers.remove(&(at, timer))
    }

    /// When the next timer rings.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next timer that has rung; it is not set any more.
    pub(super) fn rung(&mut self, now: Timestamp) -> Option<Timer> {
        let (_, timer) = self.timers.first().copied().filter(|(at, _)| *at <= now)?;
        self.timers.pop_first();
        Some(timer)
    }

    /// Asks again for what was asked of a message at `at`, and not before.
    pub(super) fn ask_again_at(&mut self, id: QueueId, at: Timestamp) {
        let Some(live) = self.get_mut(id) else { return };
        let former = core::mem::replace(&mut live.ask_again, at);
        self.unset_timer(former, Timer::AskAgain(id));
        self.set_timer(at, Timer::AskAgain(id));
    }

    /// Looks at the time of a message at `at`, or before if that was said.
    pub(super) fn look_at_time(&mut self, id: QueueId, at: Timestamp) {
        let Some(former) = self.get_mut(id).map(|live| live.expire) else { return };
        let at = if self.unset_timer(former, Timer::Expire(id)) { former.min(at) } else { at };
        if let Some(live) = self.get_mut(id) {
            live.expire = at;
        }
        self.set_timer(at, Timer::Expire(id));
    }

    /// Forgets a message and its timers.
    pub(super) fn forget(&mut self, id: QueueId, schedule: &Schedule) {
        let Some(live) = self.get_mut(id) else { return };
        let (ask_again, expire) = (live.ask_again, live.expire);
        let notices: Vec<Timestamp> = live.entry.beginnings().map(|since| schedule.notice_at(since)).collect();
        self.unset_timer(ask_again, Timer::AskAgain(id));
        self.unset_timer(expire, Timer::Expire(id));
        for at in notices {
            self.unset_timer(at, Timer::Notice(id));
        }
        self.remove(id);
    }
}
