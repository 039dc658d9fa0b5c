//! One SMTP session as a server: bytes and verdicts in, actions out, no I/O (law 4).
//!
//! A session waits for three things besides bytes: TLS, credentials, commit. While it waits it parses nothing; what was
//! pipelined stays in its buffer, except that STARTTLS throws away whatever plaintext had come. Memory is bounded: one
//! piece of input, one line, one header, and the permits of one message.

mod commands;
mod message;
mod scripted;
mod signing_in;

use std::sync::Arc;

use super::data::DotReader;
use zeroize::Zeroizing;

use super::grammar::{self, Command, ParseFailure};
use super::interface::{Action, Input, SessionOptions, TlsState, Waiting};
use super::line::LineBuffer;
use super::outbox::Outbox;
use super::replies::Answer;
use super::sasl;
use super::transaction::Transaction;
use crate::model::directory::{RecipientId, Snapshot};
use crate::model::faults::Step;
use crate::model::mail::{Domain, Timestamp};
use crate::model::policy::settings::SrsKey;
use crate::model::policy::{Refusal, SignedIn, Tallies, Trailer};

/// One session.
#[derive(Debug)]
pub struct Session {
    options: SessionOptions,
    outbox: Outbox,
    input: LineBuffer,
    phase: Phase,
    waits: Waiting,
    greeting: Option<Greeting>,
    signed_in: Option<SignedIn>,
    /// The connector that vouched for the last message that was begun.
    connector: Option<Box<str>>,
    claim: Option<signing_in::PendingClaim>,
    last_auth_refusal: Option<Refusal>,
    transaction: Option<Transaction>,
    /// The Message-ID of the message being made durable.
    committing: Option<String>,
    has_room: bool,
    draining: bool,
    counts: Counts,
    began: Timestamp,
    /// The last moment at which the client got somewhere.
    progressed: Timestamp,
    /// Only in a rehearsal.
    script: Option<Box<scripted::Scripted>>,
}

/// What the next octets are.
#[derive(Debug)]
enum Phase {
    /// A command line.
    Command,
    /// A response of AUTH.
    Authentication(sasl::Exchange),
    /// A message sent by DATA.
    Data(DotReader),
    /// A chunk sent by BDAT.
    Chunk(Chunk),
}

#[derive(Debug)]
struct Chunk {
    bytes: u64,
    remaining: u64,
    last: bool,
    /// The chunk is swallowed and then refused.
    refused: Option<Refusal>,
}

#[derive(Debug)]
struct Greeting {
    name: Domain,
    extended: bool,
}

#[derive(Debug, Default)]
struct Counts {
    commands: u32,
    errors: u32,
    auth_failures: u32,
    refused_recipients: u32,
    messages: u64,
    /// Challenges of SCRAM, so that no two have the same nonce.
    challenges: u32,
}

/// What a decision depends on besides the session.
#[derive(Clone, Copy)]
struct Moment<'a> {
    now: Timestamp,
    snapshot: &'a Snapshot,
    tallies: &'a dyn Tallies,
}

impl Session {
    /// Begins a session; the banner is its first action.
    pub fn new(options: SessionOptions, now: Timestamp) -> Self {
        let mut session = Self::silent(options, now);
        session.greet(now);
        session.outbox.flush();
        session
    }

    fn silent(options: SessionOptions, now: Timestamp) -> Self {
        Self {
            options,
            outbox: Outbox::default(),
            input: LineBuffer::default(),
            phase: Phase::Command,
            waits: Waiting::Bytes,
            greeting: None,
            signed_in: None,
            connector: None,
            claim: None,
            last_auth_refusal: None,
            transaction: None,
            committing: None,
            has_room: true,
            draining: false,
            counts: Counts::default(),
            began: now,
            progressed: now,
            script: None,
        }
    }

    fn greet(&mut self, now: Timestamp) {
        let banner = Answer::Banner {
            hostname: &self.options.hostname,
            at: now,
            session_id: &self.options.session_id,
            emulated: self.options.emulate_exchange_online,
        };
        self.outbox.say(&banner.reply());
    }

    /// Takes one input; what follows from it is then drained with [`poll_action`](Self::poll_action). An input that the
    /// session does not wait for changes nothing.
    pub fn handle(&mut self, now: Timestamp, snapshot: &Snapshot, tallies: &dyn Tallies, input: Input<'_>) {
        let moment = Moment { now, snapshot, tallies };
        if self.waits == Waiting::Nothing {
            return;
        }
        match input {
            Input::Received(octets) => {
                if !self.received(moment, octets) {
                    return self.outbox.flush();
                }
            }
            Input::TlsEstablished(facts) => {
                if self.waits == Waiting::Tls {
                    self.input.clear();
                    self.options.tls = TlsState::Active(facts);
                    self.resume(now);
                }
            }
            Input::CredentialsJudged(verdict) => self.credentials_judged(moment, verdict),
            Input::Committed(outcome) => self.committed(moment, outcome),
            Input::BodyFailed => self.body_failed(moment),
            Input::TimedOut => self.timed_out(moment),
            Input::Draining => self.draining = true,
            Input::RoomChanged(has_room) => self.has_room = has_room,
        }
        while self.waits == Waiting::Bytes && self.step(moment) {}
        self.outbox.flush();
    }

    /// Goes by these keys of the Sender Rewriting Scheme from now on, whatever the session began with: what a new key
    /// signs is an address in every session, and what a forgotten one signed is none in any.
    pub fn rekey(&mut self, srs_keys: &[SrsKey]) {
        if self.options.settings.srs_keys != srs_keys {
            Arc::make_mut(&mut self.options.settings).srs_keys = srs_keys.to_vec();
        }
    }

    /// The next action, in order; `None` when the session waits.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.outbox.pop()
    }

    /// When the shell must hand in [`Input::TimedOut`], unless something else happens first. Octets that complete no
    /// line move it not at all, and octets of a message only up to the limit for a whole transaction.
    pub fn deadline(&self) -> Timestamp {
        let limits = &self.options.limits;
        let silence = match (self.waits, &self.phase) {
            (Waiting::Bytes, Phase::Command | Phase::Authentication(_)) => limits.command_timeout,
            (Waiting::Bytes, Phase::Data(_) | Phase::Chunk(_)) => limits.data_timeout,
            (Waiting::Tls | Waiting::Verdict | Waiting::Commit | Waiting::Nothing, _) => limits.wait_timeout,
        };
        let by_silence = self.progressed.plus(silence);
        match (&self.transaction, self.waits) {
            (Some(transaction), Waiting::Bytes) => by_silence.min(transaction.began.plus(limits.transaction_timeout)),
            (None, Waiting::Bytes) => by_silence.min(self.began.plus(limits.session_timeout)),
            (_, Waiting::Tls | Waiting::Verdict | Waiting::Commit | Waiting::Nothing) => by_silence,
        }
    }

    /// Whether others can read what is said: there is no TLS, not ours and not that of a proxy.
    pub const fn is_in_clear(&self) -> bool {
        !matches!(self.options.tls, TlsState::Active(_))
    }

    /// What the session waits for.
    pub const fn waits(&self) -> Waiting {
        self.waits
    }

    /// The account that is signed in.
    pub fn account(&self) -> Option<RecipientId> {
        self.signed_in.as_ref().map(SignedIn::account)
    }

    /// The connector that vouched for the client when it last began a message.
    pub fn connector(&self) -> Option<&str> {
        self.connector.as_deref()
    }

    /// Octets held in memory, for the proof that they are bounded.
    pub fn held(&self) -> usize {
        let content = self.transaction.as_ref().and_then(|transaction| transaction.content.as_ref());
        self.input.held() + content.map_or(0, |content| content.held())
    }

    /// Takes in what the client sent; whether the session goes on with what it has.
    fn received(&mut self, moment: Moment<'_>, octets: &[u8]) -> bool {
        match (self.waits, &self.phase) {
            // Between STARTTLS and the handshake nothing that comes in clear text counts.
            (Waiting::Tls, _) => {}
            (Waiting::Bytes, Phase::Data(_)) if self.input.held() == 0 => return self.data_received(moment, octets),
            _ => self.input.push(octets),
        }
        true
    }

    /// Takes the next line or piece of content; `false` when there is none.
    fn step(&mut self, moment: Moment<'_>) -> bool {
        match &self.phase {
            Phase::Command if self.draining && self.transaction.is_none() => {
                self.refuse(moment, Refusal::ServiceNotAvailable);
                false
            }
            Phase::Command => {
                let limits = &self.options.limits;
                let read = self.input.take_line(limits.line_bytes_max(), |line| grammar::read(line, limits));
                let Some(read) = read else { return false };
                self.progressed = moment.now;
                self.command(moment, read);
                true
            }
            Phase::Authentication(_) => {
                let own = |octets: &[u8]| Zeroizing::new(octets.to_vec());
                let line = self.input.take_line(self.options.limits.line_bytes_max(), |line| line.map(own));
                let Some(line) = line else { return false };
                self.progressed = moment.now;
                if let Phase::Authentication(exchange) = core::mem::replace(&mut self.phase, Phase::Command) {
                    self.response(moment, exchange, &line);
                }
                true
            }
            Phase::Data(_) => self.data_step(moment),
            Phase::Chunk(_) => self.chunk_step(moment),
        }
    }

    fn command(&mut self, moment: Moment<'_>, read: Result<Command, ParseFailure>) {
        self.counts.commands = self.counts.commands.saturating_add(1);
        if self.counts.commands > self.options.limits.commands_max {
            return self.refuse(moment, Refusal::TooManyCommands);
        }
        match read {
            Ok(command) => {
                if let Err(refusal) = self.obey(moment, command) {
                    self.refuse(moment, refusal);
                }
            }
            Err(ParseFailure::Refused(refusal)) => self.refuse(moment, refusal),
            Err(ParseFailure::OutOfStep(refusal)) => {
                self.refuse(moment, refusal);
                self.close();
            }
        }
    }

    fn obey(&mut self, moment: Moment<'_>, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Ehlo(name) => return self.hello(moment, name.domain().clone(), true),
            Command::Helo(name) => return self.hello(moment, name.domain().clone(), false),
            Command::Mail(mail) => return self.mail(moment, mail),
            Command::Rcpt(rcpt) => return self.rcpt(moment, rcpt),
            Command::Data => return self.data(moment),
            Command::Bdat { bytes, last } => self.bdat(moment, bytes, last),
            Command::StartTls => return self.start_tls(moment),
            Command::Auth { mechanism, initial } => return self.auth(moment, mechanism, initial.as_deref()),
            Command::Rset => {
                self.end_transaction();
                self.say(&Answer::Resetting);
            }
            Command::Noop => self.say(&Answer::Ok),
            Command::Vrfy => self.say(&Answer::CannotVerify),
            Command::Help => self.say(&Answer::Help),
            Command::Quit => {
                if !self.is_struck(moment.now, Step::Quit, |_| {}) {
                    self.say(&Answer::Closing);
                }
                self.close();
            }
        }
        Ok(())
    }

    fn say(&mut self, answer: &Answer<'_>) {
        self.outbox.say(&answer.reply());
    }

    /// Answers with a refusal, and ends the session when it was the last one bearable.
    fn refuse(&mut self, moment: Moment<'_>, refusal: Refusal) {
        let SessionOptions { hostname, session_id, settings, .. } = &self.options;
        let code = self.outbox.say_refusal(&refusal, moment.now, || {
            refusal.reply(settings, &Trailer { host: hostname, at: moment.now, session: session_id })
        });
        if refusal.closes() {
            return self.close();
        }
        // RCPT and DATA pipelined behind a refused MAIL are no errors of their own.
        let consequence = matches!(refusal, Refusal::NeedMailCommand | Refusal::NeedRcptCommand);
        if matches!(code, 500..=504 | 530 | 538 | 555) && !consequence {
            self.count_error(moment);
        }
    }

    fn count_error(&mut self, moment: Moment<'_>) {
        self.counts.errors = self.counts.errors.saturating_add(1);
        if self.counts.errors >= self.options.limits.errors_max && self.waits != Waiting::Nothing {
            self.refuse(moment, Refusal::TooManyErrors);
        }
    }

    /// A refusal to a guess: it comes late, so that guessing is slow.
    fn refuse_late(&mut self, moment: Moment<'_>, refusal: Refusal) {
        if !self.options.limits.tarpit.is_zero() {
            self.outbox.push(Action::Delay(self.options.limits.tarpit));
        }
        self.refuse(moment, refusal);
    }

    /// Ends the wait and goes on with what is buffered.
    const fn resume(&mut self, now: Timestamp) {
        self.waits = Waiting::Bytes;
        self.progressed = now;
    }

    /// Forgets the transaction, with whatever the shell holds of it.
    fn end_transaction(&mut self) {
        if self.transaction.take().is_some_and(|transaction| transaction.body_begun) {
            self.outbox.push(Action::DiscardBody);
        }
    }

    fn close(&mut self) {
        if self.waits == Waiting::Nothing {
            return;
        }
        self.end_transaction();
        self.outbox.push(Action::Close);
        self.input.clear();
        self.phase = Phase::Command;
        self.waits = Waiting::Nothing;
    }

    fn timed_out(&mut self, moment: Moment<'_>) {
        if moment.now < self.deadline() {
            return;
        }
        if self.waits == Waiting::Tls {
            // In the middle of a handshake nobody would understand a reply.
            return self.close();
        }
        self.refuse(moment, Refusal::SessionTimedOut);
    }
}

#[cfg(test)]
mod tests;
