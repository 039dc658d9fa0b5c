//! Forwarding of a mailbox: whither, and whether the organisation lets it out (spec sections 5.1 and 5.2).
//!
//! Two controls stand in the way, in this order: the organisation's forwarding policy, whose refusal the sender hears
//! of (`550 5.7.520`), and the remote domain of the target, which drops the copy without a word. Both are about
//! mailboxes that forward. A mail user or contact that is written to leads outside whatever they say, and so do the
//! members of a group that is written to: an administrator made them for that.
//!
//! A directory target that is a mail user, guest or contact outside is a way out like any address, and so are such
//! members of a group that a mailbox forwards to: the policy is there so that nothing leaves a mailbox by itself, and a
//! contact or a group would be an easy way around it. Members are judged one by one when the message is expanded, so a
//! stranger is not told of them at RCPT. A remote mailbox is inside: it is one of the organisation's own, in its other
//! system.

use super::resolve::{Resolution, resolve, resolve_object};
use super::settings::Settings;
use super::trail::Trail;
use crate::model::directory::{Forwarding, RecipientId, Snapshot};
use crate::model::mail::{Address, ForwardPath};

/// What the organisation says to a copy that a mailbox forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It stays inside, or goes on to a group, whose members are judged by themselves.
    Inside,
    /// It may leave for this address.
    Permitted(Address),
    /// The forwarding policy forbids it.
    Forbidden(Address),
    /// The remote domain of the target drops it.
    Suppressed(Address),
}

/// The target of a mailbox's forwarding, the directory's before the SMTP one (spec section 5.1). `None` without any.
pub fn target(
    snapshot: &Snapshot,
    settings: &Settings,
    forwarding: &Forwarding,
    trail: &mut impl Trail,
) -> Option<Resolution> {
    if let Some(id) = forwarding.forwarding_address {
        return resolve_object(snapshot, settings, id, trail);
    }
    let path = ForwardPath::Mailbox(forwarding.forwarding_smtp_address.clone()?);
    Some(resolve(snapshot, settings, &path, trail))
}

/// Whether a copy that is forwarded to `target` leaves the organisation, and whether it may.
pub fn exit(snapshot: &Snapshot, settings: &Settings, target: &Resolution, trail: &mut impl Trail) -> Exit {
    let Some(outside) = outside(snapshot, settings, target) else {
        trail.note("forwarding leaves the organisation", false, || "the target is inside".to_owned());
        return Exit::Inside;
    };
    trail.note("forwarding leaves the organisation", true, || outside.to_string());
    let mode = snapshot.organisation().auto_forwarding_mode;
    trail.note("the organisation forbids it", !mode.permits(), || format!("AutoForwardingMode is {mode}"));
    if !mode.permits() {
        return Exit::Forbidden(outside);
    }
    let remote = snapshot.remote_domain(outside.domain());
    let dropped = !remote.auto_forward_enabled;
    trail.note("the remote domain drops what is forwarded", dropped, || remote.domain.to_string());
    if dropped { Exit::Suppressed(outside) } else { Exit::Permitted(outside) }
}

/// The address outside at which a target ends, along a chain of contacts if need be.
pub(super) fn outside(snapshot: &Snapshot, settings: &Settings, target: &Resolution) -> Option<Address> {
    let mut seen: Vec<RecipientId> = Vec::new();
    let mut next = target.clone();
    loop {
        let (owner, address) = match next {
            Resolution::Foreign(address) => return Some(address),
            Resolution::Outside { owner, address } => (owner, address),
            // An internal relay's next host is one of the organisation's own systems.
            Resolution::Mailbox(_)
            | Resolution::Group(_)
            | Resolution::PostmasterMailbox
            | Resolution::InternalRelay(_)
            | Resolution::Rewritten(_)
            | Resolution::Unknown(_) => return None,
        };
        let leads_out = snapshot.recipient(owner).is_some_and(|owner| {
            // A mailbox that waits for its migration, and a remote one, are reached at their other place.
            owner.recipient_type.leads_outside()
        });
        if !leads_out || seen.contains(&owner) {
            return None;
        }
        if snapshot.receiving_domain(address.domain()).is_none() {
            return Some(address);
        }
        seen.push(owner);
        next = resolve(snapshot, settings, &ForwardPath::Mailbox(address), &mut super::trail::Unrecorded);
    }
}
