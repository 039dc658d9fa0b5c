//! One message at one host: what is still to be said, what was said and not answered, and what is settled.

use std::collections::VecDeque;

use super::body::Framing;
use super::extensions::Extensions;
use super::outcome::{Outcome, Trouble};
use super::reply_reader::RemoteReply;
use super::{OutboundMessage, Step, command};
use crate::model::mail::{EnhancedStatus, ForwardPath};
use crate::model::policy::BodyKind;

/// Commands sent at once never exceed this by more than one, so that a host that answers before it reads on cannot
/// block us while we block it (RFC 2920 section 3.1).
const WINDOW_BYTES: usize = 8192;

const NO_SMTPUTF8: &str = "the message or an address needs SMTPUTF8, which this host does not offer";
const NO_EIGHT_BIT: &str = "the message has octets above 127, and this host offers no 8BITMIME";
const NO_BINARY: &str = "the message is binary, and this host offers no BINARYMIME with CHUNKING";

/// A command of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Reset,
    Mail,
    /// The recipient of this index.
    Rcpt(usize),
    Data,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Open,
    Accepted,
    Settled(Outcome),
}

/// What to do when no reply is missing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Say more.
    Speak,
    /// Send the content: the host waits for it after DATA, or takes chunks.
    Content,
    /// End an empty message: the host waits for content though it accepted nobody (RFC 2920 section 3.1).
    EmptyContent,
    /// Everything is settled.
    Settled,
}

/// How a reply to the envelope was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Noted,
    /// The host is confused: it may not be spoken to further.
    Nonsense,
}

#[derive(Debug)]
pub(super) struct Transaction {
    message: OutboundMessage,
    verdicts: Vec<Verdict>,
    pending: VecDeque<Command>,
    in_flight: VecDeque<Command>,
    smtputf8: bool,
    /// MAIL was refused.
    sender_refused: bool,
    /// MAIL was refused for now: another host may see it otherwise.
    sender_deferred: bool,
    /// The host said 354.
    content_awaited: bool,
}

impl Transaction {
    pub(super) fn new(message: OutboundMessage) -> Self {
        let verdicts = message.recipients.iter().map(|_| Verdict::Open).collect();
        Self {
            message,
            verdicts,
            pending: VecDeque::new(),
            in_flight: VecDeque::new(),
            smtputf8: false,
            sender_refused: false,
            sender_deferred: false,
            content_awaited: false,
        }
    }

    /// Settles what this host cannot take, and lines up the commands for the rest.
    pub(super) fn prepare(&mut self, host: &str, offered: &Extensions, reset_first: bool) {
        self.settle_what_is_beyond(host, offered);
        let open: Vec<usize> = self.open().collect();
        if open.is_empty() {
            return;
        }
        let paths = || open.iter().filter_map(|&index| self.message.recipients.get(index));
        self.smtputf8 = self.message.smtputf8 || self.sender_is_utf8() || paths().any(|to| is_utf8(&to.path));
        self.pending.extend(reset_first.then_some(Command::Reset));
        self.pending.push_back(Command::Mail);
        self.pending.extend(open.into_iter().map(Command::Rcpt));
        if !offered.chunking {
            self.pending.push_back(Command::Data);
        }
    }

    fn settle_what_is_beyond(&mut self, host: &str, offered: &Extensions) {
        let failed = |status, text: &str| Outcome::Failed(Trouble::local(status, Some(host), text));
        if !offered.smtputf8 {
            let outcome = failed(EnhancedStatus(5, 6, 7), NO_SMTPUTF8);
            if self.message.smtputf8 || self.sender_is_utf8() {
                return self.settle_unsettled(&outcome);
            }
            for (recipient, verdict) in self.message.recipients.iter().zip(&mut self.verdicts) {
                if is_utf8(&recipient.path) {
                    *verdict = Verdict::Settled(outcome.clone());
                }
            }
        }
        if let Some(limit) = offered.size_max.filter(|&limit| self.message.bytes > limit) {
            let text = format!("the message has {} octets, and this host takes at most {limit}", self.message.bytes);
            return self.settle_unsettled(&failed(EnhancedStatus(5, 3, 4), &text));
        }
        // Conversion would break signatures, so what does not fit is reported and not altered.
        match self.message.body {
            BodyKind::EightBitMime if !offered.eight_bit_mime => {
                self.settle_unsettled(&failed(EnhancedStatus(5, 6, 3), NO_EIGHT_BIT));
            }
            BodyKind::BinaryMime if !(offered.binary_mime && offered.chunking) => {
                self.settle_unsettled(&failed(EnhancedStatus(5, 6, 3), NO_BINARY));
            }
            BodyKind::SevenBit | BodyKind::EightBitMime | BodyKind::BinaryMime => {}
        }
    }

    fn sender_is_utf8(&self) -> bool {
        self.message.reverse_path.address().is_some_and(|address| !address.is_ascii())
    }

    fn open(&self) -> impl Iterator<Item = usize> {
        self.verdicts.iter().enumerate().filter(|(_, verdict)| **verdict == Verdict::Open).map(|(index, _)| index)
    }

    fn any_accepted(&self) -> bool {
        self.verdicts.contains(&Verdict::Accepted)
    }

    /// The commands to send now: as many as the host takes at once, or one.
    pub(super) fn speak(&mut self, offered: &Extensions) -> Vec<u8> {
        let mut octets = Vec::new();
        while let Some(&command) = self.pending.front() {
            if octets.len() >= WINDOW_BYTES || (!offered.pipelining && !self.in_flight.is_empty()) {
                break;
            }
            match command {
                Command::Reset => octets.extend_from_slice(b"RSET\r\n"),
                Command::Mail => {
                    octets.extend_from_slice(command::mail(&self.message, offered, self.smtputf8).as_bytes());
                }
                Command::Rcpt(index) => {
                    let recipient = self.message.recipients.get(index);
                    octets.extend(recipient.iter().flat_map(|to| command::rcpt(to, offered).into_bytes()));
                }
                Command::Data => octets.extend_from_slice(b"DATA\r\n"),
            }
            self.pending.pop_front();
            self.in_flight.push_back(command);
        }
        octets
    }

    /// The step whose reply is missing.
    pub(super) fn step(&self) -> Step {
        match self.in_flight.front() {
            Some(Command::Reset | Command::Mail) | None => Step::Mail,
            Some(Command::Rcpt(_)) => Step::Rcpt,
            Some(Command::Data) => Step::DataStart,
        }
    }

    /// Whether a command is unanswered.
    pub(super) fn awaits_reply(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Takes the reply to the oldest unanswered command.
    pub(super) fn take(&mut self, host: &str, reply: RemoteReply) -> Taken {
        let Some(command) = self.in_flight.pop_front() else { return Taken::Nonsense };
        let expected = if command == Command::Data { 3 } else { 2 };
        let class = reply.code() / 100;
        if class != expected && !reply.is_transient() && !reply.is_permanent() {
            return Taken::Nonsense;
        }
        let positive = class == expected;
        match command {
            Command::Reset if positive => {}
            // A host that cannot even forget is not to be trusted with another message.
            Command::Reset => return Taken::Nonsense,
            Command::Mail if positive => {}
            Command::Mail => {
                self.sender_refused = true;
                self.sender_deferred = reply.is_transient();
                self.settle_unsettled(&Outcome::refused(host, Step::Mail, reply));
                self.pending.clear();
            }
            Command::Rcpt(index) => self.note_recipient(index, host, reply),
            Command::Data if positive => self.content_awaited = true,
            Command::Data => self.settle_unsettled(&Outcome::refused(host, Step::DataStart, reply)),
        }
        Taken::Noted
    }

    fn note_recipient(&mut self, index: usize, host: &str, reply: RemoteReply) {
        // A recipient may be settled already: its MAIL was refused, and this reply only says that again.
        if let Some(verdict) = self.verdicts.get_mut(index).filter(|verdict| **verdict == Verdict::Open) {
            *verdict = if reply.is_success() {
                Verdict::Accepted
            } else {
                Verdict::Settled(Outcome::refused(host, Step::Rcpt, reply))
            };
        }
    }

    /// What to do now that nothing is in flight.
    pub(super) fn next(&self, offered: &Extensions) -> Next {
        if self.content_awaited {
            return if self.any_accepted() { Next::Content } else { Next::EmptyContent };
        }
        match self.pending.front() {
            Some(Command::Data) if !self.any_accepted() => Next::Settled,
            Some(_) => Next::Speak,
            None if offered.chunking && self.any_accepted() => Next::Content,
            None => Next::Settled,
        }
    }

    /// How the content is to be framed.
    pub(super) fn framing(&self, offered: &Extensions) -> Framing {
        match self.message.body {
            BodyKind::BinaryMime => Framing::Binary,
            BodyKind::SevenBit | BodyKind::EightBitMime if offered.chunking => Framing::Lines,
            BodyKind::SevenBit | BodyKind::EightBitMime => Framing::Dots,
        }
    }

    /// Gives `outcome` to every recipient that has none.
    pub(super) fn settle_unsettled(&mut self, outcome: &Outcome) {
        for verdict in &mut self.verdicts {
            if !matches!(verdict, Verdict::Settled(_)) {
                *verdict = Verdict::Settled(outcome.clone());
            }
        }
    }

    /// Whether another host may be asked at once, given that this one did not fail.
    pub(super) const fn sender_was_deferred(&self) -> bool {
        self.sender_deferred
    }

    /// Whether MAIL was refused, for now or for good.
    pub(super) const fn sender_was_refused(&self) -> bool {
        self.sender_refused
    }

    /// The outcomes, in order; `rest` for recipients that have none.
    pub(super) fn into_outcomes(self, rest: &Outcome) -> Vec<Outcome> {
        let outcome = |verdict| match verdict {
            Verdict::Settled(outcome) => outcome,
            Verdict::Open | Verdict::Accepted => rest.clone(),
        };
        self.verdicts.into_iter().map(outcome).collect()
    }
}

fn is_utf8(path: &ForwardPath) -> bool {
    match path {
        ForwardPath::Postmaster => false,
        ForwardPath::Mailbox(address) => !address.is_ascii(),
    }
}
