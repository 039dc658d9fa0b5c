//! Proxy addresses: every address of a recipient, with exactly one primary (spec section 4.5).

use core::fmt;

use serde::{Deserialize, Serialize};

use super::seldom::Seldom;
use crate::model::mail::{Address, AddressError, AddressKey};

/// An address of another kind than SMTP, kept for completeness: X500 entries make replies to old objects work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OtherProxy {
    /// The type before the colon, for example `X500`.
    pub prefix: Box<str>,
    /// The value after the colon, not interpreted.
    pub value: Box<str>,
}

/// Longest value of a non-SMTP address, in octets. A log line holds it.
const VALUE_BYTES_MAX: usize = 1024;

impl OtherProxy {
    /// Divides `X500:/o=…` into type and value; `None` for a plain mail address. `SMTP:` is a type, too.
    pub fn divide(text: &str) -> Option<(&str, &str)> {
        let (prefix, value) = text.split_once(':')?;
        let is_type =
            !prefix.is_empty() && prefix.len() <= 16 && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_type.then_some((prefix, value))
    }

    /// An entry of a type and a value; `None` when the value is empty, too long or has control characters. Otherwise it
    /// is not judged (spec section 4.5).
    pub fn new(prefix: &str, value: &str) -> Option<Self> {
        let fits = !value.is_empty() && value.len() <= VALUE_BYTES_MAX && !value.chars().any(char::is_control);
        fits.then(|| Self { prefix: prefix.into(), value: value.into() })
    }

    /// Whether it is the same address.
    pub fn is(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    /// The key under which two such addresses are the same: letter case aside.
    pub(super) fn key(&self) -> Box<str> {
        format!("{}:{}", self.prefix.to_lowercase(), self.value.to_lowercase()).into()
    }
}

impl fmt::Display for OtherProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.prefix, self.value)
    }
}

/// One entry of `EmailAddresses` as an administrator writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyAddress {
    /// `alice@contoso.example` or `smtp:alice@contoso.example`.
    Smtp(Address),
    /// `X500:/o=Contoso/cn=Recipients/cn=alice`.
    Other(OtherProxy),
}

/// Why a text is no proxy address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyAddressError {
    /// It is no mail address.
    #[error(transparent)]
    Smtp(#[from] AddressError),
    /// The value behind another type.
    #[error("what follows the type is empty, longer than {VALUE_BYTES_MAX} octets, or has control characters")]
    Other,
}

impl ProxyAddress {
    /// Reads an entry. `SMTP:` marks no primary here: that one is named apart, so there is never a second.
    ///
    /// # Errors
    /// Mail addresses are judged; of other types the length and control characters only.
    pub fn parse(text: &str) -> Result<Self, ProxyAddressError> {
        match OtherProxy::divide(text) {
            Some((prefix, value)) if !prefix.eq_ignore_ascii_case("smtp") => {
                OtherProxy::new(prefix, value).map(Self::Other).ok_or(ProxyAddressError::Other)
            }
            Some((_, text)) => Ok(Self::Smtp(Address::parse(text)?)),
            None => Ok(Self::Smtp(Address::parse(text)?)),
        }
    }
}

/// The addresses of one recipient. There is always one primary SMTP address, by construction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyAddresses {
    primary: Address,
    #[serde(default, skip_serializing_if = "<[Address]>::is_empty")]
    secondary: Box<[Address]>,
    #[serde(default, skip_serializing_if = "Seldom::is_empty")]
    other: Seldom<OtherProxy>,
}

impl ProxyAddresses {
    /// A recipient's addresses with only a primary one.
    pub fn new(primary: Address) -> Self {
        Self { primary, secondary: Box::default(), other: Seldom::new() }
    }

    /// The addresses as they were recorded, when they were judged: they are not judged again.
    pub fn recorded(primary: Address, secondary: Box<[Address]>, other: Seldom<OtherProxy>) -> Self {
        Self { primary, secondary, other }
    }

    /// The primary SMTP address, which From and the envelope carry.
    pub const fn primary(&self) -> &Address {
        &self.primary
    }

    /// The secondary SMTP addresses.
    pub fn secondary(&self) -> &[Address] {
        &self.secondary
    }

    /// Addresses of other types.
    pub fn other(&self) -> &[OtherProxy] {
        &self.other
    }

    /// Every SMTP address, the primary first.
    pub fn smtp(&self) -> impl Iterator<Item = &Address> {
        core::iter::once(&self.primary).chain(&self.secondary)
    }

    /// How many entries there are, of all types.
    pub fn count(&self) -> usize {
        1 + self.secondary.len() + self.other.len()
    }

    /// Whether one of the SMTP addresses has this key.
    pub fn contains(&self, key: &AddressKey) -> bool {
        self.smtp().any(|address| address.has_key(key))
    }

    /// Lets `share` put shared parts into each address, and gives back memory that is not needed.
    pub(super) fn compact(&mut self, mut share: impl FnMut(&mut Address)) {
        share(&mut self.primary);
        self.secondary.iter_mut().for_each(share);
        self.other.shrink_to_fit();
    }

    /// Adds a secondary address; nothing happens when an equal one is there.
    pub fn add(&mut self, address: Address) {
        if !self.contains(&address.key()) {
            self.alter_secondary(|secondary| secondary.push(address));
        }
    }

    /// Makes `address` the primary, and the old primary goes.
    pub fn replace_primary(&mut self, address: Address) {
        let key = address.key();
        self.alter_secondary(|secondary| secondary.retain(|secondary| secondary.key() != key));
        self.primary = address;
    }

    /// Adds an address of another type, unless it is there.
    pub fn add_other(&mut self, proxy: OtherProxy) {
        if !self.other.iter().any(|entry| entry.is(&proxy)) {
            self.other.push(proxy);
        }
    }

    /// Makes `address` the primary; the old primary stays as secondary (spec section 4.5).
    pub fn set_primary(&mut self, address: Address) {
        let key = address.key();
        let former = core::mem::replace(&mut self.primary, address);
        self.alter_secondary(|secondary| {
            secondary.retain(|secondary| secondary.key() != key);
            if former.key() != key {
                secondary.push(former);
            }
        });
    }

    /// Takes a secondary address away and says whether it was there. The primary cannot be taken away.
    pub fn remove(&mut self, key: &AddressKey) -> bool {
        let before = self.secondary.len();
        self.alter_secondary(|secondary| secondary.retain(|address| address.key() != *key));
        self.secondary.len() != before
    }

    /// Takes an entry of another type away and says whether it was there.
    pub fn remove_other(&mut self, proxy: &OtherProxy) -> bool {
        let before = self.other.len();
        self.other.retain(|entry| !entry.is(proxy));
        self.other.len() != before
    }

    fn alter_secondary(&mut self, alter: impl FnOnce(&mut Vec<Address>)) {
        let mut secondary = core::mem::take(&mut self.secondary).into_vec();
        alter(&mut secondary);
        self.secondary = secondary.into();
    }
}
