//! `franking lockout`.

use clap::{Args, Subcommand};

use crate::admin::office::{LockoutOrder, Request};

/// Who is locked out after too many failures to sign in.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking lockout list")]
pub enum LockoutCommand {
    /// List locks, from which address and until when
    #[command(after_help = "\
A lock is for one account from one address (an IPv6 network of 64 bits), so nobody is locked out by what others guess \
elsewhere; an address that fails for many accounts is locked for all of them. Whoever is locked out is answered as if \
the password were wrong. Networks that have used up their refused recipients, connections or messages on port 25 are \
shown as well, as long as the server runs. Bounds and exempt networks: [limits] of the configuration, lockout_failures \
and those after it.

Exchange: Get-MgAuditLogSignIn (smart lockout), Get-ADUser -Properties LockedOut

Examples:
  franking lockout list
  franking lockout list --all --json")]
    List(ListArgs),
    /// Let an account, an address or a network try again at once
    #[command(after_help = "\
Exchange: Unlock-ADAccount

Examples:
  franking lockout clear alice@contoso.example
  franking lockout clear 192.0.2.7
  franking lockout clear 2001:db8::/32")]
    Clear(ClearArgs),
}

/// `lockout list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Failures that lock nothing yet as well
    #[arg(long)]
    all: bool,
}

/// `lockout clear`.
#[derive(Debug, Args)]
pub struct ClearArgs {
    /// An account (address, login or name), or an address or network of clients
    #[arg(value_name = "ACCOUNT|ADDRESS")]
    whom: String,
}

impl LockoutCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::List(ListArgs { all }) => Request::Lockout(LockoutOrder::List { all }),
            Self::Clear(ClearArgs { whom }) => Request::Lockout(LockoutOrder::Clear { whom }),
        }
    }
}
