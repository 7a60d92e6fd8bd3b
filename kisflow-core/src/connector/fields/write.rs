//! A struct or map as fields of text.

use std::borrow::Cow;

use serde::{
    Serialize,
    ser::{self, Impossible, SerializeMap, SerializeStruct, Serializer},
};
use serde_json::Error;

use crate::{error::Result, row::finite};

pub(super) type Field = (Cow<'static, str>, Option<String>);

/// The fields of a struct or map.
pub(crate) fn to_fields<T: Serialize + ?Sized>(record: &T) -> Result<Vec<Field>> {
    Ok(record.serialize(Top)?)
}

/// One value as text; `None` for null.
fn to_text<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<Option<String>, Error> {
    let json = serde_json::to_string(value)?;
    // serde_json writes NaN as null, which would remove the field, or change what is in it.
    if json.contains("null") {
        finite::check(value)
            .map_err(|error| ser::Error::custom(format!("field `{name}`: {error}")))?;
    }
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(&json).map(Some),
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
