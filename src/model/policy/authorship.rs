//! Who a submitted message says it is from, judged on its header as it stands (decision D3).
//!
//! Envelope and header are both judged, and every author of the header. What readers could understand in two ways is
//! refused rather than guessed: a second From, `Fr om:`, a group. The header leaves with the authors' primary
//! addresses, and with a Sender field only when the account sends on behalf of somebody, or for one of several authors.
//!
//! A resent message (RFC 5322 section 3.6.6) names in Resent-From who sends it on. That is judged like an author, for
//! each block of resent fields there is; a forged Resent-Sender is dropped, and one written where the account resends
//! on behalf. The block lends From nothing: who passes a stranger's message on under the stranger's From is refused, as
//! Exchange refuses it. Readers show From, and one more field must not be all it takes to be anybody.

mod claims;
mod rewriting;

use super::device;
use super::domain_switch;
use super::refusal::Refusal;
use super::settings::Settings;
use super::sign_in::SignedIn;
use super::submit_as::{SubmitAs, submit_as};
use super::trail::Trail;
use crate::model::directory::{Recipient, RecipientId, Snapshot};
use crate::model::mail::header::{each_field, fields};
use crate::model::mail::{Address, ReversePath};

use claims::Claims;
use rewriting::{Capacities, Rewriting, mailbox_text};

/// A header that may be sent, and the envelope that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authored {
    /// The header to send, without the empty line that ends it.
    pub head: Vec<u8>,
    /// The reverse-path under which the message leaves.
    pub reverse_path: ReversePath,
    /// In which capacity the account sends. With several authors that of the Sender who answers for them, unless one of
    /// them is written for on behalf.
    pub submit_as: SubmitAs,
}

/// Judges the reverse-path and the header (without its final empty line) of a message that an account submits, and
/// rewrites what the rules rewrite.
///
/// # Errors
/// `SendAsDenied` for an address the account may not use, `MultipleFromAddresses` and `FromNotCompliant` for a From
/// that has not exactly one author, `InvalidSenderAddress` for a null reverse-path on anything but a report.
pub fn author(
    snapshot: &Snapshot,
    settings: &Settings,
    signed_in: &SignedIn,
    reverse_path: &ReversePath,
    head: &[u8],
    trail: &mut impl Trail,
) -> Result<Authored, Refusal> {
    let account = snapshot.recipient(signed_in.account()).ok_or(Refusal::AuthenticationUnsuccessful)?;
    let by_envelope = envelope(snapshot, settings, signed_in, reverse_path, trail)?;
    let claims = match Claims::of(&fields(head), trail) {
        Ok(claims) => claims,
        Err(refusal) if !settings.repair_from || refusal == Refusal::MultipleFromAddresses => return Err(refusal),
        // Reports always have a From: what needs repair is an ordinary message, whose reverse-path is not null.
        Err(_) if *reverse_path == ReversePath::Null => return Err(Refusal::InvalidSenderAddress),
        Err(_) => {
            // What is written in is judged like what the device could have written itself.
            let own = outward(snapshot, account).unwrap_or_else(|| account.primary());
            if device::is_bound_to_others(snapshot, signed_in, own, trail) {
                return Err(Refusal::SendAsDenied { account: signed_in.login().clone(), from: own.clone() });
            }
            domain_switch::author(snapshot, own, trail)?;
            return Ok(repaired(snapshot, account, reverse_path, head));
        }
    };
    let capacities = Capacities {
        authors: capacities(snapshot, settings, signed_in, &claims.authors, trail)?,
        sender: capacities(snapshot, settings, signed_in, claims.sender.as_slice(), trail)?.pop(),
        resent: capacities(snapshot, settings, signed_in, &claims.resent, trail)?,
    };
    let ordinary = *reverse_path == ReversePath::Null && !is_report(head);
    if trail.asks("the reverse-path is null and the message no report or receipt", ordinary) {
        return Err(Refusal::InvalidSenderAddress);
    }
    let submit_as = capacities.of_the_message();
    let rewriting = Rewriting { snapshot, account, capacities };
    Ok(Authored {
        head: rewriting.head(head),
        reverse_path: reverse_path_of(snapshot, account, submit_as, by_envelope, reverse_path),
        submit_as,
    })
}

/// In which capacity the account uses each of these addresses.
///
/// # Errors
/// `SendAsDenied` for the first that it may not use.
fn capacities(
    snapshot: &Snapshot,
    settings: &Settings,
    signed_in: &SignedIn,
    addresses: &[Address],
    trail: &mut impl Trail,
) -> Result<Vec<SubmitAs>, Refusal> {
    let mut found = Vec::with_capacity(addresses.len());
    for address in addresses {
        trail.note("the author's address is judged", true, || address.to_string());
        found.push(permitted(snapshot, settings, signed_in, address, trail)?);
    }
    Ok(found)
}

fn permitted(
    snapshot: &Snapshot,
    settings: &Settings,
    signed_in: &SignedIn,
    address: &Address,
    trail: &mut impl Trail,
) -> Result<SubmitAs, Refusal> {
    if device::is_bound_to_others(snapshot, signed_in, address, trail) {
        return Err(Refusal::SendAsDenied { account: signed_in.login().clone(), from: address.clone() });
    }
    match submit_as(snapshot, settings, signed_in.account(), address, trail) {
        SubmitAs::Denied => Err(Refusal::SendAsDenied { account: signed_in.login().clone(), from: address.clone() }),
        permitted @ (SubmitAs::Own | SubmitAs::As(_) | SubmitAs::OnBehalf(_)) => {
            domain_switch::author(snapshot, address, trail)?;
            Ok(permitted)
        }
    }
}

/// Judges the reverse-path alone: for early refusal at MAIL FROM, and again with the header.
///
/// # Errors
/// `SendAsDenied`. The null path is permitted here: read receipts and reports are judged by their From.
pub fn envelope(
    snapshot: &Snapshot,
    settings: &Settings,
    signed_in: &SignedIn,
    reverse_path: &ReversePath,
    trail: &mut impl Trail,
) -> Result<SubmitAs, Refusal> {
    let Some(address) = reverse_path.address() else {
        trail.note("the reverse-path is null", true, String::new);
        return Ok(SubmitAs::Own);
    };
    permitted(snapshot, settings, signed_in, address, trail)
}

/// Read receipts and delivery status notifications are `multipart/report` (RFC 6522), by their one Content-Type.
fn is_report(head: &[u8]) -> bool {
    let fields = fields(head);
    let mut kinds = fields.iter().filter(|field| field.resembles("Content-Type"));
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return false;
    };
    kind.first_word().eq_ignore_ascii_case("multipart/report")
}

/// The message leaves under the owner's primary address for send-as, under the delegate's for send-on-behalf.
fn reverse_path_of(
    snapshot: &Snapshot,
    account: &Recipient,
    by_header: SubmitAs,
    by_envelope: SubmitAs,
    given: &ReversePath,
) -> ReversePath {
    if *given == ReversePath::Null {
        return ReversePath::Null;
    }
    let keeps_alias = snapshot.organisation().send_from_alias_enabled;
    let primary = |owner: RecipientId| {
        let address = snapshot.recipient(owner).and_then(|owner| outward(snapshot, owner));
        let address = address.or_else(|| outward(snapshot, account));
        address.map_or_else(|| given.clone(), |address| ReversePath::Mailbox(address.clone()))
    };
    match (by_header, by_envelope) {
        (SubmitAs::As(owner), _) => primary(owner),
        (SubmitAs::Own, SubmitAs::Own) if keeps_alias => given.clone(),
        (SubmitAs::Own | SubmitAs::OnBehalf(_), _) | (SubmitAs::Denied, _) => primary(account.id),
    }
}

/// The address under which mail of `owner` leaves: the primary one, unless that lies in a domain that is not ours, or
/// from which nobody sends.
fn outward<'owner>(snapshot: &Snapshot, owner: &'owner Recipient) -> Option<&'owner Address> {
    let may_leave = |own| domain_switch::may_send_from(own);
    owner.addresses.smtp().find(|address| snapshot.accepted_domain(address.domain()).is_some_and(may_leave))
}

/// The operator chose repair: whatever names an author goes, and the account's own address takes its place.
fn repaired(snapshot: &Snapshot, account: &Recipient, reverse_path: &ReversePath, head: &[u8]) -> Authored {
    let mut rewritten = format!("From: {}\r\n", mailbox_text(snapshot, account)).into_bytes();
    for field in each_field(head) {
        if !field.is_adrift() && !claims::concerns_authors(&field) {
            rewritten.extend_from_slice(field.raw);
        }
    }
    let reverse_path = reverse_path_of(snapshot, account, SubmitAs::Own, SubmitAs::Denied, reverse_path);
    Authored { head: rewritten, reverse_path, submit_as: SubmitAs::Own }
}
