//! `franking remote-domain`.

use clap::{Args, Subcommand, ValueHint};

use super::values::Toggle;
use crate::admin::office::Request;
use crate::model::directory::AllowedOofType;
use crate::model::directory::document::RemoteDomainEntry;

/// Remote domains.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking remote-domain list")]
pub enum RemoteDomainCommand {
    /// Say what a domain outside is sent: fabrikam.example, "*.fabrikam.example" for all below it, "*" for all others
    #[command(after_help = "\
The most specific entry decides alone. What is not given is permitted.

Exchange: New-RemoteDomain

Examples:
  franking remote-domain add fabrikam.example --auto-forward off
  franking remote-domain add \"*.fabrikam.example\" --out-of-office none --auto-reply off")]
    Add(RemoteDomainArgs),
    /// Change what a domain outside is sent
    #[command(after_help = "\
Exchange: Set-RemoteDomain

Examples:
  franking remote-domain set \"*\" --auto-forward off
  franking remote-domain set fabrikam.example --non-delivery-reports off --delivery-reports off")]
    Set(RemoteDomainArgs),
    /// Let the next wider entry, or the defaults, hold again
    #[command(after_help = "\
Exchange: Remove-RemoteDomain

Examples:
  franking remote-domain remove fabrikam.example")]
    Remove(PatternArgs),
    /// List remote domains
    #[command(after_help = "\
Exchange: Get-RemoteDomain

Examples:
  franking remote-domain list --json")]
    List,
}

/// One remote domain.
#[derive(Debug, Args)]
pub struct PatternArgs {
    /// The domain, "*.PARENT" or "*"
    #[arg(value_name = "DOMAIN", value_hint = ValueHint::Hostname)]
    domain: String,
}

/// `remote-domain add` and `remote-domain set`.
#[derive(Debug, Args)]
pub struct RemoteDomainArgs {
    /// The domain, "*.PARENT" or "*"
    #[arg(value_name = "DOMAIN", value_hint = ValueHint::Hostname)]
    domain: String,
    /// Mail that mailboxes forward by themselves; off drops it without a report (`AutoForwardEnabled`)
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    auto_forward: Option<Toggle>,
    /// Out-of-office replies: external, external-legacy, internal-legacy or none (`AllowedOOFType`)
    #[arg(long, value_name = "KIND")]
    out_of_office: Option<AllowedOofType>,
    /// Replies that a rule of a mailbox makes (`AutoReplyEnabled`)
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    auto_reply: Option<Toggle>,
    /// Reports that mail was not delivered, or waits (`NDREnabled`)
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    non_delivery_reports: Option<Toggle>,
    /// Reports that mail was delivered (`DeliveryReportEnabled`)
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    delivery_reports: Option<Toggle>,
}

impl RemoteDomainArgs {
    fn entry(self) -> RemoteDomainEntry {
        let on = |toggle: Option<Toggle>| toggle.map(Toggle::is_on);
        RemoteDomainEntry {
            domain: self.domain.into(),
            auto_forward_enabled: on(self.auto_forward),
            allowed_oof_type: self.out_of_office,
            auto_reply_enabled: on(self.auto_reply),
            ndr_enabled: on(self.non_delivery_reports),
            delivery_report_enabled: on(self.delivery_reports),
        }
    }
}

impl RemoteDomainCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::Add(args) => Request::RemoteDomainPut { entry: args.entry(), new: true },
            Self::Set(args) => Request::RemoteDomainPut { entry: args.entry(), new: false },
            Self::Remove(args) => Request::RemoteDomainRemove { domain: args.domain },
            Self::List => Request::RemoteDomainList,
        }
    }
}
