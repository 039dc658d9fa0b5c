//! Lanes: one for each destination, served in turn, so that a dead domain with a million messages delays nobody else.
//!
//! Within a lane the order is that of arrival. A lane has at most [`Limits::per_lane`] attempts under way, and only one
//! after an attempt that reached nobody, until one succeeds. Mailboxes and relays have totals of their own: slow remote
//! hosts cannot use up what local delivery needs.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::entry::QueueId;
use crate::model::directory::RecipientId;
use crate::model::mail::Domain;

/// How much may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts to one destination.
    pub per_lane: usize,
    /// Attempts to all other systems together.
    pub relays: usize,
    /// Attempts to all local mailboxes together.
    pub mailboxes: usize,
    /// Recipients of one attempt (RFC 5321 section 4.5.3.1.8: every server takes 100).
    pub batch: usize,
    /// After this time an attempt counts as lost, and its recipients are tried again.
    pub lease: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        // RFC 5321 section 4.5.3.2: the longest dialogue with a living peer ends within the lease.
        Self { per_lane: 5, relays: 64, mailboxes: 32, batch: 100, lease: Duration::from_secs(3600) }
    }
}

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneKey {
    /// A local mailbox.
    Mailbox(RecipientId),
    /// The server's own postmaster mailbox.
    Postmaster,
    /// A configured next host.
    Host(Box<str>),
    /// A domain, by its mail exchangers.
    Domain(Domain),
}

impl LaneKey {
    /// Whether delivery stays on this machine.
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::Mailbox(_) | Self::Postmaster)
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(id) => write!(formatter, "mailbox {id}"),
            Self::Postmaster => formatter.write_str("postmaster"),
            Self::Host(host) => write!(formatter, "host {host}"),
            Self::Domain(domain) => write!(formatter, "domain {domain}"),
        }
    }
}

/// A recipient of a message, by its place in the message's list.
pub(super) type Place = (QueueId, u32);

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Place>,
    running: usize,
    /// In the ring of lanes that can be served.
    listed: bool,
}

/// All lanes that have something waiting or under way.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<LaneKey, Lane>,
    local: Ring,
    remote: Ring,
    /// Destinations whose last attempt reached nobody.
    suspects: BTreeSet<LaneKey>,
}

/// Lanes that wait for their turn.
#[derive(Debug, Default)]
struct Ring {
    turn: VecDeque<LaneKey>,
    running: usize,
}

/// Forgetting suspects costs a few attempts; remembering without bound would cost memory.
const SUSPECTS_MAX: usize = 10_000;

impl Lanes {
    /// Adds a recipient at the end of its lane.
    pub(super) fn push(&mut self, key: LaneKey, place: Place, limits: &Limits) {
        self.lanes.entry(key.clone()).or_default().waiting.push_back(place);
        self.list(&key, limits);
    }

    /// Takes the next batch in turn: places of one message for which `alike` holds with the first of them. Places that
    /// `waits` denies have been dealt with otherwise and are dropped.
    pub(super) fn next(
        &mut self,
        limits: &Limits,
        waits: impl Fn(Place) -> bool,
        alike: impl Fn(Place, Place) -> bool,
    ) -> Option<(LaneKey, Vec<Place>)> {
        loop {
            let key = self.turn(limits)?;
            let lane = self.lanes.entry(key.clone()).or_default();
            lane.listed = false;
            let batch = take(&mut lane.waiting, limits.batch.max(1), &waits, &alike);
            if batch.is_empty() {
                self.tidy(&key);
                continue;
            }
            lane.running = lane.running.saturating_add(1);
            let ring = if key.is_local() { &mut self.local } else { &mut self.remote };
            ring.running = ring.running.saturating_add(1);
            self.list(&key, limits);
            return Some((key, batch));
        }
    }

    fn turn(&mut self, limits: &Limits) -> Option<LaneKey> {
        // Local delivery is quick and goes first; both have room of their own.
        if self.local.running < limits.mailboxes
            && let Some(key) = self.local.turn.pop_front()
        {
            return Some(key);
        }
        if self.remote.running < limits.relays { self.remote.turn.pop_front() } else { None }
    }

    /// An attempt ended. `reached` is none when that is not known.
    pub(super) fn done(&mut self, key: &LaneKey, reached: Option<bool>, limits: &Limits) {
        let ring = if key.is_local() { &mut self.local } else { &mut self.remote };
        ring.running = ring.running.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.running = lane.running.saturating_sub(1);
        }
        match reached {
            Some(true) => {
                self.suspects.remove(key);
            }
            Some(false) => {
                if self.suspects.len() >= SUSPECTS_MAX {
                    self.suspects.clear();
                }
                self.suspects.insert(key.clone());
            }
            None => {}
        }
        self.list(key, limits);
        self.tidy(key);
    }

    /// Puts a lane at the end of its ring, if it can be served and is not there.
    fn list(&mut self, key: &LaneKey, limits: &Limits) {
        let limit = if self.suspects.contains(key) { 1 } else { limits.per_lane.max(1) };
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if !lane.listed && lane.running < limit && !lane.waiting.is_empty() {
            lane.listed = true;
            let ring = if key.is_local() { &mut self.local } else { &mut self.remote };
            ring.turn.push_back(key.clone());
        }
    }

    fn tidy(&mut self, key: &LaneKey) {
        let idle = |lane: &Lane| lane.waiting.is_empty() && lane.running == 0 && !lane.listed;
        if self.lanes.get(key).is_some_and(idle) {
            self.lanes.remove(key);
        }
    }

    /// How many attempts are under way.
    pub(super) const fn running(&self) -> usize {
        self.local.running.saturating_add(self.remote.running)
    }
}

fn take(
    waiting: &mut VecDeque<Place>,
    batch_max: usize,
    waits: &impl Fn(Place) -> bool,
    alike: &impl Fn(Place, Place) -> bool,
) -> Vec<Place> {
    let mut batch: Vec<Place> = Vec::new();
    while batch.len() < batch_max {
        let Some(place) = waiting.front().copied() else { break };
        let stale = !waits(place) || batch.contains(&place);
        let fits = batch.first().is_none_or(|first| first.0 == place.0 && alike(*first, place));
        if !stale && !fits {
            break;
        }
        waiting.pop_front();
        if !stale {
            batch.push(place);
        }
    }
    batch
}
