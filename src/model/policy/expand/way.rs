//! What waits to be expanded. All that a list of members has in common is held once.

use std::sync::Arc;

use crate::model::directory::{Group, Recipient, RecipientId};
use crate::model::mail::{Address, ForwardPath};
use crate::model::policy::delivery::Passage;
use crate::model::policy::envelope::Notify;
use crate::model::policy::resolve::Resolution;

/// What a node inherits from the way to it. The members of a group share one.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) passage: Arc<Passage>,
    /// The object of ours that passes the message on, by whose address an outside copy is rewritten.
    pub(super) via: Option<Address>,
    /// Mailboxes and contacts that passed the message on without keeping a copy, on the way here.
    pub(super) forwarders: Vec<RecipientId>,
    /// Groups that are being expanded on the way here.
    pub(super) within: Vec<RecipientId>,
    /// A mailbox on the way here keeps a copy: what was written to it has arrived.
    pub(super) copied: bool,
    /// What the sender asked to hear of, while it hears nothing of this branch.
    pub(super) hushed: Option<Notify>,
    /// An approval for a group above holds for the moderated groups within it.
    pub(super) nested_approved: bool,
}

/// A node that waits to be expanded.
#[derive(Clone)]
pub(super) struct Branch {
    pub(super) resolution: Resolution,
    pub(super) way: Arc<Way>,
}

/// What waits: one node, or those of a list from a place on. A group of 100,000 waits as one, whatever it takes to
/// write its members down.
pub(super) enum Pending {
    One(Branch),
    Several { members: Members, next: usize, way: Arc<Way> },
}

/// A list of objects that is not copied where the directory holds it.
pub(super) enum Members {
    Listed(Arc<Recipient>),
    Subscribed(Arc<Recipient>),
    Matched(Vec<RecipientId>),
}

impl Members {
    pub(super) fn list(&self) -> &[RecipientId] {
        match self {
            Self::Listed(group) => group.group.as_deref().map_or(&[], Group::members),
            Self::Subscribed(group) => group.group.as_deref().map_or(&[], |set| &set.subscribers),
            Self::Matched(members) => members,
        }
    }
}

impl Branch {
    /// The permitted path that led here.
    pub(super) fn path(&self) -> &ForwardPath {
        &self.way.passage.path
    }
}
