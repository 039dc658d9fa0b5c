//! What is counted about recipients, and what follows from it at each step (decisions D6 and D9).
//!
//! The counting itself belongs to the stores; policy sees it through [`Tallies`], which answers at once. Everything is
//! counted when a message is accepted or expanded, once, over restarts. Automatic replies, reports and notices are not
//! counted: they are this server's own. A group is one recipient of its sender's day, and each of its members is one
//! receiver.

use core::net::IpAddr;

use super::admit::{Permit, Sender};
use super::quota::{self, Usage};
use super::refusal::Refusal;
use super::resolve::Resolution;
use super::restricted::Submitter;
use super::settings::{Profile, Settings};
use super::traffic;
use crate::model::directory::{Cap, Recipient, RecipientId, Snapshot};
use crate::model::mail::{ReversePath, Timestamp};

/// The bounds of one recipient; `None` is without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Messages submitted in a minute.
    pub messages_per_minute: Option<u32>,
    /// Recipients of everything submitted in a rolling day, an hour at a time.
    pub recipients_per_day: Option<u32>,
    /// Sessions that may submit at the same time.
    pub sessions: Option<u32>,
    /// Messages taken in an hour, whenever it begins.
    pub received_per_hour: Option<u32>,
    /// The same from one sender.
    pub received_from_one_per_hour: Option<u32>,
    /// Recipients outside of everything submitted in an hour, whenever it begins; with more the sender is restricted.
    pub external_recipients_per_hour: Option<u32>,
    /// The same in a day.
    pub external_recipients_per_day: Option<u32>,
}

/// What becomes of a message that comes too soon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TooSoon {
    /// Its final reply is held back until it is time (spec section 1.6, row D3).
    #[default]
    Delay,
    /// It is refused at MAIL FROM with `421 4.4.2`, as on premises.
    Refuse,
}

impl AccountLimits {
    /// The bounds of a profile (spec section 2.1). For recipients outside the cloud names no numbers of its service:
    /// 500 an hour is what its page recommends, 2,000 a day what was announced for every mailbox.
    pub const fn of(profile: Profile) -> Self {
        match profile {
            Profile::ExchangeOnline => Self {
                messages_per_minute: Some(30),
                recipients_per_day: Some(10_000),
                sessions: Some(3),
                received_per_hour: Some(3_600),
                received_from_one_per_hour: Some(3_600),
                external_recipients_per_hour: Some(500),
                external_recipients_per_day: Some(2_000),
            },
            Profile::ExchangeServer => Self {
                messages_per_minute: Some(5),
                recipients_per_day: None,
                sessions: None,
                received_per_hour: None,
                received_from_one_per_hour: None,
                external_recipients_per_hour: None,
                external_recipients_per_day: None,
            },
        }
    }
}

/// The bounds that apply to a recipient: each of its own, else those of the configuration.
pub fn limits_of(recipient: &Recipient, settings: &Settings) -> AccountLimits {
    let usual = settings.limits;
    let Some(own) = recipient.limits.as_deref() else {
        return usual;
    };
    let of = |own: Option<Cap>, usual: Option<u32>| own.map_or(usual, Cap::count);
    AccountLimits {
        messages_per_minute: of(own.messages_per_minute, usual.messages_per_minute),
        recipients_per_day: of(own.recipients_per_day, usual.recipients_per_day),
        sessions: of(own.sessions, usual.sessions),
        received_per_hour: of(own.received_per_hour, usual.received_per_hour),
        received_from_one_per_hour: of(own.received_from_one_per_hour, usual.received_from_one_per_hour),
        external_recipients_per_hour: of(own.external_recipients_per_hour, usual.external_recipients_per_hour),
        external_recipients_per_day: of(own.external_recipients_per_day, usual.external_recipients_per_day),
    }
}

/// What a mailbox has taken in the last hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// From anybody.
    pub of_all: u32,
    /// From the sender in question.
    pub of_pair: u32,
}

/// The counts of this moment, read without waiting.
pub trait Tallies: Send + Sync {
    /// What a mailbox holds, as far as is known.
    fn usage(&self, mailbox: RecipientId) -> Option<Usage>;

    /// Mail was refused for what a mailbox is known to hold: a reader may have made room since, so whoever counts looks
    /// again soon.
    fn doubt(&self, _mailbox: RecipientId) {}

    /// What a mailbox has taken in the hour that ends with `now`.
    fn received(&self, mailbox: RecipientId, sender: &ReversePath, now: Timestamp) -> Received;

    /// Messages that an account has submitted within the last minute.
    fn submitted(&self, account: RecipientId) -> u32;

    /// Recipients of what an account has submitted within the last day, and of what it is submitting.
    fn addressed(&self, account: RecipientId) -> u32;

    /// Whether somebody sent too much outside and was not released.
    fn is_restricted(&self, submitter: &Submitter) -> bool;

    /// Whether a network has nothing left of what it may do within a time.
    fn is_used_up(&self, rules: &traffic::Rules, kind: traffic::Kind, peer: IpAddr) -> bool;
}

/// Nothing was ever counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncounted;

impl Tallies for Uncounted {
    fn usage(&self, _: RecipientId) -> Option<Usage> {
        None
    }

    fn received(&self, _: RecipientId, _: &ReversePath, _: Timestamp) -> Received {
        Received::default()
    }

    fn submitted(&self, _: RecipientId) -> u32 {
        0
    }

    fn addressed(&self, _: RecipientId) -> u32 {
        0
    }

    fn is_restricted(&self, _: &Submitter) -> bool {
        false
    }

    fn is_used_up(&self, _: &traffic::Rules, _: traffic::Kind, _: IpAddr) -> bool {
        false
    }
}

/// Whether a number that grew to `count` has used up its bound.
fn is_used_up(count: u32, bound: Option<u32>) -> bool {
    bound.is_some_and(|bound| count >= bound)
}

/// Whether a mailbox takes one more message within an hour.
///
/// # Errors
/// `SenderToRecipientRateExceeded` and `RecipientRateExceeded`, for RCPT and for reports.
pub fn may_take(limits: &AccountLimits, received: Received) -> Result<(), Refusal> {
    if is_used_up(received.of_pair, limits.received_from_one_per_hour) {
        return Err(Refusal::SenderToRecipientRateExceeded);
    }
    if is_used_up(received.of_all, limits.received_per_hour) {
        return Err(Refusal::RecipientRateExceeded);
    }
    Ok(())
}

/// Whether an account may begin a message, where messages that come too soon are refused.
///
/// # Errors
/// `MessageRateExceeded`, for MAIL FROM.
pub fn may_begin(
    snapshot: &Snapshot,
    settings: &Settings,
    tallies: &dyn Tallies,
    sender: &Sender,
) -> Result<(), Refusal> {
    let account = match sender {
        Sender::Account(signed_in) => signed_in.account(),
        // A connector's are counted when they are accepted.
        Sender::Anonymous | Sender::System | Sender::Connector(_) => return Ok(()),
    };
    let Some(recipient) = snapshot.recipient(account).filter(|_| settings.too_soon == TooSoon::Refuse) else {
        return Ok(());
    };
    let bound = limits_of(recipient, settings).messages_per_minute;
    if is_used_up(tallies.submitted(account), bound) { Err(Refusal::MessageRateExceeded) } else { Ok(()) }
}

/// Whether an account may name one more recipient in a message that has `named` of them, where it is to hear early: at
/// RCPT, with the text of Exchange's report (spec section 1.5), so that those before it still get the message.
/// Otherwise the whole message is refused at its end (decision D6).
///
/// # Errors
/// `DailyLimitReached`, for RCPT.
pub fn may_name(
    snapshot: &Snapshot,
    settings: &Settings,
    tallies: &dyn Tallies,
    sender: &Sender,
    named: usize,
) -> Result<(), Refusal> {
    let account = match sender {
        Sender::Account(signed_in) if settings.refuse_early => signed_in.account(),
        Sender::Account(_) | Sender::Anonymous | Sender::System | Sender::Connector(_) => return Ok(()),
    };
    let bound = snapshot.recipient(account).and_then(|recipient| limits_of(recipient, settings).recipients_per_day);
    let named = u32::try_from(named).unwrap_or(u32::MAX);
    // Asked only where there is a bound: it takes a lock.
    let used_up = bound.is_some() && is_used_up(tallies.addressed(account).saturating_add(named), bound);
    if used_up { Err(Refusal::DailyLimitReached) } else { Ok(()) }
}

/// How many recipients a message of this sender may have.
pub fn recipients_max(snapshot: &Snapshot, settings: &Settings, sender: &Sender) -> usize {
    let own = match sender {
        Sender::Account(signed_in) => snapshot.recipient(signed_in.account()),
        Sender::Connector(vouched) => {
            return vouched.connector().limits.recipients_max.unwrap_or(usize::MAX).min(settings.recipients_max);
        }
        Sender::Anonymous | Sender::System => None,
    };
    let own = own.and_then(|account| account.limits.as_deref()?.recipients_per_message);
    own.and_then(|count| usize::try_from(count).ok()).unwrap_or(settings.recipients_max)
}

/// Judges one permitted recipient by what is counted about its mailbox, at RCPT: a stranger is refused there and then
/// with the text of the report that nobody would write to him (decision D9); an account is told by a report, unless
/// early refusal is on (decision D1). The members of a group are judged when the message is expanded and delivered.
///
/// # Errors
/// `RecipientMailboxFull`, and those of [`may_take`].
pub fn receive(
    snapshot: &Snapshot,
    settings: &Settings,
    tallies: &dyn Tallies,
    sender: &Sender,
    reverse_path: &ReversePath,
    permit: &Permit,
    now: Timestamp,
) -> Result<(), Refusal> {
    let at_once = match sender {
        Sender::Anonymous | Sender::Connector(_) => true,
        Sender::Account(_) => settings.refuse_early,
        Sender::System => false,
    };
    let mailbox = match permit.resolution() {
        Resolution::Mailbox(mailbox) if at_once => snapshot.recipient(*mailbox),
        Resolution::Mailbox(_)
        | Resolution::Group(_)
        | Resolution::Outside { .. }
        | Resolution::PostmasterMailbox
        | Resolution::InternalRelay(_)
        | Resolution::Rewritten(_)
        | Resolution::Foreign(_)
        | Resolution::Unknown(_) => None,
    };
    let Some(mailbox) = mailbox else {
        return Ok(());
    };
    let usage = tallies.usage(mailbox.id).unwrap_or_default();
    quota::may_receive(mailbox, snapshot.organisation(), settings, usage).inspect_err(|_| tallies.doubt(mailbox.id))?;
    may_take(&limits_of(mailbox, settings), tallies.received(mailbox.id, reverse_path, now))
}
