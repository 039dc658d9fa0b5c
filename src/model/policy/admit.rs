//! May this sender reach this recipient? The answer is a [`Permit`], which only this module makes, or a refusal.
//!
//! Reserved domains and relaying first, then restrictions, in the order that stands at the head of `restrictions.rs`.
//! On port 25 everything that can be judged is refused here with the text a report would carry (decision D9).

use serde::{Deserialize, Serialize};

use super::connector::Vouched;
use super::device;
use super::domain_switch;
use super::envelope::{DsnRequest, Origin};
use super::forwarding::{self, Exit, exit};
use super::moderation::Awaited;
use super::posting::Posting;
use super::refusal::Refusal;
use super::reserved;
use super::resolve::{Resolution, is_legacy, not_found, reaches_someone, resolve};
use super::restrictions;
use super::settings::Settings;
use super::sign_in::SignedIn;
use super::trail::Trail;
use crate::model::directory::{Recipient, Snapshot};
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
    /// A client that a connector vouches for.
    Connector(Vouched),
}

impl Sender {
    /// What the queue remembers of the sender.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Account(signed_in) => Origin::Account(signed_in.account()),
            Self::Connector(vouched) if vouched.is_internal() || vouched.leaves() => {
                Origin::Connector { internal: vouched.is_internal() }
            }
            // What leads nowhere else is a stranger's: after acceptance it may do no more than that.
            Self::Connector(_) | Self::Anonymous => Origin::Anonymous,
            Self::System => Origin::System,
        }
    }

    /// The connector's word for the sender.
    pub const fn vouched(&self) -> Option<&Vouched> {
        match self {
            Self::Connector(vouched) => Some(vouched),
            Self::Account(_) | Self::Anonymous | Self::System => None,
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

/// Judges one recipient of a message.
///
/// # Errors
/// The refusal that answers RCPT TO.
pub fn admit(
    snapshot: &Snapshot,
    settings: &Settings,
    posting: &Posting<'_>,
    path: ForwardPath,
    dsn: DsnRequest,
    trail: &mut impl Trail,
) -> Result<Permit, Refusal> {
    let resolution = resolve(snapshot, settings, &path, trail);
    reserved::judge(snapshot, &path, trail)?;
    domain_switch::recipient(snapshot, posting, &path, trail)?;
    relay(snapshot, posting, &path, trail)?;
    if let Some(device) = posting.device() {
        // At once, for every profile: what a device may do is no restriction of the recipient that a report would tell.
        device::may_name(snapshot, device, &path, &resolution, trail)?;
    }
    if is_told_later(settings, posting, &resolution, trail) {
        return Ok(Permit { path, resolution, dsn });
    }
    let judged = direct_send(snapshot, posting, trail)
        .and_then(|()| judge(snapshot, settings, posting, &resolution, trail))
        .and_then(|()| blind_copy(snapshot, posting, &resolution, &path, trail));
    let Err(refusal) = judged else {
        return Ok(Permit { path, resolution, dsn });
    };
    if trail.asks("postmaster and abuse always reach someone", reaches_someone(snapshot, &path)) {
        return Ok(Permit { path, resolution: Resolution::PostmasterMailbox, dsn });
    }
    Err(refusal)
}

/// An object of ours may stand for a foreign address, as contacts do: a stranger may not relay to it all the same. A
/// connector's client may where its connector leads; without the connector's word there is no way out.
fn relay(
    snapshot: &Snapshot,
    posting: &Posting<'_>,
    path: &ForwardPath,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let ForwardPath::Mailbox(address) = path else {
        return Ok(());
    };
    let foreign = snapshot.receiving_domain(address.domain()).is_none();
    let lacks_word = match posting.origin() {
        Origin::Account(_) | Origin::System => false,
        Origin::Anonymous => true,
        Origin::Connector { .. } => posting.vouched().is_none(),
    };
    if trail.asks("a stranger asks for a domain that is not ours", foreign && lacks_word) {
        return Err(Refusal::RelayRefused);
    }
    let Some(vouched) = posting.vouched().filter(|_| foreign) else { return Ok(()) };
    let leads_there = vouched.connector().recipients.reaches(address.domain());
    trail.note(SCOPE_RULE, leads_there, || address.domain().to_string());
    if leads_there { Ok(()) } else { Err(Refusal::RelayRefused) }
}

/// How the trail asks for the recipients of a connector.
pub const SCOPE_RULE: &str = "the connector leads to this domain";

/// Whoever uses our own addresses signs in, when the organisation says so (`RejectDirectSend`).
fn direct_send(snapshot: &Snapshot, posting: &Posting<'_>, trail: &mut impl Trail) -> Result<(), Refusal> {
    let direct = snapshot.organisation().reject_direct_send && posting.is_direct_send(snapshot);
    if trail.asks("a stranger uses an address of ours, which the organisation forbids", direct) {
        return Err(Refusal::DirectSendNotAllowed);
    }
    Ok(())
}

/// Whether an account hears of a recipient's restrictions by a report, as in Exchange, and not at RCPT: it is known, so
/// the report reaches it (decision D9). Who would rather be told at once has `refuse_early`.
fn is_told_later(settings: &Settings, posting: &Posting<'_>, resolution: &Resolution, trail: &mut impl Trail) -> bool {
    let known = match resolution {
        Resolution::Mailbox(_)
        | Resolution::Group(_)
        | Resolution::Outside { .. }
        | Resolution::InternalRelay(_)
        | Resolution::Foreign(_) => true,
        Resolution::PostmasterMailbox | Resolution::Rewritten(_) | Resolution::Unknown(_) => false,
    };
    posting.account().is_some()
        && known
        && trail.asks("an account hears of restrictions by a report, after the message", !settings.refuse_early)
}

/// Whether a recipient that was admitted may still be refused when the author is known. It needs the message for
/// itself, since a refusal after DATA is one for all.
pub fn awaits_author(snapshot: &Snapshot, posting: &Posting<'_>, permit: &Permit) -> bool {
    let (Resolution::Mailbox(id) | Resolution::Group(id) | Resolution::Outside { owner: id, .. }) = permit.resolution()
    else {
        return false;
    };
    snapshot.recipient(*id).is_some_and(|found| restrictions::may_be_listed_later(snapshot, posting, found))
}

/// Judges the recipients of a whole message again, whose size, author and readers are known now.
///
/// # Errors
/// The first refusal, when no recipient takes the message.
pub fn admit_any(
    snapshot: &Snapshot,
    settings: &Settings,
    posting: &Posting<'_>,
    permits: &[Permit],
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    // An account hears of the others by reports, unless it is to hear early (decision D9).
    if posting.account().is_some() && !settings.refuse_early {
        return Ok(());
    }
    let mut first = None;
    for permit in permits {
        match admit(snapshot, settings, posting, permit.path.clone(), permit.dsn.clone(), trail) {
            Ok(_) => return Ok(()),
            Err(refusal) => first = first.or(Some(refusal)),
        }
    }
    first.map_or(Ok(()), Err)
}

/// Judges a resolution, at RCPT and again at delivery, since the recipient may have changed in between.
///
/// # Errors
/// The refusal, worded for RCPT; a report carries the same.
pub fn judge(
    snapshot: &Snapshot,
    settings: &Settings,
    posting: &Posting<'_>,
    resolution: &Resolution,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    match resolution {
        Resolution::Foreign(address) => {
            if trail.asks("the sender is a stranger, who may not relay", posting.origin() == Origin::Anonymous) {
                return Err(Refusal::RelayRefused);
            }
            restrictions::sender(snapshot, posting, trail)?;
            trail.note("mail for other domains leaves", true, || address.domain().to_string());
            Ok(())
        }
        Resolution::Unknown(address) => unknown(settings, posting, address, trail),
        Resolution::InternalRelay(_) => restrictions::sender(snapshot, posting, trail),
        Resolution::PostmasterMailbox | Resolution::Rewritten(_) => Ok(()),
        Resolution::Mailbox(id) | Resolution::Group(id) | Resolution::Outside { owner: id, .. } => {
            let recipient = snapshot.recipient(*id).ok_or(Refusal::UnknownRecipientInbound)?;
            restrictions::sender(snapshot, posting, trail)?;
            restrictions::recipient(snapshot, settings, posting, recipient, trail)?;
            let at_once = posting.hears_at_once() || (settings.refuse_early && posting.account().is_some());
            if at_once { way_out(snapshot, settings, recipient, trail) } else { Ok(()) }
        }
    }
}

/// `BccBlocked` of a group that the envelope names, see [`restrictions::blind_copy`].
///
/// # Errors
/// The refusal.
pub fn blind_copy(
    snapshot: &Snapshot,
    posting: &Posting<'_>,
    resolution: &Resolution,
    path: &ForwardPath,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let (Resolution::Mailbox(id) | Resolution::Group(id)) = resolution else {
        return Ok(());
    };
    snapshot.recipient(*id).map_or(Ok(()), |group| restrictions::blind_copy(posting, group, path, trail))
}

/// A mailbox that keeps nothing and forwards outside, which the organisation forbids: a stranger hears of it at once
/// instead of by a report, and so does an account that hears early (decision D9).
fn way_out(
    snapshot: &Snapshot,
    settings: &Settings,
    recipient: &Recipient,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let Some(set) = recipient.forwarding.as_deref().filter(|set| !set.deliver_to_mailbox_and_forward) else {
        return Ok(());
    };
    match forwarding::target(snapshot, settings, set, trail).map(|target| exit(snapshot, settings, &target, trail)) {
        Some(Exit::Forbidden(_)) => Err(Refusal::ExternalForwardingBlocked),
        // What is dropped in silence is dropped after it was accepted.
        None | Some(Exit::Inside | Exit::Permitted(_) | Exit::Suppressed(_)) => Ok(()),
    }
}

/// Who comes by port 25 is refused at once; an account is told later by a report, unless early refusal is on (decisions
/// D1 and D9).
fn unknown(
    settings: &Settings,
    posting: &Posting<'_>,
    address: &Address,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    if trail.asks("the sender is a stranger, who is refused at once", posting.hears_at_once()) {
        return Err(if is_legacy(address) { not_found(address) } else { Refusal::UnknownRecipientInbound });
    }
    let early = settings.refuses_unknown_on_submission() && posting.account().is_some();
    // Nobody has this address: it is where moderators answer, and who answers is judged with the subject.
    if early && trail.asks("the address is one that moderators answer to", Awaited::of(address, settings).is_some()) {
        return Ok(());
    }
    if trail.asks("unknown recipients are refused on submission", early) {
        return Err(not_found(address));
    }
    Ok(())
}
