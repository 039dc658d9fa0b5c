//! The end of recipients whose time is up.
//!
//! What was in the queue before a restart has a lease of its own from then on, whatever its age: after a standstill of
//! days nobody's mail comes back because a name server or a disk was not up at the first attempt.
//!
//! An attempt may have put the message into its mailbox and its outcome been lost: with a crash, a worker, or a
//! directory that could not be made durable at that moment. As long as attempts are made, the next one finds it there.
//! When none is made any more, as for what is held, nobody would, and its sender would hear that it failed. So every
//! mailbox that may have it is looked into first. Another system cannot be looked into.

use std::sync::Arc;

use super::book::Live;
use super::{Dispatcher, Phase, expiry};
use crate::model::mail::Timestamp;
use crate::model::queue::entry::QueueId;
use crate::model::queue::finding::Finding;
use crate::model::queue::retry::Schedule;
use crate::model::queue::state::State;
use crate::model::queue::target::{Addressee, Attempt, Event, Target};
use crate::model::queue::work::{Effect, FindJob, Sight};

/// Looks at a mailbox that cannot be read, a lease after each other. After that its owner does not see the message
/// either, and the sender is told.
const LOOKS_MAX: u8 = 3;

/// A recipient that ends unless its mailbox has the message.
#[derive(Debug)]
pub(super) struct Ending {
    /// How it ends.
    attempt: Attempt,
    /// Looks that were unclear.
    looks: u8,
}

impl Live {
    /// When the time of a recipient is up: its own, counted from when it was added, or that of its moderators.
    pub(super) fn ends_at(&self, schedule: &Schedule, place: u32, target: &Target) -> Timestamp {
        let ends_at = match (target.state, target.addressee.approval()) {
            (State::Moderated, Some(approval)) => approval.until,
            // The expansion below it has as long as a message that was accepted then.
            (State::Approved, Some(approval)) => {
                let decided = approval.decision.as_ref().map_or(approval.since, |(_, decision)| decision.at);
                schedule.expires_at(decided)
            }
            (_, _) => schedule.expires_at(self.entry.since(place)),
        };
        ends_at.max(self.patient_until)
    }

    /// When the time of the first of its recipients is up; none when all have ended.
    pub(super) fn earliest_end(&self, schedule: &Schedule) -> Option<Timestamp> {
        let open = (0_u32..).zip(self.entry.targets()).filter(|(_, target)| target.state.is_open());
        open.map(|(place, target)| self.ends_at(schedule, place, target)).min()
    }

    /// Whether an attempt may have succeeded unseen: in an earlier run of the server, on a worker that was lost, or in
    /// spite of its failure, which may have left a name given and not made durable.
    pub(super) fn may_have_it(&self, place: u32) -> bool {
        self.repeat_possible || self.entry.target(place).is_some_and(|target| target.attempts > 0)
    }

    /// The same, or an attempt is under way.
    pub(super) fn may_be_on_its_way(&self, place: u32) -> bool {
        let phase = usize::try_from(place).ok().and_then(|place| self.phases.get(place));
        self.may_have_it(place) || matches!(phase, Some(Phase::Leased(_) | Phase::Settling))
    }
}

impl Dispatcher {
    /// The time of a message is up: whoever did not get it will not. Attempts under way are judged by their outcome, or
    /// end with their lease.
    pub(super) fn expire(&mut self, now: Timestamp, id: QueueId) {
        let Some(live) = self.book.get_mut(id) else { return };
        if !live.entry.is_expanded() {
            self.effects.push_back(Effect::Abandon { id, attempt: Some(expiry(&self.expired, now, None)) });
            // Until that is durable; the disk may fail meanwhile.
            return self.book.look_at_time(id, now.plus(self.limits.lease));
        }
        let (mut events, mut failed, mut next) = (Vec::new(), Vec::new(), None::<Timestamp>);
        for place in 0..u32::try_from(live.phases.len()).unwrap_or(u32::MAX) {
            let Some(target) = live.entry.target(place).filter(|target| target.state.is_open()) else { continue };
            let ends_at = live.ends_at(&self.schedule, place, target);
            let state = target.state;
            let Some(phase) = live.phase(place).filter(|phase| matches!(phase, Phase::Idle | Phase::Queued)) else {
                continue;
            };
            if now < ends_at {
                next = Some(next.map_or(ends_at, |known| known.min(ends_at)));
                continue;
            }
            *phase = Phase::Settling;
            if state == State::Moderated {
                let unapproved = Attempt { at: now, host: None, reply: Finding::Unapproved.reply() };
                events.push((place, Event::Failed(unapproved)));
                continue;
            }
            let Some(target) = live.entry.target(place) else { continue };
            let lane = target.addressee.hop.lane();
            let last = target.last.as_deref().or_else(|| self.lanes.last_trouble(&lane));
            failed.push((place, expiry(&self.expired, now, last)));
        }
        self.end(now, id, events, failed);
        if let Some(at) = next {
            self.book.look_at_time(id, at);
        }
    }

    /// Has events recorded, and ends recipients as failed in the same record, whose phases are settling; those whose
    /// mailboxes may have the message only after a look.
    pub(super) fn end(
        &mut self,
        now: Timestamp,
        id: QueueId,
        mut events: Vec<(u32, Event)>,
        failed: Vec<(u32, Attempt)>,
    ) {
        let Some(live) = self.book.get_mut(id) else { return };
        let mut unsure = Vec::new();
        for (place, attempt) in failed {
            let is_mailbox = live.entry.target(place).is_some_and(|target| target.addressee.hop.is_mailbox());
            if is_mailbox && live.may_have_it(place) {
                live.ending.insert(place, Ending { attempt, looks: 0 });
                unsure.push(place);
            } else {
                events.push((place, Event::Failed(attempt)));
            }
        }
        if !events.is_empty() {
            self.effects.push_back(Effect::Record { id, events });
        }
        self.find(now, id, unsure);
    }

    /// Ends those that an administrator gave up and for whom nothing is under way.
    pub(super) fn end_given_up(&mut self, now: Timestamp, id: QueueId, places: &[u32]) {
        let Some(live) = self.book.get_mut(id) else { return };
        let mut failed = Vec::new();
        for place in places {
            let Some(attempt) = live.entry.target(*place).and_then(Target::given_up).cloned() else { continue };
            if let Some(phase) = live.phase(*place).filter(|phase| matches!(phase, Phase::Idle | Phase::Queued)) {
                *phase = Phase::Settling;
                failed.push((*place, attempt));
            }
        }
        self.end(now, id, Vec::new(), failed);
    }

    /// Asks again for every look that is not answered yet.
    pub(super) fn find_again(&mut self, now: Timestamp, id: QueueId) {
        let unsure = self.book.get(id).map(|live| live.ending.keys().copied().collect());
        self.find(now, id, unsure.unwrap_or_default());
    }

    /// Asks for a look into these recipients' mailboxes; again after a lease, since workers can be lost.
    fn find(&mut self, now: Timestamp, id: QueueId, places: Vec<u32>) {
        let Some(live) = self.book.get_mut(id) else { return };
        let target = |place: u32| live.entry.target(place).map(|target| (place, Arc::clone(&target.addressee)));
        let targets: Vec<(u32, Arc<Addressee>)> = places.into_iter().filter_map(target).collect();
        let accepted_at = live.entry.facts.accepted_at;
        if !targets.is_empty() {
            self.book.ask_again_at(id, now.plus(self.limits.lease));
            self.effects.push_back(Effect::Find(FindJob { id, accepted_at, targets }));
        }
    }

    /// Mailboxes were looked into: what is there is delivered, what is not has failed.
    pub(super) fn found(&mut self, now: Timestamp, id: QueueId, sights: Vec<(u32, Sight)>) {
        let Some(live) = self.book.get_mut(id) else { return };
        let mut events = Vec::new();
        for (place, sight) in sights {
            // Answered before, by a worker that was taken for lost; or an administrator has ended it meanwhile.
            let is_open = live.entry.target(place).is_some_and(|target| target.state.is_open());
            let Some(mut ending) = live.ending.remove(&place).filter(|_| is_open) else { continue };
            if matches!(sight, Sight::ThereReplyDue(_)) {
                events.push((place, Event::ReplyDue));
            }
            let event = match sight {
                Sight::There(attempt) | Sight::ThereReplyDue(attempt) => Event::Delivered(attempt),
                Sight::Unclear if ending.looks.saturating_add(1) < LOOKS_MAX => {
                    ending.looks = ending.looks.saturating_add(1);
                    live.ending.insert(place, ending);
                    continue;
                }
                Sight::NotThere | Sight::Unclear => Event::Failed(ending.attempt),
            };
            events.push((place, event));
        }
        if !live.ending.is_empty() {
            self.book.ask_again_at(id, now.plus(self.limits.lease));
        }
        if !events.is_empty() {
            self.effects.push_back(Effect::Record { id, events });
        }
    }
}
