//! Texts that are mostly short, such as the parts of addresses before the `@`: a short one stands in the value itself
//! and takes no memory elsewhere. At a million recipients that is a hundred million octets, and a copy is a copy of
//! three words.

use core::fmt;
use core::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What fits into three words beside its length.
const HERE_BYTES_MAX: usize = 22;

/// A text that does not alter.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ShortText(Kept);

/// Where the text is. The same text is always in the same place, with zeros behind it, so that values are the same when
/// their octets are.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Kept {
    Here { length: u8, octets: [u8; HERE_BYTES_MAX] },
    Elsewhere(Box<str>),
}

impl ShortText {
    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // They were copied from a text.
            Kept::Here { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Kept::Elsewhere(text) => text,
        }
    }

    /// Its octets, which cost nothing to reach.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kept::Here { length, octets } => octets.get(..usize::from(*length)).unwrap_or_default(),
            Kept::Elsewhere(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for ShortText {
    fn from(text: &str) -> Self {
        let mut octets = [0; HERE_BYTES_MAX];
        match (octets.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self(Kept::Here { length, octets })
            }
            (None, _) | (_, Err(_)) => Self(Kept::Elsewhere(text.into())),
        }
    }
}

impl Deref for ShortText {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(formatter)
    }
}

impl fmt::Display for ShortText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for ShortText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ShortText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_stays_as_it_is_and_is_the_same_as_itself_alone(one in "\\PC{0,30}", other in "\\PC{0,30}") {
            let text = ShortText::from(&*one);
            prop_assert_eq!(text.as_str(), &*one);
            prop_assert_eq!(text == ShortText::from(&*other), one == other);
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<ShortText>(&json).unwrap(), text);
            prop_assert_eq!(json, serde_json::to_string(&one).unwrap());
        }
    }

    #[test]
    fn a_short_text_takes_three_words() {
        assert_eq!(size_of::<ShortText>(), 3 * size_of::<usize>());
        for length in [0, 22, 23] {
            let text = "x".repeat(length);
            assert_eq!(ShortText::from(&*text).as_str(), text);
            assert_eq!(matches!(ShortText::from(&*text).0, Kept::Here { .. }), length <= 22);
        }
    }
}
