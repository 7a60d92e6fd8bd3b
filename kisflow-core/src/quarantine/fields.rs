//! Single fields of a row's text: found, and changed without changing anything else.

use std::fmt;

use serde::{
    Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::RowText;

impl RowText {
    /// Returns the text of a field's value. `path` is a name, or names with dots between them for a
    /// nested field (`customer.city`, `lines.0.price`); a field whose own name has dots has
    /// precedence. `None` if the row is not a JSON object or has no such field.
    ///
    /// ```
    /// use kisflow_core::RowText;
    ///
    /// let row = RowText::from(r#"{"id":1.50,"to":{"city":"Ulm"},"a.b":7}"#);
    /// assert_eq!(row.field("id").as_deref(), Some("1.50"));
    /// assert_eq!(row.field("to.city").as_deref(), Some("\"Ulm\""));
    /// assert_eq!(row.field("a.b").as_deref(), Some("7"));
    /// assert_eq!(row.field("to.street"), None);
    /// ```
    #[must_use]
    pub fn field(&self, path: &str) -> Option<String> {
        let row = std::str::from_utf8(self.bytes()).ok()?;
        find(row, path).map(str::to_owned)
    }

    /// Returns the row with a field changed or added; everything else keeps its text. `path` is
    /// that of [`field`](Self::field), `value` is JSON.
    ///
    /// ```
    /// use kisflow_core::RowText;
    ///
    /// let row = RowText::from(r#"{"id": 12345678901234567890123, "currency": ""}"#);
    /// let row = row.with_field("currency", "\"EUR\"").unwrap();
    /// let row = row.with_field("to.city", "\"Ulm\"").unwrap();
    /// let text = r#"{"id": 12345678901234567890123, "currency": "EUR","to":{"city":"Ulm"}}"#;
    /// assert_eq!(row.to_string(), text);
    /// ```
    ///
    /// # Errors
    ///
    /// When the row is not a JSON object, or has the field twice; when the path goes through a
    /// value without fields; when `value` is not JSON.
    pub fn with_field(&self, path: &str, value: &str) -> Result<Self, FieldError> {
        let row = std::str::from_utf8(self.bytes()).map_err(|_| FieldError("is no text".into()))?;
        serde_json::from_str::<&RawValue>(value)
            .map_err(|error| FieldError(format!("cannot take a value that is no JSON: {error}")))?;
        replace(row, path, value.trim()).map(Self::from)
    }
}

/// Why a field of a row cannot be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError(String);

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the row {}", self.0)
    }
}

impl std::error::Error for FieldError {}

/// Fields or entries of a value, in their order, with the text of their values.
enum Parts<'a> {
    Object(Vec<(String, &'a RawValue)>),
    Array(Vec<&'a RawValue>),
}

impl<'a> Parts<'a> {
    /// `None` for a value without any.
    fn of(json: &'a str) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let parts = deserializer.deserialize_any(PartsVisitor).ok()?;
        deserializer.end().ok().and(parts)
    }

    /// How many have this name, and the last of them.
    fn named(&self, name: &str) -> (usize, Option<&'a str>) {
        match self {
            Self::Object(fields) => {
                let mut found = fields.iter().filter(|(known, _)| known == name);
                (found.clone().count(), found.next_back().map(|(_, value)| value.get()))
            }
            Self::Array(entries) => {
                let entry = name.parse().ok().and_then(|index: usize| entries.get(index));
                (usize::from(entry.is_some()), entry.map(|value| value.get()))
            }
        }
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Option<Parts<'de>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Some(Parts::Object(fields)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = entries.next_element()? {
            values.push(value);
        }
        Ok(Some(Parts::Array(values)))
    }
}

/// A path's first name and the rest: the whole path, and each way to cut it at a dot.
fn cuts(path: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let dots = path.match_indices('.').rev();
    let cut = dots.filter_map(|(dot, _)| Some((path.get(..dot)?, path.get(dot + 1..))));
    [(path, None)].into_iter().chain(cut)
}

fn find<'a>(json: &'a str, path: &str) -> Option<&'a str> {
    let parts = Parts::of(json)?;
    cuts(path).find_map(|(name, rest)| {
        let value = parts.named(name).1?;
        match rest {
            None => Some(value),
            Some(rest) => find(value, rest),
        }
    })
}

fn replace(json: &str, path: &str, value: &str) -> Result<String, FieldError> {
    let Some(parts) = Parts::of(json) else {
        return Err(FieldError("is no JSON object".to_owned()));
    };
    // The existing field, by the cut that finds it; otherwise the outermost name of the path.
    let there = cuts(path).find(|(name, rest)| match (parts.named(name).1, rest) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(inner), Some(rest)) => find(inner, rest).is_some() || Parts::of(inner).is_some(),
    });
    let (name, rest) = there.unwrap_or_else(|| match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    });
    match (parts.named(name), &parts) {
        ((2.., _), _) => Err(FieldError(format!("has the field `{name}` more than once"))),
        ((_, Some(old)), _) => {
            let new = match rest {
                None => value.to_owned(),
                Some(rest) => replace(old, rest, value)
                    .map_err(|_| FieldError(format!("has no fields in `{name}`")))?,
            };
            Ok(spliced(json, old, &new))
        }
        ((_, None), Parts::Array(_)) => Err(FieldError(format!("has no entry `{name}` in a list"))),
        ((_, None), Parts::Object(fields)) => {
            let new = rest.map_or(value.to_owned(), |rest| nested(rest, value));
            let comma = if fields.is_empty() { "" } else { "," };
            let end = json.trim_end().len().saturating_sub(1);
            let (front, back) = json.split_at(end);
            Ok(format!("{}{comma}{}:{new}{back}", front.trim_end(), quoted(name)))
        }
    }
}

/// Objects within each other for a path, with the value innermost.
fn nested(path: &str, value: &str) -> String {
    path.rsplit('.').fold(value.to_owned(), |inner, name| format!("{{{}:{inner}}}", quoted(name)))
}

fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// `json` with `part`, which is a part of it, replaced by another text.
fn spliced(json: &str, part: &str, new: &str) -> String {
    let start = (part.as_ptr().addr()).saturating_sub(json.as_ptr().addr());
    let (front, back) = (json.get(..start), json.get(start + part.len()..));
    format!("{}{new}{}", front.unwrap_or_default(), back.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::RowText;

    fn check(row: &str, path: &str, value: &str, expect: &str) {
        let changed = RowText::from(row.to_owned()).with_field(path, value);
        match changed {
            Ok(changed) => {
                assert_eq!(changed.to_string(), expect);
                assert_eq!(changed.field(path).as_deref(), Some(value));
            }
            Err(error) => assert_eq!(error.to_string(), expect),
        }
    }

    #[test]
    fn a_field_is_set_and_nothing_else_is_touched() {
        check(r#"{"a":1,"b":2}"#, "a", "9", r#"{"a":9,"b":2}"#);
        check(r#"{ "a" : 1.10 , "n": -0 }"#, "a", "1e400", r#"{ "a" : 1e400 , "n": -0 }"#);
        check(
            r#"{"id":123456789012345678901234567890}"#,
            "x",
            "\"y\"",
            r#"{"id":123456789012345678901234567890,"x":"y"}"#,
        );
        check("{}", "a.b.c", "[1, 2]", r#"{"a":{"b":{"c":[1, 2]}}}"#);
        check("{ \n} ", "a", "1", "{\"a\":1} ");
        check(r#"{"a":{"b":1,"z":1.0}}"#, "a.b", "null", r#"{"a":{"b":null,"z":1.0}}"#);
        check(r#"{"a":{"z":1.0}}"#, "a.b", "2", r#"{"a":{"z":1.0,"b":2}}"#);
        check(r#"{"a.b":1,"a":{"b":2}}"#, "a.b", "3", r#"{"a.b":3,"a":{"b":2}}"#);
        check(r#"{"l":[{"p":1},{"p":2.50}]}"#, "l.1.p", "3", r#"{"l":[{"p":1},{"p":3}]}"#);
        check(r#"{"\u0061":1}"#, "a", "2", r#"{"\u0061":2}"#);
        check(r#"{"a":"} , :"}"#, "b", "1", r#"{"a":"} , :","b":1}"#);
    }

    #[test]
    fn what_cannot_be_set_says_why() {
        check("7", "a", "1", "the row is no JSON object");
        check("{\"a\":", "a", "1", "the row is no JSON object");
        check(r#"{"a":1,"a":2}"#, "a", "3", "the row has the field `a` more than once");
        check(r#"{"a":1}"#, "a.b", "3", "the row has no fields in `a`");
        check(r#"{"a":[1]}"#, "a.7", "3", "the row has no fields in `a`");
        check(
            r#"{"a":1}"#,
            "a",
            "x",
            "the row cannot take a value that is no JSON: expected value at line 1 column 1",
        );
        let bytes = RowText::from(vec![0xff]);
        assert_eq!(bytes.with_field("a", "1").unwrap_err().to_string(), "the row is no text");
        assert_eq!(bytes.field("a"), None);
    }
}
