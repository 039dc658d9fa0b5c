//! Turns entries into changes' contents: first everything but references, then the references.

use std::collections::BTreeMap;

use super::plan::{Hasher, Reason};
use super::shown::shown;
use super::{
    AuthenticationPolicyEntry, ClientAccessEntry, DomainEntry, Limit, OrganisationEntry, RecipientEntry,
    RemoteDomainEntry, devices, membership, moderation, provisioning,
};
use crate::model::directory::account::{Account, ClientAccess};
use crate::model::directory::change::ChangeError;
use crate::model::directory::permission::{Grant, Right};
use crate::model::directory::proxy::{ProxyAddress, ProxyAddressError, ProxyAddresses};
use crate::model::directory::recipient::{Forwarding, Organisation, Recipient, RecipientId};
use crate::model::directory::recipient_type::RecipientType;
use crate::model::directory::snapshot::Snapshot;
use crate::model::directory::{AcceptedDomain, AuthenticationPolicy, DomainType, MailNickname, RemoteDomain};
use crate::model::mail::{Address, Domain, DomainPattern};

/// Longest value of a custom attribute, in octets. A log line holds it.
const TEXT_BYTES_MAX: usize = 1024;

/// Parses an address given under `key`.
pub(super) fn address(key: &'static str, text: &str) -> Result<Address, Reason> {
    Address::parse(text).map_err(|source| Reason::Address { key, value: shown(text), source })
}

/// Sets what `value` gives; absent values leave the target alone.
pub(super) fn set<T: Copy>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// An empty text clears, any other sets.
fn set_text(target: &mut Option<Box<str>>, value: Option<&str>) {
    if let Some(value) = value {
        *target = (!value.is_empty()).then(|| value.into());
    }
}

fn set_address<A: From<Address>>(key: &'static str, target: &mut Option<A>, value: Option<&str>) -> Result<(), Reason> {
    if let Some(value) = value {
        *target = if value.is_empty() { None } else { Some(address(key, value)?.into()) };
    }
    Ok(())
}

/// The organisation's settings after an entry.
pub(super) fn organisation(entry: &OrganisationEntry, former: &Organisation) -> Result<Organisation, Reason> {
    let mut next = former.clone();
    if let Some(name) = &entry.name {
        next.name.clone_from(name);
    }
    set(&mut next.smtp_client_authentication_disabled, entry.smtp_client_authentication_disabled);
    set(&mut next.security_defaults, entry.security_defaults);
    set(&mut next.allow_basic_auth_smtp, entry.allow_basic_auth_smtp);
    set_text(&mut next.default_authentication_policy, entry.default_authentication_policy.as_deref());
    set(&mut next.send_from_alias_enabled, entry.send_from_alias_enabled);
    set(&mut next.auto_forwarding_mode, entry.auto_forwarding_mode);
    set(&mut next.disable_plus_address_in_recipients, entry.disable_plus_address_in_recipients);
    set(&mut next.proxy_addresses_max, entry.proxy_addresses_max);
    set(&mut next.auto_reply_only_when_named, entry.auto_reply_only_when_named);
    set(&mut next.auto_reply_senders_max, entry.auto_reply_senders_max);
    set(&mut next.send_bytes_max, entry.send_bytes_max.map(Limit::bytes));
    set(&mut next.receive_bytes_max, entry.receive_bytes_max.map(Limit::bytes));
    set(&mut next.reject_direct_send, entry.reject_direct_send);
    for (switch, given) in [
        (&mut next.reject_reserved_top_level_recipient_domains, entry.reject_reserved_top_level_recipient_domains),
        (
            &mut next.reject_reserved_second_level_recipient_domains,
            entry.reject_reserved_second_level_recipient_domains,
        ),
        (&mut next.reject_single_label_recipient_domains, entry.reject_single_label_recipient_domains),
    ] {
        set(switch, given);
    }
    provisioning::retention(entry, &mut next)?;
    set(&mut next.delayed_delicensing_enabled, entry.delayed_delicensing_enabled);
    set(&mut next.remove_mailbox_deletes_user, entry.remove_mailbox_deletes_user);
    if let Some(plans) = &entry.licence_plans {
        next.licence_plans.clone_from(plans);
    }
    let reports = entry.journaling_report_ndr_to.as_deref();
    set_address("journaling_report_ndr_to", &mut next.journaling_report_ndr_to, reports)?;
    let told = entry.notify_outbound_spam_recipient.as_deref();
    set_address("notify_outbound_spam_recipient", &mut next.notify_outbound_spam_recipient, told)?;
    Ok(next)
}

/// An accepted domain after an entry.
pub(super) fn domain(entry: &DomainEntry, snapshot: &Snapshot) -> Result<AcceptedDomain, Reason> {
    let domain = Domain::parse(&entry.domain).map_err(|source| Reason::Address {
        key: "domain",
        value: shown(&entry.domain),
        source,
    })?;
    let former = snapshot.domains().find(|accepted| accepted.domain == domain).cloned();
    let mut next = former.unwrap_or_else(|| AcceptedDomain::new(domain, DomainType::default()));
    set(&mut next.domain_type, entry.domain_type);
    set(&mut next.match_subdomains, entry.match_subdomains);
    set(&mut next.default, entry.default);
    set(&mut next.outbound_only, entry.outbound_only);
    set(&mut next.sending_from_disabled, entry.sending_from_disabled);
    set(&mut next.sending_to_disabled, entry.sending_to_disabled);
    set_text(&mut next.next_host, entry.next_host.as_deref());
    Ok(next)
}

/// A remote domain after an entry.
pub(super) fn remote_domain(entry: &RemoteDomainEntry, snapshot: &Snapshot) -> Result<RemoteDomain, Reason> {
    let pattern: DomainPattern = entry.domain.parse().map_err(|source| Reason::Address {
        key: "domain",
        value: shown(&entry.domain),
        source,
    })?;
    let former = snapshot.remote_domains().find(|remote| remote.domain == pattern).cloned();
    let mut next = former.unwrap_or_else(|| RemoteDomain::new(pattern));
    set(&mut next.auto_forward_enabled, entry.auto_forward_enabled);
    set(&mut next.allowed_oof_type, entry.allowed_oof_type);
    set(&mut next.auto_reply_enabled, entry.auto_reply_enabled);
    set(&mut next.ndr_enabled, entry.ndr_enabled);
    set(&mut next.delivery_report_enabled, entry.delivery_report_enabled);
    Ok(next)
}

/// An authentication policy after an entry.
pub(super) fn authentication_policy(entry: &AuthenticationPolicyEntry, snapshot: &Snapshot) -> AuthenticationPolicy {
    let former = snapshot.authentication_policy(&entry.name).cloned();
    let mut next = former.unwrap_or_else(|| AuthenticationPolicy::new(entry.name.clone()));
    set(&mut next.allow_basic_auth_smtp, entry.allow_basic_auth_smtp);
    next
}

/// A new recipient with the defaults of its type, before its entry is applied.
pub(super) fn fresh(entry: &RecipientEntry, id: RecipientId, primary: &Address) -> Result<Recipient, Reason> {
    let kind = entry.recipient_type.ok_or(Reason::TypeMissing)?;
    let name = entry.name.as_deref().unwrap_or_else(|| primary.local().as_str());
    Ok(Recipient::new(id, kind, name, primary.clone()))
}

/// Applies everything of an entry but its references; lists of references that it replaces are emptied.
pub(super) fn base(
    entry: &RecipientEntry,
    mut recipient: Recipient,
    primary: Address,
    organisation: &Organisation,
    hash: Hasher<'_>,
) -> Result<Recipient, Reason> {
    if let Some(kind) = entry.recipient_type.filter(|kind| *kind != recipient.recipient_type) {
        retype(&mut recipient, kind);
    }
    if let Some(name) = &entry.name {
        recipient.name = (**name).into();
    }
    set_text(&mut recipient.display_name, entry.display_name.as_deref());
    if let Some(text) = &entry.mail_nickname {
        recipient.mail_nickname = nickname(text)?;
    }
    addresses(entry, &mut recipient, primary, organisation.proxy_addresses())?;
    set_address("external", &mut recipient.external_address, entry.external.as_deref())?;
    account(entry, &mut recipient, hash)?;
    provisioning::base(entry, &mut recipient)?;
    set(&mut recipient.hidden_from_address_lists, entry.hidden_from_address_lists);
    set(&mut recipient.email_address_policy_enabled, entry.email_address_policy_enabled);
    if let Some(switches) = &entry.client_access {
        client_access(switches, &mut recipient.client_access);
    }
    forwarding(entry, &mut recipient)?;
    restrictions(entry, &mut recipient);
    moderation::base(entry, &mut recipient);
    group(entry, &mut recipient)?;
    quota(entry, &mut recipient);
    if let Some(given) = &entry.limits {
        let mut next = recipient.limits.take().unwrap_or_default();
        given.apply(&mut next);
        recipient.limits = Some(next).filter(|limits| **limits != Default::default());
    }
    if let Some(copies) = &entry.sent_items {
        set(&mut recipient.sent_items.sent_as, copies.sent_as);
        set(&mut recipient.sent_items.sent_on_behalf, copies.sent_on_behalf);
        recipient.sent_items.smtp_client_submission =
            copies.smtp_client_submission.or(recipient.sent_items.smtp_client_submission);
    }
    if let Some(given) = &entry.auto_reply {
        recipient.auto_reply = given.apply(recipient.auto_reply.as_deref())?;
    }
    custom_attributes(entry, &mut recipient)?;
    for (property, text) in entry.address_book.iter().flatten() {
        recipient.address_book.set(*property, text);
    }
    for (right, deny, list) in grants(entry) {
        if list.is_some() {
            recipient.grants.retain(|grant| grant.right != right || grant.deny != deny);
        }
    }
    if entry.no_automapping.is_some() {
        recipient.not_automapped.clear();
    }
    Ok(recipient)
}

/// An empty text ends it.
fn nickname(text: &str) -> Result<Option<Box<MailNickname>>, Reason> {
    if text.is_empty() {
        return Ok(None);
    }
    let made = MailNickname::parse(text).map_err(|_| Reason::Text { key: "mail_nickname", value: shown(text) })?;
    Ok(Some(Box::new(made)))
}

/// Makes a recipient of another type, without what the new type cannot have.
fn retype(recipient: &mut Recipient, kind: RecipientType) {
    let plain = Recipient::new(recipient.id, kind, &*recipient.name, recipient.primary().clone());
    if recipient.recipient_type.is_mailbox() != kind.is_mailbox() {
        recipient.lifecycle = plain.lifecycle;
    }
    if !kind.may_have_account() || recipient.account.is_none() {
        recipient.account = plain.account;
    }
    if !kind.is_group() || recipient.group.is_none() {
        recipient.group = plain.group;
    }
    if !kind.is_external() && kind != RecipientType::ShardMailbox {
        recipient.external_address = None;
    }
    if !kind.is_mailbox() {
        recipient.forwarding = None;
        recipient.auto_reply = None;
    }
    recipient.recipient_type = kind;
}

fn addresses(entry: &RecipientEntry, recipient: &mut Recipient, primary: Address, max: usize) -> Result<(), Reason> {
    let Some(aliases) = &entry.aliases else {
        recipient.set_primary(primary);
        return Ok(());
    };
    if aliases.len() >= max {
        let count = aliases.len().saturating_add(1);
        return Err(ChangeError::TooManyProxyAddresses { count, max }.into());
    }
    let mut addresses = ProxyAddresses::new(primary);
    for alias in aliases {
        match ProxyAddress::parse(alias) {
            Ok(ProxyAddress::Smtp(address)) => addresses.add(address),
            Ok(ProxyAddress::Other(proxy)) => addresses.add_other(proxy),
            Err(ProxyAddressError::Smtp(source)) => {
                return Err(Reason::Address { key: "aliases", value: shown(alias), source });
            }
            Err(ProxyAddressError::Other) => return Err(Reason::Text { key: "aliases", value: shown(alias) }),
        }
    }
    recipient.addresses = addresses;
    Ok(())
}

fn account(entry: &RecipientEntry, recipient: &mut Recipient, hash: Hasher<'_>) -> Result<(), Reason> {
    let kind = recipient.recipient_type;
    let about_account = entry.login.is_some()
        || entry.password.is_some()
        || entry.password_hash.is_some()
        || entry.licences.as_ref().is_some_and(|licences| !licences.is_empty())
        || entry.enabled.is_some()
        || entry.sign_in_blocked.is_some()
        || entry.allow_basic_auth_smtp.is_some()
        || entry.authentication_policy.as_ref().is_some_and(|name| !name.is_empty())
        || entry.devices.as_ref().is_some_and(|devices| !devices.is_empty());
    if (about_account || entry.account == Some(true)) && !kind.may_have_account() {
        return Err(ChangeError::NotForThisType { kind: kind.name(), what: "an account" }.into());
    }
    if entry.account == Some(false) {
        recipient.account = None;
        return if about_account { Err(Reason::AccountContradiction) } else { Ok(()) };
    }
    if recipient.account.is_none() {
        if !about_account && entry.account != Some(true) {
            return Ok(());
        }
        let mut account = Account::new(recipient.primary().clone());
        account.sign_in_blocked = kind.is_born_blocked();
        recipient.account = Some(Box::new(account));
    }
    let Some(account) = &mut recipient.account else {
        return Ok(());
    };
    if let Some(login) = &entry.login {
        account.login = address("login", login)?;
    }
    set(&mut account.enabled, entry.enabled);
    set(&mut account.sign_in_blocked, entry.sign_in_blocked);
    account.allow_basic_auth_smtp = entry.allow_basic_auth_smtp.or(account.allow_basic_auth_smtp);
    if let Some(name) = &entry.authentication_policy {
        account.authentication_policy = (!name.is_empty()).then(|| name.clone()).into();
    }
    if let Some(licences) = &entry.licences {
        if let Some(bad) = licences.iter().find(|label| !is_label(label)) {
            return Err(Reason::Text { key: "licences", value: shown(bad) });
        }
        account.licences = licences.clone().into();
    }
    match (&entry.password, &entry.password_hash) {
        (Some(_), Some(_)) => return Err(Reason::TwoPasswords),
        (Some(password), None) => account.password = Some(hash(&password.0, account).map_err(Reason::Password)?),
        (None, Some(hashed)) => account.password = Some(hashed.clone()),
        (None, None) => {}
    }
    devices::apply(entry, account)
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}

fn client_access(entry: &ClientAccessEntry, access: &mut ClientAccess) {
    if let Some(enabled) = entry.every_app {
        let smtp = access.smtp_client_authentication_disabled;
        *access = ClientAccess { smtp_client_authentication_disabled: smtp, ..ClientAccess::with_every_app(enabled) };
    }
    set(&mut access.owa, entry.owa);
    set(&mut access.owa_for_devices, entry.owa_for_devices);
    set(&mut access.ecp, entry.ecp);
    set(&mut access.active_sync, entry.active_sync);
    set(&mut access.mapi, entry.mapi);
    set(&mut access.imap, entry.imap);
    set(&mut access.pop, entry.pop);
    set(&mut access.ews, entry.ews);
    set(&mut access.universal_outlook, entry.universal_outlook);
    set(&mut access.outlook_mobile, entry.outlook_mobile);
    set(&mut access.mac_outlook, entry.mac_outlook);
    set(&mut access.one_win_native_outlook, entry.one_win_native_outlook);
    access.smtp_client_authentication_disabled =
        entry.smtp_client_authentication_disabled.or(access.smtp_client_authentication_disabled);
}

fn forwarding(entry: &RecipientEntry, recipient: &mut Recipient) -> Result<(), Reason> {
    let mut forwarding = recipient.forwarding.take().map(|former| *former).unwrap_or_default();
    if entry.forward_to.is_some() {
        forwarding.forwarding_address = None;
    }
    set_address("forward_to_smtp", &mut forwarding.forwarding_smtp_address, entry.forward_to_smtp.as_deref())?;
    set(&mut forwarding.deliver_to_mailbox_and_forward, entry.keep_copy);
    recipient.forwarding = (forwarding != Forwarding::default()).then(|| Box::new(forwarding));
    Ok(())
}

fn restrictions(entry: &RecipientEntry, recipient: &mut Recipient) {
    let mut next = recipient.restrictions.take().map(|former| *former).unwrap_or_default();
    next.require_sender_authentication = entry.require_sender_authentication.or(next.require_sender_authentication);
    set(&mut next.receive_bytes_max, entry.receive_bytes_max.map(Limit::bytes));
    set(&mut next.send_bytes_max, entry.send_bytes_max.map(Limit::bytes));
    if entry.accept_only_from.is_some() {
        next.accept_only_from.clear();
    }
    if entry.reject_from.is_some() {
        next.reject_from.clear();
    }
    recipient.restrictions = (next != Default::default()).then(|| Box::new(next));
}

fn group(entry: &RecipientEntry, recipient: &mut Recipient) -> Result<(), Reason> {
    let about_group = [&entry.members, &entry.owners, &entry.subscribers].into_iter().any(Option::is_some)
        || entry.recipient_filter.is_some()
        || [entry.report_to_manager, entry.report_to_originator].into_iter().any(|flag| flag.is_some())
        || [entry.send_oof_message_to_originator, entry.bcc_blocked].into_iter().any(|flag| flag.is_some())
        || membership::is_given(entry);
    if !about_group {
        return Ok(());
    }
    let kind = recipient.recipient_type;
    if !kind.is_group() {
        return Err(ChangeError::NotForThisType { kind: kind.name(), what: "members" }.into());
    }
    let group = recipient.group.get_or_insert_default();
    if entry.members.is_some() {
        group.set_members(Vec::new());
    }
    if entry.owners.is_some() {
        group.managed_by.clear();
    }
    if entry.subscribers.is_some() {
        group.subscribers.clear();
    }
    set_text(&mut group.recipient_filter, entry.recipient_filter.as_deref());
    set(&mut group.report_to_manager, entry.report_to_manager);
    set(&mut group.report_to_originator, entry.report_to_originator);
    set(&mut group.send_oof_message_to_originator, entry.send_oof_message_to_originator);
    set(&mut group.bcc_blocked, entry.bcc_blocked);
    membership::base(entry, group);
    Ok(())
}

fn quota(entry: &RecipientEntry, recipient: &mut Recipient) {
    let Some(given) = &entry.quota else {
        return;
    };
    let mut next = recipient.quota.take().map(|former| *former).unwrap_or_default();
    given.apply(&mut next);
    recipient.quota = (next != Default::default()).then(|| Box::new(next));
}

fn custom_attributes(entry: &RecipientEntry, recipient: &mut Recipient) -> Result<(), Reason> {
    let Some(given) = &entry.custom_attributes else {
        return Ok(());
    };
    let mut next: BTreeMap<u8, Box<str>> = recipient.custom_attributes.take().map(|former| *former).unwrap_or_default();
    for (number, value) in given {
        let number = number.parse().ok().filter(|number| (1..=15).contains(number));
        let number = number.ok_or(Reason::CustomAttribute)?;
        if value.is_empty() {
            next.remove(&number);
        } else if is_label(value) {
            next.insert(number, value.clone());
        } else {
            return Err(Reason::Text { key: "custom_attributes", value: shown(value) });
        }
    }
    recipient.custom_attributes = (!next.is_empty()).then(|| Box::new(next));
    Ok(())
}

pub(super) type List<'a> = Option<&'a [Box<str>]>;

/// The six lists of grants with what each grants.
fn grants(entry: &RecipientEntry) -> [(Right, bool, List<'_>); 6] {
    [
        (Right::SendAs, false, entry.send_as.as_deref()),
        (Right::SendOnBehalf, false, entry.send_on_behalf.as_deref()),
        (Right::FullAccess, false, entry.full_access.as_deref()),
        (Right::SendAs, true, entry.deny_send_as.as_deref()),
        (Right::SendOnBehalf, true, entry.deny_send_on_behalf.as_deref()),
        (Right::FullAccess, true, entry.deny_full_access.as_deref()),
    ]
}

/// Whether an entry refers to other recipients at all.
pub(super) fn has_references(entry: &RecipientEntry) -> bool {
    entry.forward_to.as_ref().is_some_and(|target| !target.is_empty())
        || [&entry.members, &entry.owners, &entry.subscribers, &entry.accept_only_from, &entry.reject_from]
            .into_iter()
            .chain([&entry.no_automapping])
            .chain(moderation::lists(entry))
            .chain([&entry.membership_requests])
            .map(|list| list.as_deref())
            .chain(grants(entry).map(|(_, _, list)| list))
            .any(|list| list.is_some_and(|list| !list.is_empty()))
}

/// Resolves the references of an entry and puts them into its recipient.
pub(super) fn link(entry: &RecipientEntry, recipient: &mut Recipient, directory: &Snapshot) -> Result<(), Reason> {
    let find = |key: &'static str, text: &str| {
        let found = directory.find_by_address(&address(key, text)?);
        found.map(|found| found.id).ok_or_else(|| Reason::UnknownReference { key, value: shown(text) })
    };
    let resolve = |key, list: List<'_>| -> Result<Vec<RecipientId>, Reason> {
        list.unwrap_or_default().iter().map(|text| find(key, text)).collect()
    };
    for (right, deny, list) in grants(entry) {
        for trustee in resolve(if deny { "deny" } else { right.name() }, list)? {
            recipient.grants.push(Grant { right, trustee, deny });
        }
    }
    recipient.grants.sort_unstable();
    recipient.grants.dedup();
    if entry.no_automapping.is_some() {
        recipient.not_automapped = resolve("no_automapping", entry.no_automapping.as_deref())?.into();
        recipient.not_automapped.sort_unstable();
        recipient.not_automapped.dedup();
    }
    if let Some(target) = entry.forward_to.as_deref().filter(|target| !target.is_empty()) {
        recipient.forwarding.get_or_insert_default().forwarding_address = Some(find("forward_to", target)?);
    }
    let accept_only_from = resolve("accept_only_from", entry.accept_only_from.as_deref())?;
    let reject_from = resolve("reject_from", entry.reject_from.as_deref())?;
    if !accept_only_from.is_empty() {
        recipient.restrictions.get_or_insert_default().accept_only_from = accept_only_from;
    }
    if !reject_from.is_empty() {
        recipient.restrictions.get_or_insert_default().reject_from = reject_from;
    }
    moderation::link(entry, recipient, &resolve)?;
    if let Some(group) = &mut recipient.group {
        membership::link(entry, group, &resolve)?;
        if entry.members.is_some() {
            group.set_members(resolve("members", entry.members.as_deref())?);
        }
        if entry.owners.is_some() {
            group.managed_by = resolve("owners", entry.owners.as_deref())?;
        }
        if entry.subscribers.is_some() {
            group.subscribers = resolve("subscribers", entry.subscribers.as_deref())?;
            group.subscribers.sort_unstable();
            group.subscribers.dedup();
        }
    }
    Ok(())
}
