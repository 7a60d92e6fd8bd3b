//! [`FieldNames`]: asks a value for the names of its fields, and for nothing that is in them.

use std::fmt;

use serde::{
    Serialize,
    ser::{self, Impossible, SerializeMap, SerializeStruct, Serializer},
};

/// Which of some field names a row has.
#[doc(hidden)]
#[derive(Debug)]
pub struct FieldNames<'m> {
    wanted: &'m [String],
    /// One bit a name: nothing is allocated for a row.
    seen: u64,
    /// `seen` with all names.
    all: u64,
}

impl<'m> FieldNames<'m> {
    pub(super) fn new(wanted: &'m [String]) -> Self {
        let all = 1_u64.checked_shl(wanted.len() as u32).map_or(u64::MAX, |next| next - 1);
        Self { wanted, seen: 0, all }
    }

    /// Asks `row`, until all names are found; `false` if it is no struct or map of the kind that
    /// reports them.
    #[inline]
    pub(super) fn ask<T: Serialize + ?Sized>(&mut self, row: &T) -> bool {
        row.serialize(Ask(self)).is_ok() || self.is_complete()
    }

    /// Ends the question once all names are found: the rest of the row does not matter.
    #[inline]
    fn go_on(&self) -> Result<(), Untold> {
        if self.is_complete() { Err(Untold) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn note(&mut self, name: &str) {
        self.note_at(self.wanted.iter().position(|wanted| wanted == name));
    }

    #[inline]
    pub(super) fn note_at(&mut self, position: Option<usize>) {
        self.seen |= position.map_or(0, |position| 1 << position);
    }

    #[inline]
    pub(super) fn is_complete(&self) -> bool {
        self.seen == self.all
    }

    /// The first that the row lacks.
    pub(super) fn missing(&self) -> Option<&'m str> {
        let mut fields = self.wanted.iter().enumerate();
        fields.find(|(at, _)| self.seen >> at & 1 == 0).map(|(_, field)| field.as_str())
    }
}

/// The value tells no names, or would tell others than its JSON has.
#[derive(Debug)]
struct Untold;

impl fmt::Display for Untold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("it does not tell its fields")
    }
}

impl std::error::Error for Untold {}

impl ser::Error for Untold {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! untold {
    ($($method:ident($($argument:ty),*),)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<(), Untold> {
            Err(Untold)
        })*
    };
}

macro_rules! untold_parts {
    ($($method:ident($($argument:ty),*) -> $parts:ty,)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$parts, Untold> {
            Err(Untold)
        })*
    };
}

type Never = Impossible<(), Untold>;

/// The value itself: a struct or a map.
struct Ask<'a, 'm>(&'a mut FieldNames<'m>);

impl Serializer for Ask<'_, '_> {
    type Ok = ();
    type Error = Untold;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Never;

    untold! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_f32(f32),
        serialize_f64(f64), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]), serialize_none(),
        serialize_unit(), serialize_unit_struct(&'static str), serialize_unit_variant(&'static str, u32, &'static str),
    }

    untold_parts! {
        serialize_seq(Option<usize>) -> Never,
        serialize_tuple(usize) -> Never,
        serialize_tuple_struct(&'static str, usize) -> Never,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never,
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Untold> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Untold> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Untold> {
        Err(Untold)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Untold> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self, Untold> {
        // serde_json's own types: raw text, which has fields of its own.
        if name.starts_with("$serde_json") { Err(Untold) } else { Ok(self) }
    }
}

impl SerializeStruct for Ask<'_, '_> {
    type Ok = ();
    type Error = Untold;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        _: &T,
    ) -> Result<(), Untold> {
        self.0.note(name);
        self.0.go_on()
    }

    fn end(self) -> Result<(), Untold> {
        Ok(())
    }
}

impl SerializeMap for Ask<'_, '_> {
    type Ok = ();
    type Error = Untold;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Untold> {
        key.serialize(Key(&mut *self.0))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Untold> {
        self.0.go_on()
    }

    fn end(self) -> Result<(), Untold> {
        Ok(())
    }
}

/// The key of a map: a text, or untold.
struct Key<'a, 'm>(&'a mut FieldNames<'m>);

impl Serializer for Key<'_, '_> {
    type Ok = ();
    type Error = Untold;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    untold! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_f32(f32),
        serialize_f64(f64), serialize_char(char), serialize_bytes(&[u8]), serialize_none(),
        serialize_unit(), serialize_unit_struct(&'static str),
    }

    untold_parts! {
        serialize_seq(Option<usize>) -> Never,
        serialize_tuple(usize) -> Never,
        serialize_tuple_struct(&'static str, usize) -> Never,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never,
        serialize_map(Option<usize>) -> Never,
        serialize_struct(&'static str, usize) -> Never,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never,
    }

    #[inline]
    fn serialize_str(self, key: &str) -> Result<(), Untold> {
        self.0.note(key);
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Untold> {
        self.serialize_str(variant)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Untold> {
        Err(Untold)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Untold> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Untold> {
        Err(Untold)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::json;

    use super::FieldNames;

    #[derive(Serialize)]
    struct Inner {
        x: u8,
    }

    #[derive(Serialize)]
    struct Plain {
        a: f64,
        #[serde(rename = "bee")]
        b: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        c: Option<u8>,
    }

    #[derive(Serialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        inner: Inner,
    }

    #[derive(Serialize)]
    struct Wrapped(Plain);

    #[derive(Serialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        A { x: u8 },
    }

    #[derive(Serialize)]
    enum Outside {
        A { x: u8 },
    }

    /// The names that it has of a few, as its JSON has them; `None` where it does not tell.
    #[track_caller]
    fn check(row: &(impl Serialize + ?Sized), expect: Option<&[&str]>) {
        let wanted = ["a", "bee", "c", "x", "kind", "A"].map(str::to_owned);
        let mut names = FieldNames::new(&wanted);
        let told = names.ask(row);
        let seen = wanted.iter().enumerate().filter(|(at, _)| names.seen >> at & 1 == 1);
        let seen: Vec<&str> = seen.map(|(_, name)| name.as_str()).collect();
        assert_eq!(told.then_some(&seen[..]), expect);
        if let (true, Ok(json)) = (told, serde_json::to_value(row)) {
            assert!(wanted.iter().all(|name| json.get(name).is_some() == seen.contains(&&**name)));
        }
    }

    #[test]
    fn a_value_names_the_fields_that_its_json_has() {
        let plain = || Plain { a: f64::NAN, b: None, c: None };
        check(&plain(), Some(&["a", "bee"]));
        check(&Wrapped(Plain { c: Some(1), ..plain() }), Some(&["a", "bee", "c"]));
        check(&Some(plain()), Some(&["a", "bee"]));
        check(&Flat { a: 1, inner: Inner { x: 1 } }, Some(&["a", "x"]));
        check(&Tagged::A { x: 1 }, Some(&["x", "kind"]));
        check(&json!({"a": 1, "x": null}), Some(&["a", "x"]));
        check(&BTreeMap::from([("c", 1)]), Some(&["c"]));
    }

    #[test]
    fn what_is_no_struct_tells_nothing() {
        check(&Outside::A { x: 1 }, None);
        check(&json!([1]), None);
        check("a", None);
        check(&None::<Plain>, None);
        check(&BTreeMap::from([(1, 1)]), None);
        check(&serde_json::value::RawValue::from_string("{\"a\":1}".into()).unwrap(), None);
    }
}
