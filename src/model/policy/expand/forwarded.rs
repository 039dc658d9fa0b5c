//! What mailboxes pass on by themselves, as the organisation's policy sees it (spec section 5.2).
//!
//! A group that a mailbox forwards to is judged member by member. What the sender wrote to such a group itself is no
//! forwarding, whichever way led to it first: so what a message comes to does not depend on the order of its
//! recipients.

use std::collections::HashSet;
use std::sync::Arc;

use super::way::{Branch, Members, Pending};
use super::{Expansion, RecipientId};
use crate::model::directory::Recipient;
use crate::model::mail::ForwardPath;
use crate::model::policy::delivery::{Expanded, Suppression};
use crate::model::policy::envelope::{Notify, Origin};
use crate::model::policy::forwarding::{self, Exit};
use crate::model::policy::refusal::Refusal;
use crate::model::policy::resolve::{Resolution, resolve, resolve_object};
use crate::model::policy::trail::{Trail, Unrecorded};

impl<T: Trail> Expansion<'_, T> {
    pub(super) fn forward(&mut self, mailbox: &Recipient, target: Resolution, mut branch: Branch) {
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

    /// Ends a branch at the organisation's forwarding policy.
    ///
    /// What a stranger wrote to a mailbox that keeps a copy has arrived. That its owner may not forward it is nothing
    /// that the stranger did, and a report would go to whoever the reverse-path names (decision D9). An account hears
    /// of it, as of every failure.
    pub(super) fn forbid(&mut self, mut branch: Branch) {
        if branch.way.copied && self.posting.origin() == Origin::Anonymous {
            Arc::make_mut(&mut Arc::make_mut(&mut branch.way).passage).dsn.notify = Notify::Never;
        }
        self.refuse(branch, Refusal::ExternalForwardingBlocked);
    }

    /// A group that the message is for without any forwarding is expanded as such, whatever led to it now.
    pub(super) fn be_direct(&mut self, branch: &mut Branch) {
        let Resolution::Group(id) = branch.resolution else { return };
        if branch.way.passage.resent_from.is_none() {
            return;
        }
        let direct = match self.direct.take() {
            Some(known) => known,
            None => self.reached_directly(),
        };
        if direct.contains(&id) {
            Arc::make_mut(&mut Arc::make_mut(&mut branch.way).passage).resent_from = None;
        }
        self.direct = Some(direct);
    }

    /// The groups that the message is for, and those within them. Each once, so this ends.
    fn reached_directly(&self) -> HashSet<RecipientId> {
        let (mut groups, mut seen) = (HashSet::new(), HashSet::new());
        let mut open = self.first.clone();
        while let Some(next) = open.pop() {
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
            if object.recipient_type.is_distribution() {
                groups.insert(id);
            }
            let below = self.below(object);
            let below = below.list().iter();
            open.extend(below.filter_map(|id| resolve_object(self.snapshot, self.settings, *id, &mut Unrecorded)));
        }
        groups
    }

    /// Members, else subscribers; nobody where there are neither.
    fn below(&self, object: &Arc<Recipient>) -> Members {
        if object.recipient_type.is_distribution() {
            return self.members_of(object);
        }
        Members::Subscribed(Arc::clone(object))
    }
}
