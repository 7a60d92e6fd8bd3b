//! [`Value`]: one JSON value, read as Go reads it.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde_json::value::RawValue;

use super::{
    GoError, Learned,
    key::{Entries, Key},
    structs::{Entry, fill},
    zero::Zero,
};

/// The name under which serde_json hands out its raw text.
const RAW: &str = "$serde_json::private::RawValue";

/// One value of a row that is known to be JSON.
#[derive(Clone, Copy)]
pub(super) struct Value<'de, 'l> {
    pub(super) text: &'de str,
    pub(super) learned: &'l Learned,
}

impl<'de, 'l> Value<'de, 'l> {
    fn at(self, raw: &'de RawValue) -> Self {
        Self { text: raw.get(), ..self }
    }

    fn zero(self) -> Option<Zero<'l>> {
        (self.text == "null").then(|| Zero::new(self.learned))
    }

    fn json(self) -> serde_json::Deserializer<serde_json::de::StrRead<'de>> {
        serde_json::Deserializer::from_str(self.text)
    }

    fn is(self, first: char) -> bool {
        self.text.starts_with(first)
    }

    /// The items of a list: `len` of them, as of a Go array, or as many as there are.
    fn items<V: Visitor<'de>>(self, len: Option<usize>, visitor: V) -> Result<V::Value, GoError> {
        let items: Vec<&'de RawValue> = serde_json::from_str(self.text)?;
        let len = len.unwrap_or(items.len());
        visitor.visit_seq(Items { of: self, items: items.into_iter(), left: len })
    }
}

macro_rules! scalars {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
            match self.zero() {
                Some(zero) => zero.$method(visitor),
                None => Ok(self.json().$method(visitor)?),
            }
        })*
    };
}

macro_rules! as_they_are {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
            Ok(self.json().$method(visitor)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Value<'de, '_> {
    type Error = GoError;

    scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf
    }

    as_they_are! { deserialize_any deserialize_unit deserialize_identifier deserialize_ignored_any }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
        match self.zero() {
            Some(_) => visitor.visit_none(),
            None => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, GoError> {
        Ok(self.json().deserialize_unit_struct(name, visitor)?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, GoError> {
        match name {
            RAW => Ok(self.json().deserialize_newtype_struct(name, visitor)?),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
        match self.zero() {
            Some(zero) => zero.deserialize_seq(visitor),
            None if self.is('[') => self.items(None, visitor),
            None => Ok(self.json().deserialize_seq(visitor)?),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, GoError> {
        match self.zero() {
            Some(zero) => zero.deserialize_tuple(len, visitor),
            None if self.is('[') => self.items(Some(len), visitor),
            None => Ok(self.json().deserialize_tuple(len, visitor)?),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, GoError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
        match self.zero() {
            Some(zero) => zero.deserialize_map(visitor),
            None if self.is('{') => {
                let Entries(entries) = serde_json::from_str(self.text)?;
                visitor.visit_map(Map { of: self, entries: entries.into_iter(), value: None })
            }
            None => Ok(self.json().deserialize_map(visitor)?),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, GoError> {
        let entries = match self.zero() {
            Some(_) => Vec::new(),
            None if self.is('{') => serde_json::from_str::<Entries<'de>>(self.text)?.0,
            None if self.is('[') => {
                return Err(GoError::invalid_type(Unexpected::Seq, &"an object"));
            }
            None => return Ok(self.json().deserialize_struct(name, fields, visitor)?),
        };
        let entry = |(key, raw): (Key<'de>, &'de RawValue)| (key.0, Entry::Given(self.at(raw)));
        fill(self.learned, fields, entries.into_iter().map(entry), Zero::new(self.learned), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, GoError> {
        if let Some(zero) = self.zero() {
            return zero.deserialize_enum(name, variants, visitor);
        }
        if self.is('{') {
            let Entries(entries) = serde_json::from_str(self.text)?;
            if let Ok([(key, raw)]) = <[_; 1]>::try_from(entries) {
                return visitor.visit_enum(Variant { key, of: self.at(raw) });
            }
        }
        Ok(self.json().deserialize_enum(name, variants, visitor)?)
    }
}

/// The items of a list; zero values once there are no more.
struct Items<'de, 'l> {
    of: Value<'de, 'l>,
    items: std::vec::IntoIter<&'de RawValue>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = GoError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, GoError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        match self.items.next() {
            Some(raw) => seed.deserialize(self.of.at(raw)).map(Some),
            None => seed.deserialize(Zero::new(self.of.learned)).map(Some),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The entries of a map.
struct Map<'de, 'l> {
    of: Value<'de, 'l>,
    entries: std::vec::IntoIter<(Key<'de>, &'de RawValue)>,
    value: Option<&'de RawValue>,
}

impl<'de> MapAccess<'de> for Map<'de, '_> {
    type Error = GoError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, GoError> {
        let Some((key, raw)) = self.entries.next() else { return Ok(None) };
        self.value = Some(raw);
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, GoError> {
        match self.value.take() {
            Some(raw) => seed.deserialize(self.of.at(raw)),
            None => Err(GoError::custom("a value without a key")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// `{"Variant": …}`.
struct Variant<'de, 'l> {
    key: Key<'de>,
    of: Value<'de, 'l>,
}

impl<'de, 'l> EnumAccess<'de> for Variant<'de, 'l> {
    type Error = GoError;
    type Variant = Value<'de, 'l>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), GoError> {
        seed.deserialize(self.key.0.into_deserializer()).map(|variant| (variant, self.of))
    }
}

impl<'de> VariantAccess<'de> for Value<'de, '_> {
    type Error = GoError;

    fn unit_variant(self) -> Result<(), GoError> {
        Ok(serde_json::from_str(self.text)?)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, GoError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, GoError> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, GoError> {
        self.deserialize_struct("", fields, visitor)
    }
}
