//! One mail transaction: from MAIL to the envelope that can be queued.

use super::data::{Content, ContentRules, Received};
use super::interface::{SessionOptions, Submission, TlsState};
use super::trace::Trace;
use crate::model::directory::Snapshot;
use crate::model::mail::header::{Field, each_field};
use crate::model::mail::{Domain, ForwardPath, ReversePath, Timestamp};
use crate::model::policy::device::device_of;
use crate::model::policy::{
    BodyKind, Envelope, MessageParameters, Permit, Posting, Refusal, Sender, SentItems, SubmitAs, Unrecorded,
    admit_any, authorship, sent_items,
};

/// Octets of a Message-ID that a reply repeats.
const MESSAGE_ID_SHOWN_MAX: usize = 250;

/// The field that a continuation line at the top of a header is made to continue, so that it does not continue ours.
/// RFC 5321 section 6.4 forbids to refuse a message for its header; a line of our own leaves all else, signatures
/// included, as it came.
const NAME_FOR_THE_NAMELESS: &str = "X-Continuation-Of-Nothing:\r\n";

/// What MAIL began.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) sender: Sender,
    pub(super) reverse_path: ReversePath,
    pub(super) parameters: MessageParameters,
    pub(super) declared_bytes: u64,
    /// The largest message that is taken, in octets.
    pub(super) bytes_max: u64,
    pub(super) permits: Vec<Permit>,
    /// The one recipient so far may yet be refused for the author in From, so there is no second.
    pub(super) alone: bool,
    pub(super) began: Timestamp,
    /// The content, once DATA or BDAT began it.
    pub(super) content: Option<Content>,
    /// A chunk was refused: whatever follows would be a message with a hole, so it is refused as well.
    pub(super) spoilt: Option<Refusal>,
    /// The shell holds something of the body.
    pub(super) body_begun: bool,
}

/// What a transaction needs to know of its session when it ends.
pub(super) struct Ending<'session> {
    pub(super) options: &'session SessionOptions,
    pub(super) client_name: &'session Domain,
    pub(super) extended: bool,
    /// The message's id on this server.
    pub(super) id: &'session str,
    pub(super) now: Timestamp,
    pub(super) snapshot: &'session Snapshot,
}

impl Transaction {
    /// The content, begun at the first call.
    pub(super) fn content(&mut self, options: &SessionOptions) -> &mut Content {
        let rules = ContentRules {
            message_bytes_max: self.bytes_max,
            header_bytes_max: options.limits.header_bytes_max,
            binary: self.parameters.body == BodyKind::BinaryMime,
        };
        self.content.get_or_insert_with(|| Content::new(rules))
    }

    /// The message as far as it is known before DATA.
    pub(super) fn announced<'a>(&'a self, snapshot: &'a Snapshot) -> Posting<'a> {
        let device = match &self.sender {
            Sender::Account(signed_in) => device_of(snapshot, signed_in),
            Sender::Anonymous | Sender::System | Sender::Connector(_) => None,
        };
        let vouched = self.sender.vouched();
        let posting = Posting::announced(snapshot, self.sender.origin(), &self.reverse_path, self.declared_bytes)
            .by_device(device)
            .by_connector(vouched);
        if vouched.is_some() { posting } else { posting.from_unknown_source() }
    }

    /// Adds a recipient. The same path twice is one recipient; the first one's parameters stand.
    ///
    /// # Errors
    /// `TooManyRecipients` when one of two may be refused after DATA, which is a refusal for all: the client sends the
    /// message to the others again.
    pub(super) fn add(&mut self, permit: Permit, alone: bool) -> Result<(), Refusal> {
        if self.permits.iter().any(|earlier| earlier.path() == permit.path()) {
            return Ok(());
        }
        if self.alone || (alone && !self.permits.is_empty()) {
            return Err(Refusal::TooManyRecipients);
        }
        self.alone = alone;
        self.permits.push(permit);
        Ok(())
    }

    /// Whether DATA or BDAT has begun, so that nobody can be added any more.
    pub(super) const fn has_content(&self) -> bool {
        self.content.is_some() || self.spoilt.is_some()
    }

    /// Judges the whole message and makes it ready to queue.
    ///
    /// # Errors
    /// The refusal that answers the end of the message.
    pub(super) fn finish(self, ending: &Ending<'_>) -> Result<Submission, Refusal> {
        let received = self.content.ok_or(Refusal::BadSequence)?.finish()?;
        let settings = &ending.options.settings;
        let hops = each_field(&received.head).filter(|field| field.resembles("Received")).count();
        if hops >= settings.hops_max {
            return Err(Refusal::HopLimitReached);
        }
        let authored = judge_author(&self.sender, &self.reverse_path, &received, ending)?;
        let account = matches!(self.sender, Sender::Account(_));
        let vouched = self.sender.vouched();
        let only_recipient = match self.permits.as_slice() {
            [only] => Some(only.path()),
            _ => None,
        };
        let connector = vouched.map(|vouched| &*vouched.connector().name);
        let trace = trace(ending, (account, connector), self.parameters.smtputf8, only_recipient);
        // For its own devices this is a submission server, however they are known.
        let (head, message_id) = complete_head(trace, &authored.head, account || vouched.is_some(), ending);
        let bytes = (head.len() as u64).saturating_add(received.body_bytes);
        let posting =
            Posting::received(ending.snapshot, self.sender.origin(), &authored.reverse_path, &authored.head, bytes)
                .by_connector(vouched);
        // A message that nobody takes is refused while its sender still listens.
        admit_any(ending.snapshot, settings, &posting, &self.permits, &mut Unrecorded)?;
        let mut parameters = self.parameters;
        if parameters.body == BodyKind::SevenBit && received.eight_bit {
            // Devices send eight-bit text without saying so; the next hop must know what really came.
            parameters.body = BodyKind::EightBitMime;
        }
        parameters.session = Some(ending.options.session_id.clone());
        let device = match &self.sender {
            Sender::Account(signed_in) => device_of(ending.snapshot, signed_in).map(|device| device.name.clone()),
            Sender::Anonymous | Sender::System | Sender::Connector(_) => None,
        };
        let envelope = Envelope::new(&self.sender, authored.reverse_path, parameters, self.permits)
            .ok_or(Refusal::NeedRcptCommand)?
            .with_sent_items(authored.sent_items)
            .with_device(device);
        let submit_as = authored.submit_as;
        Ok(Submission { envelope, submit_as, head, body_bytes: received.body_bytes, message_id })
    }
}

struct Judged {
    head: Vec<u8>,
    reverse_path: ReversePath,
    submit_as: Option<SubmitAs>,
    sent_items: SentItems,
}

/// Envelope and header of an account are judged; mail from other servers passes with its header unchanged.
fn judge_author(
    sender: &Sender,
    reverse_path: &ReversePath,
    received: &Received,
    ending: &Ending<'_>,
) -> Result<Judged, Refusal> {
    match sender {
        Sender::Account(signed_in) => {
            let settings = &ending.options.settings;
            let authored = authorship::author(
                ending.snapshot,
                settings,
                signed_in,
                reverse_path,
                &received.head,
                &mut Unrecorded,
            )?;
            let (head, blind) = sent_items::part_blind(&authored.head);
            let (submit_as, account) = (authored.submit_as, signed_in.account());
            let reverse_path = authored.reverse_path;
            let kept = sent_items(ending.snapshot, settings, account, submit_as, &reverse_path, &mut Unrecorded)
                .with_blind(blind);
            Ok(Judged { head, reverse_path, submit_as: Some(submit_as), sent_items: kept })
        }
        Sender::Anonymous | Sender::System | Sender::Connector(_) => {
            let (head, reverse_path) = (received.head.clone(), reverse_path.clone());
            Ok(Judged { head, reverse_path, submit_as: None, sent_items: SentItems::default() })
        }
    }
}

fn trace(
    ending: &Ending<'_>,
    (authenticated, connector): (bool, Option<&str>),
    utf8: bool,
    only_recipient: Option<&ForwardPath>,
) -> String {
    let options = ending.options;
    let tls = match &options.tls {
        TlsState::Active(facts) => Some(facts),
        TlsState::Unavailable | TlsState::Offered => None,
    };
    Trace {
        client_name: ending.client_name,
        peer_name: options.peer_name.as_ref(),
        peer: options.peer,
        hostname: &options.hostname,
        extended: ending.extended,
        utf8,
        authenticated,
        connector,
        tls,
        id: ending.id,
        only_recipient,
        at: ending.now,
    }
    .field()
}

/// The header as it is queued, with its final empty line, and its Message-ID. A submission server completes what the
/// client left out (RFC 6409 section 8); a relay leaves the header alone.
fn complete_head(trace: String, judged: &[u8], submits: bool, ending: &Ending<'_>) -> (Vec<u8>, String) {
    let [mut dated, mut adrift, mut identified] = [false; 3];
    let (mut head, mut message_id) = (trace, String::new());
    for (place, field) in each_field(judged).enumerate() {
        adrift |= place == 0 && field.is_adrift();
        dated |= field.is("Date");
        if !identified && field.is("Message-ID") {
            identified = true;
            message_id = shown_id(&field);
        }
    }
    if submits && !dated {
        head.push_str(&format!("Date: {}\r\n", ending.now.rfc5322()));
    }
    if submits && !identified {
        message_id = format!("{}@{}", ending.id, ending.options.hostname);
        head.push_str(&format!("Message-ID: <{message_id}>\r\n"));
    }
    // What other servers send passes with its octets as they are, but never as a part of our trace field.
    if adrift {
        head.push_str(NAME_FOR_THE_NAMELESS);
    }
    let mut head = head.into_bytes();
    head.reserve_exact(judged.len() + 2);
    head.extend_from_slice(judged);
    head.extend_from_slice(b"\r\n");
    (head, message_id)
}

/// The identifier without its brackets, printable ASCII only and of bounded length.
fn shown_id(field: &Field<'_>) -> String {
    let text = field.text();
    let inside = text.split_once('<').map_or(text.as_str(), |(_, rest)| rest);
    let inside = inside.split_once('>').map_or(inside, |(id, _)| id);
    inside.chars().filter(char::is_ascii_graphic).take(MESSAGE_ID_SHOWN_MAX).collect()
}
