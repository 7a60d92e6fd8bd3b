//! Filling a struct: keys that ignore case, `null` that is nothing, zero values for what is missing.

use std::{any::type_name, borrow::Cow, cell::Cell};

use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};

use super::{GoError, Learned, value::Value, zero::Zero};

/// What a field gets.
pub(super) enum Entry<'de, 'l> {
    Given(Value<'de, 'l>),
    Zero(Zero<'l>),
}

/// An entry, by its key: that of the field, where it is one.
struct Field<'de, 'l> {
    name: Option<&'static str>,
    key: Cow<'de, str>,
    entry: Entry<'de, 'l>,
}

/// Lets `visitor` read a struct from `entries`, and learns which of its fields need a value.
pub(super) fn fill<'de, 'l, V: Visitor<'de>>(
    learned: &'l Learned,
    fields: &'static [&'static str],
    entries: impl Iterator<Item = (Cow<'de, str>, Entry<'de, 'l>)>,
    zero: Zero<'l>,
    visitor: V,
) -> Result<V::Value, GoError> {
    let owner = type_name::<V>();
    let mut found: Vec<Field<'de, 'l>> = Vec::with_capacity(fields.len());
    for (key, entry) in entries {
        // `null` leaves a field as it is.
        if matches!(&entry, Entry::Given(value) if value.text == "null") {
            continue;
        }
        let name = field_of(fields, &key);
        match found.iter_mut().find(|field| name.is_some() && field.name == name) {
            // The last one counts.
            Some(earlier) => earlier.entry = entry,
            None => found.push(Field { name, key, entry }),
        }
    }
    // Before the others: an error in a field that the row has by another name then names that name.
    let lacking = learned.lacking(owner, |name| found.iter().any(|field| field.name == Some(name)));
    let lacking = lacking.into_iter().map(|name| Field {
        name: Some(name),
        key: Cow::Borrowed(name),
        entry: Entry::Zero(zero),
    });
    let all: Vec<_> = lacking.chain(found).collect();
    let last = Cell::new(None);
    let found = Found { fields: all.into_iter(), entry: None, last: &last };
    visitor.visit_map(found).map_err(|mut error| {
        match error.complaint.take() {
            Some(complaint) if fields.contains(&complaint.field()) => {
                learned.learn(owner, complaint, last.get());
            }
            // Of something within that is no struct to serde (`flatten`).
            _ => {}
        }
        error
    })
}

/// The field that a key means: the one of that name, or else the first whose letters are the same.
fn field_of(fields: &'static [&'static str], key: &str) -> Option<&'static str> {
    let exact = fields.iter().find(|field| **field == key);
    exact.or_else(|| fields.iter().find(|field| same(field, key))).copied()
}

/// Whether two names are the same but for the case of their letters.
pub(super) fn same(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
        || !(name.is_ascii() && other.is_ascii()) && folded(name).eq(folded(other))
}

/// The letters of a name without their case; `ſ` is an `s`, and the Kelvin sign a `k`.
fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

struct Found<'de, 'l, 'c> {
    fields: std::vec::IntoIter<Field<'de, 'l>>,
    entry: Option<Entry<'de, 'l>>,
    /// The field whose key was read last.
    last: &'c Cell<Option<&'static str>>,
}

impl<'de> MapAccess<'de> for Found<'de, '_, '_> {
    type Error = GoError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, GoError> {
        let Some(Field { name, key, entry }) = self.fields.next() else { return Ok(None) };
        self.entry = Some(entry);
        self.last.set(name);
        match name {
            Some(name) => seed.deserialize(name.into_deserializer()).map(Some),
            None => seed.deserialize(key.into_deserializer()).map(Some),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, GoError> {
        match self.entry.take() {
            Some(Entry::Given(value)) => seed.deserialize(value),
            Some(Entry::Zero(zero)) => seed.deserialize(zero),
            None => Err(GoError::custom("a value without a key")),
        }
    }
}
