//! Actions in their order. Replies to pipelined commands gather into one `Send` until another action must follow them.

use std::collections::VecDeque;

use super::interface::Action;
use crate::model::mail::Reply;

/// What the shell has yet to do.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    actions: VecDeque<Action>,
    replies: Vec<u8>,
}

impl Outbox {
    /// Adds a reply.
    pub(super) fn say(&mut self, reply: &Reply) {
        reply.encode(&mut self.replies);
    }

    /// Adds an action, after every reply so far.
    pub(super) fn push(&mut self, action: Action) {
        self.flush();
        self.actions.push_back(action);
    }

    /// Makes the gathered replies an action.
    pub(super) fn flush(&mut self) {
        if !self.replies.is_empty() {
            self.actions.push_back(Action::Send(core::mem::take(&mut self.replies)));
        }
    }

    /// The next action.
    pub(super) fn pop(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Takes back what would store the current message, as far as the shell has not begun it, and says whether the
    /// commit was among it. Sessions wait at a commit, so nothing of another message can be here.
    pub(super) fn retract_message(&mut self) -> bool {
        let is_commit = |action: &Action| matches!(action, Action::Commit(_));
        let had_commit = self.actions.iter().any(is_commit);
        self.actions.retain(|action| !is_commit(action) && !matches!(action, Action::Body(_)));
        had_commit
    }
}
