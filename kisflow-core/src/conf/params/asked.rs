//! [`Asked`]: reads params, and remembers which fields their type asks for.

use std::cell::Cell;

use serde::{
    de::{Deserializer, Visitor},
    forward_to_deserialize_any,
};

/// Params, and a place for the fields that their type asks for. The type is read once, from what
/// the conf says; nothing is made up to learn its fields.
pub(super) struct Asked<'f, D> {
    params: D,
    fields: &'f Cell<&'static [&'static str]>,
}

impl<'f, D> Asked<'f, D> {
    pub(super) fn new(params: D, fields: &'f Cell<&'static [&'static str]>) -> Self {
        Self { params, fields }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Asked<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.params.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.fields.set(fields);
        self.params.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.params.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}
