//! Lanes: one for each destination, served in turn, so that a dead domain with a million messages delays nobody else.
//!
//! Within a lane the order is that of arrival. A lane has a limited number of attempts under way, and only one
//! after an attempt in which every recipient was asked to wait. A lane none of whose hosts could be used pauses: what
//! waits on it is not tried one by one. Mailboxes and relays have totals of their own: slow remote hosts cannot use up
//! what local delivery needs.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::entry::QueueId;
use super::suspension::Suspensions;
use super::target::Attempt;
use crate::model::directory::RecipientId;
use crate::model::mail::{Domain, Timestamp};

/// How much may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts to one destination outside.
    pub per_lane: usize,
    /// Attempts to one local mailbox: those under way together are made durable together, while the next are written.
    pub per_mailbox: usize,
    /// Attempts to all other systems together.
    pub relays: usize,
    /// Attempts to all local mailboxes together.
    pub mailboxes: usize,
    /// Recipients of one attempt (RFC 5321 section 4.5.3.1.8: every server takes 100).
    pub batch: usize,
    /// After this time without a sign of life an attempt counts as lost, and its recipients are tried again.
    pub lease: Duration,
    /// Messages whose state is at hand; beyond that, those that only wait are packed (see `shelf`).
    pub awake_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // RFC 5321 section 4.5.3.2: the longest dialogue with a living peer ends within the lease.
        Self {
            per_lane: 5,
            per_mailbox: 512,
            relays: 64,
            mailboxes: 768,
            batch: 100,
            lease: Duration::from_secs(3600),
            awake_max: 4_096,
        }
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

/// What lanes ask about those who stand on them.
pub(super) trait Waiting {
    /// Whether this recipient still waits on this lane.
    fn waits(&mut self, lane: &LaneKey, place: Place) -> bool;
    /// Whether two recipients of a message can be attempted together.
    fn alike(&mut self, id: QueueId, first: u32, next: u32) -> bool;
}

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
    /// Destinations whose last attempt left everybody waiting.
    suspects: BTreeMap<LaneKey, Suspect>,
    /// When paused lanes are tried again.
    wakes: BTreeSet<(Timestamp, LaneKey)>,
}

/// Lanes that wait for their turn.
#[derive(Debug, Default)]
struct Ring {
    turn: VecDeque<LaneKey>,
    running: usize,
}

/// What is known of a destination that does not work.
#[derive(Debug, Default)]
struct Suspect {
    /// How often in a row none of its hosts could be used.
    failures: u16,
    /// It pauses until then.
    until: Option<Timestamp>,
    /// What was wrong.
    last: Option<Attempt>,
}

/// What an attempt says about its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It judged a recipient.
    Judged,
    /// It answered, and every recipient waits.
    Waits,
    /// None of its hosts could be used; the destination pauses until then.
    Unreached(Attempt, Timestamp),
    /// Nothing is known: the attempt was lost.
    Unknown,
}

/// Where a destination stands, for those who look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// When it is tried again.
    pub until: Timestamp,
    /// What was wrong.
    pub last: Option<Attempt>,
}

/// Forgetting suspects costs a few attempts; remembering without bound would cost memory.
const SUSPECTS_MAX: usize = 10_000;

impl Lanes {
    /// Adds a recipient at the end of its lane.
    pub(super) fn push(&mut self, key: LaneKey, place: Place, limits: &Limits, suspensions: &Suspensions) {
        self.lanes.entry(key.clone()).or_default().waiting.push_back(place);
        self.list(&key, limits, suspensions);
    }

    /// Takes the next batch in turn: places of one message that are alike. Those that do not wait have been dealt with
    /// otherwise and are dropped.
    pub(super) fn next(
        &mut self,
        limits: &Limits,
        suspensions: &Suspensions,
        book: &mut impl Waiting,
    ) -> Option<(LaneKey, Vec<Place>)> {
        loop {
            let key = self.turn(limits)?;
            let lane = self.lanes.entry(key.clone()).or_default();
            lane.listed = false;
            // It began to pause, or was suspended, while it waited for its turn.
            if !self.is_open(&key, suspensions) {
                continue;
            }
            let lane = self.lanes.entry(key.clone()).or_default();
            let batch = take(&mut lane.waiting, limits.batch.max(1), &key, book);
            if batch.is_empty() {
                self.tidy(&key);
                continue;
            }
            lane.running = lane.running.saturating_add(1);
            let ring = if key.is_local() { &mut self.local } else { &mut self.remote };
            ring.running = ring.running.saturating_add(1);
            self.list(&key, limits, suspensions);
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

    /// How often in a row no host of the destination could be used, the attempt that has just ended included. Attempts
    /// that were under way together count once.
    pub(super) fn failures_with_this(&self, key: &LaneKey) -> u16 {
        let Some(suspect) = self.suspects.get(key) else { return 1 };
        if suspect.until.is_some() { suspect.failures } else { suspect.failures.saturating_add(1) }
    }

    /// An attempt ended.
    pub(super) fn done(&mut self, key: &LaneKey, reach: Reach, limits: &Limits, suspensions: &Suspensions) {
        let ring = if key.is_local() { &mut self.local } else { &mut self.remote };
        ring.running = ring.running.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.running = lane.running.saturating_sub(1);
        }
        match reach {
            Reach::Judged => self.clear(key),
            Reach::Waits => {
                self.clear(key);
                // One attempt at a time from now on.
                let _ = self.suspect(key);
            }
            Reach::Unreached(attempt, until) => self.pause(key, attempt, until),
            Reach::Unknown => {}
        }
        self.list(key, limits, suspensions);
        self.tidy(key);
    }

    fn pause(&mut self, key: &LaneKey, attempt: Attempt, until: Timestamp) {
        let failures = self.failures_with_this(key);
        let Some(suspect) = self.suspect(key) else { return };
        let former = suspect.until.replace(until);
        (suspect.failures, suspect.last) = (failures, Some(attempt));
        if let Some(former) = former {
            self.wakes.remove(&(former, key.clone()));
        }
        self.wakes.insert((until, key.clone()));
    }

    /// What is known of a destination in trouble; none when there are too many to remember another.
    fn suspect(&mut self, key: &LaneKey) -> Option<&mut Suspect> {
        if self.suspects.len() >= SUSPECTS_MAX && !self.suspects.contains_key(key) {
            self.suspects.retain(|_, suspect| suspect.until.is_some());
            if self.suspects.len() >= SUSPECTS_MAX {
                return None;
            }
        }
        Some(self.suspects.entry(key.clone()).or_default())
    }

    fn clear(&mut self, key: &LaneKey) {
        if let Some(until) = self.suspects.remove(key).and_then(|suspect| suspect.until) {
            self.wakes.remove(&(until, key.clone()));
        }
    }

    /// When the next paused lane is tried again.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Lets the lanes go on whose pause is over.
    pub(super) fn wake(&mut self, now: Timestamp, limits: &Limits, suspensions: &Suspensions) {
        while let Some((_, key)) = self.wakes.first().filter(|(at, _)| *at <= now).cloned() {
            self.wake_lane(&key, limits, suspensions);
        }
    }

    /// Ends the pause of a lane; false when it does not pause.
    pub(super) fn wake_lane(&mut self, key: &LaneKey, limits: &Limits, suspensions: &Suspensions) -> bool {
        let Some(until) = self.suspects.get_mut(key).and_then(|suspect| suspect.until.take()) else { return false };
        self.wakes.remove(&(until, key.clone()));
        self.list(key, limits, suspensions);
        true
    }

    /// The pause of a lane, if it pauses.
    pub(super) fn paused(&self, key: &LaneKey) -> Option<Paused> {
        let suspect = self.suspects.get(key)?;
        Some(Paused { until: suspect.until?, last: suspect.last.clone() })
    }

    /// When the pause of a lane ends, if it pauses.
    pub(super) fn paused_until(&self, key: &LaneKey) -> Option<Timestamp> {
        self.suspects.get(key)?.until
    }

    /// What was wrong with the destination the last time that none of its hosts could be used.
    pub(super) fn last_trouble(&self, key: &LaneKey) -> Option<&Attempt> {
        self.suspects.get(key)?.last.as_ref()
    }

    /// Obeys suspensions that have altered.
    pub(super) fn obey(&mut self, limits: &Limits, suspensions: &Suspensions) {
        let keys: Vec<LaneKey> = self.lanes.keys().cloned().collect();
        for key in keys {
            self.list(&key, limits, suspensions);
        }
    }

    fn is_open(&self, key: &LaneKey, suspensions: &Suspensions) -> bool {
        let pauses = self.suspects.get(key).is_some_and(|suspect| suspect.until.is_some());
        !pauses && suspensions.of_lane(key).is_none()
    }

    /// Puts a lane at the end of its ring, if it can be served and is not there.
    fn list(&mut self, key: &LaneKey, limits: &Limits, suspensions: &Suspensions) {
        if !self.is_open(key, suspensions) {
            return;
        }
        let usual = if key.is_local() { limits.per_mailbox } else { limits.per_lane };
        let limit = if self.suspects.contains_key(key) { 1 } else { usual.max(1) };
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

fn take(waiting: &mut VecDeque<Place>, batch_max: usize, lane: &LaneKey, book: &mut impl Waiting) -> Vec<Place> {
    let mut batch: Vec<Place> = Vec::new();
    while batch.len() < batch_max {
        let Some(place) = waiting.front().copied() else { break };
        let stale = !book.waits(lane, place) || batch.contains(&place);
        let fits = batch.first().is_none_or(|first| first.0 == place.0 && book.alike(place.0, first.1, place.1));
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
