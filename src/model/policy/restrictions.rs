//! Who may send to a recipient, and how much (spec sections 5.5 and 5.6).
//!
//! | # | question | refusal |
//! | --- | --- | --- |
//! | – | does the server itself, or an account as the postmaster, send? | none: exempt |
//! | 1 | is it larger than the organisation lets accounts send (`MaxSendSize`)? | 5.3.4 |
//! | 2 | is it larger than the account may send (`MaxSendSize`)? | 5.2.11 |
//! | 3 | is it larger than the recipient takes (`MaxReceiveSize`, or the size of a large group)? | 5.2.3 |
//! | 4 | does the recipient want senders who signed in, and this one did not? | 5.7.133, .134, .136, .193 |
//! | 5 | is the sender on the reject list? | 5.7.1 |
//! | 6 | is there an accept list without the sender? | 5.7.124, .129 |
//! | 7 | is a group that may not be in Bcc nowhere else? | 5.7.1 |
//!
//! The first refusal counts. Rows 5 and 6 are so ordered because a reject list wins over an accept list. Lists name
//! senders and groups; a group stands for its members, through nested and dynamic groups, too. Moderation follows here,
//! and then expansion.

use std::collections::HashSet;

use super::posting::Posting;
use super::refusal::Refusal;
use super::settings::Settings;
use super::trail::Trail;
use crate::model::directory::{Recipient, RecipientId, RecipientType, Snapshot};
use crate::model::mail::ForwardPath;

/// Rows 1 and 2: what is asked of the sender, whoever the recipient is.
///
/// # Errors
/// The refusal.
pub fn sender(snapshot: &Snapshot, posting: &Posting<'_>, trail: &mut impl Trail) -> Result<(), Refusal> {
    let Some(account) = posting.account().filter(|_| !posting.is_exempt()) else {
        return Ok(());
    };
    let larger = |bytes_max: Option<u64>| bytes_max.is_some_and(|bytes_max| posting.bytes() > bytes_max);
    let organisation = larger(snapshot.organisation().send_bytes_max);
    if trail.asks("the message is larger than the organisation lets anybody send", organisation) {
        return Err(Refusal::OrganisationSendSizeLimit);
    }
    let own = snapshot.recipient(account).and_then(|account| account.restrictions.as_deref()?.send_bytes_max);
    if trail.asks("the message is larger than the account may send", larger(own)) {
        return Err(Refusal::SenderSendSizeLimit);
    }
    Ok(())
}

/// Rows 3 to 6, for a recipient of the directory.
///
/// # Errors
/// The refusal.
pub fn recipient(
    snapshot: &Snapshot,
    settings: &Settings,
    posting: &Posting<'_>,
    recipient: &Recipient,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    if trail.asks("the sender is exempt from restrictions", posting.is_exempt()) {
        return Ok(());
    }
    let set = recipient.restrictions.as_deref();
    let own_max = set.and_then(|set| set.receive_bytes_max).unwrap_or(u64::MAX);
    let bytes_max = if settings.large_group_limits { own_max.min(group_bytes_max(recipient)) } else { own_max };
    if trail.asks("the message is larger than the recipient accepts", posting.bytes() > bytes_max) {
        return Err(Refusal::RecipientSizeLimit);
    }
    let closed = posting.is_from_stranger() && recipient.requires_sender_authentication();
    if trail.asks("the recipient takes mail from authenticated senders only", closed) {
        return Err(not_authenticated(recipient.recipient_type));
    }
    let Some(set) = set else {
        return Ok(());
    };
    let rejected = !set.reject_from.is_empty() && is_listed(snapshot, &set.reject_from, posting.claimed());
    if trail.asks("the sender is on the recipient's reject list", rejected) {
        return Err(Refusal::NotAuthorized);
    }
    let left_out = !set.accept_only_from.is_empty() && !is_listed(snapshot, &set.accept_only_from, posting.accepted());
    if !trail.asks("the recipient has an accept list without the sender", left_out)
        || trail.asks("the author in From may be on it", may_be_listed_later(snapshot, posting, recipient))
    {
        return Ok(());
    }
    Err(if recipient.recipient_type.is_group() {
        Refusal::RestrictedToGroupPermission
    } else {
        Refusal::RestrictedToRecipientsPermission
    })
}

/// What a large group takes (spec section 2.5), by its direct members: 25 MB from 5,000 on and 5 MB from 100,000 on.
fn group_bytes_max(recipient: &Recipient) -> u64 {
    match recipient.group.as_deref().map_or(0, |group| group.members().len()) {
        100_000.. => 5 << 20,
        5_000.. => 25 << 20,
        _ => u64::MAX,
    }
}

/// Row 7, for a recipient that the envelope names (`BccBlocked`): it holds for senders who signed in, and not for
/// groups inside other groups.
///
/// # Errors
/// The refusal.
pub fn blind_copy(
    posting: &Posting<'_>,
    recipient: &Recipient,
    path: &ForwardPath,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let blocks = recipient.group.as_deref().is_some_and(|group| group.bcc_blocked);
    if !blocks || posting.is_exempt() || posting.is_from_stranger() || posting.awaits_header() {
        return Ok(());
    }
    if trail.asks("the group may not be in Bcc, and is neither in To nor in Cc", !posting.names(recipient, path)) {
        return Err(Refusal::GroupInBcc);
    }
    Ok(())
}

/// Whether `recipient` has an accept list that a stranger's reverse-path does not open, and that its From still may.
/// Such a recipient is refused after the message, if at all, and so must have it for itself: a report to a stranger
/// would be backscatter (decision D9).
pub fn may_be_listed_later(snapshot: &Snapshot, posting: &Posting<'_>, recipient: &Recipient) -> bool {
    let Some(set) = recipient.restrictions.as_deref().filter(|_| posting.hears_at_once()) else {
        return false;
    };
    // Only who has an address elsewhere can be a stranger's author, by itself or in a group.
    let may_write = |id: &RecipientId| {
        snapshot.recipient(*id).is_some_and(|listed| {
            let kind = listed.recipient_type;
            !posting.is_from_stranger() || kind.is_external() || kind.is_group()
        })
    };
    posting.awaits_header()
        && set.accept_only_from.iter().any(may_write)
        && !is_listed(snapshot, &set.accept_only_from, posting.accepted())
}

/// Whether one of `senders` is in a list of senders and groups: itself, or as a member of groups in it, nested ones and
/// dynamic ones included. Ends for every graph of groups.
pub(super) fn is_listed(snapshot: &Snapshot, list: &[RecipientId], senders: &[RecipientId]) -> bool {
    if list.is_empty() || senders.is_empty() {
        return false;
    }
    // Dynamic groups that are in the list, or in a group that may be.
    let leads_on = |id: RecipientId| list.contains(&id) || snapshot.groups_of(id).next().is_some();
    let dynamic: Vec<_> = snapshot.dynamic_groups().filter(|(id, _)| leads_on(*id)).collect();
    let mut seen: HashSet<RecipientId> = senders.iter().copied().collect();
    let mut open = senders.to_vec();
    // Walking up from the senders visits their few groups; walking down could visit 100,000 members.
    while let Some(id) = open.pop() {
        if list.contains(&id) {
            return true;
        }
        let matched = snapshot
            .recipient(id)
            .into_iter()
            .flat_map(|object| dynamic.iter().filter(|(_, filter)| filter.matches(object)).map(|(id, _)| *id));
        for group in snapshot.groups_of(id).map(|group| group.id).chain(matched) {
            if seen.insert(group) {
                open.push(group);
            }
        }
    }
    false
}

const fn not_authenticated(kind: RecipientType) -> Refusal {
    match kind {
        RecipientType::GroupMailbox => Refusal::UnifiedGroupOutsider,
        RecipientType::MailUniversalDistributionGroup
        | RecipientType::MailUniversalSecurityGroup
        | RecipientType::DynamicDistributionGroup
        | RecipientType::RoomList => Refusal::SenderNotAuthenticatedForGroup,
        // Seen from here, whoever has a mailbox in another system is a mail user (spec section 3.1).
        RecipientType::MailUser
        | RecipientType::GuestMailUser
        | RecipientType::MailContact
        | RecipientType::RemoteUserMailbox
        | RecipientType::RemoteSharedMailbox
        | RecipientType::RemoteRoomMailbox
        | RecipientType::RemoteEquipmentMailbox => Refusal::SenderNotAuthenticatedForMailUser,
        RecipientType::UserMailbox
        | RecipientType::SharedMailbox
        | RecipientType::RoomMailbox
        | RecipientType::EquipmentMailbox
        | RecipientType::ShardMailbox => Refusal::SenderNotAuthenticatedForMailbox,
    }
}
