//! Actions in their order. Replies to pipelined commands gather into one `Send` until another action must follow them.

use std::collections::VecDeque;

use super::interface::Action;
use crate::model::mail::{REPLY_LINE_BYTES_MAX, Reply, Timestamp};
use crate::model::policy::Refusal;

/// What the shell has yet to do.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    actions: VecDeque<Action>,
    replies: Vec<u8>,
    /// The refusal said last. Who tries a list of addresses in one piece hears the same one for each.
    said: Option<Box<Said>>,
}

/// A refusal as it was worded at a moment.
#[derive(Debug)]
struct Said {
    refusal: Refusal,
    at: Timestamp,
    code: u16,
    octets: Vec<u8>,
}

impl Outbox {
    /// Adds a refusal, which `word` puts into words for this moment, and gives its code. What was said last at the same
    /// moment is said again with the same octets.
    pub(super) fn say_refusal(&mut self, refusal: &Refusal, at: Timestamp, word: impl FnOnce() -> Reply) -> u16 {
        if let Some(said) = self.said.as_ref().filter(|said| said.at == at && said.refusal == *refusal) {
            self.replies.extend_from_slice(&said.octets);
            return said.code;
        }
        let (reply, begin) = (word(), self.replies.len());
        self.say(&reply);
        let (code, octets) = (reply.code(), self.replies.get(begin..).unwrap_or_default().to_vec());
        self.said = Some(Box::new(Said { refusal: refusal.clone(), at, code, octets }));
        code
    }

    /// Adds a reply.
    pub(super) fn say(&mut self, reply: &Reply) {
        // The first of several makes room, or they would move to a larger place again and again.
        if self.replies.capacity() == 0 {
            self.replies.reserve(REPLY_LINE_BYTES_MAX);
        }
        reply.encode(&mut self.replies);
    }

    /// Adds an action, after every reply so far.
    pub(super) fn push(&mut self, action: Action) {
        self.flush();
        self.actions.push_back(action);
    }

    /// Notes that a recipient was refused, before whatever is to follow, and at the latest with the replies so far.
    pub(super) fn note_refused_recipient(&mut self) {
        match self.actions.back_mut() {
            Some(Action::NoteRefusedRecipients(count)) => *count = count.saturating_add(1),
            Some(_) | None => self.actions.push_back(Action::NoteRefusedRecipients(1)),
        }
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
