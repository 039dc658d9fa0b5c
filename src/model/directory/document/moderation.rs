//! Moderation in the form of a directory that people write.

use super::RecipientEntry;
use super::compose::{List, set};
use super::export::{Addresses, differing};
use super::plan::Reason;
use crate::model::directory::moderation::{Moderation, ModerationNotifications};
use crate::model::directory::recipient::{Recipient, RecipientId};

/// Finds the recipients that a list under a key refers to.
pub(super) type Resolve<'a> = &'a dyn Fn(&'static str, List<'_>) -> Result<Vec<RecipientId>, Reason>;

/// Writes what differs from the defaults.
pub(super) fn put(entry: &mut RecipientEntry, set: &Moderation, addresses: Addresses<'_>) {
    entry.moderation_enabled = set.enabled.then_some(true);
    entry.moderated_by = addresses(&set.moderated_by);
    entry.bypass_moderation_from = addresses(&set.bypass_from);
    entry.bypass_nested_moderation = set.bypass_nested.then_some(true);
    entry.moderation_notifications = differing(set.notifications, &ModerationNotifications::default());
}

/// Applies everything but the references; lists that are replaced are emptied.
pub(super) fn base(entry: &RecipientEntry, recipient: &mut Recipient) {
    let mut next = recipient.moderation.take().map(|former| *former).unwrap_or_default();
    set(&mut next.enabled, entry.moderation_enabled);
    set(&mut next.bypass_nested, entry.bypass_nested_moderation);
    set(&mut next.notifications, entry.moderation_notifications);
    if entry.moderated_by.is_some() {
        next.moderated_by.clear();
    }
    if entry.bypass_moderation_from.is_some() {
        next.bypass_from.clear();
    }
    recipient.moderation = (next != Moderation::default()).then(|| Box::new(next));
}

/// The lists that refer to other recipients.
pub(super) fn lists(entry: &RecipientEntry) -> [&Option<Vec<Box<str>>>; 2] {
    [&entry.moderated_by, &entry.bypass_moderation_from]
}

/// Puts the references in.
///
/// # Errors
/// The first one that leads nowhere.
pub(super) fn link(entry: &RecipientEntry, recipient: &mut Recipient, resolve: Resolve<'_>) -> Result<(), Reason> {
    let moderated_by = resolve("moderated_by", entry.moderated_by.as_deref())?;
    let bypass_from = resolve("bypass_moderation_from", entry.bypass_moderation_from.as_deref())?;
    if !moderated_by.is_empty() {
        recipient.moderation.get_or_insert_default().moderated_by = moderated_by;
    }
    if !bypass_from.is_empty() {
        recipient.moderation.get_or_insert_default().bypass_from = bypass_from;
    }
    Ok(())
}
