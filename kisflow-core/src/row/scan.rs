//! Looks for fields in the text of a JSON row, without building it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;

use super::{FieldNames, cause::no_json};
use crate::error::BoxError;

/// The first of `must` (distinct names, at most 64) that the JSON object in `row` lacks.
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

/// `Some` if the object in `row` has all of `must`. A key with an escape, and a row that is no
/// object, are left to the parser. Most rows have all fields, and need no parser for that: no more is
/// looked at than it takes to find them, and whatever reads the row finds mistakes in its text.
pub(super) fn has_all(row: &[u8], must: &[String]) -> Option<()> {
    let mut names = FieldNames::new(must);
    let mut at = behind_blanks(row, 0);
    (*row.get(at)? == b'{').then_some(())?;
    loop {
        let start = behind_blanks(row, at + 1);
        (*row.get(start)? == b'"').then_some(())?;
        let rest = row.get(start + 1..)?;
        let key = rest.get(..rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?)?;
        let end = start + 1 + key.len();
        (*row.get(end)? == b'"').then_some(())?;
        names.note_at(must.iter().position(|name| name.as_bytes() == key));
        if names.is_complete() {
            return Some(());
        }
        at = comma_behind_value(row, end + 1)?;
    }
}

fn behind_blanks(row: &[u8], mut at: usize) -> usize {
    while row.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The comma that ends the value behind a key; `None` where the object ends.
fn comma_behind_value(row: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match *row.get(at)? {
            b'"' => at = end_of_text(row, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

fn end_of_text(row: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *row.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
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
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = FieldNames::new(self.must);
        while let Some(position) = map.next_key_seed(Position { names: self.must })? {
            names.note_at(position);
            map.next_value::<IgnoredAny>()?;
        }
        Ok(names.missing())
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
    use super::{has_all, missing_field};

    #[test]
    fn a_row_with_all_fields_needs_no_parser() {
        let must = ["a".to_owned(), "b".to_owned()];
        let check = |row: &str, found: bool| {
            assert_eq!(has_all(row.as_bytes(), &must).is_some(), found, "{row}");
        };
        check(r#" { "a" : {"b":[1,"}\\\",{"]} , "c":"\",\"b\":" , "b":1}"#, true);
        check(r#"{"a":{"b":1},"c":[{"b":1}],"d":"\"b\":1"}"#, false);
        check(r#"{"b":1,"a":2,"c":tr"#, true);
        check(r#"{"a":1}"#, false);
        check(r#"{"a":1,}"#, false);
        check(r#"{"\u0061":1,"b":2}"#, false);
        check(r#"["a","b"]"#, false);
        check(r#"{"a":1"b":2}"#, false);
        check("{", false);
        check("", false);
        assert_eq!(missing_field(r#"{"\u0061":1,"b":2}"#, &must).unwrap(), None);
    }

    #[test]
    fn a_row_lacks_what_it_does_not_name() {
        let must = ["a".to_owned(), "b".to_owned()];
        assert_eq!(missing_field(r#"{"b":null,"c":1,"a":[1]}"#, &must).unwrap(), None);
        assert_eq!(missing_field(r#"{"a":1}"#, &must).unwrap(), Some("b"));
        assert!(
            missing_field("[1]", &must)
                .unwrap_err()
                .to_string()
                .contains("invalid type: sequence, expected an object")
        );
        assert!(missing_field("{} x", &must).is_err());
    }
}
