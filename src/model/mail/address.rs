//! Mail addresses: parsing, printing and the key by which two spellings count as the same address.
//!
//! The syntax is RFC 5321 section 4.1.2 with the international forms of RFC 6531. A local part is kept as typed,
//! without its quotes; a domain is kept as lower-case A-labels, because that is the form every peer understands.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::encapsulated;
use super::short_text::ShortText;

/// RFC 5321 section 4.5.3.1.1, in octets.
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// What an encapsulated address of another system may have before the `@`, in octets: with the longest domain that
/// makes the 571 of Exchange's resolver (spec section 2.2).
pub const ENCAPSULATED_BYTES_MAX: usize = 315;
/// RFC 5321 section 4.5.3.1.2, in octets.
pub const DOMAIN_BYTES_MAX: usize = 255;
/// RFC 1035 section 2.3.4, in octets.
const LABEL_BYTES_MAX: usize = 63;

/// Why a text is not a mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@` outside quotes.
    #[error("an address needs a local part, an @ and a domain")]
    NoAt,
    /// The local part is empty, or has a character that must be quoted.
    #[error("the part before the @ is empty or has a character that must be quoted")]
    LocalPart,
    /// The local part is longer than 64 octets.
    #[error("the part before the @ is longer than {LOCAL_PART_BYTES_MAX} octets")]
    LocalPartTooLong,
    /// The domain is neither a host name nor an address literal.
    #[error("the part after the @ is neither a domain name nor an address in brackets")]
    Domain,
    /// The domain is longer than 255 octets, or a label of it longer than 63.
    #[error("the domain is longer than {DOMAIN_BYTES_MAX} octets, or one of its labels longer than 63")]
    DomainTooLong,
}

/// The part of an address before the `@`, without quotes, case kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocalPart(ShortText);

impl LocalPart {
    /// Parses a dot-atom or a quoted string, at most 64 octets without the quotes, 315 for an encapsulated address.
    ///
    /// # Errors
    /// `LocalPart` or `LocalPartTooLong`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        // Even with a backslash before each octet.
        if text.len() > 2 * ENCAPSULATED_BYTES_MAX + 2 {
            return Err(AddressError::LocalPartTooLong);
        }
        let content = match text.strip_prefix('"') {
            Some(rest) => Cow::Owned(unquote(rest.strip_suffix('"').ok_or(AddressError::LocalPart)?)?),
            None if is_dot_atom(text) => Cow::Borrowed(text),
            None => return Err(AddressError::LocalPart),
        };
        let bytes_max = if encapsulated::has_form(&content) { ENCAPSULATED_BYTES_MAX } else { LOCAL_PART_BYTES_MAX };
        if content.len() > bytes_max {
            return Err(AddressError::LocalPartTooLong);
        }
        Ok(Self((&*content).into()))
    }

    /// Takes the content of one that was parsed before, as [`Self::as_str`] gives it.
    ///
    /// # Errors
    /// `LocalPart` or `LocalPartTooLong`: no local part has such a content, whatever the quotes.
    pub fn recorded(content: &str) -> Result<Self, AddressError> {
        let printable = |octet: u8| (b' '..=b'~').contains(&octet);
        let permitted = |character: char| !character.is_control() && !is_invisible(character);
        if content.len() > ENCAPSULATED_BYTES_MAX {
            return Err(AddressError::LocalPartTooLong);
        }
        if content.is_empty() || !(content.bytes().all(printable) || content.chars().all(permitted)) {
            return Err(AddressError::LocalPart);
        }
        Ok(Self(content.into()))
    }

    /// The content without quotes, as typed.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Its octets, which cost nothing to reach.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The local part without `+tag`, for plus addressing; `None` when there is no tag or nothing before it.
    pub fn without_tag(&self) -> Option<Self> {
        // ann+news@contoso.example -> ann@contoso.example
        let tag = memchr::memchr(b'+', self.0.as_bytes()).filter(|tag| *tag > 0)?;
        self.0.get(..tag).map(|base| Self(base.into()))
    }
}

impl fmt::Display for LocalPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_atom(&self.0) {
            return formatter.write_str(&self.0);
        }
        formatter.write_str("\"")?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                formatter.write_str("\\")?;
            }
            write!(formatter, "{character}")?;
        }
        formatter.write_str("\"")
    }
}

/// The part of an address after the `@`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Domain {
    /// A host name in lower-case A-labels, without a final dot. Copies share it.
    Name(Arc<str>),
    /// An address literal: `[192.0.2.1]` or `[IPv6:2001:db8::1]`. In a box, so that every name is the smaller for it.
    Literal(Box<IpAddr>),
}

impl Domain {
    /// Parses a domain name (A-labels or U-labels, any case) or an address literal in brackets.
    ///
    /// # Errors
    /// `Domain` or `DomainTooLong`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(inner) = text.strip_prefix('[') {
            return parse_literal(inner.strip_suffix(']').ok_or(AddressError::Domain)?).map(Self::from);
        }
        if text.len() > 4 * DOMAIN_BYTES_MAX {
            return Err(AddressError::DomainTooLong);
        }
        let ascii = match text.is_ascii() {
            true => Cow::Borrowed(text),
            false => Cow::Owned(idna::domain_to_ascii_strict(text).map_err(|_| AddressError::Domain)?),
        };
        let Labels { too_long, well_formed, upper } = Labels::of(ascii.as_bytes());
        match (too_long, well_formed) {
            (true, _) => Err(AddressError::DomainTooLong),
            (false, false) => Err(AddressError::Domain),
            (false, true) if upper => Ok(Self::Name(ascii.to_ascii_lowercase().into())),
            (false, true) => Ok(Self::Name((&*ascii).into())),
        }
    }

    /// The name in A-labels; `None` for an address literal.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Literal(_) => None,
        }
    }

    /// The name in U-labels where it has any, for people to read.
    pub fn to_unicode(&self) -> String {
        match self {
            Self::Name(name) => {
                let (unicode, outcome) = idna::domain_to_unicode(name);
                if outcome.is_ok() { unicode } else { name.to_string() }
            }
            Self::Literal(_) => self.to_string(),
        }
    }

    /// Whether the two are one name in memory.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(own), Self::Name(other)) => Arc::ptr_eq(own, other),
            (Self::Name(_) | Self::Literal(_), Self::Literal(_)) | (Self::Literal(_), Self::Name(_)) => false,
        }
    }

    /// Whether this name is `parent` or lies below it: `a.contoso.example` is within `contoso.example`.
    pub fn is_within(&self, parent: &Self) -> bool {
        match (self.name(), parent.name()) {
            (Some(name), Some(parent)) => {
                name == parent || name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
            }
            _ => self == parent,
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Literal(address) => match **address {
                IpAddr::V4(address) => write!(formatter, "[{address}]"),
                IpAddr::V6(address) => write!(formatter, "[IPv6:{address}]"),
            },
        }
    }
}

impl From<IpAddr> for Domain {
    fn from(address: IpAddr) -> Self {
        Self::Literal(Box::new(address))
    }
}

impl FromStr for Domain {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// A mail address: local part and domain (RFC 5321 `Mailbox`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    local: LocalPart,
    domain: Domain,
}

impl Address {
    /// Joins two parsed halves.
    pub const fn new(local: LocalPart, domain: Domain) -> Self {
        Self { local, domain }
    }

    /// Parses `local@domain`, `"quoted local"@domain` or `local@[192.0.2.1]`, without angle brackets.
    ///
    /// # Errors
    /// An [`AddressError`] that names the half at fault.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        // A quoted local part may hold an @, a domain never does: the last one divides.
        let at = memchr::memrchr(b'@', text.as_bytes()).ok_or(AddressError::NoAt)?;
        let (Some(local), Some(domain)) = (text.get(..at), text.get(at + 1..)) else { return Err(AddressError::NoAt) };
        Ok(Self { local: LocalPart::parse(local)?, domain: Domain::parse(domain)? })
    }

    /// The part before the `@`.
    pub const fn local(&self) -> &LocalPart {
        &self.local
    }

    /// The part after the `@`.
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether every octet is ASCII; otherwise the address needs SMTPUTF8 (RFC 6531).
    pub fn is_ascii(&self) -> bool {
        self.local.0.as_bytes().is_ascii()
    }

    /// The key under which all spellings of this address are the same.
    pub fn key(&self) -> AddressKey {
        AddressKey::of(&self.local, &self.domain)
    }

    /// Whether this is the key of the address, which is mostly seen without making one.
    pub fn has_key(&self, key: &AddressKey) -> bool {
        match (&self.domain, key.0.rsplit_once('@')) {
            (Domain::Name(name), Some((local, domain))) if self.is_ascii() => {
                *domain == **name && local.as_bytes().eq_ignore_ascii_case(self.local.0.as_bytes())
            }
            _ => self.key() == *key,
        }
    }

    /// Uses the memory of an equal domain from here on.
    pub fn share_domain(&mut self, domain: &Domain) {
        if !self.domain.is_same_place(domain) && self.domain == *domain {
            self.domain = domain.clone();
        }
    }

    /// The same address without `+tag`; `None` when it has none.
    pub fn without_tag(&self) -> Option<Self> {
        Some(Self { local: self.local.without_tag()?, domain: self.domain.clone() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.local, self.domain)
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// What addresses are compared by: local part case-folded and NFC, domain in lower-case A-labels (decision D4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressKey(Box<str>);

impl AddressKey {
    fn of(local: &LocalPart, domain: &Domain) -> Self {
        let literal: String;
        let domain = match domain {
            Domain::Name(name) => name,
            Domain::Literal(_) => {
                literal = domain.to_string();
                &*literal
            }
        };
        let local = local.as_str();
        let mut key = String::with_capacity(local.len() + 1 + domain.len());
        if local.is_ascii() {
            key.push_str(local);
            key.make_ascii_lowercase();
        } else {
            // Normalised again after folding: lower-casing can leave a decomposed sequence behind.
            key.extend(local.nfc().flat_map(char::to_lowercase).nfc());
        }
        key.push('@');
        key.push_str(domain);
        Self(key.into())
    }

    /// The key as text, for storage and ordered listing.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 5321 `Dot-string` with the UTF-8 atoms of RFC 6531.
fn is_dot_atom(text: &str) -> bool {
    // Mostly it is of one atom, or of a few, in ASCII.
    if text.is_ascii() {
        let is_atom = |atom: &[u8]| !atom.is_empty() && atom.iter().all(|octet| class(*octet) & ATEXT != 0);
        return text.as_bytes().split(|octet| *octet == b'.').all(is_atom);
    }
    let mut after_dot = true;
    for character in text.chars() {
        match character {
            '.' if after_dot => return false,
            '.' => after_dot = true,
            character if is_atom_character(character) => after_dot = false,
            _ => return false,
        }
    }
    !after_dot
}

fn is_atom_character(character: char) -> bool {
    match u8::try_from(character) {
        Ok(octet) if octet.is_ascii() => class(octet) & ATEXT != 0,
        Ok(_) | Err(_) => !character.is_control() && !is_invisible(character),
    }
}

/// RFC 5322 section 3.2.3: what an atom in ASCII is made of.
const ATEXT: u8 = 1;
/// A letter in upper case.
const UPPER: u8 = 2;
/// What no label of a host name has.
const OTHER: u8 = 4;

/// The classes of each octet: addresses are read for every command, and a look here is all that an octet costs.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [OTHER; 256];
    let mut octet = 0_u8;
    while octet < 128 {
        let is_alphanumeric = octet.is_ascii_alphanumeric();
        let is_sign = matches!(octet, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'^'..=b'`');
        let is_atext = is_alphanumeric || is_sign || matches!(octet, b'{'..=b'~');
        let is_of_labels = is_alphanumeric || matches!(octet, b'-' | b'_');
        let mut class = if is_atext { ATEXT } else { 0 };
        class |= if octet.is_ascii_uppercase() { UPPER } else { 0 };
        class |= if is_of_labels { 0 } else { OTHER };
        classes[octet as usize] = class;
        octet += 1;
    }
    classes
}

fn class(octet: u8) -> u8 {
    CLASSES[usize::from(octet)]
}

/// Format characters and separators that could make two addresses look alike or break a log line.
const fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00A0}' | '\u{00AD}' | '\u{061C}' | '\u{1680}' | '\u{180E}' | '\u{2000}'..='\u{200F}'
        | '\u{2028}'..='\u{202F}' | '\u{205F}'..='\u{206F}' | '\u{3000}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFD}')
}

/// Takes the inside of a quoted string apart: `\"` and `\\` lose their backslash, controls are refused.
fn unquote(inside: &str) -> Result<String, AddressError> {
    let mut content = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            '\\' => characters.next().ok_or(AddressError::LocalPart)?,
            '"' => return Err(AddressError::LocalPart),
            other => other,
        };
        if literal.is_control() || is_invisible(literal) {
            return Err(AddressError::LocalPart);
        }
        content.push(literal);
    }
    if content.is_empty() { Err(AddressError::LocalPart) } else { Ok(content) }
}

/// What a name in A-labels is like, found out in one pass.
struct Labels {
    too_long: bool,
    /// No label is empty, begins or ends with a hyphen, or has anything but letters, digits, hyphens and underscores.
    well_formed: bool,
    /// It has a letter in upper case.
    upper: bool,
}

impl Labels {
    fn of(name: &[u8]) -> Self {
        let (mut too_long, mut well_formed, mut classes) = (name.len() > DOMAIN_BYTES_MAX, true, 0);
        for label in name.split(|octet| *octet == b'.') {
            too_long |= label.len() > LABEL_BYTES_MAX;
            well_formed &= !label.is_empty() && label.first() != Some(&b'-') && label.last() != Some(&b'-');
            classes |= label.iter().fold(0, |classes, octet| classes | class(*octet));
        }
        well_formed &= classes & OTHER == 0;
        let upper = classes & UPPER != 0;
        Self { too_long, well_formed, upper }
    }
}

fn parse_literal(inner: &str) -> Result<IpAddr, AddressError> {
    let parsed = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner[5..].parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => inner.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    parsed.ok_or(AddressError::Domain)
}

mod written;

#[cfg(test)]
mod tests;
