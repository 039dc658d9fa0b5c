//! The two semantics profiles as data (decision D1). Every difference is a field, so each can be overridden alone.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::connector::Connectors;
use super::limits::{AccountLimits, TooSoon};
use super::lockout;
use super::quota::{self, Thresholds};
use super::routes::RouteTable;
use super::token::Issuer;
use super::traffic;
use crate::model::directory::Licensing;
use crate::model::directory::lifecycle::life::Periods;

/// Whose semantics are the starting point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The cloud: a mailbox is needed to submit.
    #[default]
    ExchangeOnline,
    /// On premises: an account is enough.
    ExchangeServer,
}

/// Where an account without mailbox is turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoMailboxStep {
    /// At the end of AUTH.
    #[default]
    Auth,
    /// At MAIL FROM.
    MailFrom,
}

/// When a shared, room or equipment mailbox may sign in after an administrator unblocked it (decision D2, row 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SharedSignIn {
    /// Only with a licence.
    #[default]
    Licensed,
    /// Always.
    Unblocked,
}

/// Whether SCRAM-SHA-256 is spoken, and prepared for (RFC 5802, RFC 7677).
///
/// Off unless an operator wants it, for two reasons. Clients that see it prefer it and try nothing else: whoever has no
/// keys yet, since the password was set before or came as a hash, would be locked out by the mere offer. And its keys
/// are easier to guess a password from, for who steals them, than the hash they stand beside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scram {
    /// It is not offered, and passwords that are set get no keys.
    #[default]
    Off,
    /// It is not offered yet; passwords and secrets of devices get keys when they are set.
    Prepare,
    /// It is offered, too.
    On,
}

/// Which words a refusal uses where the two systems differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wording {
    /// As the cloud answers.
    ExchangeOnline,
    /// As a server on premises answers.
    ExchangeServer,
}

/// Everything besides the directory that policy depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the configuration")]
pub struct Settings {
    /// A mailbox that is provisioned is needed to submit; without it an enabled account suffices.
    pub mailbox_required: bool,
    /// Where an account without mailbox is turned away.
    pub no_mailbox_step: NoMailboxStep,
    /// When an unblocked shared mailbox may sign in.
    pub shared_sign_in: SharedSignIn,
    /// Words of the send-as refusal: `554 5.2.252` or `550 5.7.60`.
    pub send_as_denied: Wording,
    /// Words for an unknown recipient on port 25: `550 5.4.1` or `550 5.1.10`.
    pub unknown_recipient: Wording,
    /// Words of a relay refusal: `550 5.7.64` or `550 5.7.54`.
    pub relay_refused: Wording,
    /// Words of the hop limit: `554 5.4.14` or `554 5.4.6`.
    pub hop_limit_reached: Wording,
    /// Words of a recipient's restrictions: `550 5.7.124` and its like for each type, or the classic `550 5.7.1`.
    pub restriction_refused: Wording,
    /// Send-as denied already at MAIL FROM, unknown local recipients already at RCPT on submission.
    pub refuse_early: bool,
    /// Unknown local recipients are refused at RCPT on submission, too (recipient validation).
    pub recipient_validation: bool,
    /// Messages to groups of 5,000 members and more are kept small, see `restrictions.rs`, and wait for a moderator
    /// where a larger group says nothing of who may send to it, see `moderation.rs`.
    pub large_group_limits: bool,
    /// Mail with no or an unreadable From is repaired from the account instead of refused.
    pub repair_from: bool,
    /// Submitted mail is copied to Sent Items unless the mailbox says otherwise.
    pub sent_items_copy: bool,
    /// Every type of recipient may follow email address policies, not Microsoft 365 groups alone.
    pub address_policies_for_all: bool,
    /// The SIZE limit in octets.
    pub message_bytes_max: u64,
    /// Recipients of one message.
    pub recipients_max: usize,
    /// Received fields that a message may carry before it counts as looping.
    pub hops_max: usize,
    /// How long a message waits for a moderator (spec section 2.5: two days).
    pub moderation_expiry: Duration,
    /// What a recipient may do that has no bounds of its own (decision D6).
    pub limits: AccountLimits,
    /// What becomes of messages that come too soon.
    pub too_soon: TooSoon,
    /// What a mailbox may hold that has no values of its own; `None` leaves it to its licence.
    pub quota: Option<Thresholds>,
    /// When failures to sign in lock out.
    pub lockout: lockout::Rules,
    /// Whether SCRAM-SHA-256 is spoken.
    pub scram: Scram,
    /// Whose tokens are as good as a password.
    pub issuers: Vec<Issuer>,
    /// What one network may do within a time.
    pub traffic: traffic::Rules,
    /// How long what was taken away is kept (spec section 7.3).
    pub periods: Periods,
    /// Keys of the Sender Rewriting Scheme, the signing one first; others still verify. Empty means none is rewritten.
    pub srs_keys: Vec<SrsKey>,
    /// The ways that the operator named for mail to other systems, in words.
    pub routes: RouteTable<Box<str>>,
    /// Who may hand mail in on port 25 as more than a stranger.
    pub connectors: Connectors,
}

/// A secret of the Sender Rewriting Scheme; hidden in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct SrsKey(pub [u8; 32]);

impl core::fmt::Debug for SrsKey {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("SrsKey(hidden)")
    }
}

impl Settings {
    /// The settings of a profile, before any override (decision D1).
    pub const fn of(profile: Profile) -> Self {
        let (cloud, wording) = match profile {
            Profile::ExchangeOnline => (true, Wording::ExchangeOnline),
            Profile::ExchangeServer => (false, Wording::ExchangeServer),
        };
        Self {
            mailbox_required: cloud,
            no_mailbox_step: NoMailboxStep::Auth,
            shared_sign_in: SharedSignIn::Licensed,
            send_as_denied: wording,
            unknown_recipient: wording,
            relay_refused: wording,
            hop_limit_reached: wording,
            restriction_refused: wording,
            refuse_early: false,
            recipient_validation: false,
            large_group_limits: cloud,
            repair_from: false,
            sent_items_copy: cloud,
            address_policies_for_all: !cloud,
            // Spec section 1.1: 150 MiB in the cloud, 36 MiB on premises.
            message_bytes_max: if cloud { 157_286_400 } else { 37_748_736 },
            // Decision D6.
            recipients_max: 500,
            // Spec section 2.2 names about 20 passes of one server family; each pass adds up to three Received fields.
            hops_max: 60,
            moderation_expiry: Duration::from_secs(2 * 24 * 3600),
            limits: AccountLimits::of(profile),
            too_soon: if cloud { TooSoon::Delay } else { TooSoon::Refuse },
            // Spec section 2.4: licences in the cloud, the defaults of the database on premises.
            quota: if cloud { None } else { Some(quota::DATABASE) },
            lockout: lockout::Rules::USUAL,
            scram: Scram::Off,
            issuers: Vec::new(),
            traffic: traffic::Rules::USUAL,
            periods: Periods::USUAL,
            srs_keys: Vec::new(),
            routes: RouteTable::new(),
            connectors: Connectors::new(),
        }
    }

    /// Whether licences count: where a mailbox is needed to submit, a user's mailbox needs a licence.
    pub const fn licensing(&self) -> Licensing {
        if self.mailbox_required { Licensing::Counts } else { Licensing::Ignored }
    }

    /// Whether an unknown local recipient is refused at RCPT on submission rather than reported later.
    pub const fn refuses_unknown_on_submission(&self) -> bool {
        self.refuse_early || self.recipient_validation
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(Profile::ExchangeOnline)
    }
}
