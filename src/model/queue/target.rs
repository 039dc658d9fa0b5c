//! One recipient of one message: who it is, what happens to it, and how it is reported about.

use core::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::approval::{Approval, Decision, Verdict};
use super::entry::QueueId;
use super::finding::Finding;
use super::lane::LaneKey;
use super::state::{State, TransitionError, transition};
use crate::model::directory::{Recipient, RecipientId, Snapshot};
use crate::model::mail::{Address, Domain, ForwardPath, LocalPart, Reply, ReversePath, Timestamp};
use crate::model::policy::delivery::{Delivery, Destination, Expanded, Passage, Route, Suppression};
use crate::model::policy::{DsnRequest, Moderated, Notify, Permit, Settings};

/// Where a copy goes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hop {
    /// A local mailbox.
    Mailbox(RecipientId),
    /// The server's own postmaster mailbox.
    Postmaster,
    /// The Sent Items of a mailbox: the sender's copy (spec section 4.4). Never reported about.
    SentItems(RecipientId),
    /// Another system.
    Relay {
        /// The recipient there.
        address: Address,
        /// The way there.
        route: Route,
    },
    /// Nowhere: expansion ended in a refusal, which is left to report.
    Nowhere,
    /// To whomever it leads once a moderator has approved.
    Approval(Box<Approval>),
}

impl Hop {
    /// The lane on which this hop waits its turn.
    pub fn lane(&self) -> LaneKey {
        match self {
            Self::Mailbox(id) | Self::SentItems(id) => LaneKey::Mailbox(*id),
            Self::Postmaster | Self::Nowhere | Self::Approval(_) => LaneKey::Postmaster,
            Self::Relay { route: Route::NextHost(host), .. } => LaneKey::Host(host.clone()),
            Self::Relay { address, route: Route::Domain } => LaneKey::Domain(address.domain().clone()),
        }
    }

    /// Whether this hop leads into a mailbox of this server, where one can look whether a copy is there.
    pub const fn is_mailbox(&self) -> bool {
        match self {
            Self::Mailbox(_) | Self::Postmaster | Self::SentItems(_) => true,
            Self::Relay { .. } | Self::Nowhere | Self::Approval(_) => false,
        }
    }

    /// Whether copies on this hop go to other systems.
    pub const fn leaves(&self) -> bool {
        match self {
            Self::Relay { .. } => true,
            Self::Mailbox(_) | Self::SentItems(_) | Self::Postmaster | Self::Nowhere | Self::Approval(_) => false,
        }
    }

    /// Whether this hop waits on that lane.
    pub fn is_on(&self, lane: &LaneKey) -> bool {
        match (self, lane) {
            (Self::Mailbox(id) | Self::SentItems(id), LaneKey::Mailbox(other)) => id == other,
            (Self::Postmaster | Self::Nowhere | Self::Approval(_), LaneKey::Postmaster) => true,
            (Self::Relay { route: Route::NextHost(host), .. }, LaneKey::Host(other)) => host == other,
            (Self::Relay { address, route: Route::Domain }, LaneKey::Domain(other)) => address.domain() == other,
            (_, LaneKey::Mailbox(_) | LaneKey::Postmaster | LaneKey::Host(_) | LaneKey::Domain(_)) => false,
        }
    }
}

/// What is known of a recipient from expansion on; it never alters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressee {
    /// Where its copy goes.
    pub hop: Hop,
    /// Its address, for reports.
    pub address: Address,
    /// What its copy has from the way to it; shared by the members of a group.
    pub passage: Arc<Passage>,
}

impl Deref for Addressee {
    type Target = Passage;

    fn deref(&self) -> &Passage {
        &self.passage
    }
}

impl Addressee {
    /// The address that the sender gave, typed: ORCPT as the client sent it, else the forward-path, where `address`,
    /// at which it ends, is another. So an alias is told to the sender, and to whoever is next, as the sender knows it
    /// (spec section 4.5, RFC 3461 section 5.2.1, RFC 6533 section 3).
    pub fn original_recipient(&self, address: &Address) -> Option<(Box<str>, Box<str>)> {
        if let Some(given) = &self.dsn.original_recipient {
            return Some(given.clone());
        }
        let ForwardPath::Mailbox(path) = &self.path else { return None };
        let kind = if path.is_ascii() { "rfc822" } else { "utf-8" };
        (path.key() != address.key()).then(|| (kind.into(), path.to_string().into()))
    }

    /// Who ended in a refusal: nothing is delivered, so nobody answers either.
    pub fn nowhere(address: Address, path: ForwardPath, reverse_path: ReversePath, dsn: DsnRequest) -> Self {
        Self { hop: Hop::Nowhere, address, passage: Arc::new(Passage::nowhere(path, reverse_path, dsn)) }
    }
}

/// How one attempt went, as reports and lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// The host that answered; none when the answer is this server's own.
    pub host: Option<Box<str>>,
    /// The answer.
    pub reply: Reply,
}

/// What an agent says of one recipient of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable in its mailbox.
    Delivered(Attempt),
    /// The next host accepted it.
    Relayed {
        /// Its answer.
        attempt: Attempt,
        /// The next host took the DSN parameters along and reports success itself (RFC 3461 section 5.2.2).
        dsn_passed_on: bool,
    },
    /// It may work later.
    Deferred(Attempt),
    /// It never will.
    Failed(Attempt),
    /// It may work later: no host of the destination could be used, whatever the message.
    Unreached(Attempt),
    /// It is durable in its mailbox, and an automatic reply of that is due.
    DeliveredReplyDue(Attempt),
}

/// What happened to a recipient; the content of one journal record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// An attempt did not work.
    Deferred {
        /// The attempt.
        attempt: Attempt,
        /// When to try again.
        next_attempt: Timestamp,
    },
    /// Durable in its mailbox.
    Delivered(Attempt),
    /// Handed to another system.
    Relayed {
        /// The attempt.
        attempt: Attempt,
        /// The other system reports success itself.
        dsn_passed_on: bool,
    },
    /// Given up.
    Failed(Attempt),
    /// Stopped by an administrator.
    Held,
    /// Let go, or to be tried at once.
    Released,
    /// Dropped by an administrator.
    Removed,
    /// The report that was owed is in the queue.
    Reported,
    /// The notice of delay is in the queue.
    Noticed,
    /// Sent on another way by an administrator.
    Redirected(Route),
    /// The request to its moderators is in the queue.
    Requested,
    /// A moderator approved.
    Approved(Decision),
    /// A moderator rejected.
    Rejected(Decision),
    /// Those below it are recipients of their own, from this place on; none were found without one. Recorded together
    /// with them.
    Branched(Option<u32>),
    /// Once it is delivered, an automatic reply of the mailbox is due. Written before `Delivered`: a crash between the
    /// two repeats the delivery, and nothing is forgotten.
    ReplyDue,
    /// The automatic reply is in the queue under this id; none when it turned out that none is to be sent.
    Replied(Option<QueueId>),
    /// Given up by an administrator, which its sender is told so, unless the mailbox turns out to have it.
    GivenUp(Attempt),
}

/// What a report tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReportKind {
    /// Delivery was given up.
    Failed,
    /// The message still waits.
    Delayed,
    /// It is in the mailbox, and the sender asked to know.
    Delivered,
    /// Another system has it, which does not report success itself.
    Relayed,
    /// A moderator rejected it.
    Rejected,
}

/// One recipient of one message in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Who it is. Shared with the jobs under way.
    pub addressee: Arc<Addressee>,
    /// Where it stands.
    pub state: State,
    /// How many attempts were made.
    pub attempts: u16,
    /// When the next attempt is due, if deferred.
    pub next_attempt: Timestamp,
    /// How the last attempt went.
    pub last: Option<Box<Attempt>>,
    /// The sender was told of the delay; for a recipient that waits for them, its moderators were asked.
    pub noticed: bool,
    /// The next host reports success itself.
    dsn_passed_on: bool,
    /// An automatic reply is due once it is delivered.
    reply_due: bool,
    /// An administrator gave it up: `last` says how it ends, once its mailbox was looked into.
    given_up: bool,
}

impl Target {
    /// A recipient to be tried at once.
    pub fn new(addressee: Addressee) -> Self {
        Self {
            addressee: Arc::new(addressee),
            state: State::Due,
            attempts: 0,
            next_attempt: Timestamp::EPOCH,
            last: None,
            noticed: false,
            dsn_passed_on: false,
            reply_due: false,
            given_up: false,
        }
    }

    /// A recipient that ended before any attempt.
    pub fn refused(addressee: Addressee, attempt: Attempt) -> Self {
        Self { state: State::Failed, last: Some(Box::new(attempt)), ..Self::new(addressee) }
    }

    /// A recipient of a message that could not be expanded in time, as its client gave it.
    pub fn unexpanded(permit: &Permit, reverse_path: &ReversePath, attempt: Attempt) -> Self {
        let path = permit.path().clone();
        let address = match &path {
            ForwardPath::Mailbox(address) => address.clone(),
            ForwardPath::Postmaster => local_address(super::entry::postmaster_local()),
        };
        let (dsn, reverse_path) = (permit.dsn().clone(), reverse_path.clone());
        Self::refused(Addressee::nowhere(address, path, reverse_path, dsn), attempt)
    }

    /// Stands for all recipients of a message that cannot even be read: its sender hears that it is lost.
    pub fn unreadable(reverse_path: &ReversePath, attempt: Attempt) -> Self {
        let address = local_address(super::entry::unknown_local());
        let path = ForwardPath::Mailbox(address.clone());
        let (dsn, reverse_path) = (DsnRequest::default(), reverse_path.clone());
        Self::refused(Addressee::nowhere(address, path, reverse_path, dsn), attempt)
    }

    /// What expansion found, as a recipient of the queue.
    pub fn of(expanded: Expanded, snapshot: &Snapshot, settings: &Settings, now: Timestamp) -> Self {
        match expanded {
            Expanded::Deliver(delivery) => Self::new(addressee_of(delivery, snapshot)),
            Expanded::Refused { address, refusal, passage } => {
                let attempt = Attempt { at: now, host: None, reply: refusal.bare_reply(settings) };
                Self::refused(Addressee { hop: Hop::Nowhere, address, passage }, attempt)
            }
            Expanded::Dropped { address, why, passage } => {
                let reply = match why {
                    Suppression::AutoForward => Finding::AutoForwardSuppressed.reply(),
                };
                let dsn = DsnRequest { notify: Notify::Never, original_recipient: None };
                let (path, reverse_path) = (passage.path.clone(), passage.reverse_path.clone());
                let addressee = Addressee::nowhere(address, path, reverse_path, dsn);
                Self::dropped(addressee, Attempt { at: now, host: None, reply })
            }
            Expanded::Moderated(moderated) => Self::moderated(*moderated, now, now.plus(settings.moderation_expiry)),
        }
    }

    /// An address to which a moderator answered: the answer is carried out, or it is refused.
    pub fn answered(addressee: Addressee, attempt: Attempt) -> Self {
        let state = if attempt.reply.is_positive() { State::Delivered } else { State::Failed };
        Self { state, ..Self::refused(addressee, attempt) }
    }

    /// A recipient that gets nothing, and of which nobody hears. Its last answer tells the trace why.
    fn dropped(addressee: Addressee, attempt: Attempt) -> Self {
        Self { state: State::Removed, last: Some(Box::new(attempt)), ..Self::new(addressee) }
    }

    /// A recipient that waits for a moderator until then.
    pub fn moderated(moderated: Moderated, now: Timestamp, until: Timestamp) -> Self {
        let Moderated { path, address, reverse_path, dsn, resent_from, waiting } = moderated;
        let approval = Approval { waiting, since: now, until, decision: None, first_below: None };
        let hop = Hop::Approval(Box::new(approval));
        let passage = Passage { resent_from, ..Passage::nowhere(path, reverse_path, dsn) };
        let addressee = Addressee { hop, address, passage: Arc::new(passage) };
        Self { state: State::Moderated, ..Self::new(addressee) }
    }

    /// The copy in the Sent Items of `owner`. Nobody hears of its failure.
    pub fn sent_copy(owner: &Recipient) -> Self {
        let address = owner.primary().clone();
        let path = ForwardPath::Mailbox(address.clone());
        let dsn = DsnRequest { notify: Notify::Never, original_recipient: None };
        let hop = Hop::SentItems(owner.id);
        Self::new(Addressee { hop, ..Addressee::nowhere(address, path, ReversePath::Null, dsn) })
    }

    /// Shares with `former` what both have from the way to them, as they did before they were written down.
    pub fn share(&mut self, former: &Self) {
        let passage = &former.addressee.passage;
        if *self.addressee.passage == **passage {
            Arc::make_mut(&mut self.addressee).passage = Arc::clone(passage);
        }
    }

    /// Applies an event, in the running server and in the replay alike.
    ///
    /// # Errors
    /// Those of [`transition`]; then nothing has changed.
    pub fn apply(&mut self, event: &Event) -> Result<(), TransitionError> {
        self.state = transition(self.state, event)?;
        match event {
            // How it ends is said already, but that it was attempted counts.
            Event::Deferred { .. } if self.given_up => self.attempts = self.attempts.saturating_add(1),
            Event::Deferred { attempt, next_attempt } => {
                self.attempted(attempt);
                self.next_attempt = *next_attempt;
            }
            Event::Delivered(attempt) | Event::Failed(attempt) => self.attempted(attempt),
            Event::Relayed { attempt, dsn_passed_on } => {
                self.attempted(attempt);
                self.dsn_passed_on = *dsn_passed_on;
            }
            Event::Noticed => self.noticed = true,
            Event::Redirected(route) => self.redirect(route),
            Event::Requested => self.noticed = true,
            Event::Approved(decision) => self.decided(Verdict::Approve, decision),
            Event::Rejected(decision) => {
                self.decided(Verdict::Reject, decision);
                let reply = Finding::Rejected.reply();
                self.last = Some(Box::new(Attempt { at: decision.at, host: None, reply }));
            }
            Event::Branched(first) => self.alter_approval(|approval| approval.first_below = *first),
            Event::ReplyDue => self.reply_due = true,
            Event::GivenUp(attempt) => {
                self.given_up = true;
                self.last = Some(Box::new(attempt.clone()));
            }
            Event::Replied(_) => self.reply_due = false,
            Event::Held | Event::Released | Event::Removed | Event::Reported => {}
        }
        Ok(())
    }

    /// Only what goes to another system has a way that can alter.
    fn redirect(&mut self, route: &Route) {
        if let Hop::Relay { address, .. } = &self.addressee.hop {
            let hop = Hop::Relay { address: address.clone(), route: route.clone() };
            self.addressee = Arc::new(Addressee { hop, ..Addressee::clone(&self.addressee) });
        }
    }

    fn decided(&mut self, verdict: Verdict, decision: &Decision) {
        self.alter_approval(|approval| approval.decision = Some((verdict, decision.clone())));
    }

    fn alter_approval(&mut self, alter: impl FnOnce(&mut Approval)) {
        if let Hop::Approval(approval) = &self.addressee.hop {
            let mut approval = approval.clone();
            alter(&mut approval);
            self.addressee = Arc::new(Addressee { hop: Hop::Approval(approval), ..Addressee::clone(&self.addressee) });
        }
    }

    /// Whether its end is one of which the moderated recipient wants its sender to hear nothing
    /// (`SendModerationNotifications`). What an administrator gave up is reported all the same.
    fn is_unspoken(&self) -> bool {
        let silent = self.addressee.approval().is_some_and(|approval| !approval.waiting.notifies_sender);
        let unapproved = || self.last.as_ref().is_some_and(|last| last.reply == Finding::Unapproved.reply());
        silent && (self.state == State::Rejected || unapproved())
    }

    fn attempted(&mut self, attempt: &Attempt) {
        self.attempts = self.attempts.saturating_add(1);
        self.last = Some(Box::new(attempt.clone()));
    }

    /// The report that the sender is owed for how this ended; none when it is told, unwanted, or has nowhere to go.
    pub fn owes(&self) -> Option<ReportKind> {
        // A null reverse-path never earns a report.
        self.addressee.reverse_path.address()?;
        let notify = self.addressee.dsn.notify;
        if self.is_unspoken() {
            return None;
        }
        match self.state {
            State::Failed => notify.wants_failure().then_some(ReportKind::Failed),
            State::Delivered => notify.wants_success().then_some(ReportKind::Delivered),
            State::Relayed => (notify.wants_success() && !self.dsn_passed_on).then_some(ReportKind::Relayed),
            State::Rejected => notify.wants_failure().then_some(ReportKind::Rejected),
            State::Due
            | State::Deferred
            | State::Held
            | State::Removed
            | State::Reported
            | State::Moderated
            | State::Approved
            | State::Branched => None,
        }
    }

    /// Whether a notice of delay is due once its time has come. Waiting for a moderator is no delay.
    pub fn may_be_noticed(&self) -> bool {
        matches!(self.state, State::Due | State::Deferred | State::Held)
            && !self.noticed
            && self.addressee.reverse_path.address().is_some()
            && self.addressee.dsn.notify.wants_delay()
    }

    /// Whether an automatic reply of its mailbox is to be judged and written.
    pub const fn owes_reply(&self) -> bool {
        self.reply_due && matches!(self.state, State::Delivered | State::Reported)
    }

    /// How it ends, if an administrator gave it up and its mailbox was not looked into yet.
    pub fn given_up(&self) -> Option<&Attempt> {
        self.last.as_deref().filter(|_| self.given_up && self.state.is_open())
    }

    /// Whether nothing is left to do.
    pub fn is_settled(&self) -> bool {
        !self.state.is_open() && self.owes().is_none() && !self.owes_reply()
    }
}

fn addressee_of(delivery: Delivery, snapshot: &Snapshot) -> Addressee {
    let Delivery { to, passage } = delivery;
    let postmaster = || {
        let domain = snapshot.default_domain().map_or_else(|| "localhost".to_owned(), ToString::to_string);
        Address::parse(&format!("postmaster@{domain}")).ok()
    };
    let given = || match &passage.path {
        ForwardPath::Mailbox(address) => Some(address.clone()),
        ForwardPath::Postmaster => postmaster(),
    };
    let (hop, address) = match to {
        Destination::Mailbox(id) => {
            (Hop::Mailbox(id), snapshot.recipient(id).map(|found| found.primary().clone()).or_else(given))
        }
        Destination::PostmasterMailbox => (Hop::Postmaster, given()),
        Destination::Relay { address, route } => (Hop::Relay { address: address.clone(), route }, Some(address)),
    };
    // An accepted domain makes a valid address with "postmaster", so there is always one.
    let address = address.unwrap_or_else(|| local_address(super::entry::postmaster_local()));
    Addressee { hop, address, passage }
}

/// An address at this machine, for what has none of its own.
fn local_address(local: LocalPart) -> Address {
    Address::new(local, Domain::Name("localhost".into()))
}
