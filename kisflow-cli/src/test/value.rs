//! When two values are the same, for a test. Numbers are compared as they are written, digit by digit:
//! no float stands between.

use std::collections::BTreeMap;

use kisflow_core::RawParam;
use serde::de::Error as _;
use serde_json::{Error, value::RawValue};

/// How deep lists and maps may stand in one another: as deep as serde_json reads them.
const DEPTH: usize = 128;

/// A value whose numbers have the digits that they were written with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

impl Json {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// If the text is not JSON.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let value: &RawValue = serde_json::from_str(text)?;
        Self::read(value, DEPTH)
    }

    /// Returns a value of the conf.
    pub(super) fn of(value: &RawParam) -> Self {
        let text = value.to_json_text();
        Self::parse(&text).unwrap_or(Self::Text(text))
    }

    fn read(value: &RawValue, depth: usize) -> Result<Self, Error> {
        let text = value.get();
        let below = depth.checked_sub(1).ok_or_else(|| Error::custom("recursion limit exceeded"));
        Ok(match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b'[') => {
                let (below, items) = (below?, serde_json::from_str::<Vec<&RawValue>>(text)?);
                let items = items.into_iter().map(|item| Self::read(item, below));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let below = below?;
                let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let fields = fields.into_iter();
                let fields = fields.map(|(name, value)| Ok((name, Self::read(value, below)?)));
                Self::Map(fields.collect::<Result<_, Error>>()?)
            }
            _ => Self::Number(text.to_owned()),
        })
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Bool(value) => value.fmt(formatter),
            Self::Number(text) => formatter.write_str(text),
            Self::Text(text) => formatter.write_str(&quoted(text)),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(formatter, "[{}]", items.join(","))
            }
            Self::Map(fields) => {
                let field = |(name, value): (&String, &Self)| format!("{}:{value}", quoted(name));
                write!(formatter, "{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// Numbers are the same when they are numerically, maps whatever the order of their keys.
pub(super) fn same(expected: &Json, got: &Json) -> bool {
    match (expected, got) {
        (Json::Number(one), Json::Number(other)) => {
            one == other || Decimal::of(one).is_some_and(|one| Decimal::of(other) == Some(one))
        }
        (Json::List(one), Json::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Json::Map(one), Json::Map(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => expected == got,
    }
}

/// A number: its digits as a whole number, without zeros at either end, times a power of ten.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i128,
}

impl Decimal {
    /// `None` for an exponent that is past every measure.
    fn of(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let shift = i128::try_from(digits.len() - significant.len()).ok()?
            - i128::try_from(fraction.len()).ok()?;
        Some(Self {
            negative,
            digits: significant.trim_start_matches('0').to_owned(),
            exponent: exponent.parse::<i128>().ok()?.checked_add(shift)?,
        })
    }
}

/// Whether the text of a record's field is what is expected; `null` is a field that is not there.
pub(super) fn is_text_of(expected: &Json, text: Option<&str>) -> bool {
    match (expected, text) {
        (Json::Null, text) => text.is_none(),
        (_, None) => false,
        (Json::Text(expected), Some(text)) => expected == text,
        (expected, Some(text)) => Json::parse(text).is_ok_and(|value| same(expected, &value)),
    }
}

/// In which fields two rows differ, each as a line: `total: expected 62.5, got 62`.
pub(super) fn differing(expected: &Json, got: &Json) -> Vec<String> {
    let (Json::Map(expected), Json::Map(got)) = (expected, got) else { return Vec::new() };
    let mut lines: Vec<String> = Vec::new();
    for (key, value) in expected {
        match got.get(key) {
            Some(other) if same(value, other) => {}
            Some(other) => lines.push(format!("{key}: expected {value}, got {other}")),
            None => lines.push(format!("{key}: expected {value}, and it is not there")),
        }
    }
    let more = got.iter().filter(|(key, _)| !expected.contains_key(*key));
    lines.extend(more.map(|(key, value)| format!("{key}: not expected, got {value}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::{Json, differing, is_text_of, same};

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    #[track_caller]
    fn check(one: &str, other: &str, expected: bool) {
        assert_eq!(same(&json(one), &json(other)), expected, "{one} and {other}");
        assert_eq!(same(&json(other), &json(one)), expected, "{other} and {one}");
    }

    #[test]
    fn numbers_are_the_same_by_their_value_and_maps_whatever_the_order() {
        check(r#"{"a":[1,{"b":2}],"c":0}"#, r#"{"c":0,"a":[1.0,{"b":2.0}]}"#, true);
        for numbers in [
            &["1", "1.0", "1.00", "1e0", "10e-1", "0.1E+1"][..],
            &["-1", "-1.0"],
            &["0", "-0", "0.00", "-0e7", "0e99999999999999999999999999999999999999999"],
            &["1200", "12e2", "1.2e3", "1200.0"],
            &["0.001", "1e-3", "1.0e-3"],
            &["18446744073709551617", "18446744073709551617.0", "1.8446744073709551617e19"],
            &["1e400", "10e399"],
            &["0.123456789012345678901234567890", "0.12345678901234567890123456789"],
        ] {
            for (one, other) in numbers.iter().zip(numbers.iter().skip(1)) {
                check(one, other, true);
            }
        }
    }

    #[test]
    fn what_is_not_the_same_is_told_apart() {
        for (one, other) in [
            ("1", "1.5"),
            ("1", "-1"),
            ("1", "10"),
            ("18446744073709551617", "18446744073709551616"),
            ("9007199254740993", "9007199254740992.0"),
            ("0.123456789012345678901234567890", "0.123456789012345678901234567891"),
            ("1e400", "1e401"),
            ("1e-400", "0"),
            ("1", "\"1\""),
            ("null", "0"),
            ("[1]", "[1,2]"),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
            (r#"{"a":null}"#, r#"{"b":null}"#),
        ] {
            check(one, other, false);
        }
    }

    #[test]
    fn a_value_is_shown_with_the_digits_that_it_has() {
        for text in ["1.10", "-0", "1e400", r#"{"a\"b":[1.0,null,true,"x\ny"],"z":{}}"#] {
            assert_eq!(json(text).to_string(), text);
        }
        assert!(Json::parse(&"[".repeat(200)).is_err());
        assert!(Json::parse(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_err());
    }

    #[test]
    fn the_text_of_a_field_is_compared_as_what_is_expected() {
        for (expected, text) in [
            ("62.5", Some("62.50")),
            ("\"62.50\"", Some("62.50")),
            ("true", Some("true")),
            ("[1]", Some("[1.0]")),
            ("null", None),
        ] {
            assert!(is_text_of(&json(expected), text), "{expected} and {text:?}");
        }
        for (expected, text) in [
            ("\"62.5\"", Some("62.50")),
            ("62.5", Some("none")),
            ("62.5", None),
            ("null", Some("null")),
            ("18446744073709551617", Some("18446744073709551616")),
        ] {
            assert!(!is_text_of(&json(expected), text), "{expected} and {text:?}");
        }
    }

    #[test]
    fn fields_that_differ_are_named() {
        let lines = differing(
            &json(r#"{"id":1,"total":62.5,"note":"x"}"#),
            &json(r#"{"id":1.0,"total":62,"more":1}"#),
        );
        let expected = [
            "note: expected \"x\", and it is not there",
            "total: expected 62.5, got 62",
            "more: not expected, got 1",
        ];
        assert_eq!(lines, expected);
        assert!(differing(&json("1"), &json("2")).is_empty());
    }
}
