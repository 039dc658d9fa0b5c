//! Who a submitted message says it is from, judged on its header as it stands (decision D3).
//!
//! Envelope and header are both judged. What readers could understand in two ways is refused rather than guessed:
//! a second From, `Fr om:`, a group. The header leaves with the author's primary address, and with a Sender field only
//! when the account sends on behalf of somebody.

use super::refusal::Refusal;
use super::settings::Settings;
use super::sign_in::SignedIn;
use super::submit_as::{SubmitAs, submit_as};
use super::trail::Trail;
use crate::model::directory::{Recipient, RecipientId, Snapshot};
use crate::model::mail::header::{Field, Mailboxes, fields, mailboxes};
use crate::model::mail::{Address, ReversePath};

/// A header that may be sent, and the envelope that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authored {
    /// The header to send, without the empty line that ends it.
    pub head: Vec<u8>,
    /// The reverse-path under which the message leaves.
    pub reverse_path: ReversePath,
    /// In which capacity the account sends.
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
    let from = match from_of(&fields(head), trail) {
        Ok(from) => from,
        Err(refusal) if !settings.repair_from || refusal == Refusal::MultipleFromAddresses => return Err(refusal),
        // Reports always have a From: what needs repair is an ordinary message, whose reverse-path is not null.
        Err(_) if *reverse_path == ReversePath::Null => return Err(Refusal::InvalidSenderAddress),
        Err(_) => return Ok(repaired(account, reverse_path, head)),
    };
    let denied = |from: &Address| Refusal::SendAsDenied { account: signed_in.login().clone(), from: from.clone() };
    // Several authors need a Sender, which then says in what capacity the account sends. Each of them is judged, too:
    // readers see the first one, and a Sender of one's own gives no right to anybody else's name (spec section 4.3).
    let mut submit_as = SubmitAs::Denied;
    for judged in from.authors.iter().chain(&from.sender) {
        trail.note("the author's address is judged", true, || judged.to_string());
        submit_as = self::submit_as(snapshot, settings, account.id, judged, trail);
        if submit_as == SubmitAs::Denied {
            return Err(denied(judged));
        }
    }
    let ordinary = *reverse_path == ReversePath::Null && !is_report(head);
    if trail.asks("the reverse-path is null and the message no report or receipt", ordinary) {
        return Err(Refusal::InvalidSenderAddress);
    }
    let rewriting = Rewriting { snapshot, account, submit_as, several: from.sender.is_some() };
    Ok(Authored {
        head: rewriting.head(head),
        reverse_path: reverse_path_of(snapshot, account, submit_as, by_envelope, reverse_path),
        submit_as,
    })
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
    match submit_as(snapshot, settings, signed_in.account(), address, trail) {
        SubmitAs::Denied => Err(Refusal::SendAsDenied { account: signed_in.login().clone(), from: address.clone() }),
        permitted @ (SubmitAs::Own | SubmitAs::As(_) | SubmitAs::OnBehalf(_)) => Ok(permitted),
    }
}

/// Read receipts and delivery status notifications are `multipart/report` (RFC 6522).
fn is_report(head: &[u8]) -> bool {
    let fields = fields(head);
    let kind = fields.iter().find(|field| field.is("Content-Type")).map(Field::text).unwrap_or_default();
    kind.get(..16).is_some_and(|start| start.eq_ignore_ascii_case("multipart/report"))
}

struct From {
    /// At least one.
    authors: Vec<Address>,
    /// Set when there are several authors: the one in Sender who answers for them.
    sender: Option<Address>,
}

fn from_of(fields: &[Field<'_>], trail: &mut impl Trail) -> Result<From, Refusal> {
    let named = |name: &'static str| fields.iter().filter(move |field| field.resembles(name));
    let malformed = named("From").chain(named("Sender")).any(|field| !field.well_formed);
    let froms: Vec<_> = named("From").collect();
    trail.note("there is exactly one well-formed From", froms.len() == 1 && !malformed, || froms.len().to_string());
    if malformed {
        return Err(Refusal::FromNotCompliant);
    }
    let &[from] = froms.as_slice() else {
        return Err(if froms.is_empty() { Refusal::FromNotCompliant } else { Refusal::MultipleFromAddresses });
    };
    let Mailboxes::List(authors) = mailboxes(from.value) else {
        return Err(Refusal::FromNotCompliant);
    };
    if authors.is_empty() {
        return Err(Refusal::FromNotCompliant);
    }
    if authors.len() == 1 {
        return Ok(From { authors, sender: None });
    }
    let senders: Vec<_> = named("Sender").collect();
    let sender = match senders.as_slice() {
        [sender] => match mailboxes(sender.value) {
            Mailboxes::List(list) if list.len() == 1 => list.into_iter().next(),
            Mailboxes::List(_) | Mailboxes::Unreadable => None,
        },
        _ => None,
    };
    trail.note("several authors name one Sender", sender.is_some(), || authors.len().to_string());
    sender.map(|sender| From { authors, sender: Some(sender) }).ok_or(Refusal::MultipleFromAddresses)
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

/// The address under which mail of `owner` leaves: the primary one, unless that lies in a domain that is not ours.
fn outward<'owner>(snapshot: &Snapshot, owner: &'owner Recipient) -> Option<&'owner Address> {
    owner.addresses.smtp().find(|address| snapshot.accepted_domain(address.domain()).is_some())
}

struct Rewriting<'world> {
    snapshot: &'world Snapshot,
    account: &'world Recipient,
    submit_as: SubmitAs,
    /// There are several authors, so the client's own Sender was judged and stays.
    several: bool,
}

impl Rewriting<'_> {
    fn head(&self, head: &[u8]) -> Vec<u8> {
        let mut rewritten = Vec::with_capacity(head.len() + 64);
        for field in fields(head) {
            if field.is("Sender") && !self.several {
                // The account itself or a forged one: neither says anything that From does not.
                continue;
            }
            if field.is("From") && !self.several {
                self.from(&field, &mut rewritten);
                if matches!(self.submit_as, SubmitAs::OnBehalf(_)) {
                    let sender = format!("Sender: {}\r\n", mailbox_text(self.account));
                    rewritten.extend_from_slice(sender.as_bytes());
                }
                continue;
            }
            rewritten.extend_from_slice(field.raw);
        }
        rewritten
    }

    /// An alias in From becomes the primary address, unless aliases may be sent from (spec section 4.5).
    fn from(&self, field: &Field<'_>, rewritten: &mut Vec<u8>) {
        let author = match mailboxes(field.value) {
            Mailboxes::List(list) => list.into_iter().next(),
            Mailboxes::Unreadable => None,
        };
        let owner = match self.submit_as {
            SubmitAs::As(owner) | SubmitAs::OnBehalf(owner) => self.snapshot.recipient(owner).map(|owner| &**owner),
            SubmitAs::Own | SubmitAs::Denied => Some(self.account),
        };
        let outward = owner.and_then(|owner| outward(self.snapshot, owner));
        let (Some(author), Some(outward)) = (author, outward) else {
            return rewritten.extend_from_slice(field.raw);
        };
        let is_alias = author.key() != outward.key();
        if !is_alias || self.snapshot.organisation().send_from_alias_enabled {
            return rewritten.extend_from_slice(field.raw);
        }
        // The display name stays, octet for octet: only the text between the brackets is ours to change.
        match display_name(field.value) {
            Some(name) => {
                rewritten.extend_from_slice(b"From:");
                rewritten.extend_from_slice(name);
                rewritten.extend_from_slice(format!("<{outward}>\r\n").as_bytes());
            }
            None => rewritten.extend_from_slice(format!("From: {outward}\r\n").as_bytes()),
        }
    }
}

/// The octets before the angle bracket of the one address; `None` when it has none.
fn display_name(value: &[u8]) -> Option<&[u8]> {
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_usize);
    for (index, byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            b'<' if !quoted && depth == 0 => return Some(&value[..index]),
            _ => {}
        }
    }
    None
}

/// `"Display Name" <address>`, safe in a header field.
fn mailbox_text(recipient: &Recipient) -> String {
    match recipient.display_name.as_deref() {
        Some(name) if name.is_ascii() => {
            format!("\"{}\" <{}>", name.replace('\\', "\\\\").replace('"', "\\\""), recipient.primary())
        }
        // A name with other letters would need an encoded word; the address alone says who it is.
        Some(_) | None => recipient.primary().to_string(),
    }
}

/// The operator chose repair: whatever stood for From goes, and the account's own address takes its place.
fn repaired(account: &Recipient, reverse_path: &ReversePath, head: &[u8]) -> Authored {
    let mut rewritten = format!("From: {}\r\n", mailbox_text(account)).into_bytes();
    for field in fields(head) {
        if !field.resembles("From") && !field.resembles("Sender") {
            rewritten.extend_from_slice(field.raw);
        }
    }
    let reverse_path = match reverse_path {
        ReversePath::Null => ReversePath::Null,
        ReversePath::Mailbox(_) => ReversePath::Mailbox(account.primary().clone()),
    };
    Authored { head: rewritten, reverse_path, submit_as: SubmitAs::Own }
}
