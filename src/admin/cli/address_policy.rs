//! `franking address-policy`.

use clap::{Args, Subcommand};

use super::precanned::PrecannedProperties;
use crate::admin::office::{AddressPolicyOrder, Failure, Request};
use crate::model::directory::Priority;
use crate::model::directory::document::AddressPolicyEntry;

/// Email address policies.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking address-policy list")]
pub enum AddressPolicyCommand {
    /// Make a policy; addresses stay as they are until it is applied
    #[command(after_help = "\
%m alias, %g given name, %s surname, %i initials, %d display name, %1g and %2s first letters, %rxy each x becomes y in \
what follows (%rxx takes it away), %% a percent sign. What ASCII lacks is written by best fit (ä is a), what an \
address cannot have is left out, and a taken address gets a number.

Exchange: New-EmailAddressPolicy

Examples:
  franking address-policy new Staff --template %g.%s@contoso.example --template %m@contoso.example
  franking address-policy new Sales --template %1g%s@contoso.example --conditional-department Sales
  franking address-policy new \"Default Policy\" --priority lowest --template %m@contoso.example")]
    New(PolicyArgs),
    /// Change a policy; what is not given stays
    #[command(after_help = "\
Exchange: Set-EmailAddressPolicy

Examples:
  franking address-policy set Staff --priority 1
  franking address-policy set Staff --rename Everybody --recipient-filter \"\"")]
    Set(SetArgs),
    /// Remove a policy; nobody loses an address by that
    #[command(after_help = "\
Exchange: Remove-EmailAddressPolicy

Examples:
  franking address-policy remove Staff")]
    Remove(NameArgs),
    /// List policies, the highest priority first
    #[command(after_help = "\
Exchange: Get-EmailAddressPolicy

Examples:
  franking address-policy list --json")]
    List,
    /// Show a policy, and how many recipients follow it
    #[command(after_help = "\
Exchange: Get-EmailAddressPolicy

Examples:
  franking address-policy show Staff")]
    Show(NameArgs),
    /// Give recipients the addresses that their policies make of their names
    #[command(after_help = "\
It looks at recipients that follow policies (EmailAddressPolicyEnabled). The former primary address stays as a \
secondary one, and nobody loses an address. When it is interrupted, what was done stays done, and doing it again goes \
on from there.

Exchange: Update-EmailAddressPolicy

Examples:
  franking address-policy apply --preview
  franking address-policy apply Staff")]
    Apply(ApplyArgs),
}

/// One policy.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
}

/// `address-policy new`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    properties: PolicyProperties,
}

/// `address-policy set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// What it is called from now on
    #[arg(long, value_name = "NAME")]
    rename: Option<String>,
    #[command(flatten)]
    properties: PolicyProperties,
}

#[derive(Debug, Args)]
struct PolicyProperties {
    /// Its place: 1 is the first; those from there on move down. "lowest" is the default policy, for all others
    #[arg(long, value_name = "NUMBER|lowest")]
    priority: Option<Priority>,
    /// SMTP:TEMPLATE makes the primary address, smtp:TEMPLATE a secondary one; all templates are given at once
    #[arg(long = "template", value_name = "TEMPLATE")]
    templates: Option<Vec<String>>,
    /// For whom it is; "" for all recipients
    #[arg(long, value_name = "FILTER")]
    recipient_filter: Option<String>,
    #[command(flatten)]
    precanned: PrecannedProperties,
}

/// `address-policy apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Only to recipients that this policy is for
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Only say what would alter
    #[arg(long)]
    preview: bool,
    /// How many are shown at most; 0 means all
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: usize,
}

impl PolicyProperties {
    fn entry(self, name: String) -> Result<AddressPolicyEntry, Failure> {
        let filter = self.precanned.filter()?.or(self.recipient_filter);
        Ok(AddressPolicyEntry {
            name: name.into(),
            priority: self.priority,
            recipient_filter: filter.map(Into::into),
            templates: self.templates.map(|list| list.into_iter().map(Into::into).collect()),
        })
    }
}

impl AddressPolicyCommand {
    /// The request that the command comes to.
    ///
    /// # Errors
    /// Conditions that come to no filter.
    pub(super) fn request(self) -> Result<Request, Failure> {
        Ok(Request::AddressPolicy(match self {
            Self::New(args) => {
                AddressPolicyOrder::Put { entry: args.properties.entry(args.name)?, new: true, rename: None }
            }
            Self::Set(args) => {
                AddressPolicyOrder::Put { entry: args.properties.entry(args.name)?, new: false, rename: args.rename }
            }
            Self::Remove(args) => AddressPolicyOrder::Remove { name: args.name },
            Self::List => AddressPolicyOrder::List,
            Self::Show(args) => AddressPolicyOrder::Show { name: args.name },
            Self::Apply(args) => {
                AddressPolicyOrder::Apply { name: args.name, preview: args.preview, limit: args.limit }
            }
        }))
    }
}
