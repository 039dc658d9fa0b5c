//! What administrators ask: commands on messages, and suspended destinations and senders.

use std::collections::BTreeSet;

use super::{Dispatcher, Phase};
use crate::model::mail::Timestamp;
use crate::model::queue::entry::QueueId;
use crate::model::queue::lane::{LaneKey, Paused};
use crate::model::queue::suspension::{Suspension, Suspensions};
use crate::model::queue::target::{Event, Hop, State, Target};
use crate::model::queue::work::{Command, Effect};

/// Where a destination stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Which.
    pub lane: LaneKey,
    /// It pauses, since none of its hosts could be used.
    pub paused: Option<Paused>,
    /// An administrator stopped it.
    pub suspension: Option<Suspension>,
}

impl Dispatcher {
    /// Obeys an administrator; false when the message is not in the queue or nothing of it can obey.
    pub fn command(&mut self, command: &Command) -> bool {
        self.command_where(command, |_| true) > 0
    }

    /// The same for those recipients that `wanted` names. Says how many obey; a message that is not expanded yet counts
    /// as one.
    pub fn command_where(&mut self, command: &Command, wanted: impl Fn(&Target) -> bool) -> usize {
        let id = command.id();
        let Some(live) = self.entries.get(&id) else { return 0 };
        if !live.entry.is_expanded() {
            return self.abandon(command);
        }
        let retry = matches!(command, Command::Retry(_));
        let (mut events, mut wake, mut obeyed) = (Vec::new(), BTreeSet::new(), 0_usize);
        for (place, target) in (0_u32..).zip(live.entry.targets()).filter(|(_, target)| wanted(target)) {
            let event = event(command, target);
            // What is to be tried now must not wait for its destination.
            let lane = retry.then(|| target.addressee.hop.lane()).filter(|lane| self.lanes.paused(lane).is_some());
            let waits = target.state == State::Due && lane.is_some();
            obeyed = obeyed.saturating_add(usize::from(event.is_some() || waits));
            wake.extend(lane.filter(|_| event.is_some() || waits));
            events.extend(event.map(|event| (place, event)));
        }
        for lane in wake {
            self.lanes.wake_lane(&lane, &self.limits, &self.suspensions);
        }
        if !events.is_empty() {
            self.effects.push_back(Effect::Record { id, events });
        }
        obeyed
    }

    /// How many recipients would obey.
    pub fn would_obey(&self, command: &Command, wanted: impl Fn(&Target) -> bool) -> usize {
        let Some(live) = self.entries.get(&command.id()) else { return 0 };
        if !live.entry.is_expanded() {
            return usize::from(matches!(command, Command::Remove(_) | Command::GiveUp(..)));
        }
        let obeys = |target: &&Target| {
            let pauses = || self.lanes.paused(&target.addressee.hop.lane()).is_some();
            let waits = matches!(command, Command::Retry(_)) && target.state == State::Due;
            wanted(target) && (event(command, target).is_some() || (waits && pauses()))
        };
        live.entry.targets().iter().filter(obeys).count()
    }

    /// A message that is not expanded can only be dropped or given up.
    fn abandon(&mut self, command: &Command) -> usize {
        let attempt = match command {
            Command::Remove(_) => None,
            Command::GiveUp(_, attempt) => Some(attempt.clone()),
            Command::Retry(_) | Command::Hold(_) | Command::Release(_) | Command::Move(..) => return 0,
        };
        self.effects.push_back(Effect::Abandon { id: command.id(), attempt });
        1
    }

    /// What is suspended.
    pub const fn suspensions(&self) -> &Suspensions {
        &self.suspensions
    }

    /// Where the destination of a hop stands.
    pub fn destination(&self, hop: &Hop) -> Destination {
        let lane = hop.lane();
        let (paused, suspension) = (self.lanes.paused(&lane), self.suspensions.of_lane(&lane).cloned());
        Destination { lane, paused, suspension }
    }

    /// When a recipient is tried next: at once, when the time comes, or when its destination's pause is over. None when
    /// it is not going to be tried, or an attempt is under way.
    pub fn next_attempt(&self, target: &Target) -> Option<Timestamp> {
        match target.state {
            State::Deferred => Some(target.next_attempt),
            State::Due => self.lanes.paused(&target.addressee.hop.lane()).map(|paused| paused.until),
            State::Held | State::Delivered | State::Relayed | State::Failed | State::Removed | State::Reported => None,
        }
    }

    /// Obeys what is suspended from now on, and lets go on what is not any more.
    pub(super) fn suspended(&mut self, suspensions: Suspensions) {
        let former = core::mem::replace(&mut self.suspensions, suspensions);
        let altered = |id: &QueueId| {
            let facts = self.entries.get(id).map(|live| &live.entry.facts)?;
            let (before, now) = (former.of_sender(facts).is_some(), self.suspensions.of_sender(facts).is_some());
            (before != now).then_some(now)
        };
        let messages: Vec<(QueueId, bool)> = self.entries.keys().filter_map(|id| Some((*id, altered(id)?))).collect();
        for (id, stops) in messages {
            let Some(live) = self.entries.get_mut(&id) else { continue };
            let count = u32::try_from(live.phases.len()).unwrap_or(u32::MAX);
            for place in 0..count {
                if stops {
                    // Passed over where it waits; an attempt under way ends by itself.
                    if let Some(live) = self.entries.get_mut(&id) {
                        live.release(place, |phase| phase == Phase::Queued);
                    }
                } else {
                    self.enlist(id, place);
                }
            }
        }
        self.lanes.obey(&self.limits, &self.suspensions);
    }
}

/// What a command does to a recipient.
fn event(command: &Command, target: &Target) -> Option<Event> {
    let state = target.state;
    match command {
        Command::Retry(_) => (state == State::Deferred).then_some(Event::Released),
        Command::Remove(_) => state.is_open().then_some(Event::Removed),
        Command::GiveUp(_, attempt) => state.is_open().then(|| Event::Failed(attempt.clone())),
        Command::Hold(_) => matches!(state, State::Due | State::Deferred).then_some(Event::Held),
        Command::Release(_) => (state == State::Held).then_some(Event::Released),
        Command::Move(_, route) => {
            let elsewhere = matches!(target.addressee.hop, Hop::Relay { .. });
            (elsewhere && state.is_open()).then(|| Event::Redirected(route.clone()))
        }
    }
}
