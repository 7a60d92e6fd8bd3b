//! [`StateKeys`]: which state a row has.

use crate::{batch::Batch, durable::Key, error::BoxError, reject::Fault};

/// The space of states. Their keys are (flow, function, the fields of the key), their values JSON.
pub(crate) const SPACE: &str = "state";

/// Where a function keeps the states of its rows.
pub(crate) struct StateKeys {
    prefix: Key,
    /// `option.key`.
    fields: Vec<String>,
}

impl StateKeys {
    pub(crate) fn new(flow: &str, function: &str, fields: &[String]) -> Self {
        Self { prefix: Key::new(SPACE).text(flow).text(function), fields: fields.to_vec() }
    }

    /// Where the state of each row is; a row without a key, or with one of more than `most` bytes,
    /// has a fault.
    pub(crate) fn of(&self, rows: &Batch, most: usize) -> Vec<Result<Key, Fault>> {
        let mut keys = vec![Ok(self.prefix.clone()); rows.len()];
        for field in &self.fields {
            for (index, (key, value)) in keys.iter_mut().zip(rows.keys(field)).enumerate() {
                let Ok(before) = key else { continue };
                let fault = |cause: String| Fault {
                    index,
                    field: Some(field.clone()),
                    cause: BoxError::from(cause).into(),
                };
                *key = match value.as_str() {
                    "" => Err(fault(format!("the row has no `{field}`, which is its key"))),
                    "null" => Err(fault(format!("`{field}`, the key of the row, is null"))),
                    value => {
                        let key = with(before.clone(), value);
                        match key.bytes().len() {
                            bytes if bytes > most => Err(fault(format!(
                                "the key of the row has {bytes} bytes, and the store takes at most {most}"
                            ))),
                            _ => Ok(key),
                        }
                    }
                };
            }
        }
        keys
    }
}

/// The key with another part: a value, as JSON. Two values are never the same part.
fn with(key: Key, json: &str) -> Key {
    if let Ok(number) = json.parse::<u64>()
        && number.to_string() == json
    {
        return key.number(number);
    }
    match serde_json::from_str::<String>(json) {
        Ok(text) if !resembles_json(&text) => key.text(&text),
        _ => key.text(json),
    }
}

/// Whether a text could be taken for a value of another kind, so that it keeps its quotation marks.
fn resembles_json(text: &str) -> bool {
    text.starts_with(['"', '{', '[', '-']) // the beginnings of values
        || text.starts_with(|first: char| first.is_ascii_digit())
        || matches!(text, "true" | "false" | "null")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn different_values_have_different_keys_that_an_operator_can_read() {
        let rows = [
            r#"{"k":1}"#,
            r#"{"k":"1"}"#,
            r#"{"k":"\"1\""}"#,
            r#"{"k":1.0}"#,
            r#"{"k":-1}"#,
            r#"{"k":"-1"}"#,
            r#"{"k":true}"#,
            r#"{"k":"true"}"#,
            r#"{"k":"a"}"#,
            r#"{"k":["a"]}"#,
            r#"{"k":"[\"a\"]"}"#,
            r#"{"k":18446744073709551615}"#,
            r#"{"k":18446744073709551616}"#,
            r#"{"k":""}"#,
        ];
        let keys = StateKeys::new("F", "Sum", &["k".to_owned()]).of(&Batch::json(rows), 1024);
        let keys: Vec<String> = keys.into_iter().map(|key| key.unwrap().to_string()).collect();
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), rows.len(), "{keys:#?}");
        assert_eq!(keys[0], r#"state: "F", "Sum", 1"#);
        assert_eq!(keys[8], r#"state: "F", "Sum", "a""#);
        // The same text, however it is written.
        let rows = [r#"{"k":"1"}"#, r#"{"k":"\u0031"}"#];
        let keys = StateKeys::new("F", "Sum", &["k".to_owned()]).of(&Batch::json(rows), 1024);
        assert_eq!(keys[0].as_ref().unwrap(), keys[1].as_ref().unwrap());
    }

    #[test]
    fn a_row_without_a_key_has_a_fault_that_names_the_field() {
        let fields = ["a".to_owned(), "b".to_owned()];
        let long = format!(r#"{{"a":"{}","b":2}}"#, "x".repeat(2000));
        let rows =
            Batch::json([r#"{"a":1,"b":2}"#, r#"{"a":1}"#, r#"{"a":null,"b":2}"#, "[]", &long]);
        let keys = StateKeys::new("F", "Sum", &fields).of(&rows, 1024);
        assert!(keys[0].is_ok());
        let said = |index: usize| {
            let fault = keys[index].as_ref().unwrap_err();
            (fault.index, fault.field.clone().unwrap(), fault.cause.to_string())
        };
        assert_eq!(said(1), (1, "b".into(), "the row has no `b`, which is its key".into()));
        assert_eq!(said(2), (2, "a".into(), "`a`, the key of the row, is null".into()));
        assert_eq!(said(3).1, "a");
        assert!(said(4).2.contains("and the store takes at most 1024"), "{:?}", said(4));
    }
}
