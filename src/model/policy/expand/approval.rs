//! Where a branch of the expansion stops for a moderator, and how it goes on after an approval.

use std::sync::Arc;

use super::{Branch, Expansion, Way};
use crate::model::directory::{Recipient, RecipientId, Snapshot};
use crate::model::mail::{AddressKey, ForwardPath, Timestamp};
use crate::model::policy::delivery::{Expanded, Moderated, Passage};
use crate::model::policy::moderation::{Judged, Waiting, judge, nearest};
use crate::model::policy::posting::Posting;
use crate::model::policy::resolve::{Resolution, reaches_someone, resolve_object};
use crate::model::policy::settings::Settings;
use crate::model::policy::trail::Trail;

/// What the recipients of a message came to before: nobody gets a second copy through an approval.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Known {
    /// A mailbox, or somebody who is or was moderated.
    Object(RecipientId),
    /// An address outside.
    Outside(AddressKey),
    /// The server's own postmaster mailbox.
    Postmaster,
}

/// Goes on below a recipient whose moderators approved, with the directory of this moment: everything but its own
/// moderation is judged again. `known` is what the message's other recipients came to; the approved one is not in it.
pub fn expand_approved(
    snapshot: &Snapshot,
    settings: &Settings,
    posting: &Posting<'_>,
    approved: &Moderated,
    known: impl IntoIterator<Item = Known>,
    now: Timestamp,
    trail: &mut impl Trail,
) -> Vec<Expanded> {
    let mut expansion = Expansion::new(snapshot, settings, posting, now, trail);
    let waiting = &approved.waiting;
    expansion.passed = Some(waiting.recipient);
    expansion.named.extend(waiting.named.then_some(waiting.recipient));
    for one in known {
        match one {
            Known::Object(id) => drop(expansion.seen.insert(id, 0)),
            Known::Outside(key) => drop(expansion.outside.insert(key)),
            Known::Postmaster => expansion.postmaster = true,
        }
    }
    let found = resolve_object(snapshot, settings, waiting.recipient, expansion.trail);
    // Mailboxes on the way that are no forwarders have kept a copy; the two that are remembered tell of all that
    // matter.
    let on_the_way = approved.resent_from.iter().chain(match &approved.path {
        ForwardPath::Mailbox(address) => Some(address),
        ForwardPath::Postmaster => None,
    });
    let copied = on_the_way.filter_map(|address| snapshot.find_by_address(address)).any(|holder| {
        let keeps = holder.id != waiting.recipient && !waiting.forwarders.contains(&holder.id);
        keeps && holder.recipient_type.is_mailbox()
    });
    // Whether it may be in Bcc was judged before it waited: a header does not alter.
    let passage = Passage {
        path: approved.path.clone(),
        reverse_path: approved.reverse_path.clone(),
        dsn: approved.dsn.clone(),
        resent_from: approved.resent_from.clone(),
        automatic_replies: waiting.automatic_replies,
    };
    let way = Way {
        passage: Arc::new(passage),
        via: waiting.via.clone(),
        forwarders: waiting.forwarders.clone(),
        within: waiting.within.clone(),
        copied,
        hushed: None,
        nested_approved: waiting.nested_approved,
    };
    let resolution = found.unwrap_or_else(|| Resolution::Unknown(approved.address.clone()));
    expansion.first.extend(approved.resent_from.is_none().then(|| resolution.clone()));
    expansion.follow(Branch { resolution, way: Arc::new(way) });
    expansion.result
}

impl<T: Trail> Expansion<'_, T> {
    /// Gives the branch back unless it waits for a moderator. Postmaster and abuse always reach someone, so mail to
    /// them is not kept waiting (RFC 5321 section 4.5.1, RFC 2142 section 2).
    pub(super) fn moderate(&mut self, mut branch: Branch) -> Option<Branch> {
        let (Resolution::Mailbox(id) | Resolution::Group(id) | Resolution::Outside { owner: id, .. }) =
            branch.resolution
        else {
            return Some(branch);
        };
        let concerned = |recipient: &&Arc<Recipient>| recipient.moderation.is_some() || recipient.group.is_some();
        let Some(recipient) = self.snapshot.recipient(id).filter(concerned) else {
            return Some(branch);
        };
        // Reports to groups are dropped, so nobody need look at them.
        let dropped = matches!(branch.resolution, Resolution::Group(_)) && self.posting.is_delivery_report();
        if dropped || reaches_someone(self.snapshot, branch.path()) {
            return Some(branch);
        }
        let (passed, nested_approved) = (self.passed, branch.way.nested_approved);
        match judge(self.snapshot, self.settings, self.posting, recipient, passed, nested_approved, self.trail) {
            Judged::Passes { nested_approved } => {
                if nested_approved != branch.way.nested_approved {
                    Arc::make_mut(&mut branch.way).nested_approved = nested_approved;
                }
                Some(branch)
            }
            Judged::Waits { moderators, notifies_sender } => {
                let address = recipient.primary().clone();
                // Asked for once, however many ways lead there.
                self.reach(&branch);
                if !self.was_seen(id) {
                    let way = Arc::unwrap_or_clone(branch.way);
                    let passage = Arc::unwrap_or_clone(way.passage);
                    let waiting = Waiting {
                        recipient: id,
                        moderators,
                        notifies_sender,
                        via: way.via,
                        forwarders: nearest(&way.forwarders),
                        within: nearest(&way.within),
                        named: self.named.contains(&id),
                        automatic_replies: passage.automatic_replies,
                        nested_approved: way.nested_approved,
                    };
                    self.result.push(Expanded::Moderated(Box::new(Moderated {
                        path: passage.path,
                        address,
                        reverse_path: passage.reverse_path,
                        dsn: passage.dsn,
                        resent_from: passage.resent_from,
                        waiting,
                    })));
                }
                None
            }
        }
    }
}
