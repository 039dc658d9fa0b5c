//! Where a forward-path leads (decision D4): one answer for every address there is.
//!
//! The address is looked up literally first, then as an address of another system, then without its `+tag`. Mailboxes
//! that are disconnected, deleted or waiting for migration count as unknown, with the exception of a migration that has
//! a remote address.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::settings::Settings;
use super::srs::{Original, reverse};
use super::trail::Trail;
use crate::model::directory::{DomainType, Lifecycle, Recipient, RecipientId, RecipientType, Snapshot};
use crate::model::mail::encapsulated::Encapsulated;
use crate::model::mail::{Address, ForwardPath, LocalPart};

/// What an address is, at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resolution {
    /// A local mailbox (which may forward).
    Mailbox(RecipientId),
    /// A group whose members get the message.
    Group(RecipientId),
    /// A mail user, contact or remote mailbox: mail goes to its address outside.
    Outside {
        /// The recipient.
        owner: RecipientId,
        /// `ExternalEmailAddress` or `RemoteRoutingAddress`.
        address: Address,
    },
    /// Nobody holds an address that every domain has, postmaster or abuse: the server's own postmaster mailbox takes
    /// the mail (RFC 5321 section 4.5.1, RFC 2142 section 2).
    PostmasterMailbox,
    /// Unknown here, but the domain is a relay: its next host knows.
    InternalRelay(Address),
    /// A report that comes back along a rewritten reverse-path; the original sender's address is inside.
    Rewritten(Address),
    /// A domain that is not ours.
    Foreign(Address),
    /// An address in one of our domains that nobody has.
    Unknown(Address),
}

/// Resolves an object by its identity, through its primary address, so that its state counts.
pub(super) fn resolve_object(
    snapshot: &Snapshot,
    settings: &Settings,
    id: RecipientId,
    trail: &mut impl Trail,
) -> Option<Resolution> {
    let path = ForwardPath::Mailbox(snapshot.recipient(id)?.primary().clone());
    Some(resolve(snapshot, settings, &path, trail))
}

/// Resolves a forward-path.
pub fn resolve(snapshot: &Snapshot, settings: &Settings, path: &ForwardPath, trail: &mut impl Trail) -> Resolution {
    let address = match path {
        ForwardPath::Mailbox(address) => address,
        ForwardPath::Postmaster => {
            let of_default =
                snapshot.default_domain().and_then(|domain| Address::parse(&format!("postmaster@{domain}")).ok());
            return match of_default.and_then(|address| find_literally(snapshot, &address, trail)) {
                Some(holder) => of_recipient(settings, holder, trail).unwrap_or(Resolution::PostmasterMailbox),
                None => Resolution::PostmasterMailbox,
            };
        }
    };
    // Mail for a domain that we only send from is received elsewhere, like that for a foreign one.
    let accepted = snapshot.receiving_domain(address.domain());
    trail.note("the domain is an accepted domain", accepted.is_some(), || address.domain().to_string());
    let external = accepted.is_some_and(|domain| domain.domain_type == DomainType::ExternalRelay);
    if external && trail.asks("the domain is an external relay, where nobody is looked up", true) {
        return Resolution::InternalRelay(address.clone());
    }
    let literal = find_literally(snapshot, address, trail);
    // Before the tag is taken off: a rewritten reverse-path looks like a tagged address of the forwarder.
    let original = if literal.is_none() && accepted.is_some() { reverse(&settings.srs_keys, address) } else { None };
    match original {
        Some(Original::Sender(sender)) => {
            trail.note("the address is a rewritten reverse-path", true, || sender.to_string());
            return Resolution::Rewritten(sender);
        }
        Some(Original::Lost) => {
            trail
                .note("the address is a rewritten reverse-path", true, || "its sender was too long to tell".to_owned());
            return Resolution::PostmasterMailbox;
        }
        None => {}
    }
    // A contact's foreign address is found as well: the object stands for it inside the organisation.
    let ours = accepted.is_some();
    let found = literal
        .or_else(|| ours.then(|| find_encapsulated(snapshot, address, trail)).flatten())
        .or_else(|| find_untagged(snapshot, address, ours, trail));
    if let Some(recipient) = found {
        if let Some(resolution) = of_recipient(settings, recipient, trail) {
            return resolution;
        }
        // Known, but without a mailbox that can receive: as if it did not exist.
        return accepted.map_or_else(|| Resolution::Foreign(address.clone()), |_| unknown(snapshot, address));
    }
    let Some(domain) = accepted else {
        return Resolution::Foreign(address.clone());
    };
    if trail.asks("the domain is an internal relay", domain.domain_type.is_relay()) {
        return Resolution::InternalRelay(address.clone());
    }
    unknown(snapshot, address)
}

/// What an address that nobody has is refused with: a legacy distinguished name has a word of its own, which tells the
/// administrator to add it to the successor as an X500 address.
pub(super) fn not_found(address: &Address) -> Refusal {
    if is_legacy(address) { Refusal::ExRecipientNotFound } else { Refusal::RecipientNotFound(address.clone()) }
}

/// Whether a legacy distinguished name of Exchange is encapsulated in an address.
pub(super) fn is_legacy(address: &Address) -> bool {
    Encapsulated::of(address.local()).is_some_and(|found| found.is_legacy())
}

/// Who has the address of another system that is encapsulated in this one (spec section 5.5, row 2a). Legacy
/// distinguished names are kept as X500 addresses; SMTP and X500 are not decoded.
fn find_encapsulated<'snapshot>(
    snapshot: &'snapshot Snapshot,
    address: &Address,
    trail: &mut impl Trail,
) -> Option<&'snapshot Recipient> {
    let Encapsulated { kind, value } =
        Encapsulated::of(address.local()).filter(|found| !matches!(found.kind.as_str(), "SMTP" | "X500"))?;
    let as_x500 = || snapshot.find_by_other("X500", &value).filter(|_| kind == "EX");
    let found = snapshot.find_by_other(&kind, &value).or_else(as_x500);
    trail.note("a recipient has the address that is encapsulated in this one", found.is_some(), || {
        format!("{kind}:{value}")
    });
    found.map(|recipient| &**recipient)
}

/// Whether a path names the postmaster of this server, or postmaster or abuse of one of our domains, who always reach
/// someone (decision D4, RFC 5321 section 4.5.1, RFC 2142 section 2).
pub fn reaches_someone(snapshot: &Snapshot, path: &ForwardPath) -> bool {
    match path {
        ForwardPath::Postmaster => true,
        ForwardPath::Mailbox(address) => {
            is_role(snapshot, address) && snapshot.receiving_domain(address.domain()).is_some()
        }
    }
}

/// Whether a path names the postmaster of this server or of one of our domains.
pub(super) fn is_postmaster(snapshot: &Snapshot, path: &ForwardPath) -> bool {
    match path {
        ForwardPath::Postmaster => true,
        ForwardPath::Mailbox(address) => {
            is_called(address.local(), "postmaster") && snapshot.accepted_domain(address.domain()).is_some()
        }
    }
}

/// The roles that every domain has (RFC 2142 section 2). With a tag they reach whoever they reach without it, as every
/// address does, unless somebody has the tagged address for himself.
fn is_role(snapshot: &Snapshot, address: &Address) -> bool {
    let local = address.local().as_bytes();
    // Names first: most addresses are no role's, and need not be looked for.
    let rest = ["postmaster", "abuse"].iter().find_map(|role| {
        let (name, rest) = local.split_at_checked(role.len())?;
        name.eq_ignore_ascii_case(role.as_bytes()).then_some(rest)
    });
    match rest {
        Some([]) => true,
        Some([b'+', ..]) => {
            !snapshot.organisation().disable_plus_address_in_recipients && snapshot.find_by_address(address).is_none()
        }
        _ => false,
    }
}

/// Letter case aside.
fn is_called(local: &LocalPart, name: &str) -> bool {
    local.as_bytes().eq_ignore_ascii_case(name.as_bytes())
}

/// Unknown, unless it is postmaster or abuse, who always reach someone.
fn unknown(snapshot: &Snapshot, address: &Address) -> Resolution {
    if is_role(snapshot, address) {
        return Resolution::PostmasterMailbox;
    }
    Resolution::Unknown(address.clone())
}

fn find_literally<'snapshot>(
    snapshot: &'snapshot Snapshot,
    address: &Address,
    trail: &mut impl Trail,
) -> Option<&'snapshot Recipient> {
    let literal = snapshot.find_by_address(address);
    trail.note("a recipient has this address", literal.is_some(), || address.to_string());
    literal.map(|recipient| &**recipient)
}

fn find_untagged<'snapshot>(
    snapshot: &'snapshot Snapshot,
    address: &Address,
    ours: bool,
    trail: &mut impl Trail,
) -> Option<&'snapshot Recipient> {
    // What a tag means in a foreign domain is for that domain to say.
    if !ours || snapshot.organisation().disable_plus_address_in_recipients {
        return None;
    }
    let base = address.without_tag()?;
    let found = snapshot.find_by_address(&base);
    trail.note("a recipient has this address without its +tag", found.is_some(), || base.to_string());
    found.map(|recipient| &**recipient)
}

/// What a known recipient leads to; `None` when it counts as unknown.
pub(super) fn of_recipient(settings: &Settings, recipient: &Recipient, trail: &mut impl Trail) -> Option<Resolution> {
    let kind = recipient.recipient_type;
    trail.note("what the recipient is", true, || format!("{kind}, {}", recipient.lifecycle));
    // Named by a group or a forwarding that has not lost it yet: nobody is there.
    if recipient.is_user_deleted() {
        return None;
    }
    let outside = |owner: &Recipient| {
        let address = Address::clone(owner.external_address.as_deref()?);
        Some(Resolution::Outside { owner: owner.id, address })
    };
    if kind.is_distribution() {
        return Some(Resolution::Group(recipient.id));
    }
    if kind.is_external() {
        return outside(recipient);
    }
    // A shard is no destination: mail for its user goes to the primary mailbox (spec S2-11).
    if kind == RecipientType::ShardMailbox {
        return outside(recipient);
    }
    match recipient.lifecycle {
        Lifecycle::Active if recipient.has_open_mailbox(settings.licensing()) => {
            Some(Resolution::Mailbox(recipient.id))
        }
        Lifecycle::AwaitingMigration => outside(recipient),
        Lifecycle::Active
        | Lifecycle::NoMailbox
        | Lifecycle::Disconnected { .. }
        | Lifecycle::SoftDeleted { .. }
        | Lifecycle::Inactive { .. }
        | Lifecycle::StaleAttributes
        | Lifecycle::Purged
        | Lifecycle::Purging { .. } => None,
    }
}
