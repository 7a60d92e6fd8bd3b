//! [`Zero`]: the zero value of whatever is asked for.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{GoError, Learned, structs::fill};

/// How deep a zero value may be: a struct that has itself within has none.
const DEEPEST: u8 = 64;

/// The zero value of any type that has one.
#[derive(Clone, Copy)]
pub(super) struct Zero<'l> {
    learned: &'l Learned,
    depth: u8,
}

impl<'l> Zero<'l> {
    pub(super) fn new(learned: &'l Learned) -> Self {
        Self { learned, depth: 0 }
    }

    fn within(self) -> Result<Self, GoError> {
        match self.depth {
            DEEPEST => Err(GoError::custom("a struct that has itself within has no zero value")),
            depth => Ok(Self { depth: depth + 1, ..self }),
        }
    }
}

macro_rules! scalars {
    ($($method:ident => $visit:ident($value:expr),)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for Zero<'_> {
    type Error = GoError;

    scalars! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i8(0),
        deserialize_i16 => visit_i16(0),
        deserialize_i32 => visit_i32(0),
        deserialize_i64 => visit_i64(0),
        deserialize_i128 => visit_i128(0),
        deserialize_u8 => visit_u8(0),
        deserialize_u16 => visit_u16(0),
        deserialize_u32 => visit_u32(0),
        deserialize_u64 => visit_u64(0),
        deserialize_u128 => visit_u128(0),
        deserialize_f32 => visit_f32(0.0),
        deserialize_f64 => visit_f64(0.0),
        deserialize_char => visit_char('\0'),
        deserialize_str => visit_borrowed_str(""),
        deserialize_string => visit_borrowed_str(""),
        deserialize_bytes => visit_borrowed_bytes(&[]),
        deserialize_byte_buf => visit_borrowed_bytes(&[]),
        deserialize_seq => visit_seq(Nothing),
        deserialize_map => visit_map(Nothing),
    }

    /// `nil`.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
        visitor.visit_unit()
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GoError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, GoError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, GoError> {
        visitor.visit_newtype_struct(self.within()?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, GoError> {
        visitor.visit_seq(Zeros { of: self.within()?, left: len })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, GoError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, GoError> {
        fill(self.learned, fields, std::iter::empty(), self.within()?, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, GoError> {
        Err(GoError::custom(format_args!(
            "the enum `{name}` has no zero value; give the field `#[serde(default)]`"
        )))
    }
}

/// No items, no entries.
struct Nothing;

impl<'de> SeqAccess<'de> for Nothing {
    type Error = GoError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        _: S,
    ) -> Result<Option<S::Value>, GoError> {
        Ok(None)
    }
}

impl<'de> MapAccess<'de> for Nothing {
    type Error = GoError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        _: S,
    ) -> Result<Option<S::Value>, GoError> {
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<S::Value, GoError> {
        Err(GoError::custom("a value without a key"))
    }
}

/// So many zero values.
struct Zeros<'l> {
    of: Zero<'l>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Zeros<'_> {
    type Error = GoError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, GoError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(self.of).map(Some)
    }
}
