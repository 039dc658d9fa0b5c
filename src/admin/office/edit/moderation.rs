//! Setting the moderation of a recipient.

use serde::{Deserialize, Serialize};

use super::super::failure::Failure;
use super::super::identity;
use crate::model::directory::{Moderation, ModerationNotifications, Recipient, Snapshot};

/// What is to change of it; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each is named and described at the property of Moderation that it sets")]
pub struct ModerationEdit {
    pub enabled: Option<bool>,
    pub moderated_by: Option<Vec<String>>,
    pub bypass_from: Option<Vec<String>>,
    pub bypass_nested: Option<bool>,
    pub notifications: Option<ModerationNotifications>,
}

impl ModerationEdit {
    /// Makes the changes, and says when nobody would be asked.
    ///
    /// # Errors
    /// The first reference that leads nowhere.
    pub(super) fn apply(
        &self,
        snapshot: &Snapshot,
        recipient: &mut Recipient,
        notes: &mut Vec<String>,
    ) -> Result<(), Failure> {
        if *self == Self::default() {
            return Ok(());
        }
        let mut set = recipient.moderation.take().unwrap_or_default();
        if let Some(list) = &self.moderated_by {
            set.moderated_by = identity::find_all(snapshot, list)?;
        }
        if let Some(list) = &self.bypass_from {
            set.bypass_from = identity::find_all(snapshot, list)?;
        }
        set.enabled = self.enabled.unwrap_or(set.enabled);
        set.bypass_nested = self.bypass_nested.unwrap_or(set.bypass_nested);
        set.notifications = self.notifications.unwrap_or(set.notifications);
        let owned = recipient.group.as_deref().is_some_and(|group| !group.managed_by.is_empty());
        if set.enabled && set.moderated_by.is_empty() && !owned {
            notes.push(format!(
                "It has no moderators, so the postmaster is asked: franking recipient set {} --moderator WHO",
                recipient.primary()
            ));
        }
        recipient.moderation = Some(set).filter(|set| **set != Moderation::default());
        Ok(())
    }
}
