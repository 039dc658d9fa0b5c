//! The envelope of a permitted message: the only thing that can be queued (law 2).

use serde::{Deserialize, Serialize};

use super::admit::{Permit, Sender, admit};
use super::posting::Posting;
use super::resolve::Resolution;
use super::sent_items::SentItems;
use super::settings::Settings;
use super::trail::Unrecorded;
use crate::model::directory::{RecipientId, Snapshot};
use crate::model::mail::{Address, ForwardPath, ReversePath};

/// How the body was announced (RFC 6152, RFC 3030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BodyKind {
    /// Seven-bit lines.
    #[default]
    SevenBit,
    /// Lines with octets above 127.
    EightBitMime,
    /// Any octets, not divided into lines.
    BinaryMime,
}

/// What a failure report should carry of the message (RFC 3461 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header.
    Headers,
}

/// When a recipient's sender wants a report (RFC 3461 section 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notify {
    /// Nothing was asked: failure, and delay at the server's discretion.
    #[default]
    Unspecified,
    /// `NEVER`.
    Never,
    /// Any of `SUCCESS`, `FAILURE` and `DELAY`.
    On {
        /// `SUCCESS`.
        success: bool,
        /// `FAILURE`.
        failure: bool,
        /// `DELAY`.
        delay: bool,
    },
}

impl Notify {
    /// Whether a failure is to be reported.
    pub const fn wants_failure(self) -> bool {
        match self {
            Self::Unspecified => true,
            Self::Never => false,
            Self::On { failure, .. } => failure,
        }
    }

    /// Whether a delay is to be reported.
    pub const fn wants_delay(self) -> bool {
        match self {
            Self::Unspecified => true,
            Self::Never => false,
            Self::On { delay, .. } => delay,
        }
    }

    /// Whether success is to be reported.
    pub const fn wants_success(self) -> bool {
        matches!(self, Self::On { success: true, .. })
    }
}

/// The delivery status notification parameters of one recipient (RFC 3461).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DsnRequest {
    /// NOTIFY.
    pub notify: Notify,
    /// ORCPT, decoded from xtext: address type and address, printable only.
    pub original_recipient: Option<(Box<str>, Box<str>)>,
}

/// The parameters of MAIL FROM that travel with a message, and where it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageParameters {
    /// BODY.
    pub body: BodyKind,
    /// SMTPUTF8 was given.
    pub smtputf8: bool,
    /// RET.
    pub ret: Option<Ret>,
    /// ENVID, decoded from xtext, printable only.
    pub envelope_id: Option<Box<str>>,
    /// The session that the message came in by: with it one id leads through the log from connection to delivery.
    pub session: Option<Box<str>>,
}

impl MessageParameters {
    /// What a whole message of this server's own, made of lines, needs: BODY=8BITMIME for an octet above 127 anywhere,
    /// SMTPUTF8 for one in its header (RFC 6531 section 3.4) or in the address of its reader.
    pub fn needed_by(content: &[u8], to: &Address) -> Self {
        let head = memchr::memmem::find(content, b"\r\n\r\n").and_then(|end| content.get(..end)).unwrap_or(content);
        let body = if content.is_ascii() { BodyKind::SevenBit } else { BodyKind::EightBitMime };
        Self { body, smtputf8: !head.is_ascii() || !to.is_ascii(), ..Self::default() }
    }
}

/// Who handed the message in, as far as rules after acceptance need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// An account of this organisation, signed in.
    Account(RecipientId),
    /// Nobody known: inbound mail.
    Anonymous,
    /// This server: reports, automatic replies, notices. Exempt from restrictions (spec section 5.5).
    System,
    /// A client that a connector vouches for beyond what any stranger may.
    Connector {
        /// Whether it counts as authenticated; it may write outside in any case.
        internal: bool,
    },
}

impl Origin {
    /// Whether nobody vouches that the sender is the one it says it is: what restrictions, automatic replies and
    /// reports go by.
    pub const fn is_stranger(self) -> bool {
        match self {
            Self::Anonymous | Self::Connector { internal: false } => true,
            Self::Account(_) | Self::System | Self::Connector { internal: true } => false,
        }
    }

    /// Whether the sender is known as somebody inside.
    pub const fn is_inside(self) -> bool {
        match self {
            Self::Account(_) | Self::Connector { internal: true } => true,
            Self::Anonymous | Self::System | Self::Connector { internal: false } => false,
        }
    }
}

/// Who sends what to whom, all of it permitted. Only policy makes the permits inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    origin: Origin,
    reverse_path: ReversePath,
    parameters: MessageParameters,
    permits: Vec<Permit>,
    sent_items: SentItems,
    device: Option<Box<str>>,
    connector: Option<Box<str>>,
}

impl Envelope {
    /// An envelope of which nobody keeps a copy; `None` without at least one permit.
    pub fn new(
        sender: &Sender,
        reverse_path: ReversePath,
        parameters: MessageParameters,
        permits: Vec<Permit>,
    ) -> Option<Self> {
        let origin = sender.origin();
        let sent_items = SentItems::default();
        let connector = sender.vouched().map(|vouched| vouched.connector().name.clone());
        let device = None;
        let whole = Self { origin, reverse_path, parameters, permits, sent_items, device, connector };
        (!whole.permits.is_empty()).then_some(whole)
    }

    /// The same envelope, handed in by the device of this name.
    #[must_use]
    pub fn with_device(self, device: Option<Box<str>>) -> Self {
        Self { device, ..self }
    }

    /// The same envelope, with copies for Sent Items.
    #[must_use]
    pub fn with_sent_items(self, sent_items: SentItems) -> Self {
        Self { sent_items, ..self }
    }

    /// The envelope of a report or notice of this server: null reverse-path, one recipient, exempt from restrictions.
    /// `None` when the address is ours and nobody has it: a report about a report helps nobody. `parameters` say what
    /// the report's content needs of the servers on its way, see [`MessageParameters::needed_by`].
    pub fn report(
        snapshot: &Snapshot,
        settings: &Settings,
        to: &Address,
        parameters: MessageParameters,
    ) -> Option<Self> {
        Self::to_readers(snapshot, settings, core::slice::from_ref(to), parameters)
    }

    /// The same for several readers, of whom those that exist get it, with what `content` needs.
    pub fn notice(snapshot: &Snapshot, settings: &Settings, to: &[Address], content: &[u8]) -> Option<Self> {
        let mut parameters = MessageParameters::needed_by(content, to.first()?);
        parameters.smtputf8 |= !to.iter().all(Address::is_ascii);
        Self::to_readers(snapshot, settings, to, parameters)
    }

    fn to_readers(
        snapshot: &Snapshot,
        settings: &Settings,
        to: &[Address],
        parameters: MessageParameters,
    ) -> Option<Self> {
        let permit = |to: &Address| {
            let path = ForwardPath::Mailbox(to.clone());
            // Reports are never reported about, so nothing is asked for.
            let dsn = DsnRequest { notify: Notify::Never, original_recipient: None };
            let permit = admit(snapshot, settings, &Posting::own(), path, dsn, &mut Unrecorded).ok()?;
            (!matches!(permit.resolution(), Resolution::Unknown(_))).then_some(permit)
        };
        let permits = to.iter().filter_map(permit).collect();
        Self::new(&Sender::System, ReversePath::Null, parameters, permits)
    }

    /// Who handed it in.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Who hears of failures.
    pub const fn reverse_path(&self) -> &ReversePath {
        &self.reverse_path
    }

    /// The parameters of MAIL FROM.
    pub const fn parameters(&self) -> &MessageParameters {
        &self.parameters
    }

    /// The permitted recipients, in the order of RCPT TO.
    pub fn permits(&self) -> &[Permit] {
        &self.permits
    }

    /// Who keeps a copy in Sent Items.
    pub const fn sent_items(&self) -> &SentItems {
        &self.sent_items
    }

    /// The name of the device that handed it in, by a credential of its account's.
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// The name of the connector that vouched for its client.
    pub fn connector(&self) -> Option<&str> {
        self.connector.as_deref()
    }

    /// Replaces the reverse-path by the address under which the message leaves (decision D3: the owner's primary
    /// address for send-as, the delegate's for send-on-behalf). The null path stays.
    pub fn rewrite_reverse_path(&mut self, address: Address) {
        if self.reverse_path != ReversePath::Null {
            self.reverse_path = ReversePath::Mailbox(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_nobody_hears_about_stays_so_and_what_it_needs_is_told() {
        let alice = Address::parse("alice@contoso.example").unwrap();
        let of = |reverse_path| Envelope {
            origin: Origin::System,
            reverse_path,
            parameters: MessageParameters::default(),
            permits: Vec::new(),
            sent_items: SentItems::default(),
            device: None,
            connector: None,
        };
        let mut receipt = of(ReversePath::Null);
        receipt.rewrite_reverse_path(alice.clone());
        assert_eq!(receipt.reverse_path(), &ReversePath::Null);
        let mut message = of(ReversePath::Mailbox(Address::parse("a.l@contoso.example").unwrap()));
        message.rewrite_reverse_path(alice.clone());
        assert_eq!(message.reverse_path(), &ReversePath::Mailbox(alice.clone()));

        let needed = |content: &str| {
            let needed = MessageParameters::needed_by(content.as_bytes(), &alice);
            (needed.body, needed.smtputf8)
        };
        assert_eq!(needed("Subject: a\r\n\r\nb\r\n"), (BodyKind::SevenBit, false));
        assert_eq!(needed("Subject: a\r\n\r\n\u{e4}\r\n"), (BodyKind::EightBitMime, false));
        assert_eq!(needed("Subject: \u{e4}\r\n\r\nb\r\n"), (BodyKind::EightBitMime, true));
        // Without RFC 3461's NOTIFY a delay may be told.
        assert!(Notify::default().wants_delay() && Notify::default().wants_failure());
        assert!(!Notify::default().wants_success() && !Notify::Never.wants_failure() && !Notify::Never.wants_delay());
    }
}
