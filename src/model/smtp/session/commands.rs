//! The commands up to the content of a message, each judged in the order of spec section 1.5.

use super::super::data::DotReader;
use super::super::grammar::{MailCommand, RcptCommand};
use super::super::greeting;
use super::super::interface::{Action, Role, TlsState, Waiting};
use super::super::replies::Answer;
use super::super::transaction::Transaction;
use super::{Chunk, Greeting, Moment, Phase, Session};
use crate::model::directory::Snapshot;
use crate::model::faults::Step;
use crate::model::mail::{Domain, ReversePath};
use crate::model::policy::domain_switch;
use crate::model::policy::traffic::Kind;
use crate::model::policy::{
    BodyKind, Refusal, Sender, Settings, Unrecorded, admit, authorship, awaits_author, connector, limits, restricted,
    sign_in,
};

impl Session {
    /// EHLO and HELO begin afresh; a second one is no error (decision D10).
    pub(super) fn hello(&mut self, moment: Moment<'_>, name: Domain, extended: bool) -> Result<(), Refusal> {
        let peer = self.options.peer;
        let claims_our_name = name.name().is_some_and(|name| name.eq_ignore_ascii_case(&self.options.hostname));
        if self.options.role == Role::Inbound && claims_our_name && !peer.to_canonical().is_loopback() {
            return Err(Refusal::BadHelo(peer));
        }
        self.end_transaction();
        let mut keywords = greeting::keywords(&self.options);
        if self.is_struck_at_hello(moment.now, &mut keywords) {
            return Ok(());
        }
        let hostname = &self.options.hostname;
        let reply = if extended {
            Answer::Extensions { hostname, peer, keywords: &keywords }.reply()
        } else {
            Answer::Hello { hostname, peer }.reply()
        };
        self.outbox.say(&reply);
        self.greeting = Some(Greeting { name, extended });
        Ok(())
    }

    /// After the reply nothing that came in clear text counts: not what is buffered, not what was said (RFC 3207
    /// section 4.2).
    pub(super) fn start_tls(&mut self, moment: Moment<'_>) -> Result<(), Refusal> {
        match self.options.tls {
            TlsState::Active(_) => return Err(Refusal::TlsAlreadyActive),
            TlsState::Unavailable => return Err(Refusal::TlsNotAvailable),
            TlsState::Offered => {}
        }
        if self.is_struck(moment.now, Step::Starttls, |_| {}) {
            return Ok(());
        }
        self.end_transaction();
        self.greeting = None;
        self.signed_in = None;
        self.last_auth_refusal = None;
        self.say(&Answer::ReadyForTls);
        self.outbox.push(Action::StartTls);
        self.input.clear();
        self.waits = Waiting::Tls;
        Ok(())
    }

    pub(super) fn mail(&mut self, moment: Moment<'_>, mail: MailCommand) -> Result<(), Refusal> {
        if self.greeting.is_none() {
            return Err(Refusal::SendHelloFirst);
        }
        if self.transaction.is_some() {
            return Err(Refusal::SenderAlreadySpecified);
        }
        let sender = self.sender(moment, &mail.path)?;
        domain_switch::reverse_path(moment.snapshot, &mail.path, &mut Unrecorded)?;
        if !self.has_room {
            return Err(Refusal::InsufficientSystemResources);
        }
        let settings = &self.options.settings;
        limits::may_begin(moment.snapshot, settings, moment.tallies, &sender)?;
        if settings.refuse_early {
            restricted::may_send(moment.snapshot, moment.tallies, &sender)?;
        }
        let peer = self.options.peer;
        if sender == Sender::Anonymous && moment.tallies.is_used_up(&settings.traffic, Kind::Message, peer) {
            return Err(Refusal::MessageRateExceeded);
        }
        let bytes_max = bytes_max(settings, moment.snapshot, &sender);
        if mail.declared_bytes > bytes_max {
            return Err(Refusal::MessageTooLarge);
        }
        if let Sender::Account(signed_in) = &sender
            && settings.refuse_early
        {
            authorship::envelope(moment.snapshot, settings, signed_in, &mail.path, &mut Unrecorded)?;
        }
        if self.is_struck(moment.now, Step::Mail, |about| about.sender = Some(mail.path.clone())) {
            return Ok(());
        }
        self.connector = sender.vouched().map(|vouched| vouched.connector().name.clone());
        self.transaction = Some(Transaction {
            sender,
            reverse_path: mail.path,
            parameters: mail.parameters,
            declared_bytes: mail.declared_bytes,
            permits: Vec::new(),
            bytes_max,
            alone: false,
            began: moment.now,
            content: None,
            spoilt: None,
            body_begun: false,
        });
        self.say(&Answer::SenderOk);
        Ok(())
    }

    /// Who hands mail in on this session. Judged again each time: an administrator's change is in force for the next
    /// message.
    pub(super) fn sender(&mut self, moment: Moment<'_>, reverse_path: &ReversePath) -> Result<Sender, Refusal> {
        match self.options.role {
            Role::Inbound => {
                let (settings, client) = (&self.options.settings, self.options.client());
                return connector::sender(moment.snapshot, settings, &client, reverse_path, &mut Unrecorded);
            }
            Role::Submission => {}
        }
        let Some(signed_in) = self.signed_in.clone() else {
            return Err(Refusal::NotAuthenticated(self.last_auth_refusal.clone().map(Box::new)));
        };
        match sign_in::may_submit(moment.snapshot, &self.options.settings, &signed_in, moment.now, &mut Unrecorded) {
            Ok(()) => Ok(Sender::Account(signed_in)),
            Err(Refusal::MailboxCannotBeAccessed) => Err(Refusal::MailboxCannotBeAccessed),
            Err(refusal) => {
                // The account may no longer sign in: the session is as if it never had.
                self.signed_in = None;
                self.last_auth_refusal = Some(refusal.clone());
                Err(Refusal::NotAuthenticated(Some(Box::new(refusal))))
            }
        }
    }

    pub(super) fn rcpt(&mut self, moment: Moment<'_>, rcpt: RcptCommand) -> Result<(), Refusal> {
        let settings = &self.options.settings;
        let transaction = self.transaction.as_mut().ok_or(Refusal::NeedMailCommand)?;
        if transaction.has_content() {
            return Err(Refusal::BadSequence);
        }
        if rcpt.in_utf8 && !transaction.parameters.smtputf8 {
            return Err(Refusal::Utf8WithoutSmtpUtf8);
        }
        if transaction.permits.len() >= limits::recipients_max(moment.snapshot, settings, &transaction.sender) {
            return Err(Refusal::TooManyRecipients);
        }
        let (stranger, peer) = (transaction.sender == Sender::Anonymous, self.options.peer);
        if stranger && moment.tallies.is_used_up(&settings.traffic, Kind::RefusedRecipient, peer) {
            // Before the recipient is looked at: what exists and what does not is answered alike.
            self.refuse_stranger(moment, Refusal::ServerBusy(peer));
            return Ok(());
        }
        let named = transaction.permits.len();
        limits::may_name(moment.snapshot, settings, moment.tallies, &transaction.sender, named)?;
        let posting = transaction.announced(moment.snapshot);
        let admitted = admit(moment.snapshot, settings, &posting, rcpt.path, rcpt.dsn, &mut Unrecorded);
        let counted = admitted.and_then(|permit| {
            let (snapshot, tallies) = (moment.snapshot, moment.tallies);
            let (sender, from) = (&transaction.sender, &transaction.reverse_path);
            limits::receive(snapshot, settings, tallies, sender, from, &permit, moment.now).map(|()| permit)
        });
        match counted {
            Ok(permit) => {
                let alone = awaits_author(moment.snapshot, &posting, &permit);
                let path = permit.path().clone();
                if self.is_struck(moment.now, Step::Rcpt, |about| about.recipients = vec![path]) {
                    return Ok(());
                }
                self.transaction.as_mut().ok_or(Refusal::NeedMailCommand)?.add(permit, alone)?;
                self.say(&Answer::RecipientOk);
            }
            Err(refusal) if transaction.sender == Sender::Anonymous => self.refuse_stranger(moment, refusal),
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }

    /// Strangers who try many addresses are slowed down, then sent away.
    fn refuse_stranger(&mut self, moment: Moment<'_>, refusal: Refusal) {
        self.counts.refused_recipients = self.counts.refused_recipients.saturating_add(1);
        // Before the delay, or many sessions at once would have many budgets. Nobody is kept out longer for going on.
        if !matches!(refusal, Refusal::ServerBusy(_)) {
            self.outbox.note_refused_recipient();
        }
        self.refuse_late(moment, refusal);
        if self.counts.refused_recipients >= self.options.limits.refused_recipients_max {
            self.refuse(moment, Refusal::TooManyErrors);
        }
    }

    pub(super) fn data(&mut self, moment: Moment<'_>) -> Result<(), Refusal> {
        let transaction = self.transaction.as_mut().ok_or(Refusal::NeedMailCommand)?;
        if transaction.has_content() {
            return Err(Refusal::BadSequence);
        }
        if transaction.permits.is_empty() {
            return Err(Refusal::NeedRcptCommand);
        }
        if transaction.parameters.body == BodyKind::BinaryMime {
            return Err(Refusal::BinaryNeedsBdat);
        }
        if !self.has_room {
            return Err(Refusal::InsufficientSystemResources);
        }
        if self.is_struck(moment.now, Step::Data, |_| {}) {
            return Ok(());
        }
        self.transaction.as_mut().ok_or(Refusal::NeedMailCommand)?.content(&self.options);
        self.say(&Answer::StartMailInput);
        self.phase = Phase::Data(DotReader::default());
        Ok(())
    }

    /// Whatever the judgement, the octets of the chunk are swallowed first: they are no commands (RFC 3030 section 2).
    pub(super) fn bdat(&mut self, moment: Moment<'_>, bytes: u64, last: bool) {
        if bytes / 2 > self.options.settings.message_bytes_max {
            // Swallowing this much would keep the session busy for nothing.
            self.refuse(moment, Refusal::MessageTooLarge);
            return self.close();
        }
        let refused = self.begin_chunk().err();
        if let (Some(refusal), Some(transaction)) = (&refused, self.transaction.as_mut()) {
            transaction.spoilt.get_or_insert_with(|| refusal.clone());
        }
        self.phase = Phase::Chunk(Chunk { bytes, remaining: bytes, last, refused });
    }

    fn begin_chunk(&mut self) -> Result<(), Refusal> {
        let transaction = self.transaction.as_mut().ok_or(Refusal::NeedMailCommand)?;
        if let Some(refusal) = &transaction.spoilt {
            return Err(refusal.clone());
        }
        if transaction.permits.is_empty() {
            return Err(Refusal::NeedRcptCommand);
        }
        if !self.has_room && transaction.content.is_none() {
            return Err(Refusal::InsufficientSystemResources);
        }
        transaction.content(&self.options);
        Ok(())
    }
}

/// The largest message that `sender` may hand in, in octets: this server's limit, for strangers the organisation's own
/// (`MaxReceiveSize`), and that of the connector. What accounts may send is judged with the recipients.
fn bytes_max(settings: &Settings, snapshot: &Snapshot, sender: &Sender) -> u64 {
    let of_its_own = match sender {
        Sender::Connector(vouched) => vouched.connector().limits.message_bytes_max,
        Sender::Anonymous => snapshot.organisation().receive_bytes_max,
        Sender::Account(_) | Sender::System => None,
    };
    settings.message_bytes_max.min(of_its_own.unwrap_or(u64::MAX))
}
