//! Objects as the AWS CLI writes them: with keys spelled as it spells them, and never as a list.
//!
//! What serde derives takes a list for an object whose fields are given in order, and passes over a key in another case as over any
//! that it does not know: a `state` beside no `State` would leave an association in force that has gone.

use crate::import::json::Text;
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor},
    forward_to_deserialize_any,
};
use std::fmt;

/// Reads structs alone, each from an object.
pub(super) struct Exact<D>(pub(super) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Exact<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Object { fields, visitor })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

struct Object<V> {
    fields: &'static [&'static str],
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Keys { fields: self.fields, object })
    }
}

struct Keys<A> {
    fields: &'static [&'static str],
    object: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Keys<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(Text(key)) = self.object.next_key()? else { return Ok(None) };
        if !self.fields.contains(&&*key) {
            spelled_otherwise(&key, self.fields)?;
        }
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.object.next_value_seed(seed)
    }
}

/// Refuses a key that is one of these but for its case and its separators.
///
/// # Errors
/// As the CLI writes it.
pub(super) fn spelled_otherwise<E: Error>(key: &str, known: &[&str]) -> Result<(), E> {
    match known.iter().find(|known| is_same_key(key, known)) {
        Some(known) => Err(E::custom(format_args!("{key}, where the AWS CLI writes {known}"))),
        None => Ok(()),
    }
}

/// Whether two keys are the same but for their case and their separators. Most keys of a row are none that are known, so nothing is
/// allocated.
pub(super) fn is_same_key(one: &str, other: &str) -> bool {
    let plain = |key| str::bytes(key).filter(|byte| !b"_-".contains(byte)).map(|byte| byte.to_ascii_lowercase());
    plain(one).eq(plain(other))
}

/// Reads a struct, whose own reading serde derives with `remote = "Self"`, from an object that the AWS CLI writes.
macro_rules! exact {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::deserialize($crate::import::files::shapes::exact::Exact(from))
            }
        }
    };
    ($name:ident borrows) => {
        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::deserialize($crate::import::files::shapes::exact::Exact(from))
            }
        }
    };
}
pub(super) use exact;
