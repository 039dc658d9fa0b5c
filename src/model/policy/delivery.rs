//! What a permitted recipient comes to: copies to deliver, and branches that end in a report.

use core::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::envelope::DsnRequest;
use super::moderation::Waiting;
use super::refusal::Refusal;
use crate::model::directory::RecipientId;
use crate::model::mail::{Address, ForwardPath, ReversePath};

/// How mail to another system finds its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Route {
    /// By the address's domain: its mail exchangers, or the configured smart host.
    Domain,
    /// The next host of an internal relay domain, `host` or `host:port`.
    NextHost(Box<str>),
}

/// Where one copy of a message ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// A local mailbox.
    Mailbox(RecipientId),
    /// The server's own postmaster mailbox.
    PostmasterMailbox,
    /// Another system.
    Relay {
        /// The recipient there.
        address: Address,
        /// The way there.
        route: Route,
    },
}

/// What a copy has from the way to it. The members of a group share one: a message to 100,000 of them would hold it as
/// many times otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// The permitted path that led here, as the client gave it.
    pub path: ForwardPath,
    /// The reverse-path of this copy: rewritten for mail that is passed on, replaced by a group's rule.
    pub reverse_path: ReversePath,
    /// When to report, and about whom.
    pub dsn: DsnRequest,
    /// The mailbox that forwarded it, for `Resent-From`.
    pub resent_from: Option<Address>,
    /// Automatic replies of the mailbox may go to the sender: the message names the mailbox itself, or every group on
    /// the way sends them on (`SendOofMessageToOriginatorEnabled`, spec section 6.1).
    pub automatic_replies: bool,
}

impl Passage {
    /// Of what is not delivered: nobody answers it.
    pub const fn nowhere(path: ForwardPath, reverse_path: ReversePath, dsn: DsnRequest) -> Self {
        Self { path, reverse_path, dsn, resent_from: None, automatic_replies: false }
    }
}

/// One copy to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it goes.
    pub to: Destination,
    /// What it has from the way there.
    pub passage: Arc<Passage>,
}

impl Deref for Delivery {
    type Target = Passage;

    fn deref(&self) -> &Passage {
        &self.passage
    }
}

/// Why a copy is dropped without a report to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppression {
    /// A mailbox forwards it to a remote domain that takes no such mail (`AutoForwardEnabled` false, spec section 5.2).
    AutoForward,
}

/// A branch that waits for a moderator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moderated {
    /// The permitted path that led here.
    pub path: ForwardPath,
    /// The moderated recipient's primary address.
    pub address: Address,
    /// Who hears when it is not approved.
    pub reverse_path: ReversePath,
    /// The DSN parameters of the branch.
    pub dsn: DsnRequest,
    /// The mailbox that forwarded it.
    pub resent_from: Option<Address>,
    /// Who moderates, and what expansion needs to go on.
    pub waiting: Waiting,
}

/// What became of one branch of the expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expanded {
    /// A copy to deliver.
    Deliver(Delivery),
    /// A branch that ends in a report.
    Refused {
        /// The address at which it ended.
        address: Address,
        /// Why.
        refusal: Box<Refusal>,
        /// The permitted path that led here, who hears of it, and when.
        passage: Arc<Passage>,
    },
    /// A branch that ends in silence. Only the message trace tells of it.
    Dropped {
        /// The address that gets nothing.
        address: Address,
        /// Why.
        why: Suppression,
        /// The permitted path that led here, and who would hear of a failure.
        passage: Arc<Passage>,
    },
    /// A branch that waits for a moderator.
    Moderated(Box<Moderated>),
}
