//! `franking domain` and `franking organisation`.

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::values::Toggle;
use crate::admin::office::{DomainEdit, Request};
use crate::model::directory::auto_reply::SENDERS_MAX;
use crate::model::directory::document::{Limit, OrganisationEntry};
use crate::model::directory::recipient::PROXY_ADDRESSES_MAX;
use crate::model::directory::{AutoForwardingMode, DomainType};

const PROXIES_MAX: i64 = PROXY_ADDRESSES_MAX as i64;

/// Accepted domains.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking domain list")]
pub enum DomainCommand {
    /// Accept mail for a domain
    #[command(after_help = "\
Exchange: New-AcceptedDomain

Examples:
  franking domain add contoso.example --default
  franking domain add branch.example --type internal-relay --next-host mail.branch.example:25")]
    Add(DomainArgs),
    /// Change an accepted domain
    #[command(after_help = "\
Exchange: Set-AcceptedDomain

Examples:
  franking domain set contoso.example --match-subdomains on
  franking domain set newsletter.example --outbound-only on
  franking domain set former.example --sending-from-disabled on --sending-to-disabled on")]
    Set(DomainArgs),
    /// Accept no more mail for a domain that no address uses
    #[command(after_help = "\
Exchange: Remove-AcceptedDomain

Examples:
  franking domain remove fabrikam.example")]
    Remove(DomainNameArgs),
    /// List accepted domains
    #[command(after_help = "\
Exchange: Get-AcceptedDomain

Examples:
  franking domain list --json")]
    List,
}

/// What happens to an unknown local part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DomainKind {
    /// It is refused.
    Authoritative,
    /// It is relayed to the next host.
    InternalRelay,
    /// All mail is relayed to the next host, and nobody is looked up.
    ExternalRelay,
}

/// One domain.
#[derive(Debug, Args)]
pub struct DomainNameArgs {
    /// The domain
    #[arg(value_name = "DOMAIN", value_hint = ValueHint::Hostname)]
    domain: String,
}

/// `domain add` and `domain set`.
#[derive(Debug, Args)]
pub struct DomainArgs {
    /// The domain
    #[arg(value_name = "DOMAIN", value_hint = ValueHint::Hostname)]
    domain: String,
    /// What happens to an unknown local part
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<DomainKind>,
    /// Subdomains count as this domain
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    match_subdomains: Option<Toggle>,
    /// Make it the organisation's default domain
    #[arg(long)]
    default: bool,
    /// Send from it only: its mail is received elsewhere
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    outbound_only: Option<Toggle>,
    /// Nobody may send from it: not as reverse-path, and no account in From
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    sending_from_disabled: Option<Toggle>,
    /// Nobody may send to it; postmaster and abuse are reached all the same
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    sending_to_disabled: Option<Toggle>,
    /// Where unknown recipients of a relay domain go: HOST or HOST:PORT
    #[arg(long, value_name = "HOST", value_hint = ValueHint::Hostname)]
    next_host: Option<String>,
}

impl DomainArgs {
    fn edit(self) -> DomainEdit {
        DomainEdit {
            domain: self.domain,
            domain_type: self.kind.map(|kind| match kind {
                DomainKind::Authoritative => DomainType::Authoritative,
                DomainKind::InternalRelay => DomainType::InternalRelay,
                DomainKind::ExternalRelay => DomainType::ExternalRelay,
            }),
            match_subdomains: self.match_subdomains.map(Toggle::is_on),
            default: self.default.then_some(true),
            outbound_only: self.outbound_only.map(Toggle::is_on),
            sending_from_disabled: self.sending_from_disabled.map(Toggle::is_on),
            sending_to_disabled: self.sending_to_disabled.map(Toggle::is_on),
            next_host: self.next_host,
        }
    }
}

impl DomainCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::Add(args) => Request::DomainPut { edit: args.edit(), new: true },
            Self::Set(args) => Request::DomainPut { edit: args.edit(), new: false },
            Self::Remove(args) => Request::DomainRemove { domain: args.domain },
            Self::List => Request::DomainList,
        }
    }
}

/// The organisation's settings.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking organisation show")]
pub enum OrganisationCommand {
    /// Show the settings
    #[command(after_help = "\
Exchange: Get-OrganizationConfig, Get-TransportConfig

Examples:
  franking organisation show --json")]
    Show,
    /// Change settings
    #[command(after_help = "\
Exchange: Set-OrganizationConfig, Set-TransportConfig, Set-AuthenticationPolicy, Set-HostedOutboundSpamFilterPolicy, \
Set-ReceiveConnector

Examples:
  franking organisation set --auto-forwarding on
  franking organisation set --smtp-auth off --basic-auth-smtp on
  franking organisation set --delayed-delicensing on --remove-mailbox-deletes-user off
  franking organisation set --reject-direct-send on --send-bytes-max \"35 MB\"
  franking organisation set --reject-single-label-recipient-domains on")]
    Set(OrganisationArgs),
}

/// `organisation set`.
#[derive(Debug, Args)]
pub struct OrganisationArgs {
    /// Its name, for people
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Accounts may sign in over SMTP, unless their mailbox says otherwise
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    smtp_auth: Option<Toggle>,
    /// The authentication policy of accounts that have none of their own
    #[arg(long, value_name = "NAME")]
    default_authentication_policy: Option<String>,
    /// Passwords are accepted for SMTP, where no policy and no account says otherwise
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    basic_auth_smtp: Option<Toggle>,
    /// No password is accepted at all
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    security_defaults: Option<Toggle>,
    /// An alias in From stays instead of becoming the primary address
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    send_from_alias: Option<Toggle>,
    /// Mailboxes may forward to other domains; automatic is off, as in the cloud (`AutoForwardingMode`)
    #[arg(long, value_name = "on|off|automatic")]
    auto_forwarding: Option<AutoForwardingMode>,
    /// alice+news@contoso.example reaches alice
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    plus_addressing: Option<Toggle>,
    /// How many addresses one recipient may have, 400 unless said otherwise
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=PROXIES_MAX))]
    proxy_addresses_max: Option<u32>,
    /// Strangers get automatic replies only to mail that names the mailbox in its header
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    auto_reply_only_when_named: Option<Toggle>,
    /// How many senders a mailbox remembers to have answered
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(SENDERS_MAX)))]
    auto_reply_senders_max: Option<u32>,
    /// Who gets reports about a journal: that mailbox answers nobody by itself; "" for none
    #[arg(long, value_name = "ADDRESS")]
    journaling_report_ndr_to: Option<String>,
    /// The largest message that accounts send, such as "35 MB" or "unlimited"
    #[arg(long, value_name = "SIZE")]
    send_bytes_max: Option<Limit>,
    /// The largest message that strangers send here
    #[arg(long, value_name = "SIZE")]
    receive_bytes_max: Option<Limit>,
    /// Strangers may not use the organisation's own addresses as sender, but where a `[[connector]]` knows them
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    reject_direct_send: Option<Toggle>,
    /// No recipients in test, example, invalid and localhost, which no mail can reach; accepted domains stay
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    reject_reserved_top_level_recipient_domains: Option<Toggle>,
    /// None in example.com, example.net and example.org
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    reject_reserved_second_level_recipient_domains: Option<Toggle>,
    /// None in domains of one label
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    reject_single_label_recipient_domains: Option<Toggle>,
    /// A mailbox stays in use for a time after its licence was taken (`DelayedDelicensingEnabled`)
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    delayed_delicensing: Option<Toggle>,
    /// `recipient remove` deletes the user as well, not the mailbox alone
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    remove_mailbox_deletes_user: Option<Toggle>,
    /// Who is told that somebody was restricted for sending too much outside; "" for the postmaster
    /// (`NotifyOutboundSpamRecipients`)
    #[arg(long, value_name = "ADDRESS")]
    notify_outbound_spam_recipient: Option<String>,
}

impl OrganisationCommand {
    pub(super) fn request(self) -> Request {
        let args = match self {
            Self::Show => return Request::OrganisationShow,
            Self::Set(args) => args,
        };
        let on = |toggle: Option<Toggle>| toggle.map(Toggle::is_on);
        let off = |toggle: Option<Toggle>| toggle.map(|toggle| !toggle.is_on());
        Request::OrganisationSet(OrganisationEntry {
            name: args.name.map(Into::into),
            smtp_client_authentication_disabled: off(args.smtp_auth),
            security_defaults: on(args.security_defaults),
            allow_basic_auth_smtp: on(args.basic_auth_smtp),
            default_authentication_policy: args.default_authentication_policy.map(Into::into),
            send_from_alias_enabled: on(args.send_from_alias),
            auto_forwarding_mode: args.auto_forwarding,
            disable_plus_address_in_recipients: off(args.plus_addressing),
            proxy_addresses_max: args.proxy_addresses_max,
            auto_reply_only_when_named: on(args.auto_reply_only_when_named),
            auto_reply_senders_max: args.auto_reply_senders_max,
            journaling_report_ndr_to: args.journaling_report_ndr_to.map(Into::into),
            send_bytes_max: args.send_bytes_max,
            receive_bytes_max: args.receive_bytes_max,
            reject_direct_send: on(args.reject_direct_send),
            reject_reserved_top_level_recipient_domains: on(args.reject_reserved_top_level_recipient_domains),
            reject_reserved_second_level_recipient_domains: on(args.reject_reserved_second_level_recipient_domains),
            reject_single_label_recipient_domains: on(args.reject_single_label_recipient_domains),
            // Made and ended one by one, by commands of their own.
            retention_policies: None,
            delayed_delicensing_enabled: on(args.delayed_delicensing),
            remove_mailbox_deletes_user: on(args.remove_mailbox_deletes_user),
            licence_plans: None,
            notify_outbound_spam_recipient: args.notify_outbound_spam_recipient.map(Into::into),
        })
    }
}
