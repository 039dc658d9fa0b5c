//! Simulated time, which goes on from one life of the server to the next, and what happened in it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use franking::model::mail::Timestamp;
use franking::world::clock::Clock;
use tokio::time::Instant;

/// Reads the paused time of the runtime. The wall can be set, the monotonic time cannot.
#[derive(Debug)]
pub(super) struct SimulatedClock {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What passed in earlier lives and between them.
    before: Duration,
    /// When this life began, on the runtime's clock.
    since: Option<Instant>,
    wall: Timestamp,
    /// The elapsed time at which the wall was set.
    wall_at: Duration,
}

impl State {
    fn elapsed(&self) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn now(&self) -> Timestamp {
        self.wall.plus(self.elapsed() - self.wall_at)
    }
}

impl SimulatedClock {
    pub(super) fn new() -> Self {
        let wall = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
        let state = State { before: Duration::ZERO, since: None, wall, wall_at: Duration::ZERO };
        Self { state: Mutex::new(state) }
    }

    /// A life begins; the runtime's clock stands still or leaps.
    pub(super) fn begin(&self) {
        self.state.lock().unwrap().since = Some(Instant::now());
    }

    /// It ends.
    pub(super) fn end(&self) {
        let mut state = self.state.lock().unwrap();
        state.before = state.elapsed();
        state.since = None;
    }

    /// Time passes while no server runs.
    pub(super) fn pass(&self, time: Duration) {
        self.state.lock().unwrap().before += time;
    }

    /// Sets the wall clock.
    pub(super) fn set(&self, seconds: i64) {
        let mut state = self.state.lock().unwrap();
        let milliseconds = state.now().unix_milliseconds().saturating_add_signed(seconds * 1_000);
        (state.wall, state.wall_at) = (Timestamp::from_unix_milliseconds(milliseconds), state.elapsed());
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.state.lock().unwrap().now()
    }

    fn elapsed(&self) -> Duration {
        self.state.lock().unwrap().elapsed()
    }
}

/// Everything that happened, in order; the same seed writes the same.
#[derive(Debug)]
pub(super) struct Chronicle {
    clock: Arc<SimulatedClock>,
    lines: Mutex<Vec<String>>,
}

impl Chronicle {
    pub(super) fn new(clock: Arc<SimulatedClock>) -> Self {
        Self { clock, lines: Mutex::default() }
    }

    pub(super) fn note(&self, text: &str) {
        let line = format!("{:>12.3} {text}", self.clock.elapsed().as_secs_f64());
        self.lines.lock().unwrap().push(line);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.lines.lock().unwrap().hash(&mut hasher);
        hasher.finish()
    }
}
