//! The bounded queue in front of a thread that does durable work in groups.
//!
//! Callers push from async code (waiting for room without blocking) or from threads (blocking); the thread takes all
//! that has gathered at once. The bound is on items and on octets, so neither many small nor few large ones can fill
//! the memory.

use core::pin::pin;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::Notify;

/// Locks, also after a panic elsewhere: every critical section in this crate's stores leaves its data whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long [`Intake::linger`] waits for the next item where few are expected.
const LINGERING: Duration = Duration::from_micros(100);
/// How often it does. Not until nobody comes any more: then all would have had their turn on the processors before the
/// work begins, and the processors would idle while it is done.
const LINGERINGS_MAX: usize = 2;
/// So much longer for each so many that are expected: the more there are, the more a moment brings.
const EXPECTED_FOR_A_LINGERING: usize = 16;
/// At most so many times as long.
const LINGERING_FACTOR_MAX: usize = 4;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) items: usize,
    /// One item may be heavier than this; then it waits until it is alone.
    pub(super) bytes: usize,
}

/// The queue; clones share it.
#[derive(Debug)]
pub(super) struct Intake<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    bounds: Bounds,
    work: Condvar,
    room: Condvar,
    room_for_tasks: Notify,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
    nudged: bool,
    /// The worker waits for work. Waking it up costs a call into the system, also when it is awake.
    idle: bool,
    /// Threads that wait for room.
    crowded: usize,
}

/// Whether to wait for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until there is some.
    Wait,
    /// Not at all.
    Glance,
}

/// What the worker finds when it looks.
#[derive(Debug)]
pub(super) enum Gathered<T> {
    /// Items in the order of arrival; none when the worker was only nudged.
    Items(Vec<T>),
    /// Nothing, and the worker did not want to wait.
    Nothing,
    /// The queue is closed and empty.
    Closed,
}

/// The queue takes nothing more; the item comes back.
#[derive(Debug)]
pub(super) struct Rejected<T>(pub(super) T);

impl<T> Clone for Intake<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Intake<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let state = State { items: VecDeque::new(), bytes: 0, closed: false, nudged: false, idle: false, crowded: 0 };
        let shared = Shared {
            state: Mutex::new(state),
            bounds,
            work: Condvar::new(),
            room: Condvar::new(),
            room_for_tasks: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Adds an item, waiting for room as long as it takes.
    pub(super) async fn push(&self, mut item: T, bytes: usize) -> Result<(), Rejected<T>> {
        loop {
            let mut room = pin!(self.shared.room_for_tasks.notified());
            // Registered before looking, so that room made in between is not missed.
            room.as_mut().enable();
            match self.try_push(item, bytes)? {
                None => return Ok(()),
                Some(refused) => item = refused,
            }
            room.await;
        }
    }

    /// The same for threads.
    pub(super) fn push_blocking(&self, item: T, bytes: usize) -> Result<(), Rejected<T>> {
        let mut state = locked(&self.shared.state);
        while !state.closed && !state.has_room(self.shared.bounds, bytes) {
            state.crowded = state.crowded.saturating_add(1);
            state = self.shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.crowded = state.crowded.saturating_sub(1);
        }
        self.insert(state, item, bytes)
    }

    /// The item back when there is no room at the moment.
    pub(super) fn try_push(&self, item: T, bytes: usize) -> Result<Option<T>, Rejected<T>> {
        let state = locked(&self.shared.state);
        if !state.closed && !state.has_room(self.shared.bounds, bytes) {
            return Ok(Some(item));
        }
        self.insert(state, item, bytes).map(|()| None)
    }

    fn insert(&self, mut state: MutexGuard<'_, State<T>>, item: T, bytes: usize) -> Result<(), Rejected<T>> {
        if state.closed {
            return Err(Rejected(item));
        }
        state.bytes = state.bytes.saturating_add(bytes);
        state.items.push_back((item, bytes));
        let wakes = core::mem::take(&mut state.idle);
        drop(state);
        if wakes {
            self.shared.work.notify_one();
        }
        Ok(())
    }

    /// Wakes the working thread although nothing was pushed.
    pub(super) fn nudge(&self) {
        locked(&self.shared.state).nudged = true;
        self.shared.work.notify_one();
    }

    /// Takes nothing more; what has gathered is still handed out.
    pub(super) fn close(&self) {
        locked(&self.shared.state).closed = true;
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        self.shared.room_for_tasks.notify_waiters();
    }

    /// Blocks until there is something to do, if `patience` says so, then takes at most `bounds` of it, at least one
    /// item.
    pub(super) fn gather(&self, bounds: Bounds, patience: Patience) -> Gathered<T> {
        let mut state = match patience {
            Patience::Wait => self.wait(),
            Patience::Glance => locked(&self.shared.state),
        };
        if state.is_calm() {
            return Gathered::Nothing;
        }
        state.nudged = false;
        if state.items.is_empty() && state.closed {
            return Gathered::Closed;
        }
        let items = state.take(bounds);
        let crowded = state.crowded > 0;
        drop(state);
        if crowded {
            self.shared.room.notify_all();
        }
        self.shared.room_for_tasks.notify_waiters();
        Gathered::Items(items)
    }

    /// Blocks until there is something to do, then for a moment, and for another one if more came. For work that costs
    /// as much for many items as for one, when about `expected` are known to come.
    pub(super) fn linger(&self, expected: usize) {
        let mut seen = self.wait().items.len();
        let factor = (expected / EXPECTED_FOR_A_LINGERING).clamp(1, LINGERING_FACTOR_MAX);
        let lingering = LINGERING.saturating_mul(u32::try_from(factor).unwrap_or(1));
        for _ in 0..LINGERINGS_MAX {
            thread::sleep(lingering);
            let state = locked(&self.shared.state);
            if state.items.len() == seen || state.closed || state.nudged {
                return;
            }
            seen = state.items.len();
        }
    }

    fn wait(&self) -> MutexGuard<'_, State<T>> {
        let mut state = locked(&self.shared.state);
        while state.is_calm() {
            state.idle = true;
            state = self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        state
    }
}

impl<T> State<T> {
    /// Whether there is nothing to do.
    fn is_calm(&self) -> bool {
        self.items.is_empty() && !self.closed && !self.nudged
    }

    fn has_room(&self, bounds: Bounds, bytes: usize) -> bool {
        self.items.is_empty() || (self.items.len() < bounds.items && self.bytes.saturating_add(bytes) <= bounds.bytes)
    }

    fn take(&mut self, bounds: Bounds) -> Vec<T> {
        let mut taken = Vec::with_capacity(self.items.len().min(bounds.items));
        let mut weight = 0_usize;
        while taken.len() < bounds.items {
            let Some((_, bytes)) = self.items.front() else { break };
            weight = weight.saturating_add(*bytes);
            if weight > bounds.bytes && !taken.is_empty() {
                break;
            }
            let Some((item, bytes)) = self.items.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(bytes);
            taken.push(item);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Bounds = Bounds { items: 2, bytes: 100 };

    fn items<T>(gathered: Gathered<T>) -> Vec<T> {
        match gathered {
            Gathered::Items(items) => items,
            Gathered::Nothing | Gathered::Closed => panic!("closed"),
        }
    }

    #[test]
    fn a_full_queue_makes_threads_wait_and_keeps_the_order() {
        let intake = Intake::new(TWO);
        let pushing = intake.clone();
        let thread = thread::spawn(move || {
            for number in 0..50 {
                pushing.push_blocking(number, 1).unwrap();
            }
            pushing.close();
        });
        let mut seen = Vec::new();
        while let Gathered::Items(items) = intake.gather(Bounds { items: 10, bytes: 10 }, Patience::Wait) {
            assert!(items.len() <= 2);
            seen.extend(items);
        }
        thread.join().unwrap();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_queue_makes_tasks_wait_without_blocking() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let intake = Intake::new(TWO);
        let pushing = intake.clone();
        let thread = thread::spawn(move || {
            let mut seen = 0;
            while let Gathered::Items(items) = intake.gather(TWO, Patience::Wait) {
                seen += items.len();
            }
            seen
        });
        runtime.block_on(async {
            let tasks: Vec<_> = (0..100)
                .map(|number| {
                    let pushing = pushing.clone();
                    async move { pushing.push(number, 60).await.unwrap() }
                })
                .collect();
            for task in tasks {
                task.await;
            }
        });
        pushing.close();
        assert_eq!(thread.join().unwrap(), 100);
        assert!(pushing.push_blocking(1, 1).is_err());
    }

    #[test]
    fn an_item_heavier_than_the_bound_passes_alone() {
        let intake = Intake::new(TWO);
        intake.push_blocking("heavy", 1_000).unwrap();
        assert!(intake.try_push("light", 1).unwrap().is_some());
        assert_eq!(items(intake.gather(TWO, Patience::Wait)), ["heavy"]);
        intake.push_blocking("light", 1).unwrap();
        intake.nudge();
        assert_eq!(items(intake.gather(TWO, Patience::Wait)), ["light"]);
    }

    #[test]
    fn a_glance_does_not_wait() {
        let intake = Intake::<u8>::new(TWO);
        assert!(matches!(intake.gather(TWO, Patience::Glance), Gathered::Nothing));
        intake.push_blocking(1, 1).unwrap();
        assert_eq!(items(intake.gather(TWO, Patience::Glance)), [1]);
        intake.close();
        assert!(matches!(intake.gather(TWO, Patience::Glance), Gathered::Closed));
    }
}
