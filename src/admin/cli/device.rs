//! `franking device`.

use clap::{Args, Subcommand, ValueHint};

use super::values::list;
use crate::admin::office::{DeviceEdit, DeviceOrder, DeviceQuery, Request};

/// Secrets of scanners and old applications, which submit for an account without knowing its password.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking device list alice@contoso.example")]
pub enum DeviceCommand {
    /// Make a secret for a device, and show it once
    #[command(after_help = "\
The device signs in with the login of its account and this secret, by AUTH PLAIN or LOGIN. Hyphens and the case of \
letters do not matter. It can do what the account can, as far as it is not bound to less. Recipients are judged as the \
device names them, so a group inside is inside whoever is in it. A day begins at midnight, UTC. Without TLS, on a \
listener with auth_without_tls, it is let in only if it is bound to private networks, to senders and to recipients.

Exchange: New-MgUserAuthenticationPasswordMethod; app passwords of multifactor authentication

Examples:
  franking device add alice@contoso.example scanner-2 --network 192.168.10.0/24 --recipient inside
  franking device add info scanner-3 --sender info@contoso.example --expires 2027-01-31
  franking device add erp erp-1 --network 10.1.2.3 --network fd00::/64 --expires 365d --json")]
    Add(AddArgs),
    /// List devices, of an account or of all
    #[command(after_help = "\
The last use is when somebody signed in with the secret; after a power cut that of the last minute may be missing.

Examples:
  franking device list
  franking device list alice@contoso.example --json
  franking device list --expires-within 21")]
    List(ListArgs),
    /// Show one device
    #[command(after_help = "\
Examples:
  franking device show alice@contoso.example scanner-2")]
    Show(DeviceArgs),
    /// Bind a device to something else; a list replaces the former one
    #[command(after_help = "\
An empty text ends a list: --network \"\".

Examples:
  franking device set alice@contoso.example scanner-2 --network 192.168.10.0/24,192.168.11.0/24
  franking device set alice scanner-2 --sender \"\" --expires never")]
    Set(SetArgs),
    /// Make a new secret for a device, and show it once; the former is wrong from now on
    #[command(after_help = "\
Examples:
  franking device renew alice@contoso.example scanner-2")]
    Renew(DeviceArgs),
    /// End a device's secret, from the next command of every open session on
    #[command(after_help = "\
Examples:
  franking device revoke alice@contoso.example scanner-2")]
    Revoke(DeviceArgs),
}

/// One device.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// The account: an address, a login or a name
    #[arg(value_name = "ACCOUNT", value_hint = ValueHint::EmailAddress)]
    account: String,
    /// The device
    #[arg(value_name = "NAME")]
    name: String,
}

/// `device add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    bounds: BoundArgs,
}

/// `device set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    bounds: BoundArgs,
    /// One more place where it may be used
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    add_network: Vec<String>,
    /// One more address that it may use
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_hint = ValueHint::EmailAddress)]
    add_sender: Vec<String>,
    /// One more whom it may write to
    #[arg(long, value_name = "RECIPIENT", value_delimiter = ',')]
    add_recipient: Vec<String>,
}

/// `device list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The account: an address, a login or a name
    #[arg(value_name = "ACCOUNT", value_hint = ValueHint::EmailAddress)]
    account: Option<String>,
    /// Only those that have expired, or will within so many days
    #[arg(long, value_name = "DAYS")]
    expires_within: Option<u32>,
}

#[derive(Debug, Args)]
struct BoundArgs {
    /// Where it may be used: a network or an address; can be given more than once
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    network: Option<Vec<String>>,
    /// An address that it may use, if the account may; can be given more than once
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_hint = ValueHint::EmailAddress)]
    sender: Option<Vec<String>>,
    /// Whom it may write to: "inside", a domain or an address; can be given more than once
    #[arg(long, value_name = "RECIPIENT", value_delimiter = ',')]
    recipient: Option<Vec<String>>,
    /// From when on it is refused: a day, 90d for days from now, or "never"
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
}

impl BoundArgs {
    fn edit(self) -> DeviceEdit {
        DeviceEdit {
            networks: list(self.network),
            senders: list(self.sender),
            recipients: list(self.recipient),
            expires: self.expires,
            ..DeviceEdit::default()
        }
    }
}

impl DeviceCommand {
    pub(super) fn request(self) -> Request {
        Request::Device(match self {
            Self::Add(AddArgs { device: DeviceArgs { account, name }, bounds }) => {
                DeviceOrder::Add { account, name, edit: bounds.edit() }
            }
            Self::Set(args) => {
                let DeviceArgs { account, name } = args.device;
                let edit = DeviceEdit {
                    add_networks: args.add_network,
                    add_senders: args.add_sender,
                    add_recipients: args.add_recipient,
                    ..args.bounds.edit()
                };
                DeviceOrder::Set { account, name, edit }
            }
            Self::Renew(DeviceArgs { account, name }) => DeviceOrder::Renew { account, name },
            Self::Revoke(DeviceArgs { account, name }) => DeviceOrder::Revoke { account, name },
            Self::Show(DeviceArgs { account, name }) => {
                let (account, name) = (Some(account), Some(name));
                DeviceOrder::List(DeviceQuery { account, name, expires_within_days: None })
            }
            Self::List(ListArgs { account, expires_within }) => {
                DeviceOrder::List(DeviceQuery { account, name: None, expires_within_days: expires_within })
            }
        })
    }
}
