//! Asks a row type, once at link, which fields it knows and which it cannot do without.
//!
//! A `must` field that the row type itself requires needs no check of its own while rows flow:
//! decoding already refuses the row. serde has no table of a type's fields, so the type's own
//! `Deserialize` is run on made-up rows, each without one of its fields; a field counts as
//! required when exactly that complaint comes back. Where the answer is anything else (a type
//! that is no struct, `#[serde(flatten)]`, a field that refuses the made-up value), the field
//! counts as not required and every row is scanned for it instead.

use std::fmt;

use serde::{
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess,
        VariantAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

/// The fields of a row type.
#[derive(Clone, Debug, Default)]
#[doc(hidden)]
pub struct Fields {
    /// Every field it reads, aliases too; empty where the type does not say.
    pub(crate) known: &'static [&'static str],
    /// The fields without which it refuses a row.
    pub(crate) required: Vec<&'static str>,
}

/// Asks `T`.
pub(crate) fn fields_of<T: DeserializeOwned>() -> Fields {
    let known = match T::deserialize(Row { without: None }) {
        Err(Answer::Fields(known)) => known,
        _ => &[],
    };
    let required = known
        .iter()
        .filter(|field| matches!(T::deserialize(Row { without: Some(field) }), Err(Answer::Missing(missing)) if missing == **field))
        .copied()
        .collect();
    Fields { known, required }
}

/// What a type says when it is asked.
#[derive(Debug)]
enum Answer {
    Fields(&'static [&'static str]),
    Missing(&'static str),
    Other,
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

impl std::error::Error for Answer {}

impl serde::de::Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// The made-up row: without a field named, it only asks for the names.
struct Row {
    without: Option<&'static str>,
}

impl<'de> Deserializer<'de> for Row {
    type Error = Answer;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        Err(Answer::Other)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        match self.without {
            None => Err(Answer::Fields(fields)),
            without => visitor.visit_map(Struct { fields: fields.iter(), without }),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Every field of a struct but one, each with a made-up value.
struct Struct {
    fields: std::slice::Iter<'static, &'static str>,
    without: Option<&'static str>,
}

impl<'de> MapAccess<'de> for Struct {
    type Error = Answer;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Answer> {
        let without = self.without;
        match self.fields.find(|field| Some(**field) != without) {
            Some(field) => seed.deserialize(StrDeserializer::new(field)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Answer> {
        seed.deserialize(Value)
    }
}

/// A made-up value: zero, the empty text, nothing, the first variant.
struct Value;

macro_rules! made_up {
    ($($method:ident => $visit:ident($value:expr),)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for Value {
    type Error = Answer;

    made_up! {
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
        deserialize_char => visit_char('a'),
        deserialize_str => visit_str(""),
        deserialize_string => visit_str(""),
        deserialize_bytes => visit_bytes(&[]),
        deserialize_byte_buf => visit_bytes(&[]),
        deserialize_seq => visit_seq(Items { left: 0 }),
        deserialize_map => visit_map(Struct { fields: [].iter(), without: None }),
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        Err(Answer::Other)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_seq(Items { left })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_seq(Items { left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_map(Struct { fields: fields.iter(), without: None })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_enum(Variant { name: variants.first().ok_or(Answer::Other)? })
    }

    forward_to_deserialize_any! { identifier }
}

struct Items {
    left: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Answer;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Answer> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                seed.deserialize(Value).map(Some)
            }
            None => Ok(None),
        }
    }
}

struct Variant {
    name: &'static str,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Answer;
    type Variant = Value;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Value), Answer> {
        Ok((seed.deserialize(StrDeserializer::<Answer>::new(self.name))?, Value))
    }
}

impl<'de> VariantAccess<'de> for Value {
    type Error = Answer;

    fn unit_variant(self) -> Result<(), Answer> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Answer> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_seq(Items { left })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_map(Struct { fields: fields.iter(), without: None })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::fields_of;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Inner {
        at: (u8, f32),
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    enum Kind {
        Point { x: u8 },
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Outer {
        id: u32,
        #[serde(rename = "kisName")]
        name: String,
        maybe: Option<f64>,
        #[serde(default)]
        tags: Vec<String>,
        #[serde(alias = "old")]
        new: u8,
        inner: Inner,
        kind: Kind,
        more: HashMap<String, u8>,
    }

    #[test]
    fn a_struct_names_the_fields_it_cannot_do_without() {
        let fields = fields_of::<Outer>();
        assert!(fields.known.contains(&"old") && fields.known.contains(&"maybe"));
        // `new` may come as `old`, so a row need not have a field of that name: made-up rows that
        // have both are refused, and no field is certain. Each row is scanned then.
        assert!(fields.required.is_empty());
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is read")]
    struct Plain {
        id: u32,
        #[serde(rename = "kisName")]
        name: String,
        maybe: Option<f64>,
        #[serde(default)]
        tags: Vec<String>,
        inner: Inner,
        kind: Kind,
        more: HashMap<String, u8>,
    }

    #[test]
    fn optional_and_defaulted_fields_are_not_required() {
        assert_eq!(fields_of::<Plain>().required, ["id", "kisName", "inner", "kind", "more"]);
    }

    #[test]
    fn a_type_that_is_no_struct_requires_nothing() {
        assert!(fields_of::<HashMap<String, u8>>().required.is_empty());
        assert!(fields_of::<serde_json::Value>().required.is_empty());
    }
}
