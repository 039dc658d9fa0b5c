//! What makes a recipient a group: members, owners, subscribers, and where reports of its members go.

use serde::{Deserialize, Serialize};

use super::membership::Membership;
use super::recipient::RecipientId;

/// The group half of a distribution, security, dynamic or Microsoft 365 group, or a room list (spec section 5.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Direct members, sorted and without duplicates. Empty for dynamic groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<RecipientId>,
    /// Owners (`ManagedBy`), first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_by: Vec<RecipientId>,
    /// Members of a Microsoft 365 group who get a copy in their own mailbox, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscribers: Vec<RecipientId>,
    /// The filter of a dynamic group (`RecipientFilter`), for example `CustomAttribute2 -eq 'sales'`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_filter: Option<Box<str>>,
    /// Failures go to the first owner.
    pub report_to_manager: bool,
    /// Failures go to the sender.
    pub report_to_originator: bool,
    /// Members' automatic replies reach the sender.
    pub send_oof_message_to_originator: bool,
    /// `BccBlocked`: nothing is delivered when the group is only in Bcc.
    pub bcc_blocked: bool,
    /// Who may join and leave, and who asked to.
    #[serde(skip_serializing_if = "Membership::is_default")]
    pub membership: Membership,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            managed_by: Vec::new(),
            subscribers: Vec::new(),
            recipient_filter: None,
            report_to_manager: false,
            report_to_originator: true,
            send_oof_message_to_originator: false,
            bcc_blocked: false,
            membership: Membership::default(),
        }
    }
}

impl Group {
    /// Direct members, sorted.
    pub fn members(&self) -> &[RecipientId] {
        &self.members
    }

    /// Whether `id` is a direct member.
    pub fn has_member(&self, id: RecipientId) -> bool {
        self.members.binary_search(&id).is_ok()
    }

    /// Replaces the members.
    pub fn set_members(&mut self, mut members: Vec<RecipientId>) {
        members.sort_unstable();
        members.dedup();
        self.members = members;
    }

    /// Adds members; those already there stay once. Their requests are granted, and where new members are subscribed
    /// (`AutoSubscribeNewMembers`) they get copies from now on.
    pub fn add_members(&mut self, added: &[RecipientId]) {
        let mut sorted = added.to_vec();
        sorted.sort_unstable();
        self.membership.requests.retain(|waiting| sorted.binary_search(waiting).is_err());
        if self.membership.auto_subscribe {
            let new = added.iter().copied().filter(|member| !self.has_member(*member));
            self.subscribers = self.subscribers.iter().copied().chain(new).collect();
            self.subscribers.sort_unstable();
            self.subscribers.dedup();
        }
        let mut members = core::mem::take(&mut self.members);
        members.extend_from_slice(added);
        self.set_members(members);
    }

    /// Adds a request to join, once.
    pub fn add_request(&mut self, member: RecipientId) {
        if !self.membership.requests.contains(&member) {
            self.membership.requests.push(member);
        }
    }

    /// Takes a request to join away.
    pub fn drop_request(&mut self, member: RecipientId) {
        self.membership.requests.retain(|waiting| *waiting != member);
    }

    /// Takes members away; those not there are passed over. Who is no member any more gets no copies either.
    pub fn remove_members(&mut self, removed: &[RecipientId]) {
        let mut removed = removed.to_vec();
        removed.sort_unstable();
        self.members.retain(|member| removed.binary_search(member).is_err());
        self.subscribers.retain(|subscriber| removed.binary_search(subscriber).is_err());
    }
}
