//! Made-up rows: what a row type's own `Deserialize` is run on, to learn what it asks for.

use std::{cell::Cell, fmt, slice};

use serde::{
    de::{
        DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

/// What a type says when it is asked.
#[derive(Debug)]
pub(super) enum Answer {
    Fields(&'static [&'static str]),
    Missing(&'static str),
    /// It came under two names.
    Twice(&'static str),
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

    fn duplicate_field(field: &'static str) -> Self {
        Self::Twice(field)
    }
}

/// How often a field may refuse what is made up for it: each time it is something else.
pub(super) const KINDS: usize = TEXTS.len();

/// What a text may have to be.
const TEXTS: [&str; 9] = [
    "1",
    "",
    "2000-01-01T00:00:00Z",
    "2000-01-01",
    "2000-01-01T00:00:00",
    "00:00:00",
    "00000000-0000-0000-0000-000000000000",
    "127.0.0.1",
    "http://localhost/",
];

/// A made-up row.
#[derive(Clone, Copy)]
pub(super) enum MadeUp<'a> {
    /// Only asks for the names of the fields.
    Names,
    /// Has fields, and something in those that are optional.
    Row(&'a Plan),
}

/// Which fields a made-up row has, and what is in them.
pub(super) struct Plan {
    /// For each field the kind of its value, or that it is left out.
    pub(super) fields: Vec<Option<usize>>,
    /// The last field that was handed out: the one that was refused, if one was.
    pub(super) last: Cell<Option<usize>>,
}

impl<'de> Deserializer<'de> for MadeUp<'_> {
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
        match self {
            Self::Names => Err(Answer::Fields(fields)),
            Self::Row(plan) => visitor.visit_map(Row { fields, plan, next: 0 }),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The fields of a row that its plan does not leave out.
struct Row<'a> {
    fields: &'static [&'static str],
    plan: &'a Plan,
    next: usize,
}

impl<'de> MapAccess<'de> for Row<'_> {
    type Error = Answer;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Answer> {
        while let Some(field) = self.fields.get(self.next) {
            if self.plan.fields.get(self.next).is_some_and(Option::is_some) {
                self.plan.last.set(Some(self.next));
                return seed.deserialize(StrDeserializer::new(field)).map(Some);
            }
            self.next += 1;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Answer> {
        let kind = self.plan.fields.get(self.next).copied().flatten().unwrap_or_default();
        self.next += 1;
        seed.deserialize(Value { kind, depth: 0 })
    }
}

/// The key of a map.
const KEYS: [&str; 1] = ["1"];

/// Every field of a struct within a row, or every key of a map.
struct Struct {
    fields: slice::Iter<'static, &'static str>,
    value: Value,
}

impl<'de> MapAccess<'de> for Struct {
    type Error = Answer;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Answer> {
        let field = self.fields.next();
        field.map(|field| seed.deserialize(StrDeserializer::new(field))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Answer> {
        seed.deserialize(self.value)
    }
}

/// How deep values may be within each other: a type may have itself within.
const DEEPEST: usize = 16;

/// A made-up value: one, a text, the first variant. At the top there is something in it if it is
/// optional, a list or a map.
#[derive(Clone, Copy)]
struct Value {
    /// Which of several.
    kind: usize,
    /// How many values it is within.
    depth: usize,
}

impl Value {
    /// What is within it.
    fn inner(self) -> Result<Self, Answer> {
        let depth = self.depth + 1;
        if depth < DEEPEST { Ok(Self { depth, ..self }) } else { Err(Answer::Other) }
    }

    fn text(self) -> &'static str {
        TEXTS.get(self.kind).copied().unwrap_or_default()
    }

    /// One, unless that was refused.
    fn number(self) -> u8 {
        u8::from(self.kind != 1)
    }

    /// One at the top, so that `skip_serializing_if` does not drop it, unless that was refused.
    fn items(self) -> usize {
        usize::from(self.kind == 0 && self.depth == 0)
    }
}

macro_rules! made_up {
    ($value:ident, $($method:ident => $visit:ident($made:expr),)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
            let $value = self;
            visitor.$visit($made)
        })*
    };
}

impl<'de> Deserializer<'de> for Value {
    type Error = Answer;

    made_up! { value,
        deserialize_bool => visit_bool(value.kind != 1),
        deserialize_i8 => visit_i8(value.number().cast_signed()),
        deserialize_i16 => visit_i16(value.number().into()),
        deserialize_i32 => visit_i32(value.number().into()),
        deserialize_i64 => visit_i64(value.number().into()),
        deserialize_i128 => visit_i128(value.number().into()),
        deserialize_u8 => visit_u8(value.number()),
        deserialize_u16 => visit_u16(value.number().into()),
        deserialize_u32 => visit_u32(value.number().into()),
        deserialize_u64 => visit_u64(value.number().into()),
        deserialize_u128 => visit_u128(value.number().into()),
        deserialize_f32 => visit_f32(value.number().into()),
        deserialize_f64 => visit_f64(value.number().into()),
        deserialize_char => visit_char(char::from(b'a' + value.number())),
        deserialize_str => visit_borrowed_str(value.text()),
        deserialize_string => visit_borrowed_str(value.text()),
        deserialize_bytes => visit_borrowed_bytes(value.text().as_bytes()),
        deserialize_byte_buf => visit_borrowed_bytes(value.text().as_bytes()),
        deserialize_seq => visit_seq(Items { left: value.items(), value: value.inner()? }),
        deserialize_map => visit_map(Struct { fields: KEYS.get(..value.items()).unwrap_or_default().iter(), value: value.inner()? }),
    }

    /// Asked for anything, it is a number at first, then nothing, then a text.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        match self.kind {
            0 => visitor.visit_u64(1),
            1 => visitor.visit_unit(),
            _ => visitor.visit_borrowed_str(self.text()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        if self.depth == 0 { visitor.visit_some(self.inner()?) } else { visitor.visit_none() }
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
        visitor.visit_seq(Items { left, value: self.inner()? })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_seq(Items { left, value: self.inner()? })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_map(Struct { fields: fields.iter(), value: self.inner()? })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        let name = variants.get(self.kind).or(variants.first()).ok_or(Answer::Other)?;
        visitor.visit_enum(Variant { name, value: self.inner()? })
    }

    forward_to_deserialize_any! { identifier }
}

struct Items {
    left: usize,
    value: Value,
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
                seed.deserialize(self.value).map(Some)
            }
            None => Ok(None),
        }
    }
}

struct Variant {
    name: &'static str,
    value: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Answer;
    type Variant = Value;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Value), Answer> {
        Ok((seed.deserialize(StrDeserializer::<Answer>::new(self.name))?, self.value))
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
        visitor.visit_seq(Items { left, value: self.inner()? })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_map(Struct { fields: fields.iter(), value: self.inner()? })
    }
}
