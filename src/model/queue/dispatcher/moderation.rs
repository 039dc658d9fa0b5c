//! Recipients that wait for a moderator: the requests and expansions they need, the decision, and whose time runs from
//! when.

use super::{Dispatcher, Phase, Timer};
use crate::model::mail::Timestamp;
use crate::model::queue::approval::{Decision, Verdict};
use crate::model::queue::entry::QueueId;
use crate::model::queue::state::State;
use crate::model::queue::target::{Event, Target};
use crate::model::queue::work::Effect;

/// Why a recipient cannot be decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecidable {
    /// There is no such recipient in the queue.
    #[error("there is no such recipient in the queue")]
    Unknown,
    /// It does not wait for a moderator, or not any more.
    #[error("it does not wait for a moderator")]
    NotWaiting,
    /// Something was decided about it a moment ago, and that is not durable yet.
    #[error("it is being decided")]
    UnderWay,
}

impl Dispatcher {
    /// Takes a moderator's decision in; it counts once it is recorded.
    ///
    /// # Errors
    /// When there is nothing to decide; then nothing has changed.
    pub fn decide(&mut self, id: QueueId, place: u32, verdict: Verdict, decision: Decision) -> Result<(), Undecidable> {
        let live = self.book.get_mut(id).ok_or(Undecidable::Unknown)?;
        let target = live.entry.target(place).ok_or(Undecidable::Unknown)?;
        if target.state != State::Moderated {
            return Err(Undecidable::NotWaiting);
        }
        let phase = live.phase(place).ok_or(Undecidable::Unknown)?;
        if *phase != Phase::Idle {
            return Err(Undecidable::UnderWay);
        }
        *phase = Phase::Settling;
        let event = match verdict {
            Verdict::Approve => Event::Approved(decision),
            Verdict::Reject => Event::Rejected(decision),
        };
        self.effects.push_back(Effect::Record { id, events: vec![(place, event)] });
        Ok(())
    }

    /// Asks for what recipients that are moderated need next and was not asked for yet: a request to the moderators, or
    /// the expansion below an approved one.
    pub(super) fn moderate(&mut self, now: Timestamp, id: QueueId, places: &[u32]) {
        let Some(live) = self.book.get_mut(id) else { return };
        let mut effects = Vec::new();
        for place in places.iter().copied() {
            let Some(target) = live.entry.target(place) else { continue };
            let effect = match target.state {
                State::Moderated if !target.noticed => Effect::Request { id, place },
                State::Approved => Effect::Branch { id, place },
                State::Moderated
                | State::Due
                | State::Deferred
                | State::Held
                | State::Delivered
                | State::Relayed
                | State::Failed
                | State::Removed
                | State::Reported
                | State::Branched
                | State::Rejected => continue,
            };
            if live.asked.insert(place) {
                effects.push(effect);
            }
        }
        if !effects.is_empty() {
            self.book.ask_again_at(id, now.plus(self.limits.lease));
        }
        self.effects.extend(effects);
    }

    /// Those below an approved recipient are known, and that is durable.
    pub(super) fn branched(&mut self, now: Timestamp, id: QueueId, place: u32, targets: Vec<Target>) {
        let Some(live) = self.book.get_mut(id) else { return };
        let first = live.phases.len();
        // A second worker's answer comes too late.
        if !live.entry.branch(place, targets) {
            return;
        }
        live.asked.remove(&place);
        live.phases.resize(live.entry.targets().len(), Phase::Idle);
        let (since, count) = (live.entry.since(u32::try_from(first).unwrap_or(u32::MAX)), live.phases.len());
        self.book.set_timer(self.schedule.notice_at(since), Timer::Notice(id));
        self.look_at_earliest(id);
        for place in first..count {
            self.enlist(id, u32::try_from(place).unwrap_or(u32::MAX));
        }
        self.conclude(now, id, &self.places(id));
    }

    /// Looks at the message when the time of the first of its recipients is up.
    pub(super) fn look_at_earliest(&mut self, id: QueueId) {
        let Some(live) = self.book.get_mut(id) else { return };
        if let Some(at) = live.earliest_end(&self.schedule) {
            self.book.look_at_time(id, at);
        }
    }
}
