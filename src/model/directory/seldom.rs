//! Lists that few objects have, or that many have alike: one word in the object, and copies share the list.

use core::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A list that takes one word while it is empty. It is written and compared like a `Vec`.
#[derive(Clone, Debug)]
pub struct Seldom<T>(Option<Arc<Vec<T>>>);

impl<T> Seldom<T> {
    /// An empty list.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.deref().is_empty()
    }
}

impl<T> Seldom<T> {
    /// Whether the two are one list in memory.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl<T: Clone> Seldom<T> {
    /// Gives back memory that is not needed.
    pub(super) fn shrink_to_fit(&mut self) {
        if self.is_empty() {
            self.0 = None;
        } else if self.capacity() > self.len() {
            self.deref_mut().shrink_to_fit();
        }
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Seldom<T> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        match &self.0 {
            Some(list) => list,
            None => const { &Vec::new() },
        }
    }
}

impl<T: Clone> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl<T> From<Vec<T>> for Seldom<T> {
    fn from(list: Vec<T>) -> Self {
        Self((!list.is_empty()).then(|| Arc::new(list)))
    }
}

impl<T> FromIterator<T> for Seldom<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Vec::from_iter(items).into()
    }
}

impl<'list, T> IntoIterator for &'list Seldom<T> {
    type Item = &'list T;
    type IntoIter = core::slice::Iter<'list, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: PartialEq> PartialEq for Seldom<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Seldom<T> {}

impl<T: Serialize> Serialize for Seldom<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.deref().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Seldom<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

/// A text that few objects have: one word in the object where `Option<Box<str>>` takes two. It is written and compared
/// like that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeldomText(Option<Box<Box<str>>>);

impl SeldomText {
    /// None.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Whether there is none.
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The text, if there is one.
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref().map(|text| &**text)
    }
}

impl<T: Into<Box<str>>> From<Option<T>> for SeldomText {
    fn from(text: Option<T>) -> Self {
        Self(text.map(|text| Box::new(text.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_word_and_written_as_if_it_were_two() {
        assert_eq!(size_of::<SeldomText>(), size_of::<usize>());
        for text in [None, Some("Block Basic Auth")] {
            let (seldom, plain) = (SeldomText::from(text), text.map(Box::<str>::from));
            let json = serde_json::to_string(&plain).unwrap();
            assert_eq!((seldom.as_deref(), seldom.is_none()), (text, text.is_none()));
            assert_eq!(serde_json::to_string(&seldom).unwrap(), json);
            assert_eq!(serde_json::from_str::<SeldomText>(&json).unwrap(), seldom);
        }
    }

    #[test]
    fn a_list_is_one_word_and_as_good_as_a_vec() {
        assert_eq!(size_of::<Seldom<String>>(), size_of::<usize>());
        let mut list: Seldom<u8> = Seldom::new();
        assert!(list.is_empty());
        list.extend([3, 1, 2]);
        let copy = list.clone();
        list.sort_unstable();
        assert_eq!((&**list, &**copy), (&[1, 2, 3][..], &[3, 1, 2][..]), "a copy keeps what it was");
        list.clear();
        assert_eq!(list, Seldom::new(), "an empty list is an empty list, whatever room it has");
        list.shrink_to_fit();
        assert!(list.0.is_none());
        assert_eq!(serde_json::to_string(&copy).unwrap(), "[3,1,2]");
        assert_eq!(serde_json::from_str::<Seldom<u8>>("[3,1,2]").unwrap(), copy);
    }
}
