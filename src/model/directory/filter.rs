//! Filters of dynamic groups: the part of Exchange's `RecipientFilter` language that people use, parsed once and
//! bounded.
//!
//! ```text
//! filter     = term *( "-and" term ) / term *( "-or" term )       mixing both needs parentheses
//! term       = "-not" group / group / property operator value
//! group      = "(" filter ")" / "{" filter "}"
//! operator   = "-eq" / "-ne" / "-like" / "-notlike"
//! value      = "'" text "'" / "$true" / "$false" / "$null"         '' within a text is one quote
//! ```
//!
//! Letter case never matters. Printing a filter and parsing the text gives the same filter.

use core::fmt;

use super::address_book::AddressBookProperty;
use super::recipient::Recipient;
use super::recipient_type::RecipientType;

mod parse;
pub mod precanned;

/// Longest filter, in octets.
pub const FILTER_BYTES_MAX: usize = 4096;
/// Deepest nesting of parentheses and `-not`.
pub const FILTER_DEPTH_MAX: usize = 32;

/// A filter that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Node);

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {message}", .position + 1)]
pub struct FilterError {
    /// Where, in characters from the beginning, counted from 0.
    pub position: usize,
    /// What is wrong and what would be right.
    pub message: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// At least two terms.
    And(Vec<Self>),
    /// At least two terms.
    Or(Vec<Self>),
    Not(Box<Self>),
    Compare(Comparison),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    property: Property,
    operator: Operator,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Like,
    NotLike,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// As typed, and folded for comparison.
    Text {
        typed: Box<str>,
        folded: Box<str>,
    },
    Flag(bool),
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    Name,
    DisplayName,
    Alias,
    PrimarySmtpAddress,
    EmailAddresses,
    RecipientType,
    RecipientTypeDetails,
    /// The same under the name that Exchange's own filters have for it.
    RecipientTypeDetailsValue,
    HiddenFromAddressListsEnabled,
    /// 1 to 15.
    CustomAttribute(u8),
    AddressBook(AddressBookProperty),
}

impl Filter {
    /// Parses a filter such as `RecipientTypeDetails -eq 'UserMailbox' -and CustomAttribute2 -like 'sales*'`.
    ///
    /// # Errors
    /// Where and why the text is not understood.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::filter(text).map(Self)
    }

    /// Whether a recipient belongs to the group. Lifecycle is not considered.
    pub fn matches(&self, recipient: &Recipient) -> bool {
        self.0.matches(recipient)
    }

    /// Whether it asks for addresses anywhere.
    pub fn asks_for_addresses(&self) -> bool {
        self.0.asks_for_addresses()
    }
}

impl Node {
    fn asks_for_addresses(&self) -> bool {
        match self {
            Self::And(terms) | Self::Or(terms) => terms.iter().any(Self::asks_for_addresses),
            Self::Not(term) => term.asks_for_addresses(),
            Self::Compare(own) => matches!(own.property, Property::PrimarySmtpAddress | Property::EmailAddresses),
        }
    }

    fn matches(&self, recipient: &Recipient) -> bool {
        match self {
            Self::And(terms) => terms.iter().all(|term| term.matches(recipient)),
            Self::Or(terms) => terms.iter().any(|term| term.matches(recipient)),
            Self::Not(term) => !term.matches(recipient),
            Self::Compare(comparison) => comparison.matches(recipient),
        }
    }

    const fn is_compound(&self) -> bool {
        matches!(self, Self::And(_) | Self::Or(_))
    }
}

impl Comparison {
    fn matches(&self, recipient: &Recipient) -> bool {
        let holds = match &self.value {
            Value::Flag(flag) => recipient.hidden_from_address_lists == *flag,
            Value::Null => self.property.is_absent(recipient),
            Value::Text { folded, .. } => self.property.any(recipient, |text| {
                let text = text.to_lowercase();
                match self.operator {
                    Operator::Equal | Operator::NotEqual => *text == **folded,
                    Operator::Like | Operator::NotLike => is_like(&text, folded),
                }
            }),
        };
        // A property of several values differs from a text when none of them equals it.
        match self.operator {
            Operator::Equal | Operator::Like => holds,
            Operator::NotEqual | Operator::NotLike => !holds,
        }
    }
}

impl Property {
    /// Whether a value of the property satisfies `test`.
    fn any(self, recipient: &Recipient, test: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Name => test(&recipient.name),
            Self::DisplayName => recipient.display_name.as_deref().is_some_and(test),
            Self::Alias => test(&recipient.alias()),
            Self::PrimarySmtpAddress => test(&recipient.primary().to_string()),
            Self::EmailAddresses => {
                // An entry is found with and without its type: smtp:info@contoso.example, info@contoso.example.
                recipient.addresses.smtp().any(|address| test(&address.to_string()) || test(&format!("smtp:{address}")))
                    || recipient.addresses.other().iter().any(|proxy| test(&proxy.to_string()))
            }
            Self::RecipientType => test(broad_type(recipient.recipient_type)),
            Self::RecipientTypeDetails | Self::RecipientTypeDetailsValue => test(recipient.recipient_type.name()),
            Self::HiddenFromAddressListsEnabled => false,
            Self::CustomAttribute(number) => custom_attribute(recipient, number).is_some_and(test),
            Self::AddressBook(property) => recipient.address_book.text(property).is_some_and(test),
        }
    }

    fn is_absent(self, recipient: &Recipient) -> bool {
        match self {
            Self::DisplayName => recipient.display_name.is_none(),
            Self::CustomAttribute(number) => custom_attribute(recipient, number).is_none(),
            Self::AddressBook(property) => recipient.address_book.text(property).is_none(),
            Self::Name
            | Self::Alias
            | Self::PrimarySmtpAddress
            | Self::EmailAddresses
            | Self::RecipientType
            | Self::RecipientTypeDetails
            | Self::RecipientTypeDetailsValue
            | Self::HiddenFromAddressListsEnabled => false,
        }
    }
}

fn custom_attribute(recipient: &Recipient, number: u8) -> Option<&str> {
    recipient.custom_attributes.as_ref()?.get(&number).map(|value| &**value)
}

/// `RecipientType`, the coarser of the two type properties (spec section 3.1).
const fn broad_type(kind: RecipientType) -> &'static str {
    match kind {
        RecipientType::UserMailbox
        | RecipientType::SharedMailbox
        | RecipientType::RoomMailbox
        | RecipientType::EquipmentMailbox
        | RecipientType::ShardMailbox => "UserMailbox",
        RecipientType::MailUser
        | RecipientType::GuestMailUser
        | RecipientType::RemoteUserMailbox
        | RecipientType::RemoteSharedMailbox
        | RecipientType::RemoteRoomMailbox
        | RecipientType::RemoteEquipmentMailbox => "MailUser",
        RecipientType::MailContact => "MailContact",
        RecipientType::GroupMailbox | RecipientType::MailUniversalDistributionGroup | RecipientType::RoomList => {
            "MailUniversalDistributionGroup"
        }
        RecipientType::MailUniversalSecurityGroup => "MailUniversalSecurityGroup",
        RecipientType::DynamicDistributionGroup => "DynamicDistributionGroup",
    }
}

/// Whether `text` has the shape of `pattern`, in which `*` stands for any characters.
///
/// What stands between two stars is taken where it comes first: if any place fits, that one does. So the work is linear
/// in both.
fn is_like(text: &str, pattern: &str) -> bool {
    let (mut text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let Some(first) = memchr::memchr(b'*', pattern) else {
        return text == pattern;
    };
    let (head, rest) = pattern.split_at(first);
    let last = memchr::memrchr(b'*', rest).unwrap_or(0);
    let (middle, tail) = rest.split_at(last + 1);
    let Some(inside) = text.strip_prefix(head).and_then(|text| text.strip_suffix(tail)) else {
        return false;
    };
    text = inside;
    for piece in middle.split(|octet| *octet == b'*').filter(|piece| !piece.is_empty()) {
        match memchr::memmem::find(text, piece) {
            Some(place) => text = text.get(place + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (terms, word) = match self {
            Self::And(terms) => (terms, " -and "),
            Self::Or(terms) => (terms, " -or "),
            Self::Not(term) => return write!(formatter, "-not ({term})"),
            Self::Compare(comparison) => return comparison.fmt(formatter),
        };
        for (place, term) in terms.iter().enumerate() {
            if place > 0 {
                formatter.write_str(word)?;
            }
            if term.is_compound() {
                write!(formatter, "({term})")?;
            } else {
                term.fmt(formatter)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.property.fmt(formatter)?;
        formatter.write_str(match self.operator {
            Operator::Equal => " -eq ",
            Operator::NotEqual => " -ne ",
            Operator::Like => " -like ",
            Operator::NotLike => " -notlike ",
        })?;
        match &self.value {
            Value::Text { typed, .. } => write!(formatter, "'{}'", typed.replace('\'', "''")),
            Value::Flag(true) => formatter.write_str("$true"),
            Value::Flag(false) => formatter.write_str("$false"),
            Value::Null => formatter.write_str("$null"),
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Name => "Name",
            Self::DisplayName => "DisplayName",
            Self::Alias => "Alias",
            Self::PrimarySmtpAddress => "PrimarySmtpAddress",
            Self::EmailAddresses => "EmailAddresses",
            Self::RecipientType => "RecipientType",
            Self::RecipientTypeDetails => "RecipientTypeDetails",
            Self::RecipientTypeDetailsValue => "RecipientTypeDetailsValue",
            Self::HiddenFromAddressListsEnabled => "HiddenFromAddressListsEnabled",
            Self::CustomAttribute(number) => return write!(formatter, "CustomAttribute{number}"),
            Self::AddressBook(property) => property.name(),
        })
    }
}

impl Property {
    /// Every property but the numbered ones and those of the address book.
    const NAMED: [Self; 9] = [
        Self::Name,
        Self::DisplayName,
        Self::Alias,
        Self::PrimarySmtpAddress,
        Self::EmailAddresses,
        Self::RecipientType,
        Self::RecipientTypeDetails,
        Self::RecipientTypeDetailsValue,
        Self::HiddenFromAddressListsEnabled,
    ];

    fn from_name(word: &str) -> Option<Self> {
        const NUMBERED: &str = "CustomAttribute";
        let mut named = Self::NAMED.into_iter().chain(AddressBookProperty::ALL.map(Self::AddressBook));
        if let Some(named) = named.find(|property| property.to_string().eq_ignore_ascii_case(word)) {
            return Some(named);
        }
        let number = word.get(NUMBERED.len()..)?;
        let is_numbered = word.get(..NUMBERED.len())?.eq_ignore_ascii_case(NUMBERED) && !number.starts_with(['0', '+']);
        number.parse().ok().filter(|number| is_numbered && (1..=15).contains(number)).map(Self::CustomAttribute)
    }
}

#[cfg(test)]
mod tests;
