//! How the index writes a recipient: what most of them have in as few octets as it takes, and what few have as JSON
//! behind that.
//!
//! All recipients are read at every start. A mailbox of which nothing special is to be said takes some 90 octets here
//! and 520 in JSON, and the start takes less than half the time. Older indexes hold JSON alone, which begins with a
//! brace where this form has its number: both are read for ever. A property that comes later goes into [`Rest`], where
//! it has a name; [`Common`] stays as it is, unless the form gets another number.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::directory::{
    Account, AddressBook, AddressBookProperty, AutoReply, ClientAccess, Device, Forwarding, Grant, Group, Lifecycle,
    MailNickname, Moderation, OtherProxy, PasswordHash, ProxyAddresses, Quota, Recipient, RecipientId, RecipientLimits,
    RecipientType, Restrictions, Seldom, SentItemsCopies, provisioning::Provisioning,
};
use crate::model::mail::{Address, Domain, LocalPart};

/// The first octet.
const FORM: u8 = 1;
const JSON: u8 = b'{';
/// So many names of domains are remembered; of more, some are kept twice.
const DOMAINS_MAX: usize = 4_096;

/// What most recipients have.
#[derive(Serialize, Deserialize)]
struct Common<'a> {
    id: RecipientId,
    recipient_type: RecipientType,
    lifecycle: Lifecycle,
    name: &'a str,
    display_name: Option<&'a str>,
    mail_nickname: Option<Cow<'a, MailNickname>>,
    #[serde(borrow)]
    primary: Place<'a>,
    #[serde(borrow)]
    secondary: Vec<Place<'a>>,
    #[serde(borrow)]
    external_address: Option<Place<'a>>,
    #[serde(borrow)]
    account: Option<CommonAccount<'a>>,
    hidden_from_address_lists: bool,
    email_address_policy_enabled: bool,
    /// The switches of mail apps that are off, the first as the lowest bit, and the one for SMTP.
    client_access: (u16, Option<bool>),
    sent_items: (bool, bool, Option<bool>),
    custom_attributes: Option<Vec<(u8, &'a str)>>,
    /// By Exchange's names.
    address_book: Vec<(&'a str, &'a str)>,
}

#[derive(Serialize, Deserialize)]
struct CommonAccount<'a> {
    /// None is the primary address.
    #[serde(borrow)]
    login: Option<Place<'a>>,
    enabled: bool,
    sign_in_blocked: bool,
    password: Option<Cow<'a, PasswordHash>>,
    licences: Vec<&'a str>,
    allow_basic_auth_smtp: Option<bool>,
    authentication_policy: Option<&'a str>,
}

/// An address: the content of its local part, and its domain, which is left out where it is that of the primary.
#[derive(Serialize, Deserialize)]
struct Place<'a> {
    local: &'a str,
    #[serde(borrow)]
    domain: Cow<'a, str>,
}

/// What few recipients have.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Rest {
    #[serde(skip_serializing_if = "Option::is_none")]
    provisioning: Option<Box<Provisioning>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarding: Option<Box<Forwarding>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restrictions: Option<Box<Restrictions>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moderation: Option<Box<Moderation>>,
    #[serde(skip_serializing_if = "Seldom::is_empty")]
    grants: Seldom<Grant>,
    #[serde(skip_serializing_if = "Seldom::is_empty")]
    not_automapped: Seldom<RecipientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Box<Group>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<Box<Quota>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Box<RecipientLimits>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_reply: Option<Box<AutoReply>>,
    #[serde(skip_serializing_if = "Seldom::is_empty")]
    other_addresses: Seldom<OtherProxy>,
    #[serde(skip_serializing_if = "Seldom::is_empty")]
    devices: Seldom<Device>,
}

/// Writes a recipient.
pub(super) fn encode(recipient: &Recipient) -> Result<Vec<u8>, String> {
    // Each property by name: a new one does not build before it has its place here.
    let Recipient {
        id,
        recipient_type,
        name,
        display_name,
        mail_nickname,
        addresses,
        external_address,
        account,
        lifecycle,
        provisioning,
        hidden_from_address_lists,
        email_address_policy_enabled,
        client_access,
        forwarding,
        restrictions,
        moderation,
        grants,
        not_automapped,
        group,
        quota,
        limits,
        sent_items,
        auto_reply,
        custom_attributes,
        address_book,
    } = recipient;
    let primary = addresses.primary();
    let account = account.as_deref();
    let common = Common {
        id: *id,
        recipient_type: *recipient_type,
        lifecycle: *lifecycle,
        name,
        display_name: display_name.as_deref(),
        mail_nickname: mail_nickname.as_deref().map(Cow::Borrowed),
        primary: Place::of(primary, None),
        secondary: addresses.secondary().iter().map(|address| Place::of(address, Some(primary))).collect(),
        external_address: external_address.as_deref().map(|address| Place::of(address, Some(primary))),
        account: account.map(|account| common_account(account, primary)),
        hidden_from_address_lists: *hidden_from_address_lists,
        email_address_policy_enabled: *email_address_policy_enabled,
        client_access: switches(client_access),
        sent_items: (sent_items.sent_as, sent_items.sent_on_behalf, sent_items.smtp_client_submission),
        custom_attributes: custom_attributes
            .as_deref()
            .map(|texts| texts.iter().map(|(number, text)| (*number, &**text)).collect()),
        address_book: address_book.iter().map(|(property, text)| (property.name(), text)).collect(),
    };
    let rest = Rest {
        provisioning: provisioning.clone(),
        forwarding: forwarding.clone(),
        restrictions: restrictions.clone(),
        moderation: moderation.clone(),
        grants: grants.clone(),
        not_automapped: not_automapped.clone(),
        group: group.clone(),
        quota: quota.clone(),
        limits: limits.clone(),
        auto_reply: auto_reply.clone(),
        other_addresses: addresses.other().to_vec().into(),
        devices: account.map(|account| account.devices.clone()).unwrap_or_default(),
    };
    let mut encoded = postcard::to_extend(&common, vec![FORM]).map_err(|error| error.to_string())?;
    if rest != Rest::default() {
        serde_json::to_writer(&mut encoded, &rest).map_err(|error| error.to_string())?;
    }
    Ok(encoded)
}

fn common_account<'a>(account: &'a Account, primary: &Address) -> CommonAccount<'a> {
    let Account {
        login,
        enabled,
        sign_in_blocked,
        password,
        licences,
        allow_basic_auth_smtp,
        authentication_policy,
        devices: _,
    } = account;
    CommonAccount {
        login: (login != primary).then(|| Place::of(login, Some(primary))),
        enabled: *enabled,
        sign_in_blocked: *sign_in_blocked,
        password: password.as_ref().map(Cow::Borrowed),
        licences: licences.iter().map(|label| &**label).collect(),
        allow_basic_auth_smtp: *allow_basic_auth_smtp,
        authentication_policy: authentication_policy.as_deref(),
    }
}

impl<'a> Place<'a> {
    fn of(address: &'a Address, primary: Option<&Address>) -> Self {
        let domain = match address.domain() {
            domain if primary.is_some_and(|primary| primary.domain() == domain) => Cow::Borrowed(""),
            Domain::Name(name) => Cow::Borrowed(&**name),
            literal @ Domain::Literal(_) => Cow::Owned(literal.to_string()),
        };
        Self { local: address.local().as_str(), domain }
    }
}

fn switches(access: &ClientAccess) -> (u16, Option<bool>) {
    let mut access = *access;
    let off = apps(&mut access).into_iter().enumerate();
    let off = off.fold(0, |bits, (place, enabled)| bits | u16::from(!*enabled) << place);
    (off, access.smtp_client_authentication_disabled)
}

/// The switches in the order of their bits.
const fn apps(access: &mut ClientAccess) -> [&mut bool; 12] {
    let ClientAccess {
        owa,
        owa_for_devices,
        ecp,
        active_sync,
        mapi,
        imap,
        pop,
        ews,
        universal_outlook,
        outlook_mobile,
        mac_outlook,
        one_win_native_outlook,
        smtp_client_authentication_disabled: _,
    } = access;
    [
        owa,
        owa_for_devices,
        ecp,
        active_sync,
        mapi,
        imap,
        pop,
        ews,
        universal_outlook,
        outlook_mobile,
        mac_outlook,
        one_win_native_outlook,
    ]
}

/// Reads recipients in either form.
#[derive(Clone)]
pub(super) struct Reader {
    /// Names of domains, which recipients share.
    domains: HashSet<Arc<str>>,
}

impl Reader {
    /// A reader that knows these domains.
    pub(super) fn new<'domain>(domains: impl Iterator<Item = &'domain Domain>) -> Self {
        let name = |domain: &Domain| match domain {
            Domain::Name(name) => Some(Arc::clone(name)),
            Domain::Literal(_) => None,
        };
        Self { domains: domains.take(DOMAINS_MAX).filter_map(name).collect() }
    }

    /// Reads a recipient.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn decode(&mut self, value: &[u8]) -> Result<Recipient, String> {
        let encoded = match value.split_first() {
            Some((&FORM, encoded)) => encoded,
            Some((&JSON, _)) => return serde_json::from_slice(value).map_err(|error| error.to_string()),
            Some((form, _)) => return Err(format!("it has the form {form}, which nobody knows")),
            None => return Err("it is empty".to_owned()),
        };
        let (common, json) = postcard::take_from_bytes::<Common<'_>>(encoded).map_err(|error| error.to_string())?;
        let rest = match json {
            [] => Rest::default(),
            json => serde_json::from_slice(json).map_err(|error| error.to_string())?,
        };
        self.recipient(common, rest)
    }

    fn recipient(&mut self, common: Common<'_>, rest: Rest) -> Result<Recipient, String> {
        let primary = self.address(&common.primary, None)?;
        // As long as it is: what is given back of a longer one leaves a hole.
        let mut secondary = Vec::with_capacity(common.secondary.len());
        for place in &common.secondary {
            secondary.push(self.address(place, Some(&primary))?);
        }
        let external = common.external_address.map(|place| self.address(&place, Some(&primary))).transpose()?;
        let account = common.account.map(|account| self.account(account, rest.devices, &primary)).transpose()?;
        let mut address_book = AddressBook::new();
        for (name, text) in common.address_book {
            let property = AddressBookProperty::ALL.into_iter().find(|property| property.name() == name);
            let property = property.ok_or_else(|| format!("there is no property {name:?}"))?;
            address_book.set(property, text);
        }
        let texts = |texts: Vec<(u8, &str)>| texts.into_iter().map(|(number, text)| (number, text.into())).collect();
        let (sent_as, sent_on_behalf, smtp_client_submission) = common.sent_items;
        Ok(Recipient {
            id: common.id,
            recipient_type: common.recipient_type,
            name: common.name.into(),
            display_name: common.display_name.map(Into::into),
            mail_nickname: common.mail_nickname.map(|nickname| Box::new(nickname.into_owned())),
            addresses: ProxyAddresses::recorded(primary, secondary.into(), rest.other_addresses),
            external_address: external.map(Box::new),
            account: account.map(Box::new),
            lifecycle: common.lifecycle,
            provisioning: rest.provisioning,
            hidden_from_address_lists: common.hidden_from_address_lists,
            email_address_policy_enabled: common.email_address_policy_enabled,
            client_access: client_access(common.client_access),
            forwarding: rest.forwarding,
            restrictions: rest.restrictions,
            moderation: rest.moderation,
            grants: rest.grants,
            not_automapped: rest.not_automapped,
            group: rest.group,
            quota: rest.quota,
            limits: rest.limits,
            sent_items: SentItemsCopies { sent_as, sent_on_behalf, smtp_client_submission },
            auto_reply: rest.auto_reply,
            custom_attributes: common.custom_attributes.map(|own| Box::new(texts(own))),
            address_book,
        })
    }

    fn account(
        &mut self,
        account: CommonAccount<'_>,
        devices: Seldom<Device>,
        primary: &Address,
    ) -> Result<Account, String> {
        Ok(Account {
            login: match &account.login {
                Some(place) => self.address(place, Some(primary))?,
                None => primary.clone(),
            },
            enabled: account.enabled,
            sign_in_blocked: account.sign_in_blocked,
            password: account.password.map(Cow::into_owned),
            licences: account.licences.into_iter().map(Into::into).collect(),
            allow_basic_auth_smtp: account.allow_basic_auth_smtp,
            authentication_policy: account.authentication_policy.into(),
            devices,
        })
    }

    fn address(&mut self, place: &Place<'_>, primary: Option<&Address>) -> Result<Address, String> {
        let wrong = |error| format!("{}@{} is no address: {error}", place.local, place.domain);
        let local = LocalPart::recorded(place.local).map_err(wrong)?;
        let domain = match primary {
            Some(primary) if place.domain.is_empty() => primary.domain().clone(),
            Some(_) | None => self.domain(&place.domain).map_err(wrong)?,
        };
        Ok(Address::new(local, domain))
    }

    fn domain(&mut self, text: &str) -> Result<Domain, crate::model::mail::AddressError> {
        if let Some(known) = self.domains.get(text) {
            return Ok(Domain::Name(Arc::clone(known)));
        }
        let domain = Domain::parse(text)?;
        if let Domain::Name(name) = &domain
            && self.domains.len() < DOMAINS_MAX
        {
            self.domains.insert(Arc::clone(name));
        }
        Ok(domain)
    }
}

fn client_access((off, smtp): (u16, Option<bool>)) -> ClientAccess {
    let mut access = ClientAccess::with_every_app(true);
    let switches = apps(&mut access).into_iter().enumerate();
    switches.for_each(|(place, enabled)| *enabled = off & 1 << place == 0);
    access.smtp_client_authentication_disabled = smtp;
    access
}

#[cfg(test)]
mod tests;
