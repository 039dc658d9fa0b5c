//! `franking account` and `franking permission`.

use clap::{Args, Subcommand, ValueHint};

use super::recipient::IdentityArgs;
use super::values::right;
use crate::admin::office::{PermissionEdit, Request, Secret};
use crate::model::directory::Right;

/// Passwords and sign-in.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking account password alice@contoso.example")]
pub enum AccountCommand {
    /// Set a password: one is made that devices can type, and shown once
    #[command(after_help = "\
Exchange: Set-MsolUserPassword, Reset-MgUserAuthenticationMethodPassword, Set-Mailbox -Password

Examples:
  franking account password alice@contoso.example
  franking account password alice@contoso.example --password-stdin")]
    Password(PasswordArgs),
    /// Forbid sign-in, from the next command of every open session on
    #[command(after_help = "\
Exchange: Set-MsolUser -BlockCredential $true, Set-User -AccountDisabled $true

Examples:
  franking account block bob@contoso.example")]
    Block(IdentityArgs),
    /// Permit sign-in
    #[command(after_help = "\
Exchange: Set-MsolUser -BlockCredential $false, Set-User -AccountDisabled $false

Examples:
  franking account unblock info@contoso.example")]
    Unblock(IdentityArgs),
    /// List secrets that SCRAM-SHA-256 cannot use yet
    #[command(after_help = "\
Keys for it are made when a password is set, or a device gets its secret, with scram_sha_256 = \"prepare\" or \"on\".

Exchange: none of its cmdlets, it has no SCRAM

Examples:
  franking account scram")]
    Scram,
}

/// `account password`.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// An address, a login or a name
    #[arg(value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    identity: String,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

impl AccountCommand {
    /// Whether a password is to be read from standard input.
    pub(super) const fn wants_password(&self) -> bool {
        matches!(self, Self::Password(PasswordArgs { password_stdin: true, .. }))
    }

    pub(super) fn request(self, password: Option<Secret>) -> Request {
        match self {
            Self::Password(args) => Request::AccountPassword { identity: args.identity, password },
            Self::Block(args) => Request::AccountBlock { identity: args.identity, blocked: true },
            Self::Unblock(args) => Request::AccountBlock { identity: args.identity, blocked: false },
            Self::Scram => Request::ScramUnready,
        }
    }
}

/// Permissions.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking permission list info@contoso.example")]
pub enum PermissionCommand {
    /// Grant a right on a recipient
    #[command(after_help = "\
Exchange: Add-RecipientPermission, Add-MailboxPermission, Set-Mailbox -GrantSendOnBehalfTo

Examples:
  franking permission grant info@contoso.example --to alice@contoso.example --right send-as
  franking permission grant sales@contoso.example --to bob@contoso.example --right send-on-behalf
  franking permission grant info --to alice --right full-access --no-automapping
  franking permission grant info --to bob --right full-access --deny")]
    Grant(GrantArgs),
    /// Revoke a right
    #[command(after_help = "\
Exchange: Remove-RecipientPermission, Remove-MailboxPermission

Examples:
  franking permission revoke info@contoso.example --to alice@contoso.example --right send-as")]
    Revoke(PermissionArgs),
    /// Show who may do what with a recipient, and what it may do with others
    #[command(after_help = "\
Exchange: Get-RecipientPermission, Get-MailboxPermission

Examples:
  franking permission list info@contoso.example")]
    List(IdentityArgs),
}

/// `permission grant`.
#[derive(Debug, Args)]
pub struct GrantArgs {
    #[command(flatten)]
    entry: PermissionArgs,
    /// With full-access: Outlook does not open the mailbox by itself
    #[arg(long, conflicts_with = "deny")]
    no_automapping: bool,
    /// With full-access: Outlook opens the mailbox by itself again [a new grant does]
    #[arg(long, conflicts_with_all = ["deny", "no_automapping"])]
    automapping: bool,
}

impl GrantArgs {
    const fn wish(&self) -> Option<bool> {
        match (self.automapping, self.no_automapping) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }
}

/// What `permission grant` and `permission revoke` are about.
#[derive(Debug, Args)]
pub struct PermissionArgs {
    /// The recipient that the right is on
    #[arg(value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    owner: String,
    /// Who gets or loses it: a mailbox, a mail user or a security group
    #[arg(long, visible_alias = "from", value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    to: String,
    /// The right: send-as, send-on-behalf or full-access
    #[arg(long, value_name = "RIGHT", value_parser = right)]
    right: Right,
    /// A deny entry, which beats every grant
    #[arg(long)]
    deny: bool,
}

impl PermissionCommand {
    pub(super) fn request(self) -> Request {
        let (args, automapping, grant) = match self {
            Self::Grant(args) => {
                let wish = args.wish();
                (args.entry, wish, true)
            }
            Self::Revoke(args) => (args, None, false),
            Self::List(args) => return Request::PermissionList { identity: args.identity },
        };
        let PermissionArgs { owner, to, right, deny } = args;
        Request::Permission(PermissionEdit { owner, trustee: to, right, deny, automapping, grant })
    }
}
