//! A message as restrictions and expansion see it: who sends it, how large it is, and what its header says.
//!
//! Finding the sender is the first stage of spec section 5.5. An account is known because it signed in, and an address
//! of ours because an internal connector says so. A stranger is
//! whoever its addresses say, but for lists of senders only: it stays unauthenticated. Of those addresses only foreign
//! ones can open an accept list, as when a mail contact stands for a partner: that an address of ours stands in a
//! stranger's message proves nothing, so it can only get the message rejected.

use core::cell::OnceCell;
use std::collections::HashSet;

use super::connector::Vouched;
use super::envelope::{Envelope, Origin};
use super::resolve::is_postmaster;
use crate::model::directory::{Device, Recipient, RecipientId, Snapshot};
use crate::model::mail::header::{Field, Mailboxes, each_field, mailboxes};
use crate::model::mail::{Address, AddressKey, ForwardPath, ReversePath};

/// Objects that one address stands for, at most; who shares an address with more is known as the first ones.
const OBJECTS_MAX: usize = 16;

/// A message and its sender.
#[derive(Debug)]
pub struct Posting<'message> {
    origin: Origin,
    reverse_path: &'message ReversePath,
    /// The header; none before it has come.
    head: Option<&'message [u8]>,
    bytes: u64,
    direct: bool,
    device: Option<&'message Device>,
    vouched: Option<&'message Vouched>,
    /// Where the sender is looked for; none for a message of this server's own.
    snapshot: Option<&'message Snapshot>,
    /// Who the sender is, once somebody asks: most recipients that are refused are so without.
    identity: OnceCell<Identity>,
    /// Whom To and Cc name.
    readers: OnceCell<HashSet<AddressKey>>,
}

/// Who the sender is, and says it is.
#[derive(Debug, Default)]
struct Identity {
    /// The account is exempt from restrictions.
    exempt: bool,
    /// Objects that the sender is or says it is.
    claimed: Vec<RecipientId>,
    /// Those of them that open an accept list.
    accepted: Vec<RecipientId>,
}

impl Posting<'static> {
    /// A message of this server's own: exempt from every restriction (spec section 5.5).
    pub fn own() -> Self {
        Self {
            origin: Origin::System,
            reverse_path: &ReversePath::Null,
            head: None,
            bytes: 0,
            direct: false,
            device: None,
            vouched: None,
            snapshot: None,
            identity: OnceCell::new(),
            readers: OnceCell::new(),
        }
    }
}

impl<'message> Posting<'message> {
    /// A message of `bytes` octets (0 when that is not known) before its header has come.
    pub fn announced(
        snapshot: &'message Snapshot,
        origin: Origin,
        reverse_path: &'message ReversePath,
        bytes: u64,
    ) -> Self {
        Self::new(snapshot, origin, reverse_path, None, bytes)
    }

    /// A whole message. `head` is its header.
    pub fn received(
        snapshot: &'message Snapshot,
        origin: Origin,
        reverse_path: &'message ReversePath,
        head: &'message [u8],
        bytes: u64,
    ) -> Self {
        Self::new(snapshot, origin, reverse_path, Some(head), bytes)
    }

    /// An accepted message.
    pub fn of(snapshot: &'message Snapshot, envelope: &'message Envelope, head: &'message [u8], bytes: u64) -> Self {
        Self::received(snapshot, envelope.origin(), envelope.reverse_path(), head, bytes)
    }

    fn new(
        snapshot: &'message Snapshot,
        origin: Origin,
        reverse_path: &'message ReversePath,
        head: Option<&'message [u8]>,
        bytes: u64,
    ) -> Self {
        Self { origin, reverse_path, head, bytes, snapshot: Some(snapshot), ..Posting::own() }
    }

    /// The same, from a source that may not use our own domains' addresses without signing in when the organisation
    /// sets `RejectDirectSend`.
    #[must_use]
    pub const fn from_unknown_source(mut self) -> Self {
        self.direct = true;
        self
    }

    /// The same, handed in by a device whose credential may be bound to recipients.
    #[must_use]
    pub const fn by_device(mut self, device: Option<&'message Device>) -> Self {
        self.device = device;
        self
    }

    /// The device that handed it in.
    pub const fn device(&self) -> Option<&'message Device> {
        self.device
    }

    /// The same, with the word of the connector for its client.
    #[must_use]
    pub const fn by_connector(mut self, vouched: Option<&'message Vouched>) -> Self {
        self.vouched = vouched;
        self
    }

    /// The connector's word for the client; without it a client of a connector relays nothing.
    pub const fn vouched(&self) -> Option<&'message Vouched> {
        self.vouched
    }

    fn identity(&self) -> &Identity {
        self.identity.get_or_init(|| {
            let mut identity = Identity::default();
            if let Some(account) = self.account() {
                identity.claimed.push(account);
                identity.accepted.push(account);
            }
            if let Some(snapshot) = self.snapshot {
                let author = self.head.and_then(author);
                for address in self.reverse_path.address().into_iter().chain(author.as_ref()) {
                    identity.name(snapshot, self.origin, address);
                }
            }
            identity
        })
    }

    /// Who handed it in.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Who hears of failures.
    pub const fn reverse_path(&self) -> &'message ReversePath {
        self.reverse_path
    }

    /// Its size in octets; 0 when that is not known yet.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether nobody vouches for the sender, see [`Origin::is_stranger`].
    pub const fn is_from_stranger(&self) -> bool {
        self.origin.is_stranger()
    }

    /// Whether it comes by port 25, where whoever is refused hears of it at once (decision D9).
    pub const fn hears_at_once(&self) -> bool {
        match self.origin {
            Origin::Anonymous | Origin::Connector { .. } => true,
            Origin::Account(_) | Origin::System => false,
        }
    }

    /// The account that handed it in.
    pub const fn account(&self) -> Option<RecipientId> {
        match self.origin {
            Origin::Account(account) => Some(account),
            Origin::Anonymous | Origin::System | Origin::Connector { .. } => None,
        }
    }

    /// Whether restrictions do not hold for it.
    pub fn is_exempt(&self) -> bool {
        match self.origin {
            Origin::System => true,
            // Who it says it is exempts nobody who did not sign in.
            Origin::Anonymous | Origin::Connector { .. } => false,
            Origin::Account(_) => self.identity().exempt,
        }
    }

    /// Whether its header has not come yet, so that its author may still turn out to be on a list.
    pub const fn awaits_header(&self) -> bool {
        self.head.is_none()
    }

    /// Whether a stranger uses an address of ours as reverse-path, from where that is not expected
    /// (`RejectDirectSend`). The reverse-path decides, as in Exchange; an address of ours in From is for DMARC to
    /// judge.
    pub fn is_direct_send(&self, snapshot: &Snapshot) -> bool {
        let ours = |address: &Address| snapshot.accepted_domain(address.domain()).is_some();
        self.direct && self.is_from_stranger() && self.reverse_path.address().is_some_and(ours)
    }

    /// Objects that the sender is or says it is: reject lists are asked for each.
    pub fn claimed(&self) -> &[RecipientId] {
        &self.identity().claimed
    }

    /// Objects by which an accept list is open to it.
    pub fn accepted(&self) -> &[RecipientId] {
        &self.identity().accepted
    }

    /// Whether it is a delivery report: such do not go to the members of groups (spec section 5.6).
    pub fn is_delivery_report(&self) -> bool {
        let mut fields = each_field(self.head.unwrap_or_default());
        let Some(kind) = fields.find(|field| field.resembles("Content-Type")) else {
            return false;
        };
        let parameters = kind.text().to_ascii_lowercase();
        // RFC 3464 section 2. Read receipts, which are multipart/report as well, go their way.
        *self.reverse_path == ReversePath::Null
            && kind.first_word().eq_ignore_ascii_case("multipart/report")
            && (parameters.contains("delivery-status") || !parameters.contains("report-type"))
    }

    /// Whether To or Cc names `recipient`, by any of its addresses or as `path` does: then it is not in Bcc only.
    pub fn names(&self, recipient: &Recipient, path: &ForwardPath) -> bool {
        let readers = self.readers.get_or_init(|| self.readers());
        let given = match path {
            ForwardPath::Mailbox(address) => Some(address),
            ForwardPath::Postmaster => None,
        };
        recipient.addresses.smtp().chain(given).any(|address| readers.contains(&address.key()))
    }

    fn readers(&self) -> HashSet<AddressKey> {
        let fields = each_field(self.head.unwrap_or_default());
        let named = |field: &Field<'_>| ["To", "Cc", "Resent-To", "Resent-Cc"].iter().any(|name| field.resembles(name));
        let addresses = fields.filter(named).flat_map(|field| field.addressees());
        addresses.map(|address| address.key()).collect()
    }
}

impl Identity {
    /// The sender uses an address, which the session judged if the sender is an account.
    fn name(&mut self, snapshot: &Snapshot, origin: Origin, address: &Address) {
        let ours = snapshot.accepted_domain(address.domain()).is_some();
        let account = matches!(origin, Origin::Account(_));
        let inside = origin.is_inside();
        // The external postmaster is exempt; a stranger who says it is the postmaster is a stranger.
        self.exempt |= account && is_postmaster(snapshot, &ForwardPath::Mailbox(address.clone()));
        let objects =
            snapshot.find_by_address(address).into_iter().chain(snapshot.find_by_external(address)).take(OBJECTS_MAX);
        for object in objects.map(|object| object.id) {
            if !self.claimed.contains(&object) {
                self.claimed.push(object);
            }
            if (inside || !ours) && !self.accepted.contains(&object) {
                self.accepted.push(object);
            }
        }
    }
}

/// The one author in the one From.
fn author(head: &[u8]) -> Option<Address> {
    let mut froms = each_field(head).filter(|field| field.resembles("From"));
    let (Some(from), None) = (froms.next(), froms.next()) else {
        return None;
    };
    match mailboxes(from.value) {
        Mailboxes::List(list) if list.len() == 1 => list.into_iter().next(),
        Mailboxes::List(_) | Mailboxes::Unreadable => None,
    }
}
