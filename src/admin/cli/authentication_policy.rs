//! `franking authentication-policy`.

use clap::{Args, Subcommand};

use super::values::Toggle;
use crate::admin::office::Request;
use crate::model::directory::document::AuthenticationPolicyEntry;

/// Authentication policies.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking authentication-policy list")]
pub enum AuthenticationPolicyCommand {
    /// Make a policy; it forbids passwords unless it says otherwise
    #[command(after_help = "\
Exchange: New-AuthenticationPolicy

Examples:
  franking authentication-policy add \"Block basic\"
  franking authentication-policy add Devices --basic-auth-smtp on")]
    Add(PolicyArgs),
    /// Change a policy, from the next command of every open session on
    #[command(after_help = "\
Exchange: Set-AuthenticationPolicy

Examples:
  franking authentication-policy set Devices --basic-auth-smtp off")]
    Set(PolicyArgs),
    /// Remove a policy that nobody has
    #[command(after_help = "\
Exchange: Remove-AuthenticationPolicy

Examples:
  franking authentication-policy remove Devices")]
    Remove(NameArgs),
    /// List policies; one is assigned by `recipient set`, the default by `organisation set`
    #[command(after_help = "\
Exchange: Get-AuthenticationPolicy

Examples:
  franking authentication-policy list --json")]
    List,
}

/// One policy.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
}

/// `authentication-policy add` and `authentication-policy set`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// A password may be used for SMTP (`AllowBasicAuthSmtp`)
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    basic_auth_smtp: Option<Toggle>,
}

impl PolicyArgs {
    fn entry(self) -> AuthenticationPolicyEntry {
        AuthenticationPolicyEntry {
            name: self.name.into(),
            allow_basic_auth_smtp: self.basic_auth_smtp.map(Toggle::is_on),
        }
    }
}

impl AuthenticationPolicyCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::Add(args) => Request::AuthenticationPolicyPut { entry: args.entry(), new: true },
            Self::Set(args) => Request::AuthenticationPolicyPut { entry: args.entry(), new: false },
            Self::Remove(args) => Request::AuthenticationPolicyRemove { name: args.name },
            Self::List => Request::AuthenticationPolicyList,
        }
    }
}
