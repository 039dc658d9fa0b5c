//! Mail addresses: parsing, printing and the key by which two spellings count as the same address.
//!
//! The syntax is RFC 5321 section 4.1.2 with the international forms of RFC 6531. A local part is kept as typed,
//! without its quotes; a domain is kept as lower-case A-labels, because that is the form every peer understands.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// RFC 5321 section 4.5.3.1.1, in octets.
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// RFC 5321 section 4.5.3.1.2, in octets.
pub const DOMAIN_BYTES_MAX: usize = 255;

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
pub struct LocalPart(Box<str>);

impl LocalPart {
    /// Parses a dot-atom or a quoted string, at most 64 octets without the quotes.
    ///
    /// # Errors
    /// `LocalPart` or `LocalPartTooLong`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let content = match text.strip_prefix('"') {
            Some(rest) => unquote(rest.strip_suffix('"').ok_or(AddressError::LocalPart)?)?,
            None if is_dot_atom(text) => text.to_owned(),
            None => return Err(AddressError::LocalPart),
        };
        if content.len() > LOCAL_PART_BYTES_MAX {
            return Err(AddressError::LocalPartTooLong);
        }
        Ok(Self(content.into()))
    }

    /// The content without quotes, as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The local part without `+tag`, for plus addressing; `None` when there is no tag or nothing before it.
    pub fn without_tag(&self) -> Option<Self> {
        // ann+news@contoso.example -> ann@contoso.example
        let (base, _) = self.0.split_once('+')?;
        (!base.is_empty()).then(|| Self(base.into()))
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Domain {
    /// A host name in lower-case A-labels, without a final dot. Copies share it.
    Name(Arc<str>),
    /// An address literal: `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    Literal(IpAddr),
}

impl Domain {
    /// Parses a domain name (A-labels or U-labels, any case) or an address literal in brackets.
    ///
    /// # Errors
    /// `Domain` or `DomainTooLong`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(inner) = text.strip_prefix('[') {
            return parse_literal(inner.strip_suffix(']').ok_or(AddressError::Domain)?).map(Self::Literal);
        }
        if text.len() > 4 * DOMAIN_BYTES_MAX {
            return Err(AddressError::DomainTooLong);
        }
        let ascii = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(text).map_err(|_| AddressError::Domain)?
        };
        if ascii.len() > DOMAIN_BYTES_MAX || ascii.split('.').any(|label| label.len() > 63) {
            return Err(AddressError::DomainTooLong);
        }
        if ascii.is_empty() || !ascii.split('.').all(is_label) {
            return Err(AddressError::Domain);
        }
        Ok(Self::Name(ascii.into()))
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
            Self::Literal(IpAddr::V4(address)) => write!(formatter, "[{address}]"),
            Self::Literal(IpAddr::V6(address)) => write!(formatter, "[IPv6:{address}]"),
        }
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.to_string()
    }
}

impl TryFrom<String> for Domain {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl FromStr for Domain {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// A mail address: local part and domain (RFC 5321 `Mailbox`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
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
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
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
        self.local.0.is_ascii()
    }

    /// The key under which all spellings of this address are the same.
    pub fn key(&self) -> AddressKey {
        AddressKey::of(&self.local, &self.domain)
    }

    /// Whether this is the key of the address, which is mostly seen without making one.
    pub fn has_key(&self, key: &AddressKey) -> bool {
        match (&self.domain, key.0.rsplit_once('@')) {
            (Domain::Name(name), Some((local, domain))) if self.local.0.is_ascii() => {
                *domain == **name && local.eq_ignore_ascii_case(&self.local.0)
            }
            _ => self.key() == *key,
        }
    }

    /// Uses the memory of an equal domain from here on.
    pub fn share_domain(&mut self, domain: &Domain) {
        if self.domain == *domain {
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

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
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
        use fmt::Write as _;
        let mut key = String::with_capacity(local.0.len() + 24);
        if local.0.is_ascii() {
            key.extend(local.0.chars().map(|character| character.to_ascii_lowercase()));
        } else {
            // Normalised again after folding: lower-casing can leave a decomposed sequence behind.
            key.extend(local.0.nfc().flat_map(char::to_lowercase).nfc());
        }
        // Writing to a String never fails.
        let _ = write!(key, "@{domain}");
        Self(key.into())
    }

    /// The key as text, for storage and ordered listing.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 5321 `Dot-string` with the UTF-8 atoms of RFC 6531.
fn is_dot_atom(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_character))
}

fn is_atom_character(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character);
    }
    !character.is_control() && !is_invisible(character)
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

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn parse_literal(inner: &str) -> Result<IpAddr, AddressError> {
    let parsed = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner[5..].parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => inner.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    parsed.ok_or(AddressError::Domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_share_a_key() {
        let key = |text: &str| Address::parse(text).unwrap().key();
        assert_eq!(key("Ann@Contoso.Example"), key("ann@contoso.example"));
        assert_eq!(key("\"ann\"@contoso.example"), key("ann@contoso.example"));
        assert_eq!(key("m\u{fc}ller@b\u{fc}cher.example"), key("MU\u{308}LLER@xn--bcher-kva.example"));
        assert_ne!(key("ann@contoso.example"), key("ann@fabrikam.example"));
    }

    #[test]
    fn quoted_local_parts_print_with_quotes_only_where_needed() {
        assert_eq!(Address::parse("\"a b\"@x.example").unwrap().to_string(), "\"a b\"@x.example");
        assert_eq!(Address::parse("\"ab\"@x.example").unwrap().to_string(), "ab@x.example");
        assert_eq!(Address::parse(r#""a\"b@c"@x.example"#).unwrap().to_string(), r#""a\"b@c"@x.example"#);
    }

    #[test]
    fn literals_are_addresses() {
        assert_eq!(Address::parse("a@[192.0.2.1]").unwrap().to_string(), "a@[192.0.2.1]");
        assert_eq!(Address::parse("a@[ipv6:2001:DB8::1]").unwrap().to_string(), "a@[IPv6:2001:db8::1]");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "@",
            "a@",
            "@b",
            "a",
            "a b@c",
            "a..b@c",
            ".a@c",
            "a.@c",
            "a@b..c",
            "a@-b",
            "a@b-",
            "a@[1.2.3]",
            "a@[",
            "\"\"@c",
            "\"a@c",
            "\"a\"b\"@c",
            "a\r\nb@c",
            "\"a\r\n\"@c",
            "a\0@c",
            "a@b c",
            "a\u{202e}b@c",
            "a@[[1.2.3.4]]",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Address::parse(&format!("{}@c", "a".repeat(65))), Err(AddressError::LocalPartTooLong));
        assert_eq!(Address::parse(&format!("a@{}", "b".repeat(64))), Err(AddressError::DomainTooLong));
    }

    #[test]
    fn a_tag_is_taken_off_at_the_first_plus() {
        let tagged = Address::parse("ann+news+x@contoso.example").unwrap();
        assert_eq!(tagged.without_tag().unwrap().to_string(), "ann@contoso.example");
        assert!(Address::parse("+x@contoso.example").unwrap().without_tag().is_none());
    }

    #[test]
    fn subdomains_lie_within_their_parent() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        assert!(domain("a.contoso.example").is_within(&domain("contoso.example")));
        assert!(!domain("acontoso.example").is_within(&domain("contoso.example")));
    }
}
