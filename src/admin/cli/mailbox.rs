//! `franking mailbox`.

use clap::{Args, Subcommand, ValueHint};

use crate::admin::office::Request;

/// What mailboxes hold. They are made and changed with `franking recipient`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking mailbox show alice@contoso.example")]
pub enum MailboxCommand {
    /// How full a mailbox is, and what follows
    #[command(after_help = "\
Reached or exceeded, the first threshold warns the owner, the second forbids to send, the third to receive \
as well. Own values are set with: franking recipient set ADDRESS --quota-warning, --quota-send, --quota-receive

Exchange: Get-MailboxStatistics, Get-Mailbox

Examples:
  franking mailbox show alice@contoso.example
  franking mailbox show info@contoso.example --json")]
    Show(ShowArgs),
    /// Count anew what mailboxes hold
    #[command(after_help = "\
What a mailbox holds is kept up by the server, and compared with its directories when a mail reader has changed them. \
This reads every name, whatever is known, and shows where something else was known. The server goes on meanwhile.

Exchange: New-MailboxRepairRequest -CorruptionType AggregateCounts

Examples:
  franking mailbox recount alice@contoso.example
  franking mailbox recount --all --json")]
    Recount(RecountArgs),
}

/// `mailbox show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The mailbox: an address or a name
    #[arg(value_name = "MAILBOX", value_hint = ValueHint::EmailAddress)]
    identity: String,
}

/// `mailbox recount`.
#[derive(Debug, Args)]
pub struct RecountArgs {
    /// The mailbox: an address or a name
    #[arg(value_name = "MAILBOX", value_hint = ValueHint::EmailAddress)]
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    identity: Option<String>,
    /// Every mailbox
    #[arg(long)]
    all: bool,
}

impl MailboxCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::Show(args) => Request::MailboxShow { identity: args.identity },
            Self::Recount(args) => Request::MailboxRecount { identity: args.identity },
        }
    }
}
