//! One SMTP session as a server: bytes and verdicts in, actions out, no I/O (law 4).

use std::collections::VecDeque;

pub use super::interface::{
    Action, CommitFailure, Credentials, Input, QueuedAs, Role, SessionOptions, Submission, TlsFacts, TlsState, Verdict,
    Waiting,
};
use crate::model::directory::Snapshot;
use crate::model::mail::Timestamp;

/// One session.
#[derive(Debug)]
pub struct Session {
    options: SessionOptions,
    actions: VecDeque<Action>,
    waits: Waiting,
    deadline: Timestamp,
}

impl Session {
    /// Begins a session; the banner is its first action.
    pub fn new(options: SessionOptions, now: Timestamp) -> Self {
        let deadline = now.plus(options.limits.command_timeout);
        Self { options, actions: VecDeque::new(), waits: Waiting::Bytes, deadline }
    }

    /// Takes one input; what follows from it is then drained with [`poll_action`](Self::poll_action).
    pub fn handle(&mut self, now: Timestamp, _snapshot: &Snapshot, _input: Input<'_>) {
        self.deadline = now.plus(self.options.limits.command_timeout);
    }

    /// The next action, in order; `None` when the session waits.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When the shell must hand in [`Input::TimedOut`], unless something else happens first.
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// What the session waits for.
    pub const fn waits(&self) -> Waiting {
        self.waits
    }
}
