//! `franking recipient`.

use clap::{Args, Subcommand, ValueHint};

use super::address_book::AddressBookProperties;
use super::auto_reply::AutoReplyArgs;
use super::convert::ConvertArgs;
use super::limits::LimitProperties;
use super::membership::MembershipProperties;
use super::moderators::ModerationProperties;
use super::precanned::PrecannedProperties;
use super::values::{Allowance, Choice, Toggle, custom_attribute, list, recipient_type};
use crate::admin::office::{Failure, ListQuery, RecipientEdit, Request, Secret};
use crate::model::directory::RecipientType;
use crate::model::directory::document::{ClientAccessEntry, Limit, OwnLimit, QuotaEntry, SentItemsEntry};

/// Mailboxes, mail users, contacts and groups.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking recipient list --type SharedMailbox")]
pub enum RecipientCommand {
    /// Make a recipient; a password is made for types that sign in and shown once
    #[command(after_help = "\
Exchange: New-Mailbox, New-MailUser, New-MailContact, New-DistributionGroup, New-DynamicDistributionGroup, \
New-UnifiedGroup

Examples:
  franking recipient new alice@contoso.example --licence ExchangeOnlinePlan1 --display-name Alice
  franking recipient new info@contoso.example --type SharedMailbox
  franking recipient new scanner@contoso.example --type MailUser --external scanner@fabrikam.example
  franking recipient new staff@contoso.example --type MailUniversalDistributionGroup --member bob
  franking recipient new sales --type DynamicDistributionGroup --conditional-department Sales")]
    New(NewArgs),
    /// Change properties of a recipient
    #[command(after_help = "\
An empty text clears what can be cleared: --forward-to \"\".

Exchange: Set-Mailbox, Set-CASMailbox, Set-User, Set-MailUser, Set-MailContact, Set-Contact, Set-DistributionGroup

Examples:
  franking recipient set alice@contoso.example --alias a.smith@contoso.example --display-name Alice
  franking recipient set kiosk@contoso.example --every-app off --smtp-auth allow
  franking recipient set carol --forward-to-smtp carol@fabrikam.example --keep-copy on
  franking recipient set staff --require-authentication no --accept-only-from alice,bob
  franking recipient set staff --moderation on --moderator alice,bob
  franking recipient set alice --receive-bytes-max \"35 MB\" --custom-attribute 2=sales
  franking recipient set alice --company Contoso --department Sales --state-or-province Bayern")]
    Set(SetArgs),
    /// Say what a mailbox answers by itself while its owner is away
    #[command(after_help = "\
Texts are plain text. Each sender is answered once, until the state or a text changes. A shared mailbox that answers \
senders outside needs a text for senders inside, too. Mail of lists, other automatic mail and reports are never \
answered, and nothing is while the mailbox forwards to an SMTP address.

Exchange: Set-MailboxAutoReplyConfiguration, Set-Mailbox -ExternalOofOptions

Examples:
  franking recipient auto-reply alice --state enabled --internal \"Until Monday\" --external @away.txt
  franking recipient auto-reply alice --from-time 2026-12-24T12:00:00Z --until 2027-01-04T08:00:00Z
  franking recipient auto-reply info --internal Closed --external Closed --external-audience known
  franking recipient auto-reply alice --state disabled")]
    AutoReply(AutoReplyArgs),
    /// Make a mailbox one of another type; contents, addresses and permissions stay
    #[command(after_help = "\
Shared, room and equipment mailboxes are blocked from signing in. A user mailbox needs a licence where licences count.

Exchange: Set-Mailbox -Type

Examples:
  franking recipient convert dora@contoso.example --to shared
  franking recipient convert info@contoso.example --to user")]
    Convert(ConvertArgs),
    /// Show everything about a recipient
    #[command(after_help = "\
A recipient is named by an address, a login or a name; the local part alone means the default domain.

Exchange: Get-Mailbox, Get-CASMailbox, Get-Recipient

Examples:
  franking recipient show alice@contoso.example
  franking recipient show info --json")]
    Show(IdentityArgs),
    /// List recipients
    #[command(after_help = "\
Exchange: Get-Recipient, Get-EXORecipient

Examples:
  franking recipient list
  franking recipient list sales --type SharedMailbox
  franking recipient list --filter \"Department -eq 'Sales' -and City -ne $null\" --limit 0 --json")]
    List(ListArgs),
    /// Remove a recipient; a mailbox is kept for 30 days
    #[command(after_help = "\
To delete the user with its mailbox: franking user remove

Exchange: Remove-Mailbox, with --permanently Remove-Mailbox -PermanentlyDelete; Remove-MailUser, Remove-MailContact, \
Remove-DistributionGroup

Examples:
  franking recipient remove dora@contoso.example
  franking recipient remove partner@contoso.example --permanently")]
    Remove(RemoveArgs),
    /// Bring a removed mailbox back
    #[command(after_help = "\
For a mailbox that was removed alone; one whose user was deleted comes back with: franking user restore

Exchange: Undo-SoftDeletedMailbox

Examples:
  franking recipient restore dora@contoso.example")]
    Restore(IdentityArgs),
}

/// One recipient.
#[derive(Debug, Args)]
pub struct IdentityArgs {
    /// An address, a login or a name
    #[arg(value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    pub(super) identity: String,
}

/// `recipient new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Its primary address, or an alias that makes one in the default domain
    #[arg(value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    address: String,
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub(super) password_stdin: bool,
    #[command(flatten)]
    properties: Box<Properties>,
}

/// `recipient set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// An address, a login or a name
    #[arg(value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    identity: String,
    #[command(flatten)]
    properties: Box<Properties>,
}

/// `recipient list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those with this text in an address, a name or the login
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Only of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = recipient_type(), ignore_case = true)]
    recipient_type: Option<RecipientType>,
    /// Only those that match an Exchange filter
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// How many at most; 0 means all
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

/// `recipient remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// An address, a login or a name
    #[arg(value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    identity: String,
    /// Now and for good, which frees its addresses
    #[arg(long)]
    permanently: bool,
}

/// Everything that can be set.
#[derive(Debug, Default, Args)]
pub(super) struct Properties {
    /// What it is
    #[arg(long = "type", value_name = "TYPE", value_parser = recipient_type(), ignore_case = true)]
    recipient_type: Option<RecipientType>,
    /// Its name, unique in the organisation
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Its name for people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// Its Alias in Exchange's sense: a word for filters, no address
    #[arg(long, value_name = "TEXT")]
    mail_nickname: Option<String>,
    /// Make this the primary address; the old one stays as an alias
    #[arg(long, visible_alias = "address", value_name = "ADDRESS")]
    primary: Option<String>,
    /// One more address; others than mail addresses have their type before them, such as X500:/o=…
    #[arg(long = "alias", value_name = "ADDRESS", value_delimiter = ',')]
    add_aliases: Vec<String>,
    /// One address less
    #[arg(long = "remove-alias", value_name = "ADDRESS", value_delimiter = ',')]
    remove_aliases: Vec<String>,
    /// Where mail goes that leaves the organisation
    #[arg(long, value_name = "ADDRESS")]
    external: Option<String>,
    /// Its addresses follow the email address policies (`EmailAddressPolicyEnabled`)
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    email_address_policy_enabled: Option<Toggle>,
    /// Leave it out of address lists; it can be reached all the same
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    hidden: Option<Toggle>,
    /// A custom attribute 1 to 15, for filters
    #[arg(long = "custom-attribute", value_name = "N=TEXT", value_parser = custom_attribute)]
    custom_attributes: Vec<(u8, String)>,
    #[command(flatten)]
    address_book: AddressBookProperties,
    #[command(flatten)]
    account: AccountProperties,
    #[command(flatten)]
    flow: FlowProperties,
    #[command(flatten)]
    limits: LimitProperties,
    #[command(flatten)]
    moderation: ModerationProperties,
    #[command(flatten)]
    membership: MembershipProperties,
    #[command(flatten)]
    apps: AppProperties,
    #[command(flatten)]
    group: GroupProperties,
    #[command(flatten)]
    precanned: PrecannedProperties,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Account")]
struct AccountProperties {
    /// The login, if it is not the primary address
    #[arg(long, value_name = "ADDRESS")]
    login: Option<String>,
    /// Its licences; see `franking licence` to keep or lose the mailbox by them
    #[arg(long = "licence", visible_alias = "license", value_name = "LABEL", value_delimiter = ',')]
    licences: Option<Vec<String>>,
    /// The account itself
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    enabled: Option<Toggle>,
    /// Whether passwords are accepted for SMTP, for this account alone
    #[arg(long, value_name = "ALLOWANCE")]
    basic_auth_smtp: Option<Allowance>,
    /// Its authentication policy, which counts where --basic-auth-smtp is inherit
    #[arg(long, value_name = "NAME")]
    authentication_policy: Option<String>,
    /// Whether it may sign in over SMTP (`SmtpClientAuthenticationDisabled`)
    #[arg(long, value_name = "ALLOWANCE")]
    smtp_auth: Option<Allowance>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Mail flow")]
struct FlowProperties {
    /// Forward to a recipient of the directory
    #[arg(long, value_name = "RECIPIENT")]
    forward_to: Option<String>,
    /// Forward to any address
    #[arg(long, value_name = "ADDRESS")]
    forward_to_smtp: Option<String>,
    /// Keep a copy of what is forwarded
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    keep_copy: Option<Toggle>,
    /// End all forwarding
    #[arg(long, conflicts_with_all = ["forward_to", "forward_to_smtp", "keep_copy"])]
    no_forward: bool,
    /// Take mail from authenticated senders only [default of groups: yes]
    #[arg(long, value_name = "CHOICE")]
    require_authentication: Option<Choice>,
    /// Take mail from these only, separated by commas
    #[arg(long, value_name = "RECIPIENTS", value_delimiter = ',')]
    accept_only_from: Option<Vec<String>>,
    /// Take no mail from these
    #[arg(long, value_name = "RECIPIENTS", value_delimiter = ',')]
    reject_from: Option<Vec<String>>,
    /// The largest message it takes, such as "35 MB" or "unlimited"
    #[arg(long, value_name = "SIZE")]
    receive_bytes_max: Option<Limit>,
    /// The largest message it sends
    #[arg(long, value_name = "SIZE")]
    send_bytes_max: Option<Limit>,
    /// When the owner is warned: a size, "unlimited", or "default" for what the licence says
    #[arg(long, value_name = "SIZE")]
    quota_warning: Option<OwnLimit>,
    /// When it may no longer send
    #[arg(long, value_name = "SIZE")]
    quota_send: Option<OwnLimit>,
    /// When it may no longer receive either
    #[arg(long, value_name = "SIZE")]
    quota_receive: Option<OwnLimit>,
    /// Keep a copy of what others send as it
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    sent_as_copy: Option<Toggle>,
    /// Keep a copy of what others send on its behalf
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    sent_on_behalf_copy: Option<Toggle>,
    /// Keep a copy of what it submits over SMTP
    #[arg(long, value_name = "CHOICE")]
    smtp_copy: Option<Choice>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Mail apps (none of them matters for SMTP)")]
struct AppProperties {
    /// All mail apps at once; single ones are set after it
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    every_app: Option<Toggle>,
    /// Outlook on the web
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    owa: Option<Toggle>,
    /// Outlook on the web for devices
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    owa_for_devices: Option<Toggle>,
    /// The control panel
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    ecp: Option<Toggle>,
    /// Exchange ActiveSync
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    active_sync: Option<Toggle>,
    /// Classic Outlook
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    mapi: Option<Toggle>,
    /// IMAP4
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    imap: Option<Toggle>,
    /// POP3
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    pop: Option<Toggle>,
    /// Exchange Web Services
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    ews: Option<Toggle>,
    /// Mail of older Windows versions
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    universal_outlook: Option<Toggle>,
    /// Outlook on phones
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    outlook_mobile: Option<Toggle>,
    /// Outlook for Mac
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    mac_outlook: Option<Toggle>,
    /// New Outlook for Windows
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    one_win_native_outlook: Option<Toggle>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Groups")]
struct GroupProperties {
    /// All members; `franking group` adds and removes single ones
    #[arg(long = "member", value_name = "RECIPIENTS", value_delimiter = ',')]
    members: Option<Vec<String>>,
    /// Owners, the first one first
    #[arg(long = "owner", value_name = "RECIPIENTS", value_delimiter = ',')]
    owners: Option<Vec<String>>,
    /// Members of a Microsoft 365 group who get copies
    #[arg(long = "subscriber", value_name = "RECIPIENTS", value_delimiter = ',')]
    subscribers: Option<Vec<String>>,
    /// Who is a member of a dynamic group
    #[arg(long, value_name = "FILTER")]
    recipient_filter: Option<String>,
    /// Failures are reported to the first owner
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    report_to_manager: Option<Toggle>,
    /// Failures are reported to the sender
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    report_to_originator: Option<Toggle>,
    /// Automatic replies of members reach the sender
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    out_of_office_to_originator: Option<Toggle>,
    /// Deliver nothing when the group is only in Bcc
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    bcc_blocked: Option<Toggle>,
}

fn on(toggle: Option<Toggle>) -> Option<bool> {
    toggle.map(Toggle::is_on)
}

impl Properties {
    fn edit(self) -> Result<Box<RecipientEdit>, Failure> {
        let (account, flow, group) = (self.account, self.flow, self.group);
        Ok(Box::new(RecipientEdit {
            recipient_type: self.recipient_type,
            name: self.name,
            display_name: self.display_name,
            mail_nickname: self.mail_nickname,
            primary: self.primary,
            add_aliases: self.add_aliases,
            remove_aliases: self.remove_aliases,
            external: self.external,
            login: account.login,
            enabled: on(account.enabled),
            sign_in_blocked: None,
            basic_auth_smtp: account.basic_auth_smtp.map(Into::into),
            authentication_policy: account.authentication_policy,
            licences: list(account.licences),
            forward_to: flow.forward_to,
            forward_to_smtp: flow.forward_to_smtp,
            keep_copy: on(flow.keep_copy),
            no_forward: flow.no_forward,
            require_authentication: flow.require_authentication.map(Into::into),
            accept_only_from: list(flow.accept_only_from),
            reject_from: list(flow.reject_from),
            moderation: self.moderation.edit(),
            membership: self.membership.edit(),
            receive_bytes_max: flow.receive_bytes_max,
            send_bytes_max: flow.send_bytes_max,
            client_access: self.apps.entry(),
            smtp_auth: account.smtp_auth.map(Into::into),
            hidden: on(self.hidden),
            email_address_policy_enabled: on(self.email_address_policy_enabled),
            quota: QuotaEntry {
                issue_warning: flow.quota_warning,
                prohibit_send: flow.quota_send,
                prohibit_send_receive: flow.quota_receive,
            },
            limits: self.limits.entry(),
            sent_items: SentItemsEntry {
                sent_as: on(flow.sent_as_copy),
                sent_on_behalf: on(flow.sent_on_behalf_copy),
                smtp_client_submission: None,
            },
            smtp_copy: flow.smtp_copy.map(Into::into),
            auto_reply: Default::default(),
            custom_attributes: self.custom_attributes.into_iter().collect(),
            address_book: self.address_book.edit(),
            owners: list(group.owners),
            members: list(group.members),
            subscribers: list(group.subscribers),
            recipient_filter: self.precanned.filter()?.or(group.recipient_filter),
            report_to_manager: on(group.report_to_manager),
            report_to_originator: on(group.report_to_originator),
            out_of_office_to_originator: on(group.out_of_office_to_originator),
            bcc_blocked: on(group.bcc_blocked),
        }))
    }
}

impl AppProperties {
    fn entry(&self) -> ClientAccessEntry {
        ClientAccessEntry {
            every_app: on(self.every_app),
            owa: on(self.owa),
            owa_for_devices: on(self.owa_for_devices),
            ecp: on(self.ecp),
            active_sync: on(self.active_sync),
            mapi: on(self.mapi),
            imap: on(self.imap),
            pop: on(self.pop),
            ews: on(self.ews),
            universal_outlook: on(self.universal_outlook),
            outlook_mobile: on(self.outlook_mobile),
            mac_outlook: on(self.mac_outlook),
            one_win_native_outlook: on(self.one_win_native_outlook),
            smtp_client_authentication_disabled: None,
        }
    }
}

impl RecipientCommand {
    /// Whether a password is to be read from standard input.
    pub(super) const fn wants_password(&self) -> bool {
        matches!(self, Self::New(NewArgs { password_stdin: true, .. }))
    }

    /// The request that the command comes to.
    ///
    /// # Errors
    /// Those of a file that it names.
    pub(super) fn request(self, password: Option<Secret>) -> Result<Request, Failure> {
        Ok(match self {
            Self::AutoReply(args) => return args.request(),
            Self::New(args) => Request::RecipientNew {
                address: args.address,
                recipient_type: args.properties.recipient_type.unwrap_or(RecipientType::UserMailbox),
                edit: args.properties.edit()?,
                password,
            },
            Self::Set(args) => Request::RecipientSet { identity: args.identity, edit: args.properties.edit()? },
            Self::Convert(args) => args.request(),
            Self::Show(args) => Request::RecipientShow { identity: args.identity },
            Self::List(args) => Request::RecipientList(ListQuery {
                recipient_type: args.recipient_type,
                text: args.text,
                filter: args.filter,
                limit: args.limit,
            }),
            Self::Remove(args) => Request::RecipientRemove { identity: args.identity, permanently: args.permanently },
            Self::Restore(args) => Request::RecipientRestore { identity: args.identity },
        })
    }
}
