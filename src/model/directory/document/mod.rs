//! The form of a directory that people write: objects named by address instead of by id.
//!
//! Fixtures, imports and exports share it. An entry is a patch: what it leaves out stays as it is, or takes the default
//! of the type when the object is new; an empty text or list clears what it names. Values that cannot be parsed, such
//! as a bad address, refuse their own entry only, so they are kept as text until [`Document::plan`] judges them.
//!
//! Exporting a directory, importing it into an empty one and exporting again gives the same document.

mod address_policy;
mod auto_reply;
mod compose;
mod devices;
mod export;
mod limits;
mod membership;
mod moderation;
mod plan;
mod provisioning;
mod shown;
mod slot;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::accepted_domain::DomainType;
use super::address_book::AddressBookProperty;
use super::auto_forwarding::{self, AutoForwardingMode};
use super::licence::LicencePlan;
use super::lifecycle::hold::OrganisationRetention;
use super::membership::{DepartRestriction, JoinRestriction};
use super::moderation::ModerationNotifications;
use super::recipient_type::RecipientType;
use super::remote_domain::AllowedOofType;

pub use super::limit::{Limit, LimitError, OwnLimit, OwnLimitError};
pub use address_policy::{AddressPolicyEntry, TemplatesError};
pub use auto_reply::{AutoReplyEntry, AutoReplyError, AutoReplyStateName};
pub use devices::{DeviceEntry, DeviceEntryError};
pub use export::Secrets;
pub use limits::{LimitsEntry, QuotaEntry};
pub use plan::{Counts, Entry, Hasher, Plan, Reason, Rejected};
pub use provisioning::{ArchiveEntry, ErrorEntry, HoldEntry, PreviousEntry, ProvisioningEntry, ProvisioningEntryError};
pub use shown::printable;
pub use slot::Slot;

/// A whole directory, or the part of one that an import brings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Settings of the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<OrganisationEntry>,
    /// Accepted domains.
    #[serde(default, rename = "domain", skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<DomainEntry>,
    /// Remote domains.
    #[serde(default, rename = "remote_domain", skip_serializing_if = "Vec::is_empty")]
    pub remote_domains: Vec<RemoteDomainEntry>,
    /// Authentication policies.
    #[serde(default, rename = "authentication_policy", skip_serializing_if = "Vec::is_empty")]
    pub authentication_policies: Vec<AuthenticationPolicyEntry>,
    /// Email address policies, the highest priority first.
    #[serde(default, rename = "address_policy", skip_serializing_if = "Vec::is_empty")]
    pub address_policies: Vec<AddressPolicyEntry>,
    /// Recipients, in the order in which new ones get their ids.
    #[serde(default, rename = "recipient", skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<RecipientEntry>,
}

/// Settings of the organisation; see [`Organisation`](super::Organisation) for what each means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrganisationEntry {
    /// The name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// `SmtpClientAuthenticationDisabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp_client_authentication_disabled: Option<bool>,
    /// Security defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_defaults: Option<bool>,
    /// `AllowBasicAuthSmtp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_basic_auth_smtp: Option<bool>,
    /// `DefaultAuthenticationPolicy`; an empty text ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_authentication_policy: Option<Box<str>>,
    /// `SendFromAliasEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_from_alias_enabled: Option<bool>,
    /// `AutoForwardingMode`. True and false under the older name are On and Automatic.
    #[serde(skip_serializing_if = "Option::is_none", alias = "auto_forwarding_enabled")]
    #[serde(deserialize_with = "auto_forwarding::optional_mode_or_switch")]
    pub auto_forwarding_mode: Option<AutoForwardingMode>,
    /// `DisablePlusAddressInRecipients`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_plus_address_in_recipients: Option<bool>,
    /// Proxy addresses that one object may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_addresses_max: Option<u32>,
    /// Strangers get automatic replies only to mail that names the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_reply_only_when_named: Option<bool>,
    /// Senders that a mailbox remembers to have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_reply_senders_max: Option<u32>,
    /// `JournalingReportNdrTo`; an empty text ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journaling_report_ndr_to: Option<Box<str>>,
    /// `MaxSendSize` of the organisation: octets, text such as `"35 MB"`, or `"unlimited"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_bytes_max: Option<Limit>,
    /// `MaxReceiveSize` of the organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_bytes_max: Option<Limit>,
    /// `RejectDirectSend`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_direct_send: Option<bool>,
    /// `RejectReservedTopLevelRecipientDomains`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_reserved_top_level_recipient_domains: Option<bool>,
    /// `RejectReservedSecondLevelRecipientDomains`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_reserved_second_level_recipient_domains: Option<bool>,
    /// `RejectSingleLabelRecipientDomains`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_single_label_recipient_domains: Option<bool>,
    /// Retention policies for every mailbox; the list replaces the former one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_policies: Option<Vec<OrganisationRetention>>,
    /// `DelayedDelicensingEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delayed_delicensing_enabled: Option<bool>,
    /// Whether the user goes with the mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_mailbox_deletes_user: Option<bool>,
    /// Licences with seats or quotas of their own; the list replaces the former one.
    #[serde(skip_serializing_if = "Option::is_none", alias = "licence_seats")]
    pub licence_plans: Option<Vec<LicencePlan>>,
    /// `NotifyOutboundSpamRecipients`; an empty text means the postmaster again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_outbound_spam_recipient: Option<Box<str>>,
}

/// One accepted domain; see [`AcceptedDomain`](super::AcceptedDomain).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainEntry {
    /// The name, in A-labels or U-labels.
    pub domain: Box<str>,
    /// What happens to an unknown local part.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub domain_type: Option<DomainType>,
    /// Subdomains count as this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_subdomains: Option<bool>,
    /// The organisation's default domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    /// `OutboundOnly`: the organisation sends from it, and its mail is received elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound_only: Option<bool>,
    /// `SendingFromDomainDisabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending_from_disabled: Option<bool>,
    /// `SendingToDomainDisabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending_to_disabled: Option<bool>,
    /// Where unknown recipients of a relay domain go, `host` or `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_host: Option<Box<str>>,
}

/// One authentication policy; see [`AuthenticationPolicy`](super::AuthenticationPolicy).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthenticationPolicyEntry {
    /// Its name.
    pub name: Box<str>,
    /// `AllowBasicAuthSmtp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_basic_auth_smtp: Option<bool>,
}

/// What a domain outside is sent; see [`RemoteDomain`](super::RemoteDomain).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteDomainEntry {
    /// `fabrikam.example`, `*.fabrikam.example` for everything below it, or `*` for all.
    pub domain: Box<str>,
    /// `AutoForwardEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_forward_enabled: Option<bool>,
    /// `AllowedOOFType`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_oof_type: Option<AllowedOofType>,
    /// `AutoReplyEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_reply_enabled: Option<bool>,
    /// `NDREnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ndr_enabled: Option<bool>,
    /// `DeliveryReportEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_report_enabled: Option<bool>,
}

/// A password in clear text, on its way to being hashed. It never shows in debug output and is never exported.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Password(Box<str>);

impl Password {
    /// Wraps a password that was typed or read from a file.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }
}

impl core::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Password(hidden)")
    }
}

/// One recipient. Only `address` must be given, and `type` when the recipient is new.
///
/// References (`forward_to`, grants, members and the rest) are addresses of other recipients, in this document or in
/// the directory; they may point forward and in circles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecipientEntry {
    /// What it is.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub recipient_type: Option<RecipientType>,
    /// The primary address, by which an existing recipient is recognised.
    pub address: Box<str>,
    /// Secondary addresses: `info@contoso.example`, or `X500:/o=…` for other types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliases: Option<Vec<Box<str>>>,
    /// `Name`; the local part of the address unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// `DisplayName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Box<str>>,
    /// `Alias`; the left side of the login, or the name, unless given. An empty text ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_nickname: Option<Box<str>>,
    /// External address, or remote routing address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<Box<str>>,
    /// False: there is no account, although the type could have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<bool>,
    /// The user principal name; the primary address unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Box<str>>,
    /// A password in clear text. Import only.
    #[serde(skip_serializing)]
    pub password: Option<Password>,
    /// A password hash in PHC form. Exported only on explicit request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<super::PasswordHash>,
    /// Labels of licences that include a mailbox; one alone may stand without brackets, as `licence`.
    #[serde(alias = "licence", deserialize_with = "slot::one_or_many", skip_serializing_if = "Option::is_none")]
    pub licences: Option<Vec<Box<str>>>,
    /// `AccountDisabled` false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Sign-in is blocked; true for new shared, room and equipment mailboxes unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_in_blocked: Option<bool>,
    /// `AllowBasicAuthSmtp` for this account alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_basic_auth_smtp: Option<bool>,
    /// The name of its authentication policy; an empty text leaves it to the organisation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_policy: Option<Box<str>>,
    /// Secrets of devices that submit for it; the list replaces the former one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<DeviceEntry>>,
    /// Where the mailbox stands; `Active` for new mailboxes, `NoMailbox` for all else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<LifecycleName>,
    /// Since when, for `Disconnected`, `SoftDeleted` and `Inactive`: ISO 8601, such as `2026-01-05T09:00:00Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Box<str>>,
    /// What provisioning keeps: holds, the mailbox it had, whether its user is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning: Option<Box<ProvisioningEntry>>,
    /// `HiddenFromAddressListsEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_from_address_lists: Option<bool>,
    /// `EmailAddressPolicyEnabled`. What its addresses are is for `address` and `aliases` to say all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_address_policy_enabled: Option<bool>,
    /// `ForwardingAddress`: a recipient of the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_to: Option<Box<str>>,
    /// `ForwardingSmtpAddress`: any address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_to_smtp: Option<Box<str>>,
    /// `DeliverToMailboxAndForward`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_copy: Option<bool>,
    /// `RequireSenderAuthenticationEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_sender_authentication: Option<bool>,
    /// `AcceptMessagesOnlyFromSendersOrMembers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_only_from: Option<Vec<Box<str>>>,
    /// `RejectMessagesFromSendersOrMembers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_from: Option<Vec<Box<str>>>,
    /// `ModerationEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moderation_enabled: Option<bool>,
    /// `ModeratedBy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moderated_by: Option<Vec<Box<str>>>,
    /// `BypassModerationFromSendersOrMembers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bypass_moderation_from: Option<Vec<Box<str>>>,
    /// `BypassNestedModerationEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bypass_nested_moderation: Option<bool>,
    /// `SendModerationNotifications`; `Always` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moderation_notifications: Option<ModerationNotifications>,
    /// `MaxReceiveSize`: octets, or text such as `"35 MB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_bytes_max: Option<Limit>,
    /// `MaxSendSize`: octets, or text such as `"35 MB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_bytes_max: Option<Limit>,
    /// Who may send as this recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_as: Option<Vec<Box<str>>>,
    /// Who may send on its behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_on_behalf: Option<Vec<Box<str>>>,
    /// Who may open its mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_access: Option<Vec<Box<str>>>,
    /// Who may not send as it, whatever else is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_send_as: Option<Vec<Box<str>>>,
    /// Who may not send on its behalf, whatever else is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_send_on_behalf: Option<Vec<Box<str>>>,
    /// Who may not open its mailbox, whatever else is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_full_access: Option<Vec<Box<str>>>,
    /// Holders of FullAccess for whom Outlook does not open the mailbox by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_automapping: Option<Vec<Box<str>>>,
    /// Direct members of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Box<str>>>,
    /// Owners of a group (`ManagedBy`), first one first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owners: Option<Vec<Box<str>>>,
    /// Members of a Microsoft 365 group who get copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribers: Option<Vec<Box<str>>>,
    /// The filter of a dynamic group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_filter: Option<Box<str>>,
    /// Failures go to the first owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_to_manager: Option<bool>,
    /// Failures go to the sender; true unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_to_originator: Option<bool>,
    /// Members' automatic replies reach the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_oof_message_to_originator: Option<bool>,
    /// Nothing is delivered when the group is only in Bcc.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bcc_blocked: Option<bool>,
    /// `MemberJoinRestriction`: `Open`, `Closed` or `ApprovalRequired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_join_restriction: Option<JoinRestriction>,
    /// `MemberDepartRestriction`: `Open` or `Closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_depart_restriction: Option<DepartRestriction>,
    /// Who asked to join and waits for an owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership_requests: Option<Vec<Box<str>>>,
    /// `HiddenGroupMembershipEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_group_membership: Option<bool>,
    /// `AutoSubscribeNewMembers` of a Microsoft 365 group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_subscribe_new_members: Option<bool>,
    /// Client-access switches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_access: Option<ClientAccessEntry>,
    /// Mailbox quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Box<QuotaEntry>>,
    /// Limits on what it submits and receives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Box<LimitsEntry>>,
    /// Copies in Sent Items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_items: Option<SentItemsEntry>,
    /// Automatic replies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_reply: Option<Box<AutoReplyEntry>>,
    /// `CustomAttribute1` to `CustomAttribute15` by number; an empty text removes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_attributes: Option<BTreeMap<Box<str>, Box<str>>>,
    /// Company, department and the like; an empty text removes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_book: Option<BTreeMap<AddressBookProperty, Box<str>>>,
}

/// The states of [`Lifecycle`](super::Lifecycle) without their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the states are described where they live, at Lifecycle")]
pub enum LifecycleName {
    NoMailbox,
    Active,
    AwaitingMigration,
    Disconnected,
    SoftDeleted,
    Inactive,
    StaleAttributes,
    Purged,
    Purging,
}

/// Client-access switches; see [`ClientAccess`](super::ClientAccess). `every_app` is set first, then the single ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is named and described at ClientAccess")]
pub struct ClientAccessEntry {
    /// All mail apps at once. It leaves the SMTP switch alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_app: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owa: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owa_for_devices: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecp: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_sync: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapi: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imap: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pop: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ews: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub universal_outlook: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlook_mobile: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_outlook: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_win_native_outlook: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp_client_authentication_disabled: Option<bool>,
}

/// Copies in Sent Items; see [`SentItemsCopies`](super::SentItemsCopies).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SentItemsEntry {
    /// `MessageCopyForSentAsEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_as: Option<bool>,
    /// `MessageCopyForSendOnBehalfEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_on_behalf: Option<bool>,
    /// `MessageCopyForSMTPClientSubmissionEnabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp_client_submission: Option<bool>,
}
