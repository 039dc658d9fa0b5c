//! Moderation of a recipient: who approves mail before it goes on (spec section 5.6). Exchange has it on groups and on
//! mailboxes, mail users and contacts alike.

use serde::{Deserialize, Serialize};

use super::recipient::RecipientId;

/// `ModeratedBy` takes no more than this (spec section 2.5).
pub const MODERATORS_MAX: usize = 10;

/// Whether a sender hears that a message was not approved: `SendModerationNotifications`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModerationNotifications {
    /// Every sender does.
    #[default]
    Always,
    /// Senders of this organisation do.
    Internal,
    /// Nobody does.
    Never,
}

/// The moderation of one recipient. The settings are kept while it is switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moderation {
    /// `ModerationEnabled`.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub enabled: bool,
    /// `ModeratedBy`: mailboxes, mail users and contacts. While it is empty the owners of a group moderate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moderated_by: Vec<RecipientId>,
    /// `BypassModerationFromSendersOrMembers`: senders, and groups whose members need no approval.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bypass_from: Vec<RecipientId>,
    /// `BypassNestedModerationEnabled`: what was approved for this group is approved for the groups within it.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub bypass_nested: bool,
    /// `SendModerationNotifications`.
    pub notifications: ModerationNotifications,
}

impl Moderation {
    /// Every object that it refers to; duplicates are possible.
    pub fn references(&self) -> impl Iterator<Item = RecipientId> {
        self.moderated_by.iter().chain(&self.bypass_from).copied()
    }
}
