//! The dialogue with one host: greeting, EHLO, TLS, sign-in, then one message after another.

mod signing_in;

use std::collections::VecDeque;

use super::body::{BodyEncoder, Framing};
use super::extensions::Extensions;
use super::outcome::{Outcome, Trouble};
use super::reply_reader::{RemoteReply, ReplyReader};
use super::state::{Carrier, Greeter, State};
use super::transaction::{Next, Taken, Transaction};
use super::{Action, ClientOptions, OutboundMessage, Settlement, Step, TlsPolicy};
use crate::model::mail::{Domain, EnhancedStatus};

/// Content is asked for in blocks of this size for DATA, in octets.
const BLOCK_BYTES: usize = 64 << 10;
/// And for BDAT, where each block waits for its reply.
const CHUNK_BYTES: usize = 512 << 10;

const NO_TLS: &str = "this host offers no TLS, which is required for it";
const LOOP: &str = "System incorrectly configured: it greets with this server's own name, so mail would loop";
const NO_TLS_DEMANDED: &str = "starttls-not-supported: this host offers no TLS, which the recipient's domain demands";

/// A connection to one host, seen from our side; see the [module](super) for what it promises.
#[derive(Debug)]
pub struct ClientSession {
    options: ClientOptions,
    state: State,
    reader: ReplyReader,
    offered: Extensions,
    secured: bool,
    signed_in: bool,
    /// What the host says of a token that it does not take.
    challenge: Option<Box<str>>,
    /// The host has a transaction of ours that only RSET ends.
    reset_needed: bool,
    transaction: Option<Transaction>,
    encoder: BodyEncoder,
    actions: VecDeque<Action>,
    replies: u64,
}

impl ClientSession {
    /// A session on a fresh connection, with its first message. The host speaks first.
    pub fn new(options: ClientOptions, message: OutboundMessage) -> Self {
        Self {
            secured: options.implicit_tls,
            options,
            state: State::Greeting,
            reader: ReplyReader::default(),
            offered: Extensions::default(),
            signed_in: false,
            challenge: None,
            reset_needed: false,
            transaction: Some(Transaction::new(message)),
            encoder: BodyEncoder::new(Framing::Dots),
            actions: VecDeque::new(),
            replies: 0,
        }
    }

    /// Hands over another message on the same connection. Call it after `Finished`, once for each message; on a
    /// connection that has failed it finishes at once.
    ///
    /// # Panics
    /// When the message before is not finished, which is a mistake of the caller.
    pub fn begin(&mut self, message: OutboundMessage) {
        assert!(self.transaction.is_none(), "a message begins when the one before is finished");
        self.transaction = Some(Transaction::new(message));
        if let State::Closed(trouble) = &self.state {
            let trouble = trouble.clone();
            self.fail(trouble, true);
        } else {
            self.start_transaction();
        }
    }

    /// Says goodbye. Call it after `Finished`, if the connection is not to be used again.
    pub fn quit(&mut self) {
        if self.state == State::Idle {
            self.send(b"QUIT\r\n");
            self.state = State::Quit;
        } else {
            self.actions.push_back(Action::Close);
        }
    }

    /// What to do next; `None` when there is nothing to do but wait for the host.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What the session waits for, and with which patience.
    pub fn step(&self) -> Step {
        match &self.state {
            State::Greeting => Step::Greeting,
            State::Hello(_) => Step::Hello,
            State::StartTls | State::Handshake => Step::Tls,
            State::Auth(_) => Step::Auth,
            State::Idle | State::Closed(_) => Step::Idle,
            State::Envelope => match &self.transaction {
                Some(transaction) => transaction.step(),
                None => Step::Mail,
            },
            State::Content(_) | State::ChunkSent => Step::DataBlock,
            State::ContentSent(_) | State::EmptyContentSent => Step::DataEnd,
            State::Quit => Step::Quit,
        }
    }

    /// How many whole replies have come. Patience starts anew when this changes, not when an octet comes, so that no
    /// host holds a connection by dripping.
    pub const fn replies(&self) -> u64 {
        self.replies
    }

    /// Whether nothing more can be said on this connection.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Takes octets from the socket.
    pub fn receive(&mut self, octets: &[u8]) {
        if !matches!(self.state, State::Handshake | State::Closed(_)) {
            self.reader.push(octets);
        }
        loop {
            if matches!(self.state, State::Handshake | State::Closed(_)) {
                // RFC 3207 section 4.2 and the injections known since: nothing said in clear counts under TLS.
                return self.reader.clear();
            }
            match self.reader.next_reply() {
                Ok(None) => return,
                Ok(Some(reply)) => {
                    self.replies = self.replies.wrapping_add(1);
                    self.handle(reply);
                }
                Err(garbage) => return self.give_up(EnhancedStatus(4, 5, 0), &format!("it sent {garbage}")),
            }
        }
    }

    /// The handshake asked for by `StartTls` succeeded.
    pub fn tls_established(&mut self) {
        if self.state == State::Handshake {
            self.secured = true;
            self.reader.clear();
            self.greet(Greeter::Ehlo);
        }
    }

    /// The handshake asked for by `StartTls` failed; `reason` is for log and report.
    pub fn tls_failed(&mut self, reason: &str) {
        self.tls_refused(EnhancedStatus(4, 7, 5), &format!("the TLS handshake failed: {reason}"));
    }

    /// The handshake asked for by `StartTls` did not prove what it must; `status` and `reason` say what.
    pub fn tls_refused(&mut self, status: EnhancedStatus, reason: &str) {
        if self.state == State::Handshake {
            self.give_up(status, reason);
        }
    }

    /// Takes the next octets of the message, as `NeedBody` asked; `last` with the last ones, which may be none.
    pub fn body(&mut self, block: &[u8], last: bool) {
        let State::Content(carrier) = self.state else { return };
        let mut content = Vec::new();
        self.encoder.encode(block, &mut content);
        if last {
            self.encoder.finish(&mut content);
        }
        if content.is_empty() && !last {
            return self.ask_for_content(carrier);
        }
        if carrier == Carrier::Bdat {
            let length = content.len();
            let command = if last { format!("BDAT {length} LAST\r\n") } else { format!("BDAT {length}\r\n") };
            content.splice(..0, command.into_bytes());
        }
        self.actions.push_back(Action::Send(content));
        match carrier {
            Carrier::Data | Carrier::Bdat if last => self.state = State::ContentSent(carrier),
            Carrier::Bdat => self.state = State::ChunkSent,
            Carrier::Data => self.ask_for_content(carrier),
        }
    }

    /// The rest of the message cannot be had. The message is not completed: the connection is cut in the middle.
    pub fn body_failed(&mut self, reason: &str) {
        if matches!(self.state, State::Content(_)) {
            self.fail(Trouble::local(EnhancedStatus(4, 3, 0), None, reason).at(Step::DataBlock), false);
        }
    }

    /// The host closed the connection, or it broke.
    pub fn closed(&mut self) {
        self.give_up(EnhancedStatus(4, 4, 2), "the connection was closed by the other side");
    }

    /// The host did not answer, or did not take what was sent, within the patience of the step.
    pub fn timed_out(&mut self) {
        self.give_up(EnhancedStatus(4, 4, 2), "the host did not answer in time");
    }

    fn send(&mut self, octets: &[u8]) {
        self.actions.push_back(Action::Send(octets.to_vec()));
    }

    fn handle(&mut self, reply: RemoteReply) {
        // RFC 5321 section 3.8: 421 may answer anything, and the connection is gone after it.
        if reply.code() == 421 && self.state != State::Quit {
            return self.refuse(reply, None);
        }
        match &self.state {
            State::Greeting if reply.is_success() => self.greet(Greeter::Ehlo),
            State::Greeting => self.refuse(reply, None),
            State::Hello(greeter) => self.hello_answered(*greeter, reply),
            State::StartTls => self.starttls_answered(reply),
            State::Auth(step) => self.auth_answered(*step, reply),
            State::Envelope => self.envelope_answered(reply),
            State::ChunkSent if reply.is_success() => self.ask_for_content(Carrier::Bdat),
            State::ChunkSent => self.conclude(reply, true),
            State::ContentSent(carrier) => {
                let refused_chunk = *carrier == Carrier::Bdat && !reply.is_success();
                self.conclude(reply, refused_chunk);
            }
            State::EmptyContentSent => {
                self.reset_needed = true;
                self.finish(None);
            }
            State::Content(_) => self.interrupted(reply),
            State::Quit => self.close(Trouble::local(EnhancedStatus(4, 4, 2), None, "the connection was ended")),
            State::Idle => self.nonsense(),
            // `receive` gives no replies in these states.
            State::Handshake | State::Closed(_) => {}
        }
    }

    fn greet(&mut self, greeter: Greeter) {
        self.offered = Extensions::default();
        let verb = match greeter {
            Greeter::Ehlo => "EHLO",
            Greeter::Helo => "HELO",
        };
        self.send(format!("{verb} {}\r\n", self.options.own_name).as_bytes());
        self.state = State::Hello(greeter);
    }

    fn hello_answered(&mut self, greeter: Greeter, reply: RemoteReply) {
        match greeter {
            Greeter::Ehlo if reply.is_permanent() => return self.greet(Greeter::Helo),
            Greeter::Ehlo | Greeter::Helo if !reply.is_success() => return self.refuse(reply, None),
            Greeter::Ehlo | Greeter::Helo if self.is_ourselves(&reply) => return self.loops(),
            Greeter::Ehlo => self.offered = Extensions::of(&reply),
            Greeter::Helo => {}
        }
        if self.secured {
            return self.sign_in();
        }
        match self.options.tls {
            TlsPolicy::Off => self.sign_in(),
            TlsPolicy::Opportunistic | TlsPolicy::Required | TlsPolicy::Demanded { .. } if self.offered.starttls => {
                self.send(b"STARTTLS\r\n");
                self.state = State::StartTls;
            }
            TlsPolicy::Opportunistic => self.sign_in(),
            TlsPolicy::Required => self.give_up(EnhancedStatus(4, 7, 10), NO_TLS),
            TlsPolicy::Demanded { missing } => self.give_up(missing, NO_TLS_DEMANDED),
        }
    }

    fn is_ourselves(&self, reply: &RemoteReply) -> bool {
        let name = reply.lines().first().and_then(|line| line.split_ascii_whitespace().next());
        self.options.own_loop && name.and_then(|name| Domain::parse(name).ok()).as_ref() == Some(&self.options.own_name)
    }

    /// RFC 5321 section 5.1: nothing comes of sending to ourselves. It is a slip in the DNS or in the accepted domains,
    /// or two servers go by one name, which is Exchange's 5.3.5 (spec section 1.5). Time does not mend it.
    fn loops(&mut self) {
        let host = Some(self.options.host.as_str());
        let trouble = Trouble::local(EnhancedStatus(5, 3, 5), host, LOOP);
        if let Some(transaction) = &mut self.transaction {
            transaction.settle_unsettled(&Outcome::Failed(trouble.clone()));
        }
        self.fail(trouble, false);
    }

    fn starttls_answered(&mut self, reply: RemoteReply) {
        if reply.is_success() {
            self.state = State::Handshake;
            self.actions.push_back(Action::StartTls);
            return;
        }
        match self.options.tls {
            TlsPolicy::Opportunistic => self.sign_in(),
            TlsPolicy::Demanded { missing } => self.refuse(reply, Some(missing)),
            TlsPolicy::Off | TlsPolicy::Required => self.refuse(reply, Some(EnhancedStatus(4, 7, 10))),
        }
    }

    fn start_transaction(&mut self) {
        self.state = State::Idle;
        if let Some(transaction) = &mut self.transaction {
            transaction.prepare(&self.options.host, &self.offered, self.reset_needed);
            self.reset_needed = false;
            self.advance();
        }
    }

    fn envelope_answered(&mut self, reply: RemoteReply) {
        let Some(transaction) = &mut self.transaction else { return self.nonsense() };
        match transaction.take(&self.options.host, reply) {
            Taken::Nonsense => self.nonsense(),
            Taken::Noted if transaction.awaits_reply() => {}
            Taken::Noted => self.advance(),
        }
    }

    /// Goes on with the transaction once nothing is in flight.
    fn advance(&mut self) {
        let Some(transaction) = &mut self.transaction else { return };
        match transaction.next(&self.offered) {
            Next::Speak => {
                let octets = transaction.speak(&self.offered);
                self.actions.push_back(Action::Send(octets));
                self.reset_needed = true;
                self.state = State::Envelope;
            }
            Next::Content => {
                self.encoder = BodyEncoder::new(transaction.framing(&self.offered));
                self.ask_for_content(if self.offered.chunking { Carrier::Bdat } else { Carrier::Data });
            }
            Next::EmptyContent => {
                self.send(b".\r\n");
                self.state = State::EmptyContentSent;
            }
            Next::Settled => self.finish(None),
        }
    }

    fn ask_for_content(&mut self, carrier: Carrier) {
        let bytes_max = match carrier {
            Carrier::Data => BLOCK_BYTES,
            Carrier::Bdat => CHUNK_BYTES,
        };
        self.actions.push_back(Action::NeedBody { bytes_max });
        self.state = State::Content(carrier);
    }

    /// The reply that judges the whole message.
    fn conclude(&mut self, reply: RemoteReply, reset_needed: bool) {
        if reply.code() / 100 == 3 {
            return self.nonsense();
        }
        self.reset_needed = reset_needed;
        let host = &self.options.host;
        let outcome = if reply.is_success() {
            let (host, reply) = (host.as_str().into(), reply.shortened());
            Outcome::Delivered { host, reply, secured: self.secured, dsn_handed_on: self.offered.dsn }
        } else {
            Outcome::refused(host, Step::DataEnd, reply)
        };
        self.finish(Some(outcome));
    }

    /// A reply while the content is on its way. A refusal counts, and the message is not completed; what the host takes
    /// the rest for is not to be known, so the connection is cut.
    fn interrupted(&mut self, reply: RemoteReply) {
        if !reply.is_transient() && !reply.is_permanent() {
            return self.nonsense();
        }
        let outcome = Outcome::refused(&self.options.host, Step::DataBlock, reply);
        self.actions.retain(|action| matches!(action, Action::Finished(_)));
        self.finish(Some(outcome));
        self.close(Trouble::local(EnhancedStatus(4, 4, 2), None, "the connection was cut in the middle of a message"));
    }

    /// Reports the message with `rest` as the outcome of all recipients that were accepted.
    fn finish(&mut self, rest: Option<Outcome>) {
        let Some(transaction) = self.transaction.take() else { return };
        let rest = rest.unwrap_or_else(|| {
            let host = Some(self.options.host.as_str());
            Outcome::Deferred(
                Trouble::local(EnhancedStatus(4, 5, 0), host, "the host gave no verdict").at(Step::DataEnd),
            )
        });
        let (another_host, sender_refused) = (transaction.sender_was_deferred(), transaction.sender_was_refused());
        let outcomes = transaction.into_outcomes(&rest);
        self.state = State::Idle;
        self.actions.push_back(Action::Finished(Settlement {
            outcomes,
            another_host,
            sender_refused,
            sign_in_refused: false,
        }));
    }

    /// A reply after which the host cannot be used; `status` where we know better than it.
    fn refuse(&mut self, reply: RemoteReply, status: Option<EnhancedStatus>) {
        let mut trouble = Trouble::remote(&self.options.host, self.step(), reply, false);
        trouble.status = status.unwrap_or(trouble.status);
        let another_host = self.another_host_may_be_asked();
        self.fail(trouble, another_host);
    }

    fn nonsense(&mut self) {
        self.give_up(EnhancedStatus(4, 5, 0), "it sent a reply that makes no sense here");
    }

    fn give_up(&mut self, status: EnhancedStatus, what: &str) {
        let text = format!("{what} ({})", self.step().words());
        let another_host = self.another_host_may_be_asked();
        self.fail(Trouble::local(status, Some(&self.options.host), text).at(self.step()), another_host);
    }

    /// Not once the message was complete: the host may have taken it, and another would deliver it twice.
    const fn another_host_may_be_asked(&self) -> bool {
        !matches!(self.state, State::ContentSent(_))
    }

    /// Defers everything that is not settled, and ends the connection.
    fn fail(&mut self, trouble: Trouble, another_host: bool) {
        self.fail_with(trouble, another_host, false);
    }

    fn fail_with(&mut self, trouble: Trouble, another_host: bool, sign_in_refused: bool) {
        self.actions.retain(|action| matches!(action, Action::Finished(_)));
        if let Some(transaction) = self.transaction.take() {
            let outcomes = transaction.into_outcomes(&Outcome::Deferred(trouble.clone()));
            let settlement = Settlement { outcomes, another_host, sender_refused: false, sign_in_refused };
            self.actions.push_back(Action::Finished(settlement));
        }
        self.close(trouble);
    }

    fn close(&mut self, trouble: Trouble) {
        self.reader.clear();
        if !matches!(self.state, State::Closed(_)) {
            self.actions.push_back(Action::Close);
        }
        self.state = State::Closed(trouble);
    }
}
