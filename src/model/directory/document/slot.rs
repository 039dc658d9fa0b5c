//! What has several keys in a document, and can be cleared like any other value: by an empty text.

use core::fmt;
use core::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something with several keys, or an empty text, which clears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot<T> {
    /// There is none from now on.
    Empty,
    /// It.
    Given(T),
}

impl<T: Serialize> Serialize for Slot<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_str(""),
            Self::Given(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Slot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SlotVisitor(PhantomData))
    }
}

struct SlotVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SlotVisitor<T> {
    type Value = Slot<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("its keys, or an empty text, which clears it")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Slot<T>, E> {
        if text.is_empty() { Ok(Slot::Empty) } else { Err(E::invalid_value(de::Unexpected::Other("a text"), &self)) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Slot<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Slot::Given)
    }
}

/// A list, or one text that stands for a list of it; an empty one is an empty list.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Box<str>>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(Box<str>),
        Many(Vec<Box<str>>),
    }
    Option::<Form>::deserialize(deserializer).map(|form| {
        form.map(|form| match form {
            Form::One(one) if one.is_empty() => Vec::new(),
            Form::One(one) => vec![one],
            Form::Many(many) => many,
        })
    })
}
