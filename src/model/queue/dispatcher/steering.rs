//! What administrators ask: commands on messages, and suspended destinations and senders.

use super::book::Live;
use super::{Dispatcher, Phase};
use crate::model::mail::Timestamp;
use crate::model::queue::entry::{EntryFacts, QueueId};
use crate::model::queue::lane::{LaneKey, Paused};
use crate::model::queue::state::State;
use crate::model::queue::suspension::{Suspension, Suspensions};
use crate::model::queue::target::{Attempt, Event, Hop, Target};
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

impl Live {
    /// Nothing new begins on a recipient that an order has ended, although that is not recorded yet: no attempt, and no
    /// decision about one that waits for a moderator.
    fn settle(&mut self, place: u32, event: &Event) {
        let moderated = self.entry.target(place).is_some_and(|target| target.state == State::Moderated);
        let fails = matches!(event, Event::Failed(_));
        let is_free = |phase: &&mut Phase| moderated || (fails && matches!(phase, Phase::Idle | Phase::Queued));
        if let Some(phase) = self.phase(place).filter(is_free) {
            *phase = Phase::Settling;
        }
    }
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
        let Some(live) = self.book.get(id) else { return 0 };
        if !live.entry.is_expanded() {
            return self.abandon(command);
        }
        let answers = self.answers(&live, command, wanted);
        let obeyed = answers.len();
        let mut events = Vec::new();
        for Answer { place, event, lane } in answers {
            if let (Some(event), Some(live)) = (&event, self.book.get_mut(id)) {
                live.settle(place, event);
            }
            events.extend(event.map(|event| (place, event)));
            // What is to be tried now must not wait for its destination.
            if let Some(lane) = lane {
                self.lanes.wake_lane(&lane, &self.limits, &self.suspensions);
            }
        }
        if !events.is_empty() {
            self.effects.push_back(Effect::Record { id, events });
        }
        self.relieve();
        obeyed
    }

    /// How many recipients would obey.
    pub fn would_obey(&self, command: &Command, wanted: impl Fn(&Target) -> bool) -> usize {
        let Some(live) = self.book.get(command.id()) else { return 0 };
        if !live.entry.is_expanded() {
            return usize::from(unexpanded_end(command).is_some());
        }
        self.answers(&live, command, wanted).len()
    }

    /// Those of the recipients that `wanted` names who obey.
    fn answers(&self, live: &Live, command: &Command, wanted: impl Fn(&Target) -> bool) -> Vec<Answer> {
        let retry = matches!(command, Command::Retry(_));
        let answer = |(place, target): (u32, &Target)| {
            let event = event(command, target, live.may_be_on_its_way(place));
            let lane = retry.then(|| target.addressee.hop.lane());
            let lane = lane.filter(|lane| self.lanes.paused_until(lane).is_some());
            let waits = target.state == State::Due && lane.is_some();
            (event.is_some() || waits).then_some(Answer { place, event, lane })
        };
        (0_u32..).zip(live.entry.targets()).filter(|(_, target)| wanted(target)).filter_map(answer).collect()
    }

    fn abandon(&mut self, command: &Command) -> usize {
        let Some(attempt) = unexpanded_end(command) else { return 0 };
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
            State::Due => self.lanes.paused_until(&target.addressee.hop.lane()),
            State::Held
            | State::Delivered
            | State::Relayed
            | State::Failed
            | State::Removed
            | State::Reported
            | State::Moderated
            | State::Approved
            | State::Branched
            | State::Rejected => None,
        }
    }

    /// The last answer to a recipient; for one that waits behind a destination none of whose hosts can be used, what is
    /// wrong with that.
    pub fn last_attempt<'a>(&'a self, target: &'a Target) -> Option<&'a Attempt> {
        target.last.as_deref().or_else(|| {
            let lane = (target.state == State::Due).then(|| target.addressee.hop.lane())?;
            self.lanes.paused_until(&lane)?;
            self.lanes.last_trouble(&lane)
        })
    }

    /// Obeys what is suspended from now on, and lets go on what is not any more.
    pub(super) fn suspended(&mut self, suspensions: Suspensions) {
        let former = core::mem::replace(&mut self.suspensions, suspensions);
        let altered = |facts: &EntryFacts| {
            let (before, now) = (former.of_sender(facts).is_some(), self.suspensions.of_sender(facts).is_some());
            (before != now).then_some(now)
        };
        let mut messages: Vec<(QueueId, bool)> = Vec::new();
        // Nobody else's messages need a look.
        if !self.suspensions.has_senders_of(&former) {
            let all = self.book.iter_from(QueueId(0));
            messages.extend(all.filter_map(|(id, live)| Some((id, altered(&live.entry.facts)?))));
        }
        for (id, stops) in messages {
            let Some(live) = self.book.get_mut(id) else { continue };
            let count = u32::try_from(live.phases.len()).unwrap_or(u32::MAX);
            for place in 0..count {
                if stops {
                    // Passed over where it waits; an attempt under way ends by itself.
                    if let Some(live) = self.book.get_mut(id) {
                        live.release(place, |phase| phase == Phase::Queued);
                    }
                } else {
                    self.enlist(id, place);
                }
            }
            self.relieve();
        }
        self.lanes.obey(&self.limits, &self.suspensions);
    }
}

/// A recipient that obeys a command.
struct Answer {
    place: u32,
    /// What happens to it.
    event: Option<Event>,
    /// The destination whose pause ends.
    lane: Option<LaneKey>,
}

/// How a command ends a message that is not expanded, which can only be dropped or given up; the attempt is what its
/// sender is told.
fn unexpanded_end(command: &Command) -> Option<Option<Attempt>> {
    match command {
        Command::Remove(_) => Some(None),
        Command::GiveUp(_, attempt) => Some(Some(attempt.clone())),
        Command::Retry(_) | Command::Hold(_) | Command::Release(_) | Command::Move(..) => None,
    }
}

/// What a command does to a recipient, whose mailbox may have the message or get it any moment.
fn event(command: &Command, target: &Target, may_have_it: bool) -> Option<Event> {
    let state = target.state;
    match command {
        Command::Retry(_) => (state == State::Deferred).then_some(Event::Released),
        Command::Remove(_) => state.is_open().then_some(Event::Removed),
        Command::GiveUp(..) if target.given_up().is_some() => None,
        Command::GiveUp(_, attempt) if may_have_it && target.addressee.hop.is_mailbox() && state.is_open() => {
            Some(Event::GivenUp(attempt.clone()))
        }
        Command::GiveUp(_, attempt) => state.is_open().then(|| Event::Failed(attempt.clone())),
        Command::Hold(_) => matches!(state, State::Due | State::Deferred).then_some(Event::Held),
        Command::Release(_) => (state == State::Held && target.given_up().is_none()).then_some(Event::Released),
        Command::Move(_, route) => {
            let elsewhere = matches!(target.addressee.hop, Hop::Relay { .. });
            (elsewhere && state.is_open()).then(|| Event::Redirected(route.clone()))
        }
    }
}
