//! What mailboxes pass on by themselves, as the organisation's policy sees it (spec section 5.2).
//!
//! A group that a mailbox forwards to is judged member by member. What the sender wrote to such a group itself is no
//! forwarding, whichever way led to it first: so what a message comes to does not depend on the order of its
//! recipients.
//!
//! A stranger learns of a rule inside only when what it wrote has reached nobody (decision D9). While the mailbox keeps
//! a copy, it hears nothing of what becomes of the other one. While it keeps none, and the policy lets nobody have it,
//! the stranger hears once, of the mailbox that it wrote to and of nobody behind it. An account hears of every failure.

use std::collections::HashSet;
use std::sync::Arc;

use super::way::{Branch, Members, Pending, Way};
use super::{Expansion, RecipientId};
use crate::model::directory::Recipient;
use crate::model::mail::ForwardPath;
use crate::model::policy::admit::judge;
use crate::model::policy::delivery::{Expanded, Suppression};
use crate::model::policy::envelope::Notify;
use crate::model::policy::forwarding::{self, Exit};
use crate::model::policy::refusal::Refusal;
use crate::model::policy::resolve::{Resolution, resolve, resolve_object};
use crate::model::policy::trail::{Trail, Unrecorded};

impl<T: Trail> Expansion<'_, T> {
    pub(super) fn forward(&mut self, mailbox: &Recipient, target: Resolution, mut branch: Branch) {
        if branch.way.copied && self.is_heard_by_a_stranger(&branch.way) {
            hush(&mut branch);
        }
        if !self.may_leave(&target, &branch) {
            return;
        }
        let via = Some(self.rewriter(mailbox, branch.way.via.as_ref()));
        let way = Arc::make_mut(&mut branch.way);
        way.via = via;
        Arc::make_mut(&mut way.passage).resent_from = Some(mailbox.primary().clone());
        self.pending.push(Pending::One(Branch { resolution: target, ..branch }));
    }

    /// Whether what a mailbox forwards to `target`, itself or through a group, may go there; if not, `branch` ends.
    pub(super) fn may_leave(&mut self, target: &Resolution, branch: &Branch) -> bool {
        match forwarding::exit(self.snapshot, self.settings, target, self.trail) {
            Exit::Forbidden(_) => {
                self.forbid(branch.clone());
                false
            }
            Exit::Suppressed(address) => {
                let (why, passage) = (Suppression::AutoForward, Arc::clone(&branch.way.passage));
                self.result.push(Expanded::Dropped { address, why, passage });
                false
            }
            Exit::Inside | Exit::Permitted(_) => true,
        }
    }

    /// Whether failures of a branch are told to somebody outside.
    fn is_heard_by_a_stranger(&self, way: &Way) -> bool {
        let passage = &way.passage;
        let told = way.hushed.is_none() && passage.reverse_path == *self.posting.reverse_path();
        told && self.posting.is_from_stranger()
    }

    /// Ends a branch at the organisation's forwarding policy.
    pub(super) fn forbid(&mut self, mut branch: Branch) {
        let through_others = branch.way.passage.resent_from.is_some();
        if let Some(forwarder) = branch.way.forwarders.first().copied()
            && through_others
            && self.is_heard_by_a_stranger(&branch.way)
        {
            if !self.blocked.iter().any(|(other, _)| *other == forwarder) {
                self.blocked.push((forwarder, Arc::clone(&branch.way.passage)));
            }
            hush(&mut branch);
        }
        self.refuse(branch, Refusal::ExternalForwardingBlocked);
    }

    /// Something has arrived of what somebody passes on without keeping it.
    pub(super) fn reach(&mut self, branch: &Branch) {
        self.reached.extend(branch.way.forwarders.first());
    }

    /// Those of the present permit who forward, keeping nothing, through others, none of whom gets anything.
    pub(super) fn blocked_altogether(&mut self) -> Vec<Expanded> {
        let blocked = core::mem::take(&mut self.blocked);
        let lost = blocked.into_iter().filter(|(forwarder, _)| !self.reached.contains(forwarder));
        let told = lost.filter_map(|(forwarder, passage)| {
            let address = self.snapshot.recipient(forwarder)?.primary().clone();
            Some(Expanded::Refused { address, refusal: Box::new(Refusal::ExternalForwardingBlocked), passage })
        });
        told.collect()
    }

    /// A group that the message is for without any forwarding is expanded as such, whatever led to it now. And of
    /// whatever it is for without any forwarding, its sender hears.
    pub(super) fn be_direct(&mut self, branch: &mut Branch) {
        let (id, is_group) = match branch.resolution {
            Resolution::Group(id) => (id, true),
            // A Microsoft 365 group passes on what comes into its mailbox.
            Resolution::Mailbox(id) => {
                (id, self.snapshot.recipient(id).is_some_and(|found| found.recipient_type.is_group()))
            }
            Resolution::Outside { owner: id, .. } => (id, false),
            Resolution::PostmasterMailbox
            | Resolution::InternalRelay(_)
            | Resolution::Rewritten(_)
            | Resolution::Foreign(_)
            | Resolution::Unknown(_) => return,
        };
        let matters = branch.way.hushed.is_some() || is_group;
        if branch.way.passage.resent_from.is_none() || !matters {
            return;
        }
        let direct = match self.direct.take() {
            Some(known) => known,
            None => self.reached_directly(),
        };
        if direct.contains(&id) {
            let way = Arc::make_mut(&mut branch.way);
            let passage = Arc::make_mut(&mut way.passage);
            passage.dsn.notify = way.hushed.take().unwrap_or(passage.dsn.notify);
            way.copied = false;
            if is_group {
                passage.resent_from = None;
            }
        }
        self.direct = Some(direct);
    }

    /// What the message is for, and what is within that, as far as its sender may send to it. Each once, so this ends.
    fn reached_directly(&self) -> HashSet<RecipientId> {
        let mut seen = HashSet::new();
        let mut open = self.first.clone();
        while let Some(next) = open.pop() {
            if judge(self.snapshot, self.settings, self.posting, &next, &mut Unrecorded).is_err() {
                continue;
            }
            let (id, address) = match next {
                Resolution::Group(id) | Resolution::Mailbox(id) => (id, None),
                Resolution::Outside { owner, address } => (owner, Some(address)),
                Resolution::PostmasterMailbox
                | Resolution::InternalRelay(_)
                | Resolution::Rewritten(_)
                | Resolution::Foreign(_)
                | Resolution::Unknown(_) => continue,
            };
            let Some(object) = self.snapshot.recipient(id).filter(|_| seen.insert(id)) else { continue };
            // A contact may stand for an address of ours.
            open.extend(
                address.filter(|address| self.is_ours(address)).map(|address| {
                    resolve(self.snapshot, self.settings, &ForwardPath::Mailbox(address), &mut Unrecorded)
                }),
            );
            let below = self.below(object);
            let below = below.list().iter();
            open.extend(below.filter_map(|id| resolve_object(self.snapshot, self.settings, *id, &mut Unrecorded)));
        }
        seen
    }

    /// Members, else subscribers; nobody where there are neither.
    fn below(&self, object: &Arc<Recipient>) -> Members {
        if object.recipient_type.is_distribution() {
            return self.members_of(object);
        }
        Members::Subscribed(Arc::clone(object))
    }
}

/// From here on its sender hears nothing of a branch.
fn hush(branch: &mut Branch) {
    let way = Arc::make_mut(&mut branch.way);
    let passage = Arc::make_mut(&mut way.passage);
    way.hushed = Some(core::mem::replace(&mut passage.dsn.notify, Notify::Never));
}
