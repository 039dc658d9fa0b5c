//! Where a recipient stands, and the table of what may become of it.
//!
//! | from | event | to | why |
//! | --- | --- | --- | --- |
//! | due, deferred | `Deferred` | deferred | it did not work now; another attempt is planned |
//! | due, deferred, held | `Delivered` | delivered | the mailbox file is durable |
//! | due, deferred, held | `Relayed` | relayed | the next host took responsibility |
//! | due, deferred, held | `Failed` | failed | refused for good, or the time is up |
//! | due, deferred | `Held` | held | an administrator stopped it |
//! | held | `Deferred` | held | an attempt that was under way ended; the hold stays |
//! | due, deferred, held | `GivenUp` | held | an administrator gave it up; its mailbox is looked into before it fails |
//! | held, deferred | `Released` | due | an administrator lets it go on, or asks to try now |
//! | due, deferred, held | `Removed` | removed | an administrator dropped it, without a report |
//! | failed, delivered, relayed | `Reported` | reported | the report is a message of its own, durable in one batch |
//! | due, deferred, held | `Noticed` | as before | the sender was told of the delay |
//! | due, deferred, held | `ReplyDue` | as before | it is about to be delivered, and its mailbox may answer by itself |
//! | delivered, reported | `Replied` | as before | the automatic reply is in the queue, or there is to be none |
//! | due, deferred | `Redirected` | due | an administrator gave it another next host |
//! | held | `Redirected` | held | the same; the hold stays |
//! | moderated | `Requested` | moderated | its moderators were asked |
//! | moderated | `Approved` | approved | a moderator lets it go on; the expansion below it is due |
//! | moderated | `Rejected` | rejected | a moderator does not |
//! | approved | `Branched` | branched | those below it are recipients of their own now |
//! | moderated, approved | `Failed` | failed | nobody decided in time, or the expansion cannot be made |
//! | moderated, approved | `Removed` | removed | an administrator dropped it |
//! | rejected | `Reported` | reported | the sender was told |
//!
//! Every arrow is one journal record. The arrow from deferred to due by the clock is written nowhere, since the time of
//! the next attempt is known. Everything else is refused; delivered, relayed, failed, removed, branched, rejected and
//! reported never open again, so a recipient ends exactly once.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::target::Event;

/// Where a recipient stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// To be tried now.
    Due,
    /// To be tried later.
    Deferred,
    /// Stopped until an administrator lets it go.
    Held,
    /// In its mailbox.
    Delivered,
    /// With another system.
    Relayed,
    /// Given up.
    Failed,
    /// Dropped, by an administrator or by a rule of the organisation.
    Removed,
    /// Ended, and the sender has been told.
    Reported,
    /// Waits for a moderator.
    Moderated,
    /// A moderator approved; whom that leads to is being found out.
    Approved,
    /// Approved, and those below it are recipients of their own.
    Branched,
    /// A moderator rejected.
    Rejected,
}

impl State {
    /// Whether delivery has not ended yet.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Due | Self::Deferred | Self::Held | Self::Moderated | Self::Approved)
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Due => "due",
            Self::Deferred => "deferred",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Failed => "failed",
            Self::Removed => "removed",
            Self::Reported => "reported",
            Self::Moderated => "moderated",
            Self::Approved => "approved",
            Self::Branched => "branched",
            Self::Rejected => "rejected",
        })
    }
}

/// A text that is no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a recipient is due, deferred, held, delivered, relayed, failed, removed, reported, moderated, approved, branched \
     or rejected"
)]
pub struct StateError;

impl FromStr for State {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        match text {
            "due" => Ok(Self::Due),
            "deferred" => Ok(Self::Deferred),
            "held" => Ok(Self::Held),
            "delivered" => Ok(Self::Delivered),
            "relayed" => Ok(Self::Relayed),
            "failed" => Ok(Self::Failed),
            "removed" => Ok(Self::Removed),
            "reported" => Ok(Self::Reported),
            "moderated" => Ok(Self::Moderated),
            "approved" => Ok(Self::Approved),
            "branched" => Ok(Self::Branched),
            "rejected" => Ok(Self::Rejected),
            _ => Err(StateError),
        }
    }
}

/// An event that cannot follow on a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a recipient that is {state:?} cannot become {event}")]
pub struct TransitionError {
    /// Where the recipient stands.
    pub state: State,
    /// The event's name.
    pub event: &'static str,
}

/// The table at the head of this file.
///
/// # Errors
/// Every pair that the table does not have.
pub fn transition(state: State, event: &Event) -> Result<State, TransitionError> {
    let refused = |event| Err(TransitionError { state, event });
    match (event, state) {
        (Event::Deferred { .. }, State::Due | State::Deferred) => Ok(State::Deferred),
        (Event::Deferred { .. }, State::Held) => Ok(State::Held),
        (Event::Delivered(_), State::Due | State::Deferred | State::Held) => Ok(State::Delivered),
        (Event::Relayed { .. }, State::Due | State::Deferred | State::Held) => Ok(State::Relayed),
        (Event::Failed(_), state) if state.is_open() => Ok(State::Failed),
        (Event::Held, State::Due | State::Deferred) => Ok(State::Held),
        (Event::GivenUp(_), State::Due | State::Deferred | State::Held) => Ok(State::Held),
        (Event::Released, State::Held | State::Deferred) => Ok(State::Due),
        (Event::Removed, state) if state.is_open() => Ok(State::Removed),
        (Event::Reported, State::Failed | State::Delivered | State::Relayed | State::Rejected) => Ok(State::Reported),
        (Event::Noticed, State::Due | State::Deferred | State::Held) => Ok(state),
        (Event::Redirected(_), State::Due | State::Deferred) => Ok(State::Due),
        (Event::Redirected(_), State::Held) => Ok(State::Held),
        (Event::ReplyDue, State::Due | State::Deferred | State::Held) => Ok(state),
        (Event::Replied(_), State::Delivered | State::Reported) => Ok(state),
        (Event::Requested, State::Moderated) => Ok(State::Moderated),
        (Event::Approved(_), State::Moderated) => Ok(State::Approved),
        (Event::Rejected(_), State::Moderated) => Ok(State::Rejected),
        (Event::Branched(_), State::Approved) => Ok(State::Branched),
        (Event::Deferred { .. }, _) => refused("deferred"),
        (Event::Delivered(_), _) => refused("delivered"),
        (Event::Relayed { .. }, _) => refused("relayed"),
        (Event::Failed(_), _) => refused("failed"),
        (Event::Held, _) => refused("held"),
        (Event::GivenUp(_), _) => refused("given up"),
        (Event::Released, _) => refused("due"),
        (Event::Removed, _) => refused("removed"),
        (Event::Reported, _) => refused("reported"),
        (Event::Noticed, _) => refused("noticed"),
        (Event::Redirected(_), _) => refused("redirected"),
        (Event::ReplyDue, _) => refused("about to be answered"),
        (Event::Replied(_), _) => refused("answered"),
        (Event::Requested, _) => refused("requested"),
        (Event::Approved(_), _) => refused("approved"),
        (Event::Rejected(_), _) => refused("rejected"),
        (Event::Branched(_), _) => refused("branched"),
    }
}
