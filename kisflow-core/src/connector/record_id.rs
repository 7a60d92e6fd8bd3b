//! [`RecordId`]: the fields of a row that say which record belongs to it.

use serde::Deserialize;

use super::object::{Kept, Object};
use crate::error::{BoxError, Result};

/// `id: flight`, or `id: [origin, hour]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "`id` is the name of a field, or a list of names")]
pub(super) enum RecordId {
    One(String),
    Several(Vec<String>),
}

/// What stands between the parts of an id that is made of several fields.
const BETWEEN: char = '|';

/// What stands before such a character within a part, and before itself.
const ESCAPE: char = '\\';

/// Why a row has no id.
pub(super) enum NoId {
    /// A field of it is null: no record belongs to the row.
    Null(BoxError),
    /// The row is not as it should be.
    Bad(BoxError),
}

impl From<NoId> for BoxError {
    fn from(none: NoId) -> Self {
        match none {
            NoId::Null(error) | NoId::Bad(error) => error,
        }
    }
}

impl RecordId {
    /// The names of the fields.
    pub(super) fn fields(&self) -> &[String] {
        match self {
            Self::One(field) => std::slice::from_ref(field),
            Self::Several(fields) => fields,
        }
    }

    /// The id of the record of a row: the text of the field, as it came; of several fields their
    /// texts with `|` between, where `|` and `\` within a text have a `\` before them, so that two
    /// ids are never one.
    pub(super) fn of(&self, row: &Object) -> Result<String, NoId> {
        match self.fields() {
            [field] => part(row, field),
            fields => {
                let mut id = String::new();
                for (position, field) in fields.iter().enumerate() {
                    if position > 0 {
                        id.push(BETWEEN);
                    }
                    for character in part(row, field)?.chars() {
                        if matches!(character, BETWEEN | ESCAPE) {
                            id.push(ESCAPE);
                        }
                        id.push(character);
                    }
                }
                Ok(id)
            }
        }
    }
}

fn part(row: &Object, field: &str) -> Result<String, NoId> {
    let no_id = |what: &str| format!("field `{field}` is {what}, which is no id").into();
    match row.get(field).map_err(NoId::Bad)? {
        Some(Kept::Text(text) | Kept::Scalar(text)) => Ok(text),
        Some(Kept::Nested(json)) => Err(NoId::Bad(no_id(&json))),
        Some(Kept::Null) => Err(NoId::Null(no_id("null"))),
        None => {
            let message = format!("the row has no field `{field}`, which is its id");
            Err(NoId::Bad(message.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Object, RecordId};
    use crate::{
        error::BoxError,
        row::{RawRow, Row},
    };

    fn id(fields: &[&str], row: &str) -> Result<String, String> {
        let id = match fields {
            [field] => RecordId::One((*field).to_owned()),
            fields => RecordId::Several(fields.iter().map(|&field| field.to_owned()).collect()),
        };
        let row = Object::decode(RawRow::Text(row)).unwrap();
        id.of(&row).map_err(|error| BoxError::from(error).to_string())
    }

    #[test]
    fn an_id_is_the_text_of_its_fields() {
        let check = |fields: &[&str], row: &str, expect: &str| {
            assert_eq!(id(fields, row).unwrap_or_else(|error| error), expect, "{row}");
        };
        check(&["a"], r#"{"a":18446744073709551617}"#, "18446744073709551617");
        check(&["a"], r#"{"a":1.10}"#, "1.10");
        check(&["a"], r#"{"a":"x|y\\"}"#, "x|y\\");
        check(&["a", "b"], r#"{"a":"EWR","b":6}"#, "EWR|6");
        check(&["b", "a"], r#"{"a":"EWR","b":6}"#, "6|EWR");
        check(&["a", "b"], r#"{"a":"x|y","b":"\\"}"#, "x\\|y|\\\\");
        check(&["a", "b"], r#"{"a":"EWR","b":null}"#, "field `b` is null, which is no id");
        check(&["a"], r#"{"a":[1, 2]}"#, "field `a` is [1, 2], which is no id");
        check(&["a", "b"], r#"{"a":1}"#, "the row has no field `b`, which is its id");
    }

    #[test]
    fn two_ids_of_several_fields_are_never_one() {
        let parts = ["", "|", "\\", "||", "\\|", "|\\", "a", "a|", "|a", "\\\\"];
        let mut ids = HashSet::new();
        for one in parts {
            for other in parts {
                let row = serde_json::json!({"a": one, "b": other}).to_string();
                assert!(ids.insert(id(&["a", "b"], &row).unwrap()), "{row}");
            }
        }
    }
}
