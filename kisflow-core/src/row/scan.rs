//! `must`: whether a JSON row has the fields that a function's conf names, without building it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;

use super::cause::no_json;
use crate::error::BoxError;

/// The most fields that one `must` may name.
pub(crate) const MUST_LIMIT: usize = 64;

/// The first of `must` (distinct names, at most [`MUST_LIMIT`]) that the JSON object in `row` lacks.
///
/// # Errors
///
/// When the row is not a JSON object.
pub(crate) fn missing_field<'m>(
    row: &str,
    must: &'m [String],
) -> Result<Option<&'m str>, BoxError> {
    let mut json = serde_json::Deserializer::from_str(row);
    let missing = json.deserialize_map(Scan { must }).map_err(|error| match error.classify() {
        // It is not an object: that is true of the whole row, wherever the parser stands.
        Category::Data => error.to_string().split(" at line ").next().unwrap_or_default().into(),
        _ => no_json(row, error),
    })?;
    json.end().map_err(|error| no_json(row, error))?;
    Ok(missing)
}

/// A field's value as JSON, if the row is an object that has it.
pub(crate) fn field_text(row: &str, field: &str) -> Option<String> {
    let mut json = serde_json::Deserializer::from_str(row);
    json.deserialize_map(Field { name: field }).ok()?.map(|value| value.to_string())
}

struct Field<'f> {
    name: &'f str,
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = Option<serde_json::Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with the field `{}`", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(position) = map.next_key_seed(Position { names: &[self.name] })? {
            match position {
                Some(_) => found = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

struct Scan<'m> {
    must: &'m [String],
}

impl<'de, 'm> Visitor<'de> for Scan<'m> {
    type Value = Option<&'m str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = if self.must.len() == 1 { "field" } else { "fields" };
        write!(formatter, "an object with the {fields} `{}`", self.must.join("`, `"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // One bit a field: nothing is allocated for a row.
        let mut seen = 0_u64;
        while let Some(position) = map.next_key_seed(Position { names: self.must })? {
            seen |= position.map_or(0, |position| 1 << position);
            map.next_value::<IgnoredAny>()?;
        }
        let mut fields = self.must.iter().enumerate();
        Ok(fields.find(|(position, _)| seen >> position & 1 == 0).map(|(_, field)| field.as_str()))
    }
}

/// Where a key stands among names; compared in place, never copied.
struct Position<'n, N> {
    names: &'n [N],
}

impl<'de, N: AsRef<str>> DeserializeSeed<'de> for Position<'_, N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<N: AsRef<str>> Visitor<'_> for Position<'_, N> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.names.iter().position(|name| name.as_ref() == key))
    }
}

#[cfg(test)]
mod tests {
    use super::missing_field;

    #[test]
    fn a_row_lacks_what_it_does_not_name() {
        let must = ["a".to_owned(), "b".to_owned()];
        assert_eq!(missing_field(r#"{"b":null,"c":1,"a":[1]}"#, &must).unwrap(), None);
        assert_eq!(missing_field(r#"{"a":1}"#, &must).unwrap(), Some("b"));
        assert!(
            missing_field("[1]", &must)
                .unwrap_err()
                .to_string()
                .contains("expected an object with the fields `a`, `b`")
        );
        assert!(missing_field("{} x", &must).is_err());
    }
}
