//! What the address book tells of somebody: where they work, and as what. Filters of dynamic groups and lists ask for
//! it; nothing else about mail depends on it.
//!
//! These are the texts that `Get-Recipient` shows of everybody: those of the precanned filters (`ConditionalCompany`,
//! `ConditionalDepartment`, `ConditionalStateOrProvince`) and those that people write filters with. `Manager` is not
//! among them: filters compare it as a distinguished name, and there are none here.

use core::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::seldom::Seldom;

/// One of the texts, by Exchange's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is Exchange's property of that name")]
pub enum AddressBookProperty {
    City,
    Company,
    /// As it was written: a name or a code of ISO 3166.
    CountryOrRegion,
    Department,
    FirstName,
    Initials,
    LastName,
    /// The only one that may have several lines.
    Notes,
    Office,
    Phone,
    PostalCode,
    StateOrProvince,
    Title,
}

impl AddressBookProperty {
    /// Each of them.
    pub const ALL: [Self; 13] = [
        Self::City,
        Self::Company,
        Self::CountryOrRegion,
        Self::Department,
        Self::FirstName,
        Self::Initials,
        Self::LastName,
        Self::Notes,
        Self::Office,
        Self::Phone,
        Self::PostalCode,
        Self::StateOrProvince,
        Self::Title,
    ];

    /// Exchange's name, as filters and exports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::City => "City",
            Self::Company => "Company",
            Self::CountryOrRegion => "CountryOrRegion",
            Self::Department => "Department",
            Self::FirstName => "FirstName",
            Self::Initials => "Initials",
            Self::LastName => "LastName",
            Self::Notes => "Notes",
            Self::Office => "Office",
            Self::Phone => "Phone",
            Self::PostalCode => "PostalCode",
            Self::StateOrProvince => "StateOrProvince",
            Self::Title => "Title",
        }
    }

    /// How many characters it may have: the upper ranges of the attributes that Exchange keeps them in (`l`, `company`,
    /// `co`, `department`, `givenName`, `initials`, `sn`, `info`, `physicalDeliveryOfficeName`, `telephoneNumber`,
    /// `postalCode`, `st` and `title` of Active Directory's schema, MS-ADA1 to MS-ADA3).
    pub const fn characters_max(self) -> usize {
        match self {
            Self::Initials => 6,
            Self::PostalCode => 40,
            Self::Company | Self::Department | Self::FirstName | Self::LastName | Self::Phone => 64,
            Self::City | Self::CountryOrRegion | Self::Office | Self::StateOrProvince | Self::Title => 128,
            Self::Notes => 1_024,
        }
    }

    /// Whether it can have this text.
    pub fn permits(self, text: &str) -> bool {
        let line_end = |character| self == Self::Notes && matches!(character, '\r' | '\n' | '\t');
        let bad = |character: char| character.is_control() && !line_end(character);
        (1..=self.characters_max()).contains(&text.chars().count()) && !text.chars().any(bad)
    }
}

impl fmt::Display for AddressBookProperty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The texts of one recipient, in the order of their properties. One word while there are none, as with most rooms,
/// groups and contacts. Written like a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressBook(Seldom<(AddressBookProperty, Box<str>)>);

impl AddressBook {
    /// Without any text.
    pub const fn new() -> Self {
        Self(Seldom::new())
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of a property.
    pub fn text(&self, property: AddressBookProperty) -> Option<&str> {
        self.0.iter().find(|(own, _)| *own == property).map(|(_, text)| &**text)
    }

    /// Every text.
    pub fn iter(&self) -> impl Iterator<Item = (AddressBookProperty, &str)> {
        self.0.iter().map(|(property, text)| (*property, &**text))
    }

    /// Gives a property another text; an empty one ends it. White space around it is not kept.
    pub fn set(&mut self, property: AddressBookProperty, text: &str) {
        let text = text.trim();
        match (self.0.binary_search_by_key(&property, |(own, _)| *own), text.is_empty()) {
            (Ok(place), false) => {
                if let Some((_, own)) = self.0.get_mut(place) {
                    *own = text.into();
                }
            }
            (Ok(place), true) => {
                self.0.remove(place);
            }
            (Err(place), false) => self.0.insert(place, (property, text.into())),
            (Err(_), true) => {}
        }
    }

    /// Gives back memory that is not needed.
    pub(super) fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }
}

impl Serialize for AddressBook {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for AddressBook {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = AddressBook;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("texts by property")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AddressBook, A::Error> {
                let mut book = AddressBook::new();
                while let Some((property, text)) = map.next_entry::<AddressBookProperty, Box<str>>()? {
                    book.set(property, &text);
                }
                Ok(book)
            }
        }
        deserializer.deserialize_map(Texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_in_order_and_an_empty_one_ends_it() {
        assert_eq!(size_of::<AddressBook>(), size_of::<usize>());
        let mut book = AddressBook::new();
        book.set(AddressBookProperty::Title, " Clerk ");
        book.set(AddressBookProperty::Department, "Sales");
        let copy = book.clone();
        assert_eq!(serde_json::to_string(&book).unwrap(), r#"{"department":"Sales","title":"Clerk"}"#);
        book.set(AddressBookProperty::Title, "Head");
        book.set(AddressBookProperty::Department, " ");
        book.set(AddressBookProperty::City, "");
        assert_eq!(book.iter().collect::<Vec<_>>(), [(AddressBookProperty::Title, "Head")]);
        assert_eq!(book.text(AddressBookProperty::Department), None);
        assert_eq!(copy.text(AddressBookProperty::Title), Some("Clerk"), "a copy keeps what it was");
        let read: AddressBook = serde_json::from_str(r#"{"title":"Clerk","department":"Sales"}"#).unwrap();
        assert_eq!(read, copy);
        assert!(serde_json::from_str::<AddressBook>(r#"{"shoe_size":"44"}"#).is_err());
    }

    #[test]
    fn a_text_is_as_long_as_exchange_takes_it_and_only_notes_have_lines() {
        for property in AddressBookProperty::ALL {
            let most = "é".repeat(property.characters_max());
            assert!(property.permits(&most), "{property}");
            assert!(!property.permits(&format!("{most}x")), "{property}");
            assert!(!property.permits(""), "{property}");
            assert!(!property.permits("a\u{7}b"), "{property}");
            assert_eq!(property.permits("a\r\n\tb"), property == AddressBookProperty::Notes, "{property}");
            let key = serde_json::to_value(property).unwrap();
            assert_eq!(key.as_str().unwrap().replace('_', ""), property.name().to_lowercase());
        }
        assert!(AddressBookProperty::ALL.is_sorted());
    }
}
