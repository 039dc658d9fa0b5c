//! Does a message wait for a moderator? Judged after the restrictions and before expansion (spec section 5.5, stage 5).
//!
//! Mail of moderators, of a group's owners and of those on the bypass list goes on, and so does this server's own. A
//! stranger's null reverse-path does not, nor the address of a moderator: anybody can write those. On the bypass list
//! contacts are known by their addresses, as on an accept list. Whatever waits is never lost: who moderates is told
//! here, and where nobody does, the postmaster is asked.
//!
//! A group of more than 5,000 direct members needs moderation, or a list of those who may send to it (spec section
//! 2.5): with neither, mail to it waits as if it were moderated, where `large_group_limits` is on.

mod answer;

use serde::{Deserialize, Serialize};

use super::posting::Posting;
use super::restrictions::is_listed;
use super::settings::Settings;
use super::trail::Trail;
use crate::model::directory::{Moderation, ModerationNotifications, Recipient, RecipientId, Snapshot};
use crate::model::mail::Address;

pub use answer::Awaited;

/// What expansion needs to go on below a recipient once its moderators have approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The moderated recipient.
    pub recipient: RecipientId,
    /// Who moderated it when the message came.
    pub moderators: Vec<RecipientId>,
    /// Whether the sender is to hear that it was not approved (`SendModerationNotifications`).
    pub notifies_sender: bool,
    pub(super) via: Option<Address>,
    /// Those nearest to the recipient; see [`WAY_MAX`].
    pub(super) forwarders: Vec<RecipientId>,
    pub(super) within: Vec<RecipientId>,
    /// The message names the recipient itself.
    pub(super) named: bool,
    /// Every group on the way lets automatic replies of its members through.
    pub(super) automatic_replies: bool,
    /// An approval for a group above holds for the moderated groups within it.
    pub(super) nested_approved: bool,
}

impl Waiting {
    /// A recipient that the message names itself.
    pub const fn new(recipient: RecipientId, moderators: Vec<RecipientId>, notifies_sender: bool) -> Self {
        Self {
            recipient,
            moderators,
            notifies_sender,
            via: None,
            forwarders: Vec::new(),
            within: Vec::new(),
            named: true,
            automatic_replies: true,
            nested_approved: false,
        }
    }
}

/// So many forwarders and groups on the way to a recipient are remembered while it waits: the message takes a bounded
/// place, and a longer ring still ends, since nothing is expanded twice.
pub(super) const WAY_MAX: usize = 100;

/// The nearest of those on the way.
pub(super) fn nearest(way: &[RecipientId]) -> Vec<RecipientId> {
    way.get(way.len().saturating_sub(WAY_MAX)..).unwrap_or_default().to_vec()
}

/// What moderation says of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// The message goes on; whether it counts as approved for moderated groups below.
    Passes { nested_approved: bool },
    /// It waits for one of these; whether its sender is to hear of a refusal.
    Waits { moderators: Vec<RecipientId>, notifies_sender: bool },
}

/// Who moderates: the moderators, else the owners of a group (spec section 5.6). Empty when nobody does.
pub fn moderators(recipient: &Recipient) -> &[RecipientId] {
    let moderators = recipient.moderation.as_deref().map(|set| set.moderated_by.as_slice()).unwrap_or_default();
    if moderators.is_empty() { owners(recipient) } else { moderators }
}

/// Who may decide about what waits: who moderates the recipient now, or did when it is gone.
pub fn deciders(snapshot: &Snapshot, waiting: &Waiting) -> Vec<RecipientId> {
    let now = snapshot.recipient(waiting.recipient).map(|recipient| moderators(recipient));
    now.unwrap_or(&waiting.moderators).to_vec()
}

/// Whether `account` may decide about what waits, itself or as a member of a group that owns the recipient.
pub fn may_decide(snapshot: &Snapshot, waiting: &Waiting, account: RecipientId) -> bool {
    is_listed(snapshot, &deciders(snapshot, waiting), &[account])
}

fn owners(recipient: &Recipient) -> &[RecipientId] {
    recipient.group.as_deref().map(|group| group.managed_by.as_slice()).unwrap_or_default()
}

/// A group of more direct members is moderated unless it says who may send to it (spec section 2.5).
pub const UNMODERATED_MEMBERS_MAX: usize = 5_000;

/// Whether a group is moderated for its size.
pub fn is_large(settings: &Settings, recipient: &Recipient) -> bool {
    let members = recipient.group.as_deref().map_or(0, |group| group.members().len());
    let managed = recipient.restrictions.as_deref().is_some_and(|set| !set.accept_only_from.is_empty());
    settings.large_group_limits && members > UNMODERATED_MEMBERS_MAX && !managed
}

/// Judges a recipient. `passed` is the one that was just approved; `nested_approved` says that an approval for a group
/// above holds for those within it.
pub(super) fn judge(
    snapshot: &Snapshot,
    settings: &Settings,
    posting: &Posting<'_>,
    recipient: &Recipient,
    passed: Option<RecipientId>,
    nested_approved: bool,
    trail: &mut impl Trail,
) -> Judged {
    let passes = |nested_approved| Judged::Passes { nested_approved };
    let own = recipient.moderation.as_deref();
    let large = is_large(settings, recipient);
    if !large && own.is_none_or(|set| !set.enabled) {
        return passes(nested_approved);
    }
    let usual = Moderation::default();
    let set = own.unwrap_or(&usual);
    if large && !set.enabled {
        trail.note("the group has more than 5,000 members and does not say who may send to it", true, String::new);
    }
    trail.note("the recipient is moderated", true, || recipient.primary().to_string());
    if trail.asks("the sender is exempt from moderation", posting.is_exempt()) {
        return passes(nested_approved);
    }
    if passed == Some(recipient.id) {
        return passes(nested_approved || set.bypass_nested);
    }
    let nested = nested_approved && recipient.recipient_type.is_group();
    if trail.asks("it was approved for a group above, and nested moderation is bypassed", nested) {
        return passes(true);
    }
    // Who could approve the message approves it by sending it, when it is certain who that is.
    let signed_in = |list: &[RecipientId]| !posting.is_from_stranger() && is_listed(snapshot, list, posting.accepted());
    if trail.asks("the sender moderates the recipient", signed_in(moderators(recipient))) {
        return passes(nested_approved || set.bypass_nested);
    }
    let exempt = signed_in(owners(recipient)) || is_listed(snapshot, &set.bypass_from, posting.accepted());
    if trail.asks("the sender owns the group or is on its bypass list", exempt) {
        return passes(nested_approved);
    }
    waits(recipient, set, !posting.is_from_stranger(), trail)
}

fn waits(recipient: &Recipient, set: &Moderation, internal: bool, trail: &mut impl Trail) -> Judged {
    trail.note("the message waits for a moderator", true, String::new);
    let notifies_sender = match set.notifications {
        ModerationNotifications::Always => true,
        ModerationNotifications::Internal => internal,
        ModerationNotifications::Never => false,
    };
    Judged::Waits { moderators: moderators(recipient).to_vec(), notifies_sender }
}
