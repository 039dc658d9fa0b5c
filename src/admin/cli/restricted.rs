//! `franking restricted`.

use clap::{Args, Subcommand, ValueHint};

use crate::admin::office::{KeptMail, Request, RestrictionOrder};

/// Who sent to too many recipients outside, and is restricted until it is released.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking restricted list")]
pub enum RestrictedCommand {
    /// List accounts, devices and connectors that are restricted
    #[command(after_help = "\
An account, one of its devices, or the clients of a connector that name more recipients outside in an hour or a day \
than they may are restricted: their messages are refused as those of a bad outbound sender, and what waits to leave \
is kept back, until they are released. Bounds: external_recipients_per_hour and external_recipients_per_day in \
[limits] of the configuration, for one account franking recipient set, and for a connector the same keys in its \
[[connector]].

Exchange: Get-BlockedSenderAddress

Examples:
  franking restricted list
  franking restricted list --json")]
    List,
    /// Show one, or how far one is from it that is not restricted
    #[command(after_help = "\
Exchange: Get-BlockedSenderAddress -SenderAddress

Examples:
  franking restricted show alice@contoso.example
  franking restricted show alice@contoso.example --device scanner-2")]
    Show(WhoArgs),
    /// Let one send again
    #[command(after_help = "\
Change the password, or renew the secret of the device, before: whoever knows it goes on otherwise. What was kept back \
is held unless you say something else, so that nothing leaves before somebody has looked at it: franking queue list \
--state held, then franking queue release or franking queue remove. The release is in franking audit access.

Exchange: Remove-BlockedSenderAddress

Examples:
  franking restricted release alice@contoso.example
  franking restricted release alice@contoso.example --device scanner-2 --discard
  franking restricted release --connector printers")]
    Release(ReleaseArgs),
}

/// Who is meant.
#[derive(Debug, Args)]
pub struct WhoArgs {
    /// The account: an address, a login or a name
    #[arg(value_name = "ACCOUNT", value_hint = ValueHint::EmailAddress, required_unless_present = "connector")]
    account: Option<String>,
    /// One of its devices, instead of the account itself
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// All clients of a connector, instead of an account
    #[arg(long, value_name = "NAME", conflicts_with_all = ["account", "device"])]
    connector: Option<String>,
}

/// `restricted release`.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// Deliver what was kept back
    #[arg(long, conflicts_with = "discard")]
    deliver: bool,
    /// Drop what was kept back, as far as it goes outside; nobody is told
    #[arg(long)]
    discard: bool,
}

impl RestrictedCommand {
    pub(super) fn request(self) -> Request {
        Request::Restriction(match self {
            Self::List => RestrictionOrder::List,
            Self::Show(WhoArgs { account, device, connector }) => {
                RestrictionOrder::Show { account: account.unwrap_or_default(), device, connector }
            }
            Self::Release(ReleaseArgs { who: WhoArgs { account, device, connector }, deliver, discard }) => {
                let kept = match (deliver, discard) {
                    (true, _) => KeptMail::Deliver,
                    (false, true) => KeptMail::Discard,
                    (false, false) => KeptMail::Hold,
                };
                RestrictionOrder::Release { account: account.unwrap_or_default(), device, connector, kept }
            }
        })
    }
}
