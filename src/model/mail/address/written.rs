//! Addresses and domains as they stand in files and records: their text, read and written without a detour.
//!
//! Every record of the queue holds several, so this is a good part of what reading a full queue costs.

use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Address, AddressError, Domain, is_dot_atom};

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => serializer.serialize_str(name),
            Self::Literal(_) => serializer.serialize_str(&self.to_string()),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let local = self.local.as_str();
        match &self.domain {
            Domain::Name(domain) if is_dot_atom(local) => joined(local, domain, |text| serializer.serialize_str(text)),
            Domain::Name(_) | Domain::Literal(_) => serializer.serialize_str(&self.to_string()),
        }
    }
}

/// Shows the two with an `@` between them, and takes no memory for that unless they are long.
fn joined<T>(local: &str, domain: &str, show: impl FnOnce(&str) -> T) -> T {
    let mut place = [0; JOINED_BYTES_MAX];
    let mut length = 0_usize;
    for part in [local, "@", domain] {
        let end = length.saturating_add(part.len());
        if let Some(room) = place.get_mut(length..end) {
            room.copy_from_slice(part.as_bytes());
        }
        length = end;
    }
    match place.get(..length).and_then(|octets| str::from_utf8(octets).ok()) {
        Some(text) => show(text),
        None => show(&[local, "@", domain].concat()),
    }
}

/// As many octets has hardly an address.
const JOINED_BYTES_MAX: usize = 128;

impl<'text> Deserialize<'text> for Domain {
    fn deserialize<D: Deserializer<'text>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(PhantomData, "a domain"))
    }
}

impl<'text> Deserialize<'text> for Address {
    fn deserialize<D: Deserializer<'text>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(PhantomData, "a mail address"))
    }
}

/// Reads a text as what it names.
struct Text<T>(PhantomData<T>, &'static str);

impl<T: FromStr<Err = AddressError>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.1)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_any_length_is_written_as_it_is_shown_and_read_again() {
        let label = "d".repeat(50);
        for length in [1, 17, 18, 19, 64] {
            let address = Address::parse(&format!("{}@{label}.{label}.example", "x".repeat(length))).unwrap();
            let written = serde_json::to_string(&address).unwrap();
            assert_eq!(written, format!("\"{address}\""), "{length}");
            assert_eq!(serde_json::from_str::<Address>(&written).unwrap(), address);
        }
    }
}
