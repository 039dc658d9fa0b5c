//! Writes a directory as a document. Only what differs from the defaults of a type is written.

use super::{
    AddressPolicyEntry, AuthenticationPolicyEntry, AutoReplyEntry, ClientAccessEntry, Document, DomainEntry,
    LifecycleName, Limit, LimitsEntry, OrganisationEntry, ProvisioningEntry, QuotaEntry, RecipientEntry,
    RemoteDomainEntry, SentItemsEntry, devices, membership, moderation, provisioning,
};
use crate::model::directory::account::{Account, ClientAccess};
use crate::model::directory::group::Group;
use crate::model::directory::permission::Right;
use crate::model::directory::recipient::{Organisation, Recipient, RecipientId, Restrictions, SentItemsCopies};
use crate::model::directory::snapshot::Snapshot;
use crate::model::directory::{AcceptedDomain, AuthenticationPolicy, DomainType, Lifecycle, RemoteDomain};
use crate::model::mail::Timestamp;

/// Whether password hashes go into an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They stay out: the right choice unless the export is a backup.
    Hide,
    /// They go in; whoever reads the export can try to guess passwords.
    Include,
}

impl Document {
    /// The whole directory as a document: domains by name, recipients by id.
    pub fn of(snapshot: &Snapshot, secrets: Secrets) -> Self {
        let mut recipients: Vec<_> = snapshot.recipients().collect();
        recipients.sort_unstable_by_key(|recipient| recipient.id);
        Self {
            organisation: Some(OrganisationEntry::of(snapshot.organisation())),
            domains: snapshot.domains().map(domain).collect(),
            remote_domains: snapshot.remote_domains().map(RemoteDomainEntry::of).collect(),
            authentication_policies: snapshot.authentication_policies().map(AuthenticationPolicyEntry::of).collect(),
            address_policies: snapshot.address_policies().iter().map(AddressPolicyEntry::of).collect(),
            recipients: recipients
                .into_iter()
                .map(|recipient| entry(recipient, &|id| primary_of(snapshot, id), secrets))
                .collect(),
        }
    }
}

impl RecipientEntry {
    /// One recipient as an entry, without its password hash.
    pub fn of(recipient: &Recipient, snapshot: &Snapshot) -> Self {
        Self::named(recipient, &|id| primary_of(snapshot, id))
    }

    /// The same with names of the caller's choice for the objects that it refers to; those without one are left out.
    pub fn named(recipient: &Recipient, name: Names<'_>) -> Self {
        entry(recipient, name, Secrets::Hide)
    }
}

impl OrganisationEntry {
    /// The entry of the organisation's settings, each of them written out.
    pub fn of(organisation: &Organisation) -> Self {
        Self {
            name: Some(organisation.name.clone()),
            smtp_client_authentication_disabled: Some(organisation.smtp_client_authentication_disabled),
            security_defaults: Some(organisation.security_defaults),
            allow_basic_auth_smtp: Some(organisation.allow_basic_auth_smtp),
            default_authentication_policy: organisation.default_authentication_policy.clone(),
            send_from_alias_enabled: Some(organisation.send_from_alias_enabled),
            auto_forwarding_mode: Some(organisation.auto_forwarding_mode),
            disable_plus_address_in_recipients: Some(organisation.disable_plus_address_in_recipients),
            proxy_addresses_max: Some(organisation.proxy_addresses_max),
            auto_reply_only_when_named: Some(organisation.auto_reply_only_when_named),
            auto_reply_senders_max: Some(organisation.auto_reply_senders_max),
            send_bytes_max: Some(organisation.send_bytes_max.map_or(Limit::Unlimited, Limit::Bytes)),
            receive_bytes_max: Some(organisation.receive_bytes_max.map_or(Limit::Unlimited, Limit::Bytes)),
            journaling_report_ndr_to: organisation.journaling_report_ndr_to.as_ref().map(|to| to.to_string().into()),
            reject_direct_send: Some(organisation.reject_direct_send),
            reject_reserved_top_level_recipient_domains: Some(organisation.reject_reserved_top_level_recipient_domains),
            reject_reserved_second_level_recipient_domains: Some(
                organisation.reject_reserved_second_level_recipient_domains,
            ),
            reject_single_label_recipient_domains: Some(organisation.reject_single_label_recipient_domains),
            retention_policies: provisioning::retention_of(organisation),
            delayed_delicensing_enabled: Some(organisation.delayed_delicensing_enabled),
            remove_mailbox_deletes_user: Some(organisation.remove_mailbox_deletes_user),
            licence_plans: Some(organisation.licence_plans.clone()).filter(|plans| !plans.is_empty()),
            notify_outbound_spam_recipient: organisation
                .notify_outbound_spam_recipient
                .as_ref()
                .map(|to| to.to_string().into()),
        }
    }
}

impl DomainEntry {
    /// One accepted domain as an entry.
    pub fn of(accepted: &AcceptedDomain) -> Self {
        domain(accepted)
    }
}

impl AuthenticationPolicyEntry {
    /// One authentication policy as an entry.
    pub fn of(policy: &AuthenticationPolicy) -> Self {
        Self { name: policy.name.clone(), allow_basic_auth_smtp: Some(policy.allow_basic_auth_smtp) }
    }
}

impl RemoteDomainEntry {
    /// One remote domain as an entry, each of its settings written out.
    pub fn of(remote: &RemoteDomain) -> Self {
        Self {
            domain: remote.domain.to_string().into(),
            auto_forward_enabled: Some(remote.auto_forward_enabled),
            allowed_oof_type: Some(remote.allowed_oof_type),
            auto_reply_enabled: Some(remote.auto_reply_enabled),
            ndr_enabled: Some(remote.ndr_enabled),
            delivery_report_enabled: Some(remote.delivery_report_enabled),
        }
    }
}

fn domain(domain: &AcceptedDomain) -> DomainEntry {
    DomainEntry {
        domain: domain.domain.to_string().into(),
        domain_type: Some(domain.domain_type).filter(|kind| *kind != DomainType::default()),
        match_subdomains: domain.match_subdomains.then_some(true),
        default: domain.default.then_some(true),
        outbound_only: domain.outbound_only.then_some(true),
        sending_from_disabled: domain.sending_from_disabled.then_some(true),
        sending_to_disabled: domain.sending_to_disabled.then_some(true),
        next_host: domain.next_host.clone(),
    }
}

/// A list, unless it is empty.
fn list(entries: Vec<Box<str>>) -> Option<Vec<Box<str>>> {
    (!entries.is_empty()).then_some(entries)
}

/// A switch, where it differs from its default.
pub(super) fn differing<T: PartialEq>(value: T, default: &T) -> Option<T> {
    (value != *default).then_some(value)
}

/// What an object that is referred to is called.
type Names<'a> = &'a dyn Fn(RecipientId) -> Option<Box<str>>;

fn entry(recipient: &Recipient, name: Names<'_>, secrets: Secrets) -> RecipientEntry {
    let kind = recipient.recipient_type;
    let plain = Recipient::new(recipient.id, kind, &*recipient.name, recipient.primary().clone());
    let addresses = |ids: &[RecipientId]| list(ids.iter().filter_map(|id| name(*id)).collect());
    let grants = |right, deny| {
        let mut trustees: Vec<RecipientId> = recipient.trustees(right, deny).collect();
        trustees.sort_unstable();
        trustees.dedup();
        addresses(&trustees)
    };
    let (lifecycle, since) = lifecycle(recipient.lifecycle);
    let forwarding = recipient.forwarding.as_deref();
    let mut entry = RecipientEntry {
        recipient_type: Some(kind),
        address: recipient.primary().to_string().into(),
        aliases: aliases(recipient),
        name: Some(recipient.name.as_str())
            .filter(|name| *name != recipient.primary().local().as_str())
            .map(Into::into),
        display_name: recipient.display_name.clone(),
        mail_nickname: recipient.mail_nickname.as_deref().map(|alias| alias.as_str().into()),
        external: recipient.external_address.as_ref().map(|address| address.to_string().into()),
        lifecycle: (recipient.lifecycle != plain.lifecycle).then_some(lifecycle),
        since: since.map(|since| since.iso8601().to_string().into()),
        provisioning: recipient.provisioning.as_deref().map(|own| Box::new(ProvisioningEntry::of(own))),
        hidden_from_address_lists: recipient.hidden_from_address_lists.then_some(true),
        email_address_policy_enabled: recipient.email_address_policy_enabled.then_some(true),
        forward_to: forwarding.and_then(|forwarding| name(forwarding.forwarding_address?)),
        forward_to_smtp: forwarding
            .and_then(|forwarding| forwarding.forwarding_smtp_address.as_ref())
            .map(|address| address.to_string().into()),
        keep_copy: forwarding.and_then(|forwarding| forwarding.deliver_to_mailbox_and_forward.then_some(true)),
        send_as: grants(Right::SendAs, false),
        send_on_behalf: grants(Right::SendOnBehalf, false),
        full_access: grants(Right::FullAccess, false),
        deny_send_as: grants(Right::SendAs, true),
        deny_send_on_behalf: grants(Right::SendOnBehalf, true),
        deny_full_access: grants(Right::FullAccess, true),
        no_automapping: addresses(&recipient.not_automapped),
        client_access: differing(client_access(&recipient.client_access), &ClientAccessEntry::default()),
        quota: recipient.quota.as_deref().and_then(QuotaEntry::of),
        limits: recipient.limits.as_deref().and_then(LimitsEntry::of),
        sent_items: differing(sent_items(recipient.sent_items), &SentItemsEntry::default()),
        auto_reply: recipient
            .auto_reply
            .as_deref()
            .filter(|set| !set.is_default())
            .map(|set| Box::new(AutoReplyEntry::of(set))),
        custom_attributes: recipient.custom_attributes.as_deref().filter(|attributes| !attributes.is_empty()).map(
            |attributes| attributes.iter().map(|(number, value)| (number.to_string().into(), value.clone())).collect(),
        ),
        address_book: (!recipient.address_book.is_empty())
            .then(|| recipient.address_book.iter().map(|(property, text)| (property, text.into())).collect()),
        ..RecipientEntry::default()
    };
    match (&recipient.account, &plain.account) {
        (Some(account), Some(plain)) => put_account(&mut entry, account, plain, secrets),
        (None, Some(_)) => entry.account = Some(false),
        (_, None) => {}
    }
    if let Some(restrictions) = recipient.restrictions.as_deref() {
        put_restrictions(&mut entry, restrictions, &addresses);
    }
    if let Some(set) = recipient.moderation.as_deref() {
        moderation::put(&mut entry, set, &addresses);
    }
    if let Some(group) = recipient.group.as_deref() {
        put_group(&mut entry, group, &addresses);
    }
    entry
}

/// The address of a deleted user may be another's: who refers to it would be read as referring to that one.
fn primary_of(snapshot: &Snapshot, id: RecipientId) -> Option<Box<str>> {
    let recipient = snapshot.recipient(id).filter(|recipient| !recipient.is_user_deleted());
    recipient.map(|recipient| recipient.primary().to_string().into())
}

fn aliases(recipient: &Recipient) -> Option<Vec<Box<str>>> {
    let secondary = recipient.addresses.secondary().iter().map(|address| address.to_string().into());
    let other = recipient.addresses.other().iter().map(|proxy| proxy.to_string().into());
    list(secondary.chain(other).collect())
}

fn put_account(entry: &mut RecipientEntry, account: &Account, plain: &Account, secrets: Secrets) {
    if account.login != plain.login {
        entry.login = Some(account.login.to_string().into());
    }
    entry.licences = list(account.licences.to_vec());
    entry.enabled = differing(account.enabled, &plain.enabled);
    entry.sign_in_blocked = differing(account.sign_in_blocked, &plain.sign_in_blocked);
    entry.allow_basic_auth_smtp = account.allow_basic_auth_smtp;
    entry.authentication_policy = account.authentication_policy.as_deref().map(Into::into);
    devices::put(entry, account, secrets);
    entry.password_hash = match secrets {
        Secrets::Hide => None,
        Secrets::Include => account.password.clone(),
    };
}

pub(super) type Addresses<'a> = &'a dyn Fn(&[RecipientId]) -> Option<Vec<Box<str>>>;

fn put_restrictions(entry: &mut RecipientEntry, restrictions: &Restrictions, addresses: Addresses<'_>) {
    entry.require_sender_authentication = restrictions.require_sender_authentication;
    entry.accept_only_from = addresses(&restrictions.accept_only_from);
    entry.reject_from = addresses(&restrictions.reject_from);
    entry.receive_bytes_max = restrictions.receive_bytes_max.map(Limit::Bytes);
    entry.send_bytes_max = restrictions.send_bytes_max.map(Limit::Bytes);
}

fn put_group(entry: &mut RecipientEntry, group: &Group, addresses: Addresses<'_>) {
    let plain = Group::default();
    let mut subscribers = group.subscribers.clone();
    subscribers.sort_unstable();
    subscribers.dedup();
    entry.members = addresses(group.members());
    entry.owners = addresses(&group.managed_by);
    entry.subscribers = addresses(&subscribers);
    entry.recipient_filter = group.recipient_filter.clone();
    entry.report_to_manager = differing(group.report_to_manager, &plain.report_to_manager);
    entry.report_to_originator = differing(group.report_to_originator, &plain.report_to_originator);
    entry.send_oof_message_to_originator =
        differing(group.send_oof_message_to_originator, &plain.send_oof_message_to_originator);
    entry.bcc_blocked = differing(group.bcc_blocked, &plain.bcc_blocked);
    membership::put(entry, group, addresses);
}

const fn lifecycle(state: Lifecycle) -> (LifecycleName, Option<Timestamp>) {
    match state {
        Lifecycle::NoMailbox => (LifecycleName::NoMailbox, None),
        Lifecycle::Active => (LifecycleName::Active, None),
        Lifecycle::AwaitingMigration => (LifecycleName::AwaitingMigration, None),
        Lifecycle::Disconnected { since } => (LifecycleName::Disconnected, Some(since)),
        Lifecycle::SoftDeleted { since } => (LifecycleName::SoftDeleted, Some(since)),
        Lifecycle::Inactive { since } => (LifecycleName::Inactive, Some(since)),
        Lifecycle::StaleAttributes => (LifecycleName::StaleAttributes, None),
        Lifecycle::Purged => (LifecycleName::Purged, None),
        Lifecycle::Purging { since } => (LifecycleName::Purging, Some(since)),
    }
}

/// Switches that are off; all mail apps off is written in one word.
fn client_access(access: &ClientAccess) -> ClientAccessEntry {
    let smtp_client_authentication_disabled = access.smtp_client_authentication_disabled;
    let apps_only = ClientAccess { smtp_client_authentication_disabled: None, ..*access };
    if apps_only == ClientAccess::with_every_app(false) {
        return ClientAccessEntry {
            every_app: Some(false),
            smtp_client_authentication_disabled,
            ..ClientAccessEntry::default()
        };
    }
    let off = |switch: bool| (!switch).then_some(false);
    ClientAccessEntry {
        every_app: None,
        owa: off(access.owa),
        owa_for_devices: off(access.owa_for_devices),
        ecp: off(access.ecp),
        active_sync: off(access.active_sync),
        mapi: off(access.mapi),
        imap: off(access.imap),
        pop: off(access.pop),
        ews: off(access.ews),
        universal_outlook: off(access.universal_outlook),
        outlook_mobile: off(access.outlook_mobile),
        mac_outlook: off(access.mac_outlook),
        one_win_native_outlook: off(access.one_win_native_outlook),
        smtp_client_authentication_disabled,
    }
}

fn sent_items(copies: SentItemsCopies) -> SentItemsEntry {
    SentItemsEntry {
        sent_as: copies.sent_as.then_some(true),
        sent_on_behalf: copies.sent_on_behalf.then_some(true),
        smtp_client_submission: copies.smtp_client_submission,
    }
}
