//! When two values are the same, for a test.

use serde_json::{Map, Value};

/// Numbers are the same when they are numerically, maps whatever the order of their keys.
pub(super) fn same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        // Two whole numbers may be one float.
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => {
            one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && within(one, other)
        }
        _ => expected == got,
    }
}

fn within(expected: &Map<String, Value>, got: &Map<String, Value>) -> bool {
    expected.iter().all(|(key, value)| got.get(key).is_some_and(|got| same(value, got)))
}

/// Whether the text of a record's field is what is expected; `null` is a field that is not there.
pub(super) fn is_text_of(expected: &Value, text: Option<&str>) -> bool {
    match (expected, text) {
        (Value::Null, text) => text.is_none(),
        (_, None) => false,
        (Value::String(expected), Some(text)) => expected == text,
        (expected, Some(text)) => {
            serde_json::from_str(text).is_ok_and(|value: Value| same(expected, &value))
        }
    }
}

/// In which fields two rows differ, each as a line: `total: expected 62.5, got 62`.
pub(super) fn differing(expected: &Value, got: &Value) -> Vec<String> {
    let (Value::Object(expected), Value::Object(got)) = (expected, got) else { return Vec::new() };
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
    use serde_json::{Value, json};

    use super::{differing, is_text_of, same};

    #[track_caller]
    fn check([one, other]: &[Value; 2], expected: bool) {
        assert_eq!(same(one, other), expected, "{one} and {other}");
        assert_eq!(same(other, one), expected, "{other} and {one}");
    }

    #[test]
    fn numbers_are_the_same_by_their_value_and_maps_whatever_the_order() {
        check(&[json!(1), json!(1.0)], true);
        check(&[json!(-1), json!(-1.0)], true);
        check(
            &[json!({"a": [1, {"b": 2}], "c": 0}), json!({"c": 0, "a": [1.0, {"b": 2.0}]})],
            true,
        );
        check(&[json!(u64::MAX), json!(u64::MAX)], true);
    }

    #[test]
    fn what_is_not_the_same_is_told_apart() {
        check(&[json!(1), json!(1.5)], false);
        check(&[json!(u64::MAX), json!(u64::MAX - 1)], false);
        check(&[json!(1), json!("1")], false);
        check(&[json!(null), json!(0)], false);
        check(&[json!([1]), json!([1, 2])], false);
        check(&[json!({"a": 1}), json!({"a": 1, "b": 2})], false);
        check(&[json!({"a": null}), json!({"b": null})], false);
    }

    #[test]
    fn the_text_of_a_field_is_compared_as_what_is_expected() {
        for (expected, text) in [
            (json!(62.5), Some("62.50")),
            (json!("62.50"), Some("62.50")),
            (json!(true), Some("true")),
            (json!([1]), Some("[1.0]")),
            (json!(null), None),
        ] {
            assert!(is_text_of(&expected, text), "{expected} and {text:?}");
        }
        for (expected, text) in [
            (json!("62.5"), Some("62.50")),
            (json!(62.5), Some("none")),
            (json!(62.5), None),
            (json!(null), Some("null")),
        ] {
            assert!(!is_text_of(&expected, text), "{expected} and {text:?}");
        }
    }

    #[test]
    fn fields_that_differ_are_named() {
        let lines = differing(
            &json!({"id": 1, "total": 62.5, "note": "x"}),
            &json!({"id": 1.0, "total": 62, "more": 1}),
        );
        let expected = [
            "note: expected \"x\", and it is not there",
            "total: expected 62.5, got 62",
            "more: not expected, got 1",
        ];
        assert_eq!(lines, expected);
        assert!(differing(&json!(1), &json!(2)).is_empty());
    }
}
