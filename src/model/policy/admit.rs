//! May this sender reach this recipient? The answer is a [`Permit`], which only this module makes, or a refusal.
//!
//! Restrictions are judged in the order of spec section 5.5: relaying, size, authentication, accept list, reject list.
//! On port 25 everything that can be judged is refused here with the text a report would carry (decision D9).

use serde::{Deserialize, Serialize};

use super::envelope::{DsnRequest, Origin};
use super::refusal::Refusal;
use super::resolve::{Resolution, forwarding_target, is_postmaster, resolve};
use super::settings::Settings;
use super::sign_in::SignedIn;
use super::trail::Trail;
use crate::model::directory::filter::Filter;
use crate::model::directory::{Recipient, RecipientId, RecipientType, Snapshot};
use crate::model::mail::{Address, ForwardPath};

/// Who hands a message in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// An account that signed in.
    Account(SignedIn),
    /// A peer that nobody vouches for.
    Anonymous,
    /// This server itself.
    System,
}

impl Sender {
    /// What the queue remembers of the sender.
    pub const fn origin(&self) -> Origin {
        match self {
            Self::Account(signed_in) => Origin::Account(signed_in.account()),
            Self::Anonymous => Origin::Anonymous,
            Self::System => Origin::System,
        }
    }
}

/// The right of one recipient to receive one message. Only [`admit`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    path: ForwardPath,
    resolution: Resolution,
    dsn: DsnRequest,
}

impl Permit {
    /// The path as the client gave it.
    pub const fn path(&self) -> &ForwardPath {
        &self.path
    }

    /// Where the path led when it was admitted. It is resolved again when the message is delivered.
    pub const fn resolution(&self) -> &Resolution {
        &self.resolution
    }

    /// The recipient's DSN parameters.
    pub const fn dsn(&self) -> &DsnRequest {
        &self.dsn
    }
}

/// Judges one recipient of a message of `declared_bytes` (0 when the size is not known).
///
/// # Errors
/// The refusal that answers RCPT TO.
pub fn admit(
    snapshot: &Snapshot,
    settings: &Settings,
    sender: &Sender,
    path: ForwardPath,
    dsn: DsnRequest,
    declared_bytes: u64,
    trail: &mut impl Trail,
) -> Result<Permit, Refusal> {
    let resolution = resolve(snapshot, settings, &path, trail);
    let origin = sender.origin();
    relay(snapshot, origin, &path, trail)?;
    if is_told_later(settings, origin, &resolution, trail) {
        return Ok(Permit { path, resolution, dsn });
    }
    let Err(refusal) = judge(snapshot, settings, origin, &resolution, declared_bytes, trail) else {
        return Ok(Permit { path, resolution, dsn });
    };
    if trail.asks("the postmaster always reaches someone", is_postmaster(snapshot, &path)) {
        return Ok(Permit { path, resolution: Resolution::PostmasterMailbox, dsn });
    }
    Err(refusal)
}

/// An object of ours may stand for a foreign address, as contacts do: a stranger may not relay to it all the same.
fn relay(snapshot: &Snapshot, origin: Origin, path: &ForwardPath, trail: &mut impl Trail) -> Result<(), Refusal> {
    let ForwardPath::Mailbox(address) = path else {
        return Ok(());
    };
    let relayed = origin == Origin::Anonymous && snapshot.accepted_domain(address.domain()).is_none();
    if trail.asks("a stranger asks for a domain that is not ours", relayed) {
        return Err(Refusal::RelayRefused);
    }
    Ok(())
}

/// Whether an account hears of a recipient's restrictions by a report, as in Exchange, and not at RCPT: it is known, so
/// the report reaches it (decision D9). Who would rather be told at once has `refuse_early`.
fn is_told_later(settings: &Settings, origin: Origin, resolution: &Resolution, trail: &mut impl Trail) -> bool {
    let account = matches!(origin, Origin::Account(_));
    let known = matches!(resolution, Resolution::Mailbox(_) | Resolution::Group(_) | Resolution::Outside { .. });
    account
        && known
        && trail.asks("an account hears of restrictions by a report, after the message", !settings.refuse_early)
}

/// Judges a resolution, at RCPT and again at delivery, since the recipient may have changed in between.
///
/// # Errors
/// The refusal, worded for RCPT; a report carries the same.
pub fn judge(
    snapshot: &Snapshot,
    settings: &Settings,
    origin: Origin,
    resolution: &Resolution,
    declared_bytes: u64,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let stranger = origin == Origin::Anonymous;
    match resolution {
        Resolution::Foreign(address) => {
            if trail.asks("the sender is a stranger, who may not relay", stranger) {
                return Err(Refusal::RelayRefused);
            }
            trail.note("mail for other domains leaves", true, || address.domain().to_string());
            Ok(())
        }
        Resolution::Unknown(address) => unknown(settings, origin, address, trail),
        Resolution::InternalRelay(_) | Resolution::PostmasterMailbox | Resolution::Rewritten(_) => Ok(()),
        Resolution::Mailbox(id) | Resolution::Group(id) | Resolution::Outside { owner: id, .. } => {
            let recipient = snapshot.recipient(*id).ok_or(Refusal::UnknownRecipientInbound)?;
            restrictions(snapshot, origin, recipient, declared_bytes, trail)?;
            if stranger { forwarding(snapshot, settings, recipient, trail) } else { Ok(()) }
        }
    }
}

/// A mailbox that keeps nothing and forwards outside, which the organisation forbids: a stranger hears of it at once
/// instead of by a report (decision D9).
fn forwarding(
    snapshot: &Snapshot,
    settings: &Settings,
    recipient: &Recipient,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let set = recipient.forwarding.as_deref().filter(|set| !set.deliver_to_mailbox_and_forward);
    let Some(set) = set.filter(|_| !snapshot.organisation().auto_forwarding_enabled) else {
        return Ok(());
    };
    let target = forwarding_target(snapshot, settings, set, trail);
    let leaves = target.is_some_and(|target| target.leaves_to(snapshot).is_some());
    if trail.asks("the mailbox only forwards outside, which the organisation forbids", leaves) {
        return Err(Refusal::ExternalForwardingBlocked);
    }
    Ok(())
}

/// Strangers are refused at once; an account is told later by a report, unless early refusal is on (decision D1).
fn unknown(settings: &Settings, origin: Origin, address: &Address, trail: &mut impl Trail) -> Result<(), Refusal> {
    if trail.asks("the sender is a stranger, who is refused at once", origin == Origin::Anonymous) {
        return Err(Refusal::UnknownRecipientInbound);
    }
    let early = settings.refuses_unknown_on_submission() && matches!(origin, Origin::Account(_));
    if trail.asks("unknown recipients are refused on submission", early) {
        return Err(Refusal::RecipientNotFound(address.clone()));
    }
    Ok(())
}

/// The restrictions of a recipient against a sender (spec section 5.5, stage 4).
fn restrictions(
    snapshot: &Snapshot,
    origin: Origin,
    recipient: &Recipient,
    declared_bytes: u64,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let account = match origin {
        Origin::System => return Ok(()),
        Origin::Anonymous => None,
        Origin::Account(id) => Some(id),
    };
    let set = recipient.restrictions.as_deref();
    let bytes_max = set.and_then(|set| set.receive_bytes_max).unwrap_or(u64::MAX);
    if trail.asks("the message is larger than the recipient accepts", declared_bytes > bytes_max) {
        return Err(Refusal::RecipientSizeLimit);
    }
    let closed = account.is_none() && recipient.requires_sender_authentication();
    if trail.asks("the recipient takes mail from authenticated senders only", closed) {
        return Err(not_authenticated(recipient.recipient_type));
    }
    let Some(set) = set else {
        return Ok(());
    };
    let listed = |list: &[RecipientId]| account.is_some_and(|account| is_listed(snapshot, list, account));
    // Reject wins over accept (spec section 5.5).
    if trail.asks("the sender is on the recipient's reject list", listed(&set.reject_from)) {
        return Err(Refusal::NotAuthorized);
    }
    let left_out = !set.accept_only_from.is_empty() && !listed(&set.accept_only_from);
    if trail.asks("the recipient has an accept list without the sender", left_out) {
        return Err(if recipient.recipient_type.is_group() {
            Refusal::RestrictedToGroupPermission
        } else {
            Refusal::RestrictedToRecipientsPermission
        });
    }
    Ok(())
}

/// Whether an account is in a list of senders and groups, itself, as a (nested) member, or because the filter of a
/// dynamic group in the list matches it.
fn is_listed(snapshot: &Snapshot, list: &[RecipientId], account: RecipientId) -> bool {
    let matched = |group: &Recipient| {
        let filter = group.group.as_deref().and_then(|set| set.recipient_filter.as_deref());
        let filter = filter.and_then(|filter| Filter::parse(filter).ok());
        filter.zip(snapshot.recipient(account)).is_some_and(|(filter, account)| filter.matches(account))
    };
    if list.iter().filter_map(|id| snapshot.recipient(*id)).any(|group| matched(group)) {
        return true;
    }
    let mut seen = vec![account];
    let mut next = 0;
    // Walking up from the account visits its few groups; walking down could visit 100,000 members.
    while let Some(id) = seen.get(next).copied() {
        if list.contains(&id) {
            return true;
        }
        for group in snapshot.groups_of(id) {
            if !seen.contains(&group.id) {
                seen.push(group.id);
            }
        }
        next += 1;
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
