//! The mail half of an object: what a recipient is, its addresses, and its settings.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::account::{Account, ClientAccess};
use super::address_book::AddressBook;
use super::auto_forwarding::{self, AutoForwardingMode};
use super::auto_reply::{AutoReply, SENDERS_DEFAULT, SENDERS_MAX};
use super::cap::RecipientLimits;
use super::group::Group;
use super::licence::LicencePlan;
use super::lifecycle::Lifecycle;
use super::lifecycle::hold::OrganisationRetention;
use super::limit::Limit;
use super::mail_nickname::MailNickname;
use super::moderation::Moderation;
use super::permission::{Grant, Right};
use super::provisioning::{Provisioning, ProvisioningError, ProvisioningErrorKind};
use super::proxy::ProxyAddresses;
use super::recipient_type::RecipientType;
use super::seldom::Seldom;
use crate::model::mail::Address;
use crate::model::mail::short_text::ShortText;

/// Names an object for ever: given once, never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipientId(pub u64);

impl fmt::Display for RecipientId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Forwarding of a mailbox (decision table of spec section 5.1). The directory target wins over the SMTP target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Forwarding {
    /// `ForwardingAddress`: an object of the own directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarding_address: Option<RecipientId>,
    /// `ForwardingSmtpAddress`: any address, ignored while `forwarding_address` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarding_smtp_address: Option<Address>,
    /// `DeliverToMailboxAndForward`: keep a copy in the mailbox.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub deliver_to_mailbox_and_forward: bool,
}

/// Who may send to a recipient, and how much (spec section 5.6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restrictions {
    /// `RequireSenderAuthenticationEnabled`; unset means the default of the type: true for groups only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_sender_authentication: Option<bool>,
    /// `AcceptMessagesOnlyFromSendersOrMembers`; empty means everyone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accept_only_from: Vec<RecipientId>,
    /// `RejectMessagesFromSendersOrMembers`; it beats the accept list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reject_from: Vec<RecipientId>,
    /// `MaxReceiveSize` in octets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_bytes_max: Option<u64>,
    /// `MaxSendSize` in octets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_bytes_max: Option<u64>,
}

/// Thresholds of a mailbox (decision D5); unset values follow the licence, and `Unlimited` is without whatever that
/// says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quota {
    /// `IssueWarningQuota`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_warning: Option<Limit>,
    /// `ProhibitSendQuota`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prohibit_send: Option<Limit>,
    /// `ProhibitSendReceiveQuota`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prohibit_send_receive: Option<Limit>,
}

/// Where copies of sent mail go (spec section 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SentItemsCopies {
    /// `MessageCopyForSentAsEnabled`.
    pub sent_as: bool,
    /// `MessageCopyForSendOnBehalfEnabled`.
    pub sent_on_behalf: bool,
    /// `MessageCopyForSMTPClientSubmissionEnabled`; unset follows the profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp_client_submission: Option<bool>,
}

/// Whether a user's mailbox needs a licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Licensing {
    /// As in the cloud: without licence there is no mailbox (spec S2-1).
    Counts,
    /// As on premises: licences are labels without effect.
    Ignored,
}

/// One object of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Its identity.
    pub id: RecipientId,
    /// What it is.
    #[serde(rename = "type")]
    pub recipient_type: RecipientType,
    /// `Name`: unique in the organisation, at most 64 characters.
    pub name: ShortText,
    /// `DisplayName`, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Box<str>>,
    /// `Alias`, where it was given; [`Recipient::alias`] tells what it is otherwise. In a box, since few have one that
    /// does not follow from something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_nickname: Option<Box<MailNickname>>,
    /// Its addresses.
    pub addresses: ProxyAddresses,
    /// `ExternalEmailAddress` of mail users and contacts, `RemoteRoutingAddress` of remote mailboxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_address: Option<Box<Address>>,
    /// The account, where the type has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Box<Account>>,
    /// Where its mailbox stands.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// Holds, errors, the previous mailbox: what provisioning keeps of it, if there is anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning: Option<Box<Provisioning>>,
    /// `HiddenFromAddressListsEnabled`: listing only, never delivery.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub hidden_from_address_lists: bool,
    /// `EmailAddressPolicyEnabled`: its addresses follow the email address policies, where the profile lets them.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub email_address_policy_enabled: bool,
    /// Client-access switches.
    #[serde(default)]
    pub client_access: ClientAccess,
    /// Forwarding, when set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<Box<Forwarding>>,
    /// Restrictions, when set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<Box<Restrictions>>,
    /// Moderation, when set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderation: Option<Box<Moderation>>,
    /// Permissions that others hold on this recipient, sorted.
    #[serde(default, skip_serializing_if = "Seldom::is_empty")]
    pub grants: Seldom<Grant>,
    /// Direct holders of FullAccess for whom Outlook does not open the mailbox by itself (`-AutoMapping $false`).
    #[serde(default, skip_serializing_if = "Seldom::is_empty")]
    pub not_automapped: Seldom<RecipientId>,
    /// The group half, where the type has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<Group>>,
    /// Quota, where it differs from the licence's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Box<Quota>>,
    /// Limits, where they differ from the configuration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Box<RecipientLimits>>,
    /// Copies in Sent Items.
    #[serde(default)]
    pub sent_items: SentItemsCopies,
    /// Automatic replies, once they were ever set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_reply: Option<Box<AutoReply>>,
    /// `CustomAttribute1` to `CustomAttribute15` by number, for filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_attributes: Option<Box<std::collections::BTreeMap<u8, Box<str>>>>,
    /// Company, department and the like, for filters.
    #[serde(default, skip_serializing_if = "AddressBook::is_empty")]
    pub address_book: AddressBook,
}

impl Recipient {
    /// A recipient of `recipient_type` with the defaults of its type: mailboxes are active, shared, room and equipment
    /// accounts are blocked, groups have an empty group half. An account's login is the primary address.
    pub fn new(id: RecipientId, recipient_type: RecipientType, name: impl AsRef<str>, primary: Address) -> Self {
        let account = recipient_type.may_have_account().then(|| {
            let mut account = Account::new(primary.clone());
            account.sign_in_blocked = recipient_type.is_born_blocked();
            Box::new(account)
        });
        Self {
            id,
            recipient_type,
            name: name.as_ref().into(),
            display_name: None,
            mail_nickname: None,
            addresses: ProxyAddresses::new(primary),
            external_address: None,
            account,
            lifecycle: if recipient_type.is_mailbox() { Lifecycle::Active } else { Lifecycle::NoMailbox },
            provisioning: None,
            hidden_from_address_lists: false,
            email_address_policy_enabled: false,
            client_access: ClientAccess::default(),
            forwarding: None,
            restrictions: None,
            moderation: None,
            grants: Seldom::new(),
            not_automapped: Seldom::new(),
            group: recipient_type.is_group().then(Box::default),
            quota: None,
            limits: None,
            sent_items: SentItemsCopies::default(),
            auto_reply: None,
            custom_attributes: None,
            address_book: AddressBook::new(),
        }
    }

    /// The primary SMTP address.
    pub const fn primary(&self) -> &Address {
        self.addresses.primary()
    }

    /// Makes an address the primary. The old one stays as secondary, unless it was there as the address outside of a
    /// mail user or contact only, which is kept for nothing once it is another (spec section 4.5).
    pub fn set_primary(&mut self, address: Address) {
        if self.is_led_by_external_address() {
            self.addresses.replace_primary(address);
        } else {
            self.addresses.set_primary(address);
        }
    }

    /// Gives a mail user or contact another address outside. Where the former one is the primary address as well, so is
    /// the new one (spec section 4.5).
    pub fn set_external(&mut self, address: Option<Address>) {
        if let Some(address) = address.as_ref().filter(|_| self.is_led_by_external_address()) {
            self.addresses.replace_primary(address.clone());
        }
        self.external_address = address.map(Box::new);
    }

    fn is_led_by_external_address(&self) -> bool {
        self.recipient_type.leads_outside()
            && self.external_address.as_ref().is_some_and(|external| external.key() == self.primary().key())
    }

    /// Whether its mailbox has the benefit of a licence: one is assigned to its account, or was until lately and is
    /// taken with delay (spec T23), or a hold forbids that a user's mailbox follows the licence (spec T4).
    pub fn is_licensed(&self) -> bool {
        let users = self.recipient_type == RecipientType::UserMailbox;
        let still = |own: &Provisioning| {
            let held = |error: &ProvisioningError| users && error.kind == ProvisioningErrorKind::OnHold;
            own.delicensed.is_some() || own.error.as_ref().is_some_and(held)
        };
        self.has_licences() || self.provisioning.as_deref().is_some_and(still)
    }

    /// Whether its user was deleted, as opposed to its mailbox alone: then its addresses, its login and its name are
    /// free for others, and it is found as a deleted object only (spec section 7.2).
    pub fn is_user_deleted(&self) -> bool {
        self.provisioning.as_ref().is_some_and(|provisioning| provisioning.user_deleted.is_some())
    }

    /// Whether mail can be put into a mailbox of its own now: a mailbox type, active, and licensed if it is a user's
    /// and licences count.
    pub fn has_open_mailbox(&self, licensing: Licensing) -> bool {
        let needs_licence = licensing == Licensing::Counts && self.recipient_type == RecipientType::UserMailbox;
        self.recipient_type.is_mailbox() && self.lifecycle.is_active() && (!needs_licence || self.is_licensed())
    }

    /// Whether unauthenticated senders are turned away: the setting, else the default of the type (spec section 5.6).
    pub fn requires_sender_authentication(&self) -> bool {
        let set = self.restrictions.as_ref().and_then(|restrictions| restrictions.require_sender_authentication);
        set.unwrap_or_else(|| self.recipient_type.is_group())
    }

    /// The trustees of a right, allowed or denied.
    pub fn trustees(&self, right: Right, deny: bool) -> impl Iterator<Item = RecipientId> {
        self.grants.iter().filter(move |grant| grant.right == right && grant.deny == deny).map(|grant| grant.trustee)
    }

    /// Whether Outlook opens this mailbox for `trustee` by itself: a mailbox user that holds FullAccess directly, not
    /// through a group, undenied, and for whom the administrator did not switch it off (spec section 4.1, S3-5).
    pub fn automaps(&self, trustee: &Self) -> bool {
        let holds = |deny| self.trustees(Right::FullAccess, deny).any(|id| id == trustee.id);
        let user = trustee.account.is_some() && trustee.recipient_type.is_mailbox();
        user && holds(false) && !holds(true) && !self.not_automapped.contains(&trustee.id)
    }

    /// Whether permissions can be granted to it: to accounts of this organisation, and to groups that are security
    /// principals. A contact has nobody who could sign in, and a guest is from outside (spec S3-11).
    pub fn can_hold_permissions(&self) -> bool {
        let inside = self.account.is_some() && self.recipient_type != RecipientType::GuestMailUser;
        inside || self.recipient_type.is_security_principal_group()
    }

    /// Takes every reference to `gone` out of it, as when that object is removed.
    pub fn drop_references(&mut self, gone: RecipientId) {
        super::validate::drop_references(self, gone);
    }

    /// Every object that this one refers to; duplicates are possible.
    pub fn references(&self) -> impl Iterator<Item = RecipientId> {
        let group = self.group.as_deref().into_iter().flat_map(|group| {
            group
                .members()
                .iter()
                .chain(&group.managed_by)
                .chain(&group.subscribers)
                .chain(&group.membership.requests)
                .copied()
        });
        let restrictions =
            self.restrictions.as_deref().into_iter().flat_map(|restrictions| {
                restrictions.accept_only_from.iter().chain(&restrictions.reject_from).copied()
            });
        let forwarding = self.forwarding.as_deref().and_then(|forwarding| forwarding.forwarding_address);
        let moderation = self.moderation.as_deref().into_iter().flat_map(Moderation::references);
        let others = restrictions.chain(moderation).chain(forwarding);
        let trustees = self.grants.iter().map(|grant| grant.trustee);
        trustees.chain(self.not_automapped.iter().copied()).chain(group).chain(others)
    }
}

/// Settings of the whole organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own in Exchange")]
pub struct Organisation {
    /// The organisation's name, for people.
    pub name: Box<str>,
    /// `SmtpClientAuthenticationDisabled` of the transport configuration.
    pub smtp_client_authentication_disabled: bool,
    /// Security defaults: passwords are not accepted at all.
    pub security_defaults: bool,
    /// `AllowBasicAuthSmtp` where no authentication policy decides.
    pub allow_basic_auth_smtp: bool,
    /// `DefaultAuthenticationPolicy`: the name of the policy of accounts that have none of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_authentication_policy: Option<Box<str>>,
    /// `SendFromAliasEnabled`: an alias in From is kept instead of rewritten to the primary address.
    pub send_from_alias_enabled: bool,
    /// `AutoForwardingMode`: whether mailboxes may forward outside (spec section 5.2). Older data have a switch in its
    /// place.
    #[serde(alias = "auto_forwarding_enabled", deserialize_with = "auto_forwarding::mode_or_switch")]
    pub auto_forwarding_mode: AutoForwardingMode,
    /// `DisablePlusAddressInRecipients`.
    pub disable_plus_address_in_recipients: bool,
    /// Proxy addresses that one object may have. The limits page of the cloud says 400, an error text of it 300 (spec
    /// section 2.2).
    pub proxy_addresses_max: u32,
    /// A stranger gets an automatic reply only to mail that names the mailbox in its header, as RFC 5230 section 4.5
    /// demands. Exchange answers a blind copy as well; off does so.
    pub auto_reply_only_when_named: bool,
    /// How many senders a mailbox remembers to have answered; the oldest is forgotten beyond it.
    pub auto_reply_senders_max: u32,
    /// `JournalingReportNdrTo`: who gets what could not be delivered to a journal. That mailbox answers nobody by
    /// itself (spec section 6.1). Nothing else follows from it here: this server keeps no journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journaling_report_ndr_to: Option<Address>,
    /// `MaxSendSize` of the transport configuration: the largest message that accounts send, in octets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_bytes_max: Option<u64>,
    /// `MaxReceiveSize` of the transport configuration: the largest message that strangers send here, in octets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_bytes_max: Option<u64>,
    /// `RejectDirectSend`: strangers may not use the organisation's addresses as reverse-path.
    pub reject_direct_send: bool,
    /// `RejectReservedTopLevelRecipientDomains`: recipients in the top-level domains test, example, invalid and
    /// localhost are refused at RCPT.
    pub reject_reserved_top_level_recipient_domains: bool,
    /// `RejectReservedSecondLevelRecipientDomains`: those in example.com, example.net and example.org are.
    pub reject_reserved_second_level_recipient_domains: bool,
    /// `RejectSingleLabelRecipientDomains`: those in domains of one label are.
    pub reject_single_label_recipient_domains: bool,
    /// `DelayedDelicensingEnabled`: a mailbox stays in use for a time after its licence was taken.
    pub delayed_delicensing_enabled: bool,
    /// Retention policies for every mailbox.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retention_policies: Vec<OrganisationRetention>,
    /// Who removes a mailbox deletes its user as well, as Exchange's own page says; else the user stays (spec 7.5, L1).
    pub remove_mailbox_deletes_user: bool,
    /// Licences of which anything is said, by label. Older data know seats alone.
    #[serde(skip_serializing_if = "Vec::is_empty", alias = "licence_seats")]
    pub licence_plans: Vec<LicencePlan>,
    /// `NotifyOutboundSpamRecipients`: who is told that somebody was restricted; the postmaster without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_outbound_spam_recipient: Option<Address>,
}

/// Proxy addresses of one object, unless the organisation says otherwise (spec section 2.2).
const PROXY_ADDRESSES_DEFAULT: u32 = 400;
/// Every address is compared with every other of the same object, so there is an end.
pub const PROXY_ADDRESSES_MAX: u32 = 2_000;

impl Organisation {
    /// How many proxy addresses one object may have, within what is possible.
    pub fn proxy_addresses(&self) -> usize {
        usize::try_from(self.proxy_addresses_max.clamp(1, PROXY_ADDRESSES_MAX)).unwrap_or(usize::MAX)
    }

    /// How many accounts may have the licence of this label; none when nobody said so.
    pub fn seats(&self, label: &str) -> Option<u32> {
        self.plan(label).and_then(|plan| plan.seats)
    }

    /// What is said of the licence of this label.
    pub fn plan(&self, label: &str) -> Option<&LicencePlan> {
        self.licence_plans.iter().find(|own| own.label.eq_ignore_ascii_case(label))
    }

    /// How many senders a mailbox remembers to have answered, within what is possible.
    pub fn auto_reply_senders(&self) -> u32 {
        self.auto_reply_senders_max.clamp(1, SENDERS_MAX)
    }
}

impl Default for Organisation {
    fn default() -> Self {
        Self {
            name: "".into(),
            smtp_client_authentication_disabled: false,
            security_defaults: false,
            allow_basic_auth_smtp: true,
            default_authentication_policy: None,
            send_from_alias_enabled: false,
            auto_forwarding_mode: AutoForwardingMode::Automatic,
            disable_plus_address_in_recipients: false,
            proxy_addresses_max: PROXY_ADDRESSES_DEFAULT,
            auto_reply_only_when_named: true,
            auto_reply_senders_max: SENDERS_DEFAULT,
            journaling_report_ndr_to: None,
            send_bytes_max: None,
            receive_bytes_max: None,
            reject_direct_send: false,
            reject_reserved_top_level_recipient_domains: false,
            reject_reserved_second_level_recipient_domains: false,
            reject_single_label_recipient_domains: false,
            delayed_delicensing_enabled: false,
            retention_policies: Vec::new(),
            remove_mailbox_deletes_user: false,
            licence_plans: Vec::new(),
            notify_outbound_spam_recipient: None,
        }
    }
}
