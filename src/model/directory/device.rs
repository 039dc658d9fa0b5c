//! Device credentials, which others call app passwords: secrets of their own by which scanners and old applications
//! submit for an account whose password they do not know.
//!
//! Each can do less than its account and never more: it may be bound to networks, to senders, to recipients and to a
//! time. The first group of a secret is its selector, by which the one hash is found that the rest is checked against:
//! a sign-in costs one verification, however many credentials there are.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::account::{Account, PasswordHash};
use crate::model::mail::{Address, Domain, Network, Timestamp};

/// Credentials of one account. Each change of an account is written with all of them.
pub const DEVICES_MAX: usize = 500;
/// Entries of each list of one credential.
pub const DEVICE_LIST_MAX: usize = 100;
/// Characters of a credential's name.
pub const DEVICE_NAME_CHARACTERS_MAX: usize = 64;

/// Letters and digits of a secret, its selector included; passwords that are made for accounts have fewer.
const SECRET_CHARACTERS: usize = 24;
const SELECTOR_CHARACTERS: usize = 4;

/// The first group of a device's secret, which says which credential of its account it is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector([u8; SELECTOR_CHARACTERS]);

impl Selector {
    /// Four lower-case letters and digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let octets: [u8; SELECTOR_CHARACTERS] = text.as_bytes().try_into().ok()?;
        octets.iter().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit()).then_some(Self(octets))
    }
}

impl TryFrom<String> for Selector {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a selector has four lower-case letters and digits")
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| fmt::Write::write_char(formatter, char::from(*octet)))
    }
}

/// It is a part of the secret, so logs name the credential instead.
impl fmt::Debug for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Selector(hidden)")
    }
}

/// A text in the form of a device's secret: letters and digits only, in lower case.
pub struct Secret {
    selector: Selector,
    text: zeroize::Zeroizing<String>,
}

impl Secret {
    /// Reads what a client showed. Hyphens and spaces between the groups and the case of letters do not matter, since
    /// people type secrets on panels; `None` for what cannot be the secret of a device.
    pub fn read(shown: &str) -> Option<Self> {
        // Every character is looked at before any memory is taken: most texts are passwords.
        let kept = || shown.chars().filter(|character| !matches!(character, '-' | ' '));
        if kept().count() != SECRET_CHARACTERS || !kept().all(|character| character.is_ascii_alphanumeric()) {
            return None;
        }
        let mut text = zeroize::Zeroizing::new(String::with_capacity(SECRET_CHARACTERS));
        text.extend(kept().map(|character| character.to_ascii_lowercase()));
        let selector = Selector::parse(text.get(..SELECTOR_CHARACTERS)?)?;
        Some(Self { selector, text })
    }

    /// Which credential of an account it is for.
    pub const fn selector(&self) -> Selector {
        self.selector
    }

    /// What is hashed.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

/// By what a secret is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// Its first group.
    pub selector: Selector,
    /// The hash of all of it, as [`Secret::text`] writes it.
    pub hash: PasswordHash,
}

/// Whom a device may write to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRecipient {
    /// Every address of the organisation's own domains.
    Inside,
    /// Every address of a domain.
    Domain(Domain),
    /// One address.
    Address(Address),
}

impl DeviceRecipient {
    /// `inside`, an address, or a domain; `None` for anything else. A domain of one word is written with an @, since a
    /// word alone, such as `outside`, is more often meant for something that there is not.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("inside") {
            return Some(Self::Inside);
        }
        match text.strip_prefix('@') {
            Some(domain) => Domain::parse(domain).ok().map(Self::Domain),
            None if text.contains('@') => Address::parse(text).ok().map(Self::Address),
            None => Domain::parse(text).ok().filter(is_told_from_a_word).map(Self::Domain),
        }
    }
}

/// Whether a domain is written with more than letters, digits and hyphens.
fn is_told_from_a_word(domain: &Domain) -> bool {
    match domain {
        Domain::Name(name) => name.contains('.'),
        Domain::Literal(_) => true,
    }
}

impl fmt::Display for DeviceRecipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inside => formatter.write_str("inside"),
            Self::Domain(domain) if !is_told_from_a_word(domain) => write!(formatter, "@{domain}"),
            Self::Domain(domain) => domain.fmt(formatter),
            Self::Address(address) => address.fmt(formatter),
        }
    }
}

/// One credential of an account. An empty list binds it to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What people call it, unique within the account, letter case aside: `scanner-2`.
    pub name: Box<str>,
    /// By what its secret is recognised; without one no secret is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier: Option<Verifier>,
    /// When it was made.
    pub created: Timestamp,
    /// From this moment on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// It is refused from anywhere else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// It may use no other address as author or reverse-path, and these only if its account may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<Address>,
    /// It may name no other recipients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<DeviceRecipient>,
}

impl Device {
    /// A credential that is bound to nothing and has no secret yet.
    pub fn new(name: impl Into<Box<str>>, created: Timestamp) -> Self {
        Self {
            name: name.into(),
            verifier: None,
            created,
            expires: None,
            networks: Vec::new(),
            senders: Vec::new(),
            recipients: Vec::new(),
        }
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }

    /// Whether it may be used from an address.
    pub fn admits(&self, peer: core::net::IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(peer))
    }

    /// Whether it is bound to private networks, to senders and to recipients: to so little that its secret may be shown
    /// without TLS, where others can read it (decision D8).
    pub fn is_pinned(&self) -> bool {
        let is_nearby = !self.networks.is_empty() && self.networks.iter().all(Network::is_private);
        is_nearby && !self.senders.is_empty() && !self.recipients.is_empty()
    }

    /// Whether this is what people call it.
    pub fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Credentials that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The name would be unreadable in a log or on a command line.
    #[error(
        "the name of a device has 1 to {DEVICE_NAME_CHARACTERS_MAX} letters, digits, dots, hyphens and underscores, \
         and begins with a letter or digit"
    )]
    Name,
    /// Two are called the same.
    #[error("two devices of the account have the same name")]
    TwiceNamed,
    /// Two secrets begin with the same group, so one could never be used.
    #[error("two devices of the account have the same selector")]
    TwiceSelected,
    /// More than are kept.
    #[error("an account has at most {DEVICES_MAX} devices")]
    TooMany,
    /// More networks, senders or recipients than are kept.
    #[error("a device has at most {DEVICE_LIST_MAX} networks, senders and recipients each")]
    ListTooLong,
}

/// Judges the credentials of an account that is about to be put in.
pub(super) fn judge(account: &Account) -> Result<(), DeviceError> {
    let devices = &account.devices;
    if devices.len() > DEVICES_MAX {
        return Err(DeviceError::TooMany);
    }
    for device in devices {
        let readable = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        let begins_well = device.name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if !begins_well || device.name.len() > DEVICE_NAME_CHARACTERS_MAX || !device.name.chars().all(readable) {
            return Err(DeviceError::Name);
        }
        if [device.networks.len(), device.senders.len(), device.recipients.len()].iter().any(|n| *n > DEVICE_LIST_MAX) {
            return Err(DeviceError::ListTooLong);
        }
    }
    let mut names: Vec<String> = devices.iter().map(|device| device.name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
        return Err(DeviceError::TwiceNamed);
    }
    let mut selectors: Vec<Selector> = devices.iter().filter_map(|own| Some(own.verifier.as_ref()?.selector)).collect();
    selectors.sort_unstable();
    if selectors.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
        return Err(DeviceError::TwiceSelected);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_however_it_is_typed() {
        for typed in ["k7mq-x2rt-abcd-efgh-jkmn-pqrs", "K7MQX2RTABCDEFGHJKMNPQRS", "k7mq x2rt abcd efgh jkmn pqrs"] {
            let secret = Secret::read(typed).unwrap();
            assert_eq!((secret.text(), secret.selector().to_string()), ("k7mqx2rtabcdefghjkmnpqrs", "k7mq".to_owned()));
            assert!(!format!("{secret:?} {:?}", secret.selector()).contains("k7mq"));
        }
        for other in
            ["", "k7mq", "k7mq-x2rt-abcd-efgh-jkmn", "k7mq-x2rt-abcd-efgh-jkmn-pqrst", "a password of 24 letters"]
        {
            assert!(Secret::read(other).is_none(), "{other}");
        }
        assert!(Secret::read("k7mq_x2rt-abcd-efgh-jkmn-pqr").is_none());
        assert!(Secret::read("ſ7mqx2rtabcdefghjkmnpqrs").is_none(), "only ASCII");
    }

    #[test]
    fn recipients_are_written_as_they_are_read() {
        for text in ["inside", "fabrikam.example", "scan@fabrikam.example", "@intranet"] {
            assert_eq!(DeviceRecipient::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(DeviceRecipient::parse("@fabrikam.example"), DeviceRecipient::parse("fabrikam.example"));
        assert_eq!(DeviceRecipient::parse(" INSIDE "), Some(DeviceRecipient::Inside));
        for text in ["", "@", "a@", "two words", "*.fabrikam.example", "outside", "everybody"] {
            assert_eq!(DeviceRecipient::parse(text), None, "{text}");
        }
    }

    fn account(names: &[&str]) -> Account {
        let mut account = Account::new("alice@contoso.example".parse().unwrap());
        account.devices = names.iter().map(|name| Device::new(*name, Timestamp::EPOCH)).collect();
        account
    }

    #[test]
    fn what_could_not_be_told_apart_or_read_is_refused() {
        assert_eq!(judge(&account(&["scanner-2", "scanner_3", "9.floor"])), Ok(()));
        for bad in ["", "-x", "two words", "a\nb", "größe", &"x".repeat(65)] {
            assert_eq!(judge(&account(&[bad])), Err(DeviceError::Name), "{bad}");
        }
        assert_eq!(judge(&account(&["Scanner", "copier", "scanner"])), Err(DeviceError::TwiceNamed));
        let many: Vec<String> = (0..=DEVICES_MAX).map(|number| format!("d{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(judge(&account(&many)), Err(DeviceError::TooMany));
        assert_eq!(judge(&account(&many[1..])), Ok(()));
        let mut twins = account(&["one", "two"]);
        for device in twins.devices.iter_mut() {
            let hash = PasswordHash::from_phc("x");
            device.verifier = Some(Verifier { selector: Selector::parse("k7mq").unwrap(), hash });
        }
        assert_eq!(judge(&twins), Err(DeviceError::TwiceSelected));
        let mut long = account(&["one"]);
        long.devices[0].networks = vec!["10.0.0.0/8".parse().unwrap(); DEVICE_LIST_MAX + 1];
        assert_eq!(judge(&long), Err(DeviceError::ListTooLong));
    }
}
