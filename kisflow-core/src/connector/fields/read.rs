//! Fields of text as a struct or map.

use std::fmt::Display;

use serde::{
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
        Visitor, value,
    },
    forward_to_deserialize_any,
};

use crate::{
    connector::Fields,
    error::{BoxError, Result},
    row::Objects,
};

/// Reads a record. The fields do not say what they are: each is read as what `T` asks for.
pub(crate) fn from_fields<T: DeserializeOwned>(fields: Fields) -> Result<T> {
    T::deserialize(Record { fields: fields.into_iter(), value: None }).map_err(BoxError::from)
}

struct Record {
    fields: std::vec::IntoIter<(String, String)>,
    value: Option<(String, String)>,
}

impl<'de> Deserializer<'de> for Record {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        visitor.visit_map(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Record {
    type Error = value::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, value::Error> {
        self.value = self.fields.next();
        match &self.value {
            Some((name, _)) => seed.deserialize(name.as_str().into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, value::Error> {
        let (name, text) = self.value.take().unwrap_or_default();
        seed.deserialize(Text { name, text })
    }
}

/// One field.
struct Text {
    name: String,
    text: String,
}

impl Text {
    fn wrong(&self, cause: impl Display) -> value::Error {
        value::Error::custom(format!("field `{}` is {:?}: {cause}", self.name, self.text))
    }
}

macro_rules! parse {
    ($($method:ident => $visit:ident,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
            let parsed = self.text.parse().map_err(|error| self.wrong(error))?;
            visitor.$visit(parsed)
        })*
    };
}

impl<'de> Deserializer<'de> for Text {
    type Error = value::Error;

    parse! {
        deserialize_bool => visit_bool,
        deserialize_i8 => visit_i8,
        deserialize_i16 => visit_i16,
        deserialize_i32 => visit_i32,
        deserialize_i64 => visit_i64,
        deserialize_i128 => visit_i128,
        deserialize_u8 => visit_u8,
        deserialize_u16 => visit_u16,
        deserialize_u32 => visit_u32,
        deserialize_u64 => visit_u64,
        deserialize_u128 => visit_u128,
        deserialize_f32 => visit_f32,
        deserialize_f64 => visit_f64,
        deserialize_char => visit_char,
    }

    /// Whatever it looks like: JSON, or else text.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        match serde_json::from_str::<serde_json::Value>(&self.text) {
            Ok(json) => json.deserialize_any(visitor).map_err(|error| self.wrong(error)),
            Err(_) => visitor.visit_string(self.text),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        visitor.visit_string(self.text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        visitor.visit_string(self.text)
    }

    /// From a map, and never from a list of its values.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        match serde_json::from_str::<serde_json::Value>(&self.text) {
            Ok(json) => Objects(json)
                .deserialize_struct(name, fields, visitor)
                .map_err(|error| self.wrong(error)),
            Err(_) => visitor.visit_string(self.text),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        let json = match self.text.starts_with('{') {
            true => serde_json::from_str(&self.text).map_err(|error| self.wrong(error))?,
            false => serde_json::Value::String(self.text.clone()),
        };
        json.deserialize_enum(name, variants, visitor).map_err(|error| self.wrong(error))
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}
