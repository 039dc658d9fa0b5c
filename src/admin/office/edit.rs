//! The properties of a recipient that can be set, and how setting them makes one recipient of another: no I/O here.
//!
//! What is not given stays. An empty text or list clears what can be cleared. Whether the result may stand is judged by
//! the directory when the change is applied.

mod membership;
mod moderation;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::identity;
use crate::model::directory::document::{
    AutoReplyEntry, ClientAccessEntry, Limit, LimitsEntry, QuotaEntry, SentItemsEntry,
};
use crate::model::directory::{
    Account, AddressBookProperty, ClientAccess, Forwarding, Group, ProxyAddress, Quota, Recipient, RecipientType,
    Restrictions, Snapshot,
};

pub use membership::MembershipEdit;
pub use moderation::ModerationEdit;

/// A switch that can also follow what stands above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// On.
    Yes,
    /// Off.
    No,
    /// As the type, the organisation or the profile says.
    Default,
}

impl Switch {
    /// The stored form.
    pub const fn stored(self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::No => Some(false),
            Self::Default => None,
        }
    }
}

/// What is to change. Every field that is `None` or empty leaves its property alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each is named and described at the property of Recipient that it sets")]
pub struct RecipientEdit {
    pub recipient_type: Option<RecipientType>,
    pub name: Option<String>,
    pub display_name: Option<String>,
    pub mail_nickname: Option<String>,
    pub primary: Option<String>,
    pub add_aliases: Vec<String>,
    pub remove_aliases: Vec<String>,
    pub external: Option<String>,
    pub login: Option<String>,
    pub enabled: Option<bool>,
    pub sign_in_blocked: Option<bool>,
    pub basic_auth_smtp: Option<Switch>,
    /// The name of an authentication policy; empty leaves it to the organisation's.
    pub authentication_policy: Option<String>,
    pub licences: Option<Vec<String>>,
    pub forward_to: Option<String>,
    pub forward_to_smtp: Option<String>,
    pub keep_copy: Option<bool>,
    pub no_forward: bool,
    pub require_authentication: Option<Switch>,
    pub accept_only_from: Option<Vec<String>>,
    pub reject_from: Option<Vec<String>>,
    pub moderation: ModerationEdit,
    pub membership: MembershipEdit,
    pub receive_bytes_max: Option<Limit>,
    pub send_bytes_max: Option<Limit>,
    pub client_access: ClientAccessEntry,
    /// May it sign in over SMTP? The opposite of `SmtpClientAuthenticationDisabled`.
    pub smtp_auth: Option<Switch>,
    pub hidden: Option<bool>,
    pub email_address_policy_enabled: Option<bool>,
    pub quota: QuotaEntry,
    pub limits: LimitsEntry,
    pub sent_items: SentItemsEntry,
    pub smtp_copy: Option<Switch>,
    pub auto_reply: AutoReplyEntry,
    pub custom_attributes: BTreeMap<u8, String>,
    pub address_book: BTreeMap<AddressBookProperty, String>,
    pub owners: Option<Vec<String>>,
    pub members: Option<Vec<String>>,
    pub subscribers: Option<Vec<String>>,
    pub recipient_filter: Option<String>,
    pub report_to_manager: Option<bool>,
    pub report_to_originator: Option<bool>,
    pub out_of_office_to_originator: Option<bool>,
    pub bcc_blocked: Option<bool>,
}

/// `CustomAttribute1` to `CustomAttribute15`.
const CUSTOM_ATTRIBUTES: core::ops::RangeInclusive<u8> = 1..=15;

impl RecipientEdit {
    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it sets anything by which email address policies go.
    pub(super) fn alters_names(&self) -> bool {
        let texts = [&self.name, &self.display_name, &self.mail_nickname, &self.login, &self.primary];
        texts.into_iter().any(Option::is_some)
            || self.recipient_type.is_some()
            || self.email_address_policy_enabled.is_some()
            || !self.custom_attributes.is_empty()
            || !self.address_book.is_empty()
    }

    /// Makes the changes and says what follows from them that may surprise.
    ///
    /// # Errors
    /// The first value that cannot be right, or reference that leads nowhere. Then `recipient` is half-changed and must
    /// not be used.
    pub fn apply(&self, snapshot: &Snapshot, recipient: &mut Recipient) -> Result<Vec<String>, Failure> {
        let mut notes = Vec::new();
        if let Some(kind) = self.recipient_type.filter(|kind| *kind != recipient.recipient_type) {
            convert(recipient, kind, &mut notes)?;
        }
        self.names(recipient)?;
        self.addresses(recipient)?;
        self.account(recipient)?;
        self.forwarding(snapshot, recipient)?;
        self.restrictions(snapshot, recipient)?;
        self.switches(recipient);
        self.quota(recipient);
        self.membership.apply(recipient)?;
        let mut limits = recipient.limits.take().unwrap_or_default();
        self.limits.apply(&mut limits);
        recipient.limits = Some(limits).filter(|limits| **limits != Default::default());
        self.group(snapshot, recipient)?;
        self.moderation.apply(snapshot, recipient, &mut notes)?;
        self.auto_reply(recipient)?;
        self.attributes(recipient)?;
        Ok(notes)
    }

    fn names(&self, recipient: &mut Recipient) -> Result<(), Failure> {
        if let Some(name) = &self.name {
            recipient.name = name.trim().into();
        }
        if let Some(display_name) = &self.display_name {
            recipient.display_name = text_or_none(display_name);
        }
        if let Some(nickname) = &self.mail_nickname {
            recipient.mail_nickname = match nickname.trim() {
                "" => None,
                text => Some(Box::new(identity::nickname("--mail-nickname", text)?)),
            };
        }
        if let Some(hidden) = self.hidden {
            recipient.hidden_from_address_lists = hidden;
        }
        recipient.email_address_policy_enabled =
            self.email_address_policy_enabled.unwrap_or(recipient.email_address_policy_enabled);
        Ok(())
    }

    fn addresses(&self, recipient: &mut Recipient) -> Result<(), Failure> {
        for alias in &self.add_aliases {
            match identity::proxy("--alias", alias)? {
                ProxyAddress::Smtp(address) => recipient.addresses.add(address),
                ProxyAddress::Other(proxy) => recipient.addresses.add_other(proxy),
            }
        }
        if let Some(primary) = &self.primary {
            recipient.set_primary(identity::address("--primary", primary)?);
        }
        for alias in &self.remove_aliases {
            let address = match identity::proxy("--remove-alias", alias)? {
                ProxyAddress::Smtp(address) => address,
                ProxyAddress::Other(proxy) if recipient.addresses.remove_other(&proxy) => continue,
                ProxyAddress::Other(proxy) => {
                    return Err(Failure::not_found(format!("{proxy} is no address of {}.", recipient.primary())));
                }
            };
            if address.key() == recipient.primary().key() {
                let failure = Failure::refused(format!("{address} is the primary address and cannot be removed."));
                return Err(failure.cured_by("give another primary address first: --primary NEW@DOMAIN"));
            }
            if !recipient.addresses.remove(&address.key()) {
                return Err(Failure::not_found(format!("{address} is no address of {}.", recipient.primary())));
            }
        }
        if let Some(external) = &self.external {
            recipient.set_external(match external.trim() {
                "" => None,
                text => Some(identity::address("--external", text)?),
            });
        }
        Ok(())
    }

    fn account(&self, recipient: &mut Recipient) -> Result<(), Failure> {
        let login = self.login.as_deref().map(|login| identity::address("--login", login)).transpose()?;
        let touched = login.is_some()
            || self.enabled.is_some()
            || self.sign_in_blocked.is_some()
            || self.basic_auth_smtp.is_some()
            || self.authentication_policy.is_some()
            || self.licences.is_some();
        if !touched {
            return Ok(());
        }
        let account = account_of(recipient)?;
        account.login = login.unwrap_or_else(|| account.login.clone());
        account.enabled = self.enabled.unwrap_or(account.enabled);
        account.sign_in_blocked = self.sign_in_blocked.unwrap_or(account.sign_in_blocked);
        if let Some(switch) = self.basic_auth_smtp {
            account.allow_basic_auth_smtp = switch.stored();
        }
        if let Some(name) = &self.authentication_policy {
            account.authentication_policy = text_or_none(name).into();
        }
        if let Some(licences) = &self.licences {
            account.licences = licences.iter().map(|licence| licence.trim().into()).collect();
        }
        Ok(())
    }

    fn forwarding(&self, snapshot: &Snapshot, recipient: &mut Recipient) -> Result<(), Failure> {
        if self.no_forward {
            recipient.forwarding = None;
        }
        if self.forward_to.is_none() && self.forward_to_smtp.is_none() && self.keep_copy.is_none() {
            return Ok(());
        }
        let mut forwarding = recipient.forwarding.take().unwrap_or_default();
        for target in [&self.forward_to, &self.forward_to_smtp].into_iter().flatten() {
            one_target(target)?;
        }
        if let Some(target) = &self.forward_to {
            forwarding.forwarding_address = match target.trim() {
                "" => None,
                text => Some(identity::find(snapshot, text)?.id),
            };
        }
        if let Some(target) = &self.forward_to_smtp {
            forwarding.forwarding_smtp_address = match target.trim() {
                "" => None,
                text => Some(identity::address("--forward-to-smtp", text)?),
            };
        }
        if let Some(keep) = self.keep_copy {
            forwarding.deliver_to_mailbox_and_forward = keep;
        }
        recipient.forwarding = Some(forwarding).filter(|forwarding| **forwarding != Forwarding::default());
        Ok(())
    }

    fn restrictions(&self, snapshot: &Snapshot, recipient: &mut Recipient) -> Result<(), Failure> {
        let mut set = recipient.restrictions.take().unwrap_or_default();
        if let Some(switch) = self.require_authentication {
            set.require_sender_authentication = switch.stored();
        }
        if let Some(list) = &self.accept_only_from {
            set.accept_only_from = identity::find_all(snapshot, list)?;
        }
        if let Some(list) = &self.reject_from {
            set.reject_from = identity::find_all(snapshot, list)?;
        }
        if let Some(limit) = self.receive_bytes_max {
            set.receive_bytes_max = limit.bytes();
        }
        if let Some(limit) = self.send_bytes_max {
            set.send_bytes_max = limit.bytes();
        }
        recipient.restrictions = Some(set).filter(|set| **set != Restrictions::default());
        Ok(())
    }

    fn switches(&self, recipient: &mut Recipient) {
        let (access, edit) = (&mut recipient.client_access, &self.client_access);
        if let Some(enabled) = edit.every_app {
            let smtp = access.smtp_client_authentication_disabled;
            *access = ClientAccess::with_every_app(enabled);
            access.smtp_client_authentication_disabled = smtp;
        }
        let single = [
            (&mut access.owa, edit.owa),
            (&mut access.owa_for_devices, edit.owa_for_devices),
            (&mut access.ecp, edit.ecp),
            (&mut access.active_sync, edit.active_sync),
            (&mut access.mapi, edit.mapi),
            (&mut access.imap, edit.imap),
            (&mut access.pop, edit.pop),
            (&mut access.ews, edit.ews),
            (&mut access.universal_outlook, edit.universal_outlook),
            (&mut access.outlook_mobile, edit.outlook_mobile),
            (&mut access.mac_outlook, edit.mac_outlook),
            (&mut access.one_win_native_outlook, edit.one_win_native_outlook),
        ];
        for (switch, value) in single {
            *switch = value.unwrap_or(*switch);
        }
        if let Some(switch) = self.smtp_auth {
            access.smtp_client_authentication_disabled = switch.stored().map(|allowed| !allowed);
        }
        let (copies, edit) = (&mut recipient.sent_items, &self.sent_items);
        copies.sent_as = edit.sent_as.unwrap_or(copies.sent_as);
        copies.sent_on_behalf = edit.sent_on_behalf.unwrap_or(copies.sent_on_behalf);
        if let Some(switch) = self.smtp_copy {
            copies.smtp_client_submission = switch.stored();
        }
    }

    fn quota(&self, recipient: &mut Recipient) {
        let mut quota = recipient.quota.take().unwrap_or_default();
        self.quota.apply(&mut quota);
        recipient.quota = Some(quota).filter(|quota| **quota != Quota::default());
    }

    fn group(&self, snapshot: &Snapshot, recipient: &mut Recipient) -> Result<(), Failure> {
        let touched = self.owners.is_some()
            || self.members.is_some()
            || self.subscribers.is_some()
            || self.recipient_filter.is_some()
            || [self.report_to_manager, self.report_to_originator, self.out_of_office_to_originator, self.bcc_blocked]
                .iter()
                .any(Option::is_some);
        if !touched {
            return Ok(());
        }
        let kind = recipient.recipient_type;
        if !kind.is_group() {
            return Err(Failure::refused(format!("{} is a {kind}, not a group.", recipient.primary())));
        }
        let group: &mut Group = recipient.group.get_or_insert_default();
        if let Some(owners) = &self.owners {
            group.managed_by = identity::find_all(snapshot, owners)?;
        }
        if let Some(members) = &self.members {
            let members = identity::find_all(snapshot, members)?;
            // Added first, so that who is new is treated as new.
            group.add_members(&members);
            group.set_members(members);
        }
        if let Some(subscribers) = &self.subscribers {
            let mut subscribers = identity::find_all(snapshot, subscribers)?;
            subscribers.sort_unstable();
            subscribers.dedup();
            group.subscribers = subscribers;
        }
        if let Some(filter) = &self.recipient_filter {
            group.recipient_filter = text_or_none(filter);
        }
        group.report_to_manager = self.report_to_manager.unwrap_or(group.report_to_manager);
        group.report_to_originator = self.report_to_originator.unwrap_or(group.report_to_originator);
        group.send_oof_message_to_originator =
            self.out_of_office_to_originator.unwrap_or(group.send_oof_message_to_originator);
        group.bcc_blocked = self.bcc_blocked.unwrap_or(group.bcc_blocked);
        Ok(())
    }

    fn auto_reply(&self, recipient: &mut Recipient) -> Result<(), Failure> {
        if !self.auto_reply.is_empty() {
            let next = self.auto_reply.apply(recipient.auto_reply.as_deref());
            recipient.auto_reply = next.map_err(|error| Failure::refused(error.to_string()))?;
        }
        Ok(())
    }

    fn attributes(&self, recipient: &mut Recipient) -> Result<(), Failure> {
        let mut attributes = recipient.custom_attributes.take().unwrap_or_default();
        for (number, value) in &self.custom_attributes {
            if !CUSTOM_ATTRIBUTES.contains(number) {
                return Err(Failure::refused(format!(
                    "Custom attributes are numbered 1 to 15, so there is no {number}."
                )));
            }
            if value.is_empty() {
                attributes.remove(number);
            } else {
                attributes.insert(*number, value.as_str().into());
            }
        }
        recipient.custom_attributes = Some(attributes).filter(|attributes| !attributes.is_empty());
        for (property, text) in &self.address_book {
            recipient.address_book.set(*property, text);
        }
        Ok(())
    }
}

/// Forwarding has one target; several are a group (spec S3-7).
fn one_target(text: &str) -> Result<(), Failure> {
    if !text.contains([',', ';']) {
        return Ok(());
    }
    let failure = Failure::refused("A mailbox forwards to one address only; for several, forward to a group of them.");
    let members: Vec<&str> = text.split([',', ';']).map(str::trim).filter(|member| !member.is_empty()).collect();
    let members = members.join(",");
    let made = "franking recipient new GROUP@DOMAIN --type MailUniversalDistributionGroup";
    Err(failure.cured_by(format!("{made} --member {members}; then --forward-to GROUP@DOMAIN")))
}

/// An empty text clears.
fn text_or_none(text: &str) -> Option<Box<str>> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.into())
}

/// The account of a recipient whose type has one; it is made when there is none yet.
///
/// # Errors
/// `Refused` for types without accounts.
pub(super) fn account_of(recipient: &mut Recipient) -> Result<&mut Account, Failure> {
    let (kind, primary) = (recipient.recipient_type, recipient.primary().clone());
    if !kind.may_have_account() {
        return Err(Failure::refused(format!("{primary} is a {kind}, which has no account and cannot sign in.")));
    }
    Ok(recipient.account.get_or_insert_with(|| Box::new(Account::new(primary))))
}

/// Who a change of type is for: within each of these, and from people outside to mailboxes (spec T22).
fn may_become(from: RecipientType, to: RecipientType) -> bool {
    let mailbox = |kind: RecipientType| kind.is_mailbox() && kind != RecipientType::GroupMailbox;
    let list = |kind: RecipientType| kind.is_distribution() && kind != RecipientType::DynamicDistributionGroup;
    let into_mailbox = from.is_external() && from.may_have_account() && mailbox(to);
    into_mailbox
        || (mailbox(from) && mailbox(to))
        || (from.is_external() && to.is_external())
        || (list(from) && list(to))
}

fn convert(recipient: &mut Recipient, kind: RecipientType, notes: &mut Vec<String>) -> Result<(), Failure> {
    let former = recipient.recipient_type;
    if !may_become(former, kind) {
        let failure = Failure::refused(format!("{} is a {former} and cannot become a {kind}.", recipient.primary()));
        let primary = recipient.primary();
        return Err(failure.cured_by(format!(
            "franking recipient remove {primary} --permanently; franking recipient new {primary} --type {kind}"
        )));
    }
    recipient.recipient_type = kind;
    if kind.is_mailbox() && !former.is_mailbox() {
        // Whether it has a mailbox at once is for the licence to say.
        recipient.external_address = None;
    }
    if !kind.may_have_account() {
        recipient.account = None;
    } else if let Some(account) = recipient.account.as_deref_mut() {
        if kind.is_born_blocked() && !former.is_born_blocked() {
            account.sign_in_blocked = true;
            notes.push("Sign-in is blocked, as for every shared, room and equipment mailbox.".to_owned());
        }
        if former.is_born_blocked() && !kind.is_born_blocked() {
            notes.push("Sign-in is still as it was: franking account unblock permits it.".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
