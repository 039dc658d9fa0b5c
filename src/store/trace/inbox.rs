//! The bounded place between those who tell the trace and the thread that writes it.
//!
//! Unlike the intake of the journal it never makes a teller wait for long: what finds no room within its patience is
//! counted and lost, since mail must go on when the trace cannot.

use core::time::Duration;
use std::sync::{Condvar, Mutex, PoisonError};

use super::record::Gap;
use crate::model::mail::Timestamp;
use crate::store::intake::locked;

/// One record on its way to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) kind: u8,
    /// Its place among the records of one sequence.
    pub(super) part: u32,
    /// Its place in the queue's journal.
    pub(super) sequence: u64,
    /// It may stand in the trace already.
    pub(super) retold: bool,
    pub(super) payload: Vec<u8>,
}

/// How long the writer lets items gather after the first: nobody waits for the trace to be written, and a crash loses
/// nothing by it, since the queue tells again what was not durable.
const GATHERING: Duration = Duration::from_millis(200);
/// So many octets are written before that.
const GATHERED_BYTES: usize = 256 << 10;

/// Octets that an item costs beside its payload.
const ITEM_BYTES: usize = 64;

impl Item {
    pub(super) const fn weight(&self) -> usize {
        self.payload.len().saturating_add(ITEM_BYTES)
    }
}

#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    bytes_max: usize,
    /// There is something to do.
    work: Condvar,
    /// There is room, or an answer.
    progress: Condvar,
}

#[derive(Debug, Default)]
struct State {
    items: Vec<Item>,
    bytes: usize,
    /// Everything up to here has been told; `None` when that is not known anew.
    settled: Option<u64>,
    lost: Option<Gap>,
    /// Somebody waits for room.
    crowded: bool,
    /// Nobody waits for room: the disk fails, or is too slow.
    hopeless: bool,
    /// Numbers of the last request to write at once, and of the last that was heard.
    asked: u64,
    heard: u64,
    closed: bool,
}

/// What the writer finds.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) items: Vec<Item>,
    pub(super) settled: Option<u64>,
    pub(super) lost: Option<Gap>,
    /// Somebody waits until everything is written.
    pub(super) asked: Option<u64>,
    pub(super) closed: bool,
}

impl Inbox {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), bytes_max, work: Condvar::new(), progress: Condvar::new() }
    }

    /// Adds an item, waiting for room at most as long as `patience`. False when there was none: it is lost.
    pub(super) fn push(&self, item: Item, now: Timestamp, patience: Duration) -> bool {
        let weight = item.weight();
        let full = |state: &mut State| {
            !state.items.is_empty() && state.bytes.saturating_add(weight) > self.bytes_max && !state.hopeless
        };
        let mut state = locked(&self.state);
        if full(&mut state) {
            state.crowded = true;
            self.work.notify_one();
        }
        let waited = self.progress.wait_timeout_while(state, patience, full);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.bytes.saturating_add(weight) > self.bytes_max && !state.items.is_empty() {
            // Those who come next need not find out one by one.
            state.hopeless |= waited.timed_out();
            let lost = state.lost.get_or_insert(Gap { count: 0, from: now, to: now });
            lost.count = lost.count.saturating_add(1);
            lost.to = now;
            return false;
        }
        let former = state.bytes;
        state.bytes = state.bytes.saturating_add(weight);
        // The writer waits for the first, and then for many: each of those between would only wake it up.
        let enough = self.enough_bytes();
        let wakes = state.items.is_empty() || (former < enough && state.bytes >= enough);
        state.items.push(item);
        drop(state);
        if wakes {
            self.work.notify_one();
        }
        true
    }

    /// What is written at once.
    fn enough_bytes(&self) -> usize {
        GATHERED_BYTES.min(self.bytes_max / 2)
    }

    /// Whether an item of this weight has no room now.
    pub(super) fn is_full_for(&self, weight: usize) -> bool {
        let state = locked(&self.state);
        !state.items.is_empty() && state.bytes.saturating_add(weight) > self.bytes_max
    }

    /// Notes that everything up to `sequence` has been pushed.
    pub(super) fn settle(&self, sequence: u64) {
        let mut state = locked(&self.state);
        state.settled = state.settled.max(Some(sequence));
    }

    /// Asks the writer to write everything at once.
    pub(super) fn ask(&self) -> u64 {
        let mut state = locked(&self.state);
        state.asked = state.asked.saturating_add(1);
        let number = state.asked;
        drop(state);
        self.work.notify_one();
        number
    }

    /// Waits until the request is heard; false when that takes longer than `patience`.
    pub(super) fn wait_heard(&self, number: u64, patience: Duration) -> bool {
        let unheard = |state: &mut State| state.heard < number && !state.closed;
        let waited = self.progress.wait_timeout_while(locked(&self.state), patience, unheard);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Everything that has gathered, or only requests where `take` says no; waits at most `patience` for something new,
    /// and then a moment for what comes with it.
    pub(super) fn gather(&self, patience: Duration, take: bool) -> Gathered {
        let calm = |state: &State| state.asked == state.heard && !state.closed;
        let idle = |state: &mut State| {
            let items = take && !(state.items.is_empty() && state.lost.is_none());
            !items && calm(state)
        };
        let waited = self.work.wait_timeout_while(locked(&self.state), patience, idle);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let enough = |state: &State| state.bytes >= self.enough_bytes() || state.crowded || state.lost.is_some();
        let few = |state: &mut State| take && calm(state) && !enough(state);
        let waited = self.work.wait_timeout_while(state, patience.min(GATHERING), few);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let mut gathered = Gathered {
            asked: (state.asked > state.heard).then_some(state.asked),
            closed: state.closed,
            ..Gathered::default()
        };
        if take {
            gathered.items = core::mem::take(&mut state.items);
            gathered.settled = state.settled.take();
            gathered.lost = state.lost.take();
            state.bytes = 0;
            state.crowded = false;
            drop(state);
            self.progress.notify_all();
        }
        gathered
    }

    /// The disk fails, or works again.
    pub(super) fn set_hopeless(&self, hopeless: bool) {
        locked(&self.state).hopeless = hopeless;
        self.progress.notify_all();
    }

    /// Answers a request.
    pub(super) fn answer(&self, number: u64) {
        let mut state = locked(&self.state);
        state.heard = state.heard.max(number);
        drop(state);
        self.progress.notify_all();
    }

    /// Takes nothing back, and ends the writer once it has taken what is there.
    pub(super) fn close(&self) {
        locked(&self.state).closed = true;
        self.work.notify_all();
        self.progress.notify_all();
    }
}
