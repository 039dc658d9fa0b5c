//! Domains of ours from which, or to which, nobody sends: `SendingFromDomainDisabled` and `SendingToDomainDisabled` of
//! an accepted domain (spec section 4.6).
//!
//! Exchange's page says no more than that. Here it means:
//!
//! - *From*: nobody may use the domain as reverse-path, a stranger as little as an account, which hears of it at MAIL
//!   FROM. Nor may an account write it as author, of which it hears after the message. What a stranger writes in From
//!   is for DMARC to judge.
//! - *To*: an address in the domain is refused at RCPT, to accounts and strangers alike. It is about the address that a
//!   client names: the same mailbox is reached by its addresses in other domains, as a member of groups, and as a
//!   target of forwarding. Postmaster and abuse of the domain always reach someone (decision D4).
//!
//! Mail of this server's own, such as reports, is not concerned.

use super::envelope::Origin;
use super::posting::Posting;
use super::refusal::Refusal;
use super::resolve::reaches_someone;
use super::trail::Trail;
use crate::model::directory::{AcceptedDomain, Snapshot};
use crate::model::mail::{Address, ForwardPath, ReversePath};

/// Judges the reverse-path of whoever hands mail in.
///
/// # Errors
/// The refusal that answers MAIL FROM.
pub fn reverse_path(snapshot: &Snapshot, path: &ReversePath, trail: &mut impl Trail) -> Result<(), Refusal> {
    path.address().map_or(Ok(()), |address| author(snapshot, address, trail))
}

/// Judges an address that an account writes as author.
///
/// # Errors
/// The refusal that answers the message.
pub(super) fn author(snapshot: &Snapshot, address: &Address, trail: &mut impl Trail) -> Result<(), Refusal> {
    match snapshot.accepted_domain(address.domain()).filter(|own| own.sending_from_disabled) {
        Some(own) if trail.asks("sending from its domain is disabled", true) => {
            Err(Refusal::SendingFromDomainDisabled(own.domain.clone()))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether mail may leave under addresses of a domain.
pub(super) const fn may_send_from(domain: &AcceptedDomain) -> bool {
    !domain.sending_from_disabled
}

/// Judges the domain of a recipient that a client names.
///
/// # Errors
/// The refusal that answers RCPT TO.
pub(super) fn recipient(
    snapshot: &Snapshot,
    posting: &Posting<'_>,
    path: &ForwardPath,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let ForwardPath::Mailbox(address) = path else { return Ok(()) };
    let Some(own) = snapshot.accepted_domain(address.domain()).filter(|own| own.sending_to_disabled) else {
        return Ok(());
    };
    let exempt = posting.origin() == Origin::System || reaches_someone(snapshot, path);
    if trail.asks("sending to its domain is disabled", !exempt) {
        return Err(Refusal::SendingToDomainDisabled(own.domain.clone()));
    }
    Ok(())
}
