//! Records as fields of text, and back: what an engine keeps can be read by people and by other
//! programs.

use std::{borrow::Cow, fmt::Display};

use serde::{
    Serialize,
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
        Visitor, value,
    },
    forward_to_deserialize_any,
    ser::{self, Impossible, SerializeMap, SerializeStruct, Serializer},
};
use serde_json::Error;

use super::Fields;
use crate::error::{BoxError, Result};

type Field = (Cow<'static, str>, Option<String>);

/// The fields of a struct or map.
pub(crate) fn to_fields<T: Serialize + ?Sized>(record: &T) -> Result<Vec<Field>> {
    Ok(record.serialize(Top)?)
}

/// One value as text; `None` for null.
fn to_text<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<Option<String>, Error> {
    let json = serde_json::to_string(value)?;
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(&json).map(Some),
        // serde_json writes NaN as null, which would remove the field.
        Some(b'n') if matches!(serde_yaml::to_value(value), Ok(serde_yaml::Value::Number(_))) => {
            Err(ser::Error::custom(format!(
                "field `{name}` is a float that is no number, which a record cannot hold"
            )))
        }
        Some(b'n') => Ok(None),
        _ => Ok(Some(json)),
    }
}

/// The record itself: a struct or a map, nothing else.
struct Top;

fn no_record() -> Error {
    ser::Error::custom("a record has to be a struct or a map: its fields are what is kept")
}

macro_rules! refuse {
    ($($method:ident($($argument:ty),*),)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<Self::Ok, Error> {
            Err(no_record())
        })*
    };
}

impl Serializer for Top {
    type Ok = Vec<Field>;
    type Error = Error;
    type SerializeSeq = Impossible<Vec<Field>, Error>;
    type SerializeTuple = Impossible<Vec<Field>, Error>;
    type SerializeTupleStruct = Impossible<Vec<Field>, Error>;
    type SerializeTupleVariant = Impossible<Vec<Field>, Error>;
    type SerializeMap = Collect;
    type SerializeStruct = Collect;
    type SerializeStructVariant = Impossible<Vec<Field>, Error>;

    refuse! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_f32(f32),
        serialize_f64(f64), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]), serialize_none(),
        serialize_unit(), serialize_unit_struct(&'static str), serialize_unit_variant(&'static str, u32, &'static str),
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<Field>, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Vec<Field>, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Vec<Field>, Error> {
        Err(no_record())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Err(no_record())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Err(no_record())
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Error> {
        Err(no_record())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(no_record())
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Collect, Error> {
        Ok(Collect { fields: Vec::with_capacity(len.unwrap_or_default()), key: String::new() })
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Collect, Error> {
        self.serialize_map(Some(len))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(no_record())
    }
}

struct Collect {
    fields: Vec<Field>,
    key: String,
}

impl SerializeStruct for Collect {
    type Ok = Vec<Field>;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let text = to_text(name, value)?;
        self.fields.push((Cow::Borrowed(name), text));
        Ok(())
    }

    fn end(self) -> Result<Vec<Field>, Error> {
        Ok(self.fields)
    }
}

impl SerializeMap for Collect {
    type Ok = Vec<Field>;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key =
            to_text("", key)?.ok_or_else(|| ser::Error::custom("a field name cannot be null"))?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let text = to_text(&self.key, value)?;
        self.fields.push((Cow::Owned(std::mem::take(&mut self.key)), text));
        Ok(())
    }

    fn end(self) -> Result<Vec<Field>, Error> {
        Ok(self.fields)
    }
}

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
        bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::{from_fields, to_fields};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Level {
        Low,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        id: u32,
        avg: f64,
        name: String,
        digits: String,
        maybe: Option<i8>,
        list: Vec<u8>,
        level: Level,
        on: bool,
    }

    fn record() -> Record {
        Record {
            id: 101,
            avg: 76.666_666_666_666_67,
            name: "a \"b\"".into(),
            digits: "007".into(),
            maybe: Some(-1),
            list: vec![1, 2],
            level: Level::Low,
            on: true,
        }
    }

    fn read<T: for<'de> Deserialize<'de>>(fields: Vec<super::Field>) -> crate::Result<T> {
        from_fields(
            fields
                .into_iter()
                .filter_map(|(name, text)| Some((name.into_owned(), text?)))
                .collect(),
        )
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        assert_eq!(read::<Record>(to_fields(&record()).unwrap()).unwrap(), record());
        let none = Record { maybe: None, ..record() };
        assert_eq!(read::<Record>(to_fields(&none).unwrap()).unwrap(), none);
        let map = BTreeMap::from([(7_u32, "x".to_owned())]);
        assert_eq!(
            read::<BTreeMap<String, String>>(to_fields(&map).unwrap()).unwrap(),
            BTreeMap::from([("7".into(), "x".into())])
        );
    }

    #[test]
    fn a_field_that_does_not_parse_is_named_with_its_text() {
        let wrong = vec![("id".to_owned(), "abc".to_owned())];
        let error = from_fields::<Record>(wrong).unwrap_err().to_string();
        assert_eq!(error, "field `id` is \"abc\": invalid digit found in string");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert!(to_fields(&5).unwrap_err().to_string().contains("has to be a struct or a map"));
        let nan = Record { avg: f64::NAN, ..record() };
        assert!(
            to_fields(&nan)
                .unwrap_err()
                .to_string()
                .contains("field `avg` is a float that is no number")
        );
    }
}
