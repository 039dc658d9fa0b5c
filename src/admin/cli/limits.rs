//! `franking limits`, and the limits among a recipient's properties.

use clap::{Args, Subcommand, ValueHint};

use crate::admin::office::Request;
use crate::model::directory::OwnCap;
use crate::model::directory::document::LimitsEntry;

/// What accounts and mailboxes may do in a minute, an hour and a day, and what is left of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking limits show alice@contoso.example")]
pub enum LimitsCommand {
    /// The limits of a recipient, and what it has used up
    #[command(after_help = "\
Recipients of the day free themselves by the hour, 24 hours after its end, what a mailbox took by ten minutes, an hour \
after their end; a group is one recipient. Own limits are set with franking recipient set, those of all others in \
[limits] of the configuration.

Exchange: Get-ThrottlingPolicyAssociation, Get-ThrottlingPolicy, Get-Mailbox

Examples:
  franking limits show alice@contoso.example
  franking limits show alice --json")]
    Show(ShowArgs),
}

/// `limits show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The recipient: an address or a name
    #[arg(value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    identity: String,
}

impl LimitsCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::Show(args) => Request::LimitsShow { identity: args.identity },
        }
    }
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Limits: a number, \"unlimited\", or \"default\" for what the configuration says")]
pub(super) struct LimitProperties {
    /// Recipients of one message that it submits, 1 to 1000 (`RecipientLimits`)
    #[arg(long, value_name = "COUNT")]
    recipients_per_message: Option<OwnCap>,
    /// Messages that it submits in a minute
    #[arg(long, value_name = "COUNT")]
    messages_per_minute: Option<OwnCap>,
    /// Recipients of all that it submits in a rolling day
    #[arg(long, value_name = "COUNT")]
    recipients_per_day: Option<OwnCap>,
    /// Sessions on which it submits at the same time
    #[arg(long, value_name = "COUNT")]
    sessions: Option<OwnCap>,
    /// Messages that its mailbox takes in an hour
    #[arg(long, value_name = "COUNT")]
    received_per_hour: Option<OwnCap>,
    /// The same from one sender
    #[arg(long, value_name = "COUNT")]
    received_from_one_per_hour: Option<OwnCap>,
    /// Recipients outside of all that it submits in an hour; with more it is restricted
    /// (`RecipientLimitExternalPerHour`)
    #[arg(long, value_name = "COUNT")]
    external_recipients_per_hour: Option<OwnCap>,
    /// The same in a day
    #[arg(long, value_name = "COUNT")]
    external_recipients_per_day: Option<OwnCap>,
}

impl LimitProperties {
    pub(super) const fn entry(&self) -> LimitsEntry {
        LimitsEntry {
            recipients_per_message: self.recipients_per_message,
            messages_per_minute: self.messages_per_minute,
            recipients_per_day: self.recipients_per_day,
            sessions: self.sessions,
            received_per_hour: self.received_per_hour,
            received_from_one_per_hour: self.received_from_one_per_hour,
            external_recipients_per_hour: self.external_recipients_per_hour,
            external_recipients_per_day: self.external_recipients_per_day,
        }
    }
}
