//! Attempts: whose turn it is, how they ended, what happens to those that are lost or come too late.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::book::Book;
use super::{Dispatcher, Phase, Running, Timer, expiry, is_stopped};
use crate::model::mail::Timestamp;
use crate::model::queue::entry::QueueId;
use crate::model::queue::finding::Finding;
use crate::model::queue::lane::{LaneKey, Place, Reach, Waiting};
use crate::model::queue::state::State;
use crate::model::queue::target::{Attempt, Event, Outcome, Target};
use crate::model::queue::work::{Job, Lease};

impl Waiting for Book {
    fn waits(&mut self, lane: &LaneKey, (id, place): Place) -> bool {
        let Some(live) = self.get_mut(id) else { return false };
        let is_queued = live.phase(place).is_some_and(|phase| *phase == Phase::Queued);
        // A recipient that goes another way now has a place on its new lane.
        let is_here = |target: &Target| target.state != State::Held && target.addressee.hop.is_on(lane);
        is_queued && live.entry.target(place).is_some_and(is_here)
    }

    fn alike(&mut self, id: QueueId, first: u32, next: u32) -> bool {
        let Some(live) = self.get_mut(id) else { return false };
        // One MAIL FROM for all: copies whose reverse-path was rewritten differently travel apart.
        match (live.entry.target(first), live.entry.target(next)) {
            (Some(first), Some(next)) => {
                let (first, next) = (&first.addressee, &next.addressee);
                first.reverse_path == next.reverse_path && first.resent_from == next.resent_from
            }
            (None, _) | (_, None) => false,
        }
    }
}

impl Dispatcher {
    /// The next attempt to make, to be answered with [`Input::Outcomes`](super::Input::Outcomes); none when all that is
    /// due is under way, or the limits are reached. It counts as under way from here on.
    pub fn next_job(&mut self, now: Timestamp) -> Option<Job> {
        let job = self.lease_next(now);
        // It may have looked at many that do not wait any more. What goes out now stays at hand, so it is leased first.
        self.relieve();
        job
    }

    fn lease_next(&mut self, now: Timestamp) -> Option<Job> {
        let (lane, batch) = self.lanes.next(&self.limits, &self.suspensions, &mut self.book)?;
        let lease = Lease(self.next_lease);
        self.next_lease = self.next_lease.saturating_add(1);
        let id = batch.first()?.0;
        let live = self.book.get_mut(id)?;
        let mut targets = Vec::with_capacity(batch.len());
        for (_, place) in &batch {
            let Some(addressee) = live.entry.target(*place).map(|target| Arc::clone(&target.addressee)) else {
                continue;
            };
            if let Some(phase) = live.phase(*place) {
                *phase = Phase::Leased(lease);
                targets.push((*place, addressee));
            }
        }
        let repeat_possible = batch.iter().any(|(_, place)| live.may_have_it(*place));
        let places = batch.into_iter().map(|(_, place)| place).collect();
        let deadline = now.plus(self.limits.lease);
        self.leases.insert(lease, Running { id, lane: lane.clone(), places, deadline });
        self.book.set_timer(deadline, Timer::Lease(lease));
        Some(Job { lease, id, lane, targets, repeat_possible })
    }

    pub(super) fn outcomes(&mut self, now: Timestamp, lease: Lease, outcomes: Vec<(u32, Outcome)>, jitter: u64) {
        // An attempt that was given up for lost has been handed to another: its word does not count any more.
        let Some(running) = self.leases.remove(&lease) else { return };
        self.book.unset_timer(running.deadline, Timer::Lease(lease));
        let reach = self.reach(now, &running.lane, &outcomes, jitter);
        self.lanes.done(&running.lane, reach, &self.limits, &self.suspensions);
        let Some(live) = self.book.get_mut(running.id) else { return };
        let mut said: BTreeMap<u32, Outcome> = outcomes.into_iter().collect();
        let (mut events, mut failed) = (Vec::with_capacity(running.places.len()), Vec::new());
        for place in running.places {
            let Some(target) = live.entry.target(place) else { continue };
            let (attempts, ends_at) = (target.attempts, live.ends_at(&self.schedule, place, target));
            let Some(phase) = live.phase(place) else { continue };
            *phase = Phase::Settling;
            let said = said.remove(&place).unwrap_or_else(|| unsaid(now));
            if matches!(said, Outcome::DeliveredReplyDue(_)) {
                events.push((place, Event::ReplyDue));
            }
            let event = match said {
                Outcome::Delivered(attempt) | Outcome::DeliveredReplyDue(attempt) => Event::Delivered(attempt),
                Outcome::Relayed { attempt, dsn_passed_on } => Event::Relayed { attempt, dsn_passed_on },
                Outcome::Failed(attempt) => Event::Failed(attempt),
                Outcome::Deferred(attempt) | Outcome::Unreached(attempt) if now >= ends_at => {
                    failed.push((place, expiry(&self.expired, now, Some(&attempt))));
                    continue;
                }
                Outcome::Deferred(attempt) | Outcome::Unreached(attempt) => {
                    let own = jitter.rotate_left(place % 64);
                    let next_attempt = self.schedule.next_attempt(attempts.saturating_add(1), now, ends_at, own);
                    Event::Deferred { attempt, next_attempt }
                }
            };
            events.push((place, event));
        }
        self.end(now, running.id, events, failed);
    }

    /// What an attempt says about its destination. Local delivery never pauses: a mailbox is no host that is away.
    fn reach(&self, now: Timestamp, lane: &LaneKey, outcomes: &[(u32, Outcome)], jitter: u64) -> Reach {
        let waits = |outcome: &Outcome| matches!(outcome, Outcome::Deferred(_) | Outcome::Unreached(_));
        if outcomes.iter().any(|(_, outcome)| !waits(outcome)) {
            return Reach::Judged;
        }
        let mut unreached = None;
        for (_, outcome) in outcomes {
            match outcome {
                Outcome::Unreached(attempt) => unreached = Some(attempt),
                Outcome::Deferred(_)
                | Outcome::Delivered(_)
                | Outcome::DeliveredReplyDue(_)
                | Outcome::Relayed { .. }
                | Outcome::Failed(_) => {
                    return Reach::Waits;
                }
            }
        }
        match unreached.filter(|_| !lane.is_local()) {
            Some(attempt) => {
                let failures = self.lanes.failures_with_this(lane);
                let until = self.schedule.next_attempt(failures, now, now.plus(self.schedule.expiry), jitter);
                Reach::Unreached(attempt.clone(), until)
            }
            None => Reach::Waits,
        }
    }

    /// The time of a deferred recipient has come: it is due, which is written nowhere.
    pub(super) fn due(&mut self, id: QueueId, place: u32) {
        let Some(live) = self.book.get_mut(id) else { return };
        let Some(target) = live.entry.target(place).filter(|target| target.state == State::Deferred) else { return };
        let lane = target.addressee.hop.lane();
        if is_stopped(&self.suspensions, &self.restricted, &live.entry.facts, &target.addressee.hop) {
            return;
        }
        if let Some(phase) = live.phase(place).filter(|phase| **phase == Phase::Idle) {
            *phase = Phase::Queued;
            self.lanes.push(lane, (id, place), &self.limits, &self.suspensions);
        }
    }

    /// A worker did not answer within its lease: its recipients are tried again, or given up when their time is over.
    pub(super) fn lost(&mut self, now: Timestamp, lease: Lease) {
        let Some(running) = self.leases.remove(&lease) else { return };
        self.lanes.done(&running.lane, Reach::Unknown, &self.limits, &self.suspensions);
        for place in running.places {
            let Some(live) = self.book.get_mut(running.id) else { return };
            live.repeat_possible = true;
            live.release(place, |phase| phase == Phase::Leased(lease));
            self.enlist(running.id, place);
            self.due(running.id, place);
        }
        let Some(live) = self.book.get_mut(running.id) else { return };
        let expires_at = self.schedule.expires_at(live.entry.facts.accepted_at);
        if now >= expires_at {
            self.expire(now, running.id);
        }
    }
}

/// The agent said nothing of a recipient: as if it had not been tried in earnest.
fn unsaid(now: Timestamp) -> Outcome {
    Outcome::Deferred(Attempt { at: now, host: None, reply: Finding::Unsaid.reply() })
}
