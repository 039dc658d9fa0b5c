//! Who may join and leave a group by themselves (`MemberJoinRestriction`, `MemberDepartRestriction`, spec section 5.6).
//!
//! An administrator or owner who changes the list of members is not asked. Requests to join wait in the group until an
//! owner decides; they go with whoever made them.

use serde::{Deserialize, Serialize};

use super::recipient::{Recipient, RecipientId};
use super::recipient_type::RecipientType;
use crate::model::mail::Address;

/// Owners of one group, at most (spec section 2.5).
pub const OWNERS_MAX: usize = 10;
/// Direct members that a group may have (spec section 2.5). One that has more already may lose some, and be changed
/// otherwise.
pub const MEMBERS_MAX: usize = 100_000;
/// Requests that wait in one group, at most; more are refused until an owner has decided.
pub const REQUESTS_MAX: usize = 1_000;

/// `MemberJoinRestriction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinRestriction {
    /// Whoever asks is a member.
    Open,
    /// Only owners and administrators add members.
    Closed,
    /// An owner decides on each request.
    ApprovalRequired,
}

/// `MemberDepartRestriction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DepartRestriction {
    /// Whoever asks is no member any more.
    Open,
    /// Only owners and administrators remove members.
    Closed,
}

/// The rules of a group, and the requests that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Membership {
    /// `MemberJoinRestriction`; closed unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<JoinRestriction>,
    /// `MemberDepartRestriction`; open unless set, and closed for security groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depart: Option<DepartRestriction>,
    /// Who asked to join, in the order of asking.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RecipientId>,
    /// `HiddenGroupMembershipEnabled`: address lists do not show the members. Delivery is not concerned.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub hidden: bool,
    /// `AutoSubscribeNewMembers` of a Microsoft 365 group: who joins gets copies.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub auto_subscribe: bool,
}

impl Membership {
    /// Whether everything is as in a new group.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What comes of asking to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// The member is in.
    Joins,
    /// An owner is to decide.
    Waits,
}

/// Why nobody joins or leaves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The group has no list of members, or is none.
    #[error("{0} is no group with a list of members.")]
    NoList(Address),
    /// Only owners and administrators add members.
    #[error("{0} is closed: only its owners add members.")]
    JoinClosed(Address),
    /// Only owners and administrators remove members.
    #[error("{0} is closed: only its owners remove members.")]
    DepartClosed(Address),
    /// Nothing is to be done.
    #[error("{member} is a member of {group} already.")]
    Member {
        /// Who asked.
        member: Address,
        /// The group.
        group: Address,
    },
    /// Nothing can be done.
    #[error("{member} is no direct member of {group}.")]
    NoMember {
        /// Who asked.
        member: Address,
        /// The group.
        group: Address,
    },
    /// The request is there already.
    #[error("{member} has asked to join {group} already; an owner is to decide.")]
    Waiting {
        /// Who asked.
        member: Address,
        /// The group.
        group: Address,
    },
    /// There is no such request.
    #[error("{member} has not asked to join {group}.")]
    NoRequest {
        /// Who did not ask.
        member: Address,
        /// The group.
        group: Address,
    },
    /// The group has as many requests as it may.
    #[error("{group} has {REQUESTS_MAX} requests that wait for an owner; try again later.")]
    TooManyRequests {
        /// The group.
        group: Address,
    },
    /// Whoever decides must be an owner.
    #[error("{who} is no owner of {group}.")]
    NotOwner {
        /// Who tried to decide.
        who: Address,
        /// The group.
        group: Address,
    },
}

/// Whether `member` joins `group`, asked by nobody but itself.
///
/// # Errors
/// The rule that forbids it.
pub fn join(group: &Recipient, member: &Recipient) -> Result<Joining, MembershipError> {
    let set = list_of(group)?;
    let (who, whither) = (|| member.primary().clone(), || group.primary().clone());
    if set.has_member(member.id) {
        return Err(MembershipError::Member { member: who(), group: whither() });
    }
    match set.membership.join.unwrap_or(JoinRestriction::Closed) {
        JoinRestriction::Open => Ok(Joining::Joins),
        JoinRestriction::Closed => Err(MembershipError::JoinClosed(whither())),
        JoinRestriction::ApprovalRequired if set.membership.requests.contains(&member.id) => {
            Err(MembershipError::Waiting { member: who(), group: whither() })
        }
        JoinRestriction::ApprovalRequired if set.membership.requests.len() >= REQUESTS_MAX => {
            Err(MembershipError::TooManyRequests { group: whither() })
        }
        JoinRestriction::ApprovalRequired => Ok(Joining::Waits),
    }
}

/// Whether `member` leaves `group`, asked by nobody but itself.
///
/// # Errors
/// The rule that forbids it.
pub fn leave(group: &Recipient, member: &Recipient) -> Result<(), MembershipError> {
    if !list_of(group)?.has_member(member.id) {
        let (member, group) = (member.primary().clone(), group.primary().clone());
        return Err(MembershipError::NoMember { member, group });
    }
    match depart_restriction(group) {
        DepartRestriction::Open => Ok(()),
        DepartRestriction::Closed => Err(MembershipError::DepartClosed(group.primary().clone())),
    }
}

/// Whether a request of `member` is there to be decided on, by `owner` if one is named, else by an administrator.
///
/// # Errors
/// `NoRequest`, or `NotOwner` for somebody else.
pub fn decide(group: &Recipient, member: &Recipient, owner: Option<&Recipient>) -> Result<(), MembershipError> {
    let set = list_of(group)?;
    if let Some(owner) = owner.filter(|owner| !set.managed_by.contains(&owner.id)) {
        return Err(MembershipError::NotOwner { who: owner.primary().clone(), group: group.primary().clone() });
    }
    if set.membership.requests.contains(&member.id) {
        return Ok(());
    }
    Err(MembershipError::NoRequest { member: member.primary().clone(), group: group.primary().clone() })
}

/// The rule for leaving: the group's own, else the default of its type.
fn depart_restriction(group: &Recipient) -> DepartRestriction {
    let own = group.group.as_deref().and_then(|set| set.membership.depart);
    let security = group.recipient_type == RecipientType::MailUniversalSecurityGroup;
    own.unwrap_or(if security { DepartRestriction::Closed } else { DepartRestriction::Open })
}

fn list_of(group: &Recipient) -> Result<&super::Group, MembershipError> {
    let dynamic = group.recipient_type == RecipientType::DynamicDistributionGroup;
    let set = group.group.as_deref().filter(|_| !dynamic && group.recipient_type.is_group());
    set.ok_or_else(|| MembershipError::NoList(group.primary().clone()))
}
