//! Whether a mailbox answers a message by itself, and with which text (spec section 6.1; RFC 3834, RFC 5230).
//!
//! Total: every message and mailbox have an answer, which is a reply or the one reason that forbids it. The order is
//! that of the questions below; `franking explain` prints it.
//!
//! No two machines can talk to each other without end through these rules. A reply has the null reverse-path and says
//! `Auto-Submitted`; a message with either is never answered. So whatever stands between two mailboxes that answer,
//! groups, forwarding or other systems that lose the header, each answers a sender once, and never a reply.
//!
//! **Inside and outside.** A sender is inside when it signed in and its address is the organisation's. What comes in
//! from outside under an address of the organisation is somebody else's mail under a forged name: the external text
//! never goes inside and the internal text never leaves (Exchange drops both as `RESOLVER.OOF.ExtToInt` and
//! `IntToExt`), so it is not answered. Which text leaves for a domain outside is the remote domain's to say.

mod header;

use super::envelope::Origin;
use super::resolve::{Resolution, resolve};
use super::settings::Settings;
use super::trail::Trail;
use crate::model::directory::{
    AllowedOofType, AutoReply, AutoReplyState, ExternalAudience, ExternalOofOptions, Recipient, Snapshot,
};
use crate::model::mail::{Address, AddressKey, ForwardPath, ReversePath, Timestamp};

use header::Header;

/// What of a message and of one copy of it an automatic reply depends on.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// Who handed the message in.
    pub origin: Origin,
    /// The message's reverse-path: a group may have given its copies another one, which is nobody to answer.
    pub reverse_path: &'a ReversePath,
    /// Its header, with or without the empty line at its end.
    pub head: &'a [u8],
    /// The permitted path that led to the mailbox, as its client gave it.
    pub path: &'a ForwardPath,
    /// Every group on the way lets automatic replies through (`SendOofMessageToOriginatorEnabled`).
    pub passed_by_groups: bool,
}

/// Whether the mailbox has answered the sender since its state or texts changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// It has not, or nobody has looked yet.
    New,
    /// It has.
    Answered,
}

/// Which of the two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// `InternalMessage`.
    Internal,
    /// `ExternalMessage`.
    External,
}

/// A reply that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutomaticReply<'a> {
    /// Who reads it.
    pub to: &'a Address,
    /// Which text it has.
    pub audience: Audience,
    /// The text.
    pub text: &'a str,
    /// The history in which the sender is to be remembered.
    pub revision: u64,
}

/// Why a message is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoReply {
    /// The mailbox has no automatic replies, or they are switched off.
    Disabled,
    /// They are scheduled for another time.
    OutsidePeriod,
    /// The mailbox forwards to an SMTP address (spec section 5.1).
    Forwards,
    /// The mailbox takes reports about messages of a journal (`JournalingReportNdrTo`).
    JournalReports,
    /// The message is this server's own: a report, a notice or another reply.
    SystemMessage,
    /// The null reverse-path: there is nobody to answer.
    NullReversePath,
    /// The mailbox wrote it itself.
    OwnMessage,
    /// The sender is a postmaster, a list's or another machine's address (RFC 5230 section 4.6).
    MachineAddress,
    /// It says `Auto-Submitted`, and not `no` (RFC 3834 section 2).
    AutoSubmitted,
    /// It asks for no such reply with `X-Auto-Response-Suppress`.
    Suppressed,
    /// It says `Precedence: bulk`, `list` or `junk`.
    BulkPrecedence,
    /// It has a field of mailing lists (RFC 2369, RFC 2919).
    MailingList,
    /// It is a report.
    Report,
    /// A filter has marked it as junk.
    Junk,
    /// A group on the way keeps its members' replies from the sender.
    HeldByGroup,
    /// No automatic reply leaves for the sender's domain (`AllowedOOFType`).
    RemoteDomain,
    /// The sender is outside, and the header does not name the mailbox (RFC 5230 section 4.5).
    NotNamed,
    /// The sender is a group: all its members would get the reply.
    SenderIsGroup,
    /// Nobody has the sender's address.
    SenderUnknown,
    /// The sender is inside and its address outside: the internal text never leaves.
    InternalToExternal,
    /// The sender is outside and its address inside: the external text never goes inside.
    ExternalToInternal,
    /// The mailbox may answer the inside only (`ExternalOofOptions`).
    InternalOnly,
    /// The mailbox answers nobody outside (`ExternalAudience`).
    NoExternalAudience,
    /// The mailbox answers those outside whom the directory knows, which this sender is not.
    SenderNotKnown,
    /// The mailbox has no text for this sender.
    NoText,
    /// The sender was answered before.
    AnsweredBefore,
}

impl NoReply {
    /// The reason as a clause, for `explain` and the log.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Disabled => "automatic replies are off",
            Self::OutsidePeriod => "automatic replies are scheduled for another time",
            Self::Forwards => "the mailbox forwards to an SMTP address",
            Self::JournalReports => "the mailbox takes reports about a journal",
            Self::SystemMessage => "the message is the server's own",
            Self::NullReversePath => "the reverse-path is null",
            Self::OwnMessage => "the mailbox wrote the message itself",
            Self::MachineAddress => "the sender's address is a machine's",
            Self::AutoSubmitted => "the message was submitted automatically",
            Self::Suppressed => "the message asks for no automatic reply",
            Self::BulkPrecedence => "the message is bulk mail",
            Self::MailingList => "the message is a mailing list's",
            Self::Report => "the message is a report",
            Self::Junk => "the message is marked as junk",
            Self::HeldByGroup => "a group keeps automatic replies from the sender",
            Self::RemoteDomain => "no automatic reply leaves for the sender's domain",
            Self::NotNamed => "the header does not name the mailbox",
            Self::SenderIsGroup => "the sender is a group",
            Self::SenderUnknown => "nobody has the sender's address",
            Self::InternalToExternal => "the internal text would leave the organisation",
            Self::ExternalToInternal => "the external text would come inside",
            Self::InternalOnly => "the mailbox may answer senders inside only",
            Self::NoExternalAudience => "the mailbox answers nobody outside",
            Self::SenderNotKnown => "the directory does not know the sender",
            Self::NoText => "the mailbox has no text for this sender",
            Self::AnsweredBefore => "the sender was answered before",
        }
    }
}

/// Judges whether `mailbox` answers, now that a copy of the message is in it.
///
/// # Errors
/// The first reason that forbids it.
pub fn auto_reply<'a>(
    snapshot: &Snapshot,
    settings: &Settings,
    mailbox: &'a Recipient,
    occasion: &Occasion<'a>,
    history: History,
    now: Timestamp,
    trail: &mut impl Trail,
) -> Result<AutomaticReply<'a>, NoReply> {
    let set = configured(mailbox, now, trail)?;
    if takes_journal_reports(snapshot, mailbox) {
        trail.note("the mailbox takes reports about a journal", true, || mailbox.primary().to_string());
        return Err(NoReply::JournalReports);
    }
    let sender = sender(snapshot, mailbox, occasion, trail)?;
    let header = Header::of(occasion.head);
    let forbids = header.forbids();
    trail.note("the header forbids a reply", forbids.is_some(), || {
        forbids.map(NoReply::text).unwrap_or_default().into()
    });
    forbids.map_or(Ok(()), Err)?;
    forbid(trail, "a group keeps automatic replies from the sender", !occasion.passed_by_groups, NoReply::HeldByGroup)?;
    let audience = audience(snapshot, settings, occasion, sender, trail)?;
    let asked = occasion.origin.is_stranger() && snapshot.organisation().auto_reply_only_when_named;
    let unnamed = asked && !is_named(snapshot, mailbox, occasion.path, &header);
    forbid(trail, "the header does not name the mailbox", unnamed, NoReply::NotNamed)?;
    let text = match audience {
        Audience::Internal => &set.internal_message,
        Audience::External => {
            admitted_outside(snapshot, set, sender, trail)?;
            &set.external_message
        }
    };
    forbid(trail, "there is no text for this sender", text.is_empty(), NoReply::NoText)?;
    let answered = history == History::Answered;
    forbid(trail, "the sender was answered before", answered, NoReply::AnsweredBefore)?;
    Ok(AutomaticReply { to: sender, audience, text, revision: set.revision })
}

fn forbid(trail: &mut impl Trail, question: &'static str, held: bool, reason: NoReply) -> Result<(), NoReply> {
    if trail.asks(question, held) { Err(reason) } else { Ok(()) }
}

/// What the mailbox has to say at `now`.
fn configured<'a>(mailbox: &'a Recipient, now: Timestamp, trail: &mut impl Trail) -> Result<&'a AutoReply, NoReply> {
    let set = mailbox.auto_reply.as_deref().filter(|set| set.state != AutoReplyState::Disabled);
    trail.note("the mailbox has automatic replies", set.is_some(), || mailbox.primary().to_string());
    let set = set.ok_or(NoReply::Disabled)?;
    forbid(trail, "they are scheduled for another time", !set.is_active(now), NoReply::OutsidePeriod)?;
    forbid(trail, "the mailbox forwards to an SMTP address", forwards_to_smtp(mailbox), NoReply::Forwards)?;
    Ok(set)
}

/// Whether a mailbox forwards to an SMTP address, kept copies or not.
pub(super) fn forwards_to_smtp(mailbox: &Recipient) -> bool {
    mailbox.forwarding.as_deref().is_some_and(|set| set.forwarding_smtp_address.is_some())
}

/// Whether a mailbox takes reports about messages of a journal.
pub(super) fn takes_journal_reports(snapshot: &Snapshot, mailbox: &Recipient) -> bool {
    let reports = snapshot.organisation().journaling_report_ndr_to.as_ref();
    reports.is_some_and(|address| mailbox.addresses.contains(&address.key()))
}

/// Who wrote the message, if that is somebody to answer.
fn sender<'a>(
    snapshot: &Snapshot,
    mailbox: &Recipient,
    occasion: &Occasion<'a>,
    trail: &mut impl Trail,
) -> Result<&'a Address, NoReply> {
    forbid(trail, "the message is the server's own", occasion.origin == Origin::System, NoReply::SystemMessage)?;
    let ReversePath::Mailbox(sender) = occasion.reverse_path else {
        trail.note("the reverse-path is null", true, String::new);
        return Err(NoReply::NullReversePath);
    };
    let own =
        occasion.origin == Origin::Account(mailbox.id) || mailbox.addresses.contains(&holder_key(snapshot, sender));
    forbid(trail, "the mailbox wrote the message itself", own, NoReply::OwnMessage)?;
    forbid(trail, "the sender's address is a machine's", is_machine(sender), NoReply::MachineAddress)?;
    Ok(sender)
}

/// Inside or outside; see the head of this file.
fn audience(
    snapshot: &Snapshot,
    settings: &Settings,
    occasion: &Occasion<'_>,
    sender: &Address,
    trail: &mut impl Trail,
) -> Result<Audience, NoReply> {
    let ours = snapshot.accepted_domain(sender.domain()).is_some();
    let outside = match resolve(snapshot, settings, &ForwardPath::Mailbox(sender.clone()), trail) {
        Resolution::Mailbox(_) | Resolution::InternalRelay(_) => None,
        // A contact can stand for an address in a foreign domain, which is outside.
        Resolution::Outside { .. } => (!ours).then(|| sender.clone()),
        // What goes to a rewritten reverse-path goes on to the sender in it, wherever that is: as outside, it cannot
        // carry the internal text there.
        Resolution::Rewritten(address) | Resolution::Foreign(address) => Some(address),
        Resolution::PostmasterMailbox => return Err(NoReply::MachineAddress),
        Resolution::Group(_) => {
            trail.note("the sender is a group", true, || sender.to_string());
            return Err(NoReply::SenderIsGroup);
        }
        Resolution::Unknown(_) => {
            trail.note("nobody has the sender's address", true, || sender.to_string());
            return Err(NoReply::SenderUnknown);
        }
    };
    let signed_in = occasion.origin.is_inside();
    trail.note("the sender signed in", signed_in, String::new);
    trail.note("the sender's address is inside", outside.is_none(), || sender.to_string());
    let Some(address) = outside else {
        return if signed_in { Ok(Audience::Internal) } else { Err(NoReply::ExternalToInternal) };
    };
    let allowed = snapshot.remote_domain(address.domain()).allowed_oof_type;
    trail.note("what leaves for the sender's domain", true, || format!("{}: {allowed}", address.domain()));
    match allowed {
        AllowedOofType::None => Err(NoReply::RemoteDomain),
        // A domain that belongs to the organisation, as its administrator says.
        AllowedOofType::InternalLegacy => Ok(Audience::Internal),
        AllowedOofType::External | AllowedOofType::ExternalLegacy if signed_in => Err(NoReply::InternalToExternal),
        AllowedOofType::External | AllowedOofType::ExternalLegacy => Ok(Audience::External),
    }
}

/// Whether strangers, and this one, are answered at all.
fn admitted_outside(
    snapshot: &Snapshot,
    set: &AutoReply,
    sender: &Address,
    trail: &mut impl Trail,
) -> Result<(), NoReply> {
    let internal_only = set.external_oof_options == ExternalOofOptions::InternalOnly;
    forbid(trail, "the mailbox may answer senders inside only", internal_only, NoReply::InternalOnly)?;
    match set.external_audience {
        ExternalAudience::All => Ok(()),
        ExternalAudience::None => {
            forbid(trail, "the mailbox answers nobody outside", true, NoReply::NoExternalAudience)
        }
        ExternalAudience::Known => {
            let known = snapshot.knows(sender);
            forbid(trail, "the directory does not know the sender", !known, NoReply::SenderNotKnown)
        }
    }
}

/// Whether the header names the mailbox, by any of its addresses, or whatever led the message to it: a group, or a
/// mailbox that forwards. A blind copy and a list that was subscribed to name neither.
fn is_named(snapshot: &Snapshot, mailbox: &Recipient, path: &ForwardPath, header: &Header<'_>) -> bool {
    let led = match path {
        ForwardPath::Mailbox(address) => Some(holder_key(snapshot, address)),
        ForwardPath::Postmaster => None,
    };
    header.addressees().any(|address| {
        let key = holder_key(snapshot, &address);
        led.as_ref() == Some(&key) || mailbox.addresses.contains(&key)
    })
}

/// The key of an address without its `+tag`, unless somebody has the tagged address for himself: it is looked up
/// literally first (decision D4).
fn holder_key(snapshot: &Snapshot, address: &Address) -> AddressKey {
    match address.without_tag() {
        Some(plain) if snapshot.find_by_address(address).is_none() => plain.key(),
        Some(_) | None => address.key(),
    }
}

/// Addresses behind which no person reads (RFC 5230 section 4.6), as far as their local part tells.
fn is_machine(address: &Address) -> bool {
    const NAMES: [&str; 14] = [
        "mailer-daemon",
        "postmaster",
        "listserv",
        "majordomo",
        "mailman",
        "noreply",
        "no-reply",
        "no_reply",
        "donotreply",
        "do-not-reply",
        "do_not_reply",
        "bounce",
        "bounces",
        "root",
    ];
    let local = address.local().as_str().to_ascii_lowercase();
    let plain = local.split_once('+').map_or(local.as_str(), |(plain, _)| plain);
    NAMES.contains(&plain)
        || plain.starts_with("owner-")
        || ["-request", "-owner", "-bounce", "-bounces", "-relay"].iter().any(|ending| plain.ends_with(ending))
}

/// The key under which a mailbox remembers a sender: one for all spellings of the address, and in the organisation's
/// own domains for all its tags that nobody has for himself.
pub fn sender_key(snapshot: &Snapshot, sender: &Address) -> AddressKey {
    let ours = snapshot.accepted_domain(sender.domain()).is_some();
    let tagged = !ours || snapshot.organisation().disable_plus_address_in_recipients;
    if tagged { sender.key() } else { holder_key(snapshot, sender) }
}
