//! `franking mailbox`.

use clap::{Args, Subcommand, ValueHint};

use super::recoverable::RecoverableCommand;
use crate::admin::office::{ContentsOrder, Kept, LifeOrder, LifeQuestion, Request};

/// What mailboxes hold, and where they stand. They are made and changed with `franking recipient`.
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
    /// Deactivate a mailbox that has no licence; it is kept for 30 days
    #[command(after_help = "\
A licensed mailbox is deactivated by taking its licence: franking licence remove

Exchange: Disable-Mailbox, Disable-RemoteMailbox; Disable-Mailbox -PermanentlyDisable

Examples:
  franking mailbox disable info@contoso.example
  franking mailbox disable info@contoso.example --permanently")]
    Disable(DisableArgs),
    /// Reconnect a deactivated mailbox, or make a new one
    #[command(after_help = "\
Exchange: Enable-Mailbox

Examples:
  franking mailbox enable info@contoso.example")]
    Enable(ShowArgs),
    /// Make an inactive mailbox that of a new user
    #[command(after_help = "\
Exchange: New-Mailbox -InactiveMailbox

Examples:
  franking mailbox recover dora@contoso.example --as dora.new@contoso.example")]
    Recover(RecoverArgs),
    /// Copy what a removed or disconnected mailbox holds into one that is in use
    #[command(after_help = "\
Every message goes into the folder of the same name, with its flags; what was deleted from a mailbox on hold goes into \
\"Recovered Items\". The source does not change. A message that the target has already is not copied again, so a copy \
that was cut off, or found the target full, goes on when the command is repeated.

Exchange: New-MailboxRestoreRequest

Examples:
  franking mailbox copy dora@contoso.example --to bob@contoso.example --allow-legacy-dn-mismatch
  franking mailbox copy dora@contoso.example --from-archive --to dora.new@contoso.example --json")]
    Copy(CopyArgs),
    /// What was deleted from mailboxes on hold and is kept
    #[command(subcommand)]
    Recoverable(RecoverableCommand),
    /// Forget the mailbox that a user had before, with what is left of it, for good
    #[command(after_help = "\
Exchange: Set-User -PermanentlyClearPreviousMailboxInfo

Examples:
  franking mailbox forget-previous dora@contoso.example")]
    ForgetPrevious(ShowArgs),
    /// Say that a mailbox has come from the other system
    #[command(after_help = "\
Exchange: Complete-MigrationBatch, Get-MoveRequest; Set-MailUser -ExchangeGuid with zeros

Examples:
  franking mailbox migrated dora@contoso.example
  franking mailbox migrated dora@contoso.example --clear-guid")]
    Migrated(MigratedArgs),
    /// List mailboxes that are not in use, and until when they are kept
    #[command(after_help = "\
Exchange: Get-Mailbox -SoftDeletedMailbox, Get-Mailbox -InactiveMailboxOnly, Get-MailboxStatistics -Disconnected

Examples:
  franking mailbox list --deleted
  franking mailbox list --inactive --json
  franking mailbox list --disconnected")]
    List(KeptArgs),
}

/// `mailbox disable`.
#[derive(Debug, Args)]
pub struct DisableArgs {
    /// The mailbox: an address or a name
    #[arg(value_name = "MAILBOX", value_hint = ValueHint::EmailAddress)]
    identity: String,
    /// Delete all it holds now; there is no way back
    #[arg(long)]
    permanently: bool,
}

/// `mailbox recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The inactive mailbox: an address or a name
    #[arg(value_name = "MAILBOX", value_hint = ValueHint::EmailAddress)]
    identity: String,
    /// Address and login of its new user
    #[arg(long = "as", value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    address: String,
    /// The licence of the new user
    #[arg(long, value_name = "LABEL", default_value = "ExchangeOnlinePlan1")]
    licence: String,
}

/// `mailbox copy`.
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// The mailbox that is not in use any more: an address, a name or an ExchangeGuid
    #[arg(value_name = "SOURCE", value_hint = ValueHint::EmailAddress)]
    source: String,
    /// The mailbox that gets what it holds: an address or a name
    #[arg(long = "to", value_name = "TARGET", value_hint = ValueHint::EmailAddress)]
    target: String,
    /// Also where the target is not the user that the source belonged to
    #[arg(long)]
    allow_legacy_dn_mismatch: bool,
    /// Copy the archive of the source
    #[arg(long)]
    from_archive: bool,
    /// Copy into the archive of the target
    #[arg(long)]
    to_archive: bool,
}

/// `mailbox migrated`.
#[derive(Debug, Args)]
pub struct MigratedArgs {
    /// Who waits for it: an address or a name
    #[arg(value_name = "MAILBOX", value_hint = ValueHint::EmailAddress)]
    identity: String,
    /// Forget its ExchangeGuid: it gets a new, empty mailbox instead
    #[arg(long)]
    clear_guid: bool,
}

/// `mailbox list`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct KeptArgs {
    /// Removed ones, on hold or not
    #[arg(long)]
    deleted: bool,
    /// Removed ones that are on hold
    #[arg(long)]
    inactive: bool,
    /// Deactivated ones
    #[arg(long)]
    disconnected: bool,
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
            Self::Disable(DisableArgs { identity, permanently }) => {
                Request::Life(LifeOrder::Disable { identity, permanently })
            }
            Self::Enable(args) => Request::Life(LifeOrder::Enable { identity: args.identity }),
            Self::Recover(RecoverArgs { identity, address, licence }) => {
                Request::Life(LifeOrder::Recover { identity, address, licence })
            }
            Self::Copy(args) => Request::Contents(ContentsOrder::Copy {
                source: args.source,
                source_is_archive: args.from_archive,
                target: args.target,
                target_is_archive: args.to_archive,
                allow_legacy_dn_mismatch: args.allow_legacy_dn_mismatch,
            }),
            // Asked page by page.
            Self::Recoverable(_) => Request::Ping,
            Self::ForgetPrevious(args) => Request::Life(LifeOrder::ForgetPrevious { identity: args.identity }),
            Self::Migrated(MigratedArgs { identity, clear_guid }) => {
                Request::Life(LifeOrder::Migrated { identity, clear_guid })
            }
            Self::List(args) => {
                let which = match (args.deleted, args.inactive) {
                    (true, _) => Kept::Deleted,
                    (false, true) => Kept::Inactive,
                    (false, false) => Kept::Disconnected,
                };
                Request::LifeQuestion(LifeQuestion::Mailboxes { which })
            }
        }
    }
}
