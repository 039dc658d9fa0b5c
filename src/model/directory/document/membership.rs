//! Who may join and leave a group, in the form of a directory that people write.

use super::RecipientEntry;
use super::compose::set;
use super::export::Addresses;
use super::moderation::Resolve;
use super::plan::Reason;
use crate::model::directory::group::Group;

/// Whether an entry says anything of it.
pub(super) fn is_given(entry: &RecipientEntry) -> bool {
    entry.member_join_restriction.is_some()
        || entry.member_depart_restriction.is_some()
        || entry.membership_requests.is_some()
        || entry.hidden_group_membership.is_some()
        || entry.auto_subscribe_new_members.is_some()
}

/// Writes what differs from the defaults.
pub(super) fn put(entry: &mut RecipientEntry, group: &Group, addresses: Addresses<'_>) {
    let rules = &group.membership;
    entry.member_join_restriction = rules.join;
    entry.member_depart_restriction = rules.depart;
    entry.membership_requests = addresses(&rules.requests);
    entry.hidden_group_membership = rules.hidden.then_some(true);
    entry.auto_subscribe_new_members = rules.auto_subscribe.then_some(true);
}

/// Applies everything but the requests, which are emptied where they are replaced.
pub(super) fn base(entry: &RecipientEntry, group: &mut Group) {
    let rules = &mut group.membership;
    rules.join = entry.member_join_restriction.or(rules.join);
    rules.depart = entry.member_depart_restriction.or(rules.depart);
    set(&mut rules.hidden, entry.hidden_group_membership);
    set(&mut rules.auto_subscribe, entry.auto_subscribe_new_members);
    if entry.membership_requests.is_some() {
        rules.requests.clear();
    }
}

/// Puts the requests in.
///
/// # Errors
/// The first one that leads nowhere.
pub(super) fn link(entry: &RecipientEntry, group: &mut Group, resolve: Resolve<'_>) -> Result<(), Reason> {
    if entry.membership_requests.is_some() {
        group.membership.requests = resolve("membership_requests", entry.membership_requests.as_deref())?;
    }
    Ok(())
}
