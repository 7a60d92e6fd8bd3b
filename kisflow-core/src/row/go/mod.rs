//! Reading rows as Go's `encoding/json` fills structs: `row_defaults: go`.
//!
//! A field that is missing or `null` is the zero value of its type, and keys ignore case if none
//! matches exactly. A field with its own default keeps it, and an `Option` is `None`. serde does
//! not list the required fields of a type, so which fields need a zero value is learned from the
//! rows that lack them: such a row is read again, once for each field that is learned.
//!
//! Inside `#[serde(flatten)]`, `#[serde(untagged)]` and `#[serde(tag = "…")]` serde reads from its
//! own private buffer, where everything is as without `row_defaults`.

mod key;
mod structs;
mod value;
mod zero;

#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de::{self, DeserializeOwned};
use serde_json::value::RawValue;

use self::{key::Entries, structs::same, value::Value};
use crate::error::BoxError;

/// Reads a row.
pub(crate) fn read<T: DeserializeOwned>(row: &str, learned: &Learned) -> Result<T, GoError> {
    let row: &RawValue = serde_json::from_str(row)?;
    loop {
        match T::deserialize(Value { text: row.get(), learned }) {
            Err(_) if learned.again.take() => {}
            read => return read,
        }
    }
}

/// The path of the field that a row stumbles over, and the message.
pub(crate) fn culprit<T: DeserializeOwned>(row: &str) -> Option<(String, String)> {
    let learned = Learned::default();
    let row: &RawValue = serde_json::from_str(row).ok()?;
    loop {
        let json = Value { text: row.get(), learned: &learned };
        match serde_path_to_error::deserialize::<_, T>(json) {
            Err(_) if learned.again.take() => {}
            read => {
                let error = read.err()?;
                return Some((error.path().to_string(), error.inner().to_string()));
            }
        }
    }
}

/// The first of `must` that the JSON object in `row` lacks, whatever the case of its keys.
pub(crate) fn missing_field<'m>(
    row: &str,
    must: &'m [String],
) -> Result<Option<&'m str>, BoxError> {
    let Entries(entries) = serde_json::from_str(row).map_err(GoError::from)?;
    let has = |field: &&String| entries.iter().any(|(key, _)| same(&key.0, field));
    Ok(must.iter().find(|field| !has(field)).map(String::as_str))
}

/// What the rows of a batch have taught. A struct is known by the name of the visitor that reads it.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct Learned {
    known: RefCell<Vec<Known>>,
    /// Whether something was learned, so that the row is to be read again.
    again: Cell<bool>,
}

/// What is known of a field.
#[derive(Debug, PartialEq)]
struct Known {
    /// The struct.
    owner: &'static str,
    field: &'static str,
    /// Another name of the field (`alias`); without one, it is known that the struct refuses to do
    /// without the field.
    alias: Option<&'static str>,
}

impl Learned {
    /// The required fields of a struct that a row does not have.
    fn lacking(&self, owner: &'static str, has: impl Fn(&str) -> bool) -> Vec<&'static str> {
        let known = self.known.borrow();
        let of_owner = || known.iter().filter(|known| known.owner == owner);
        let required = of_owner().filter(|known| known.alias.is_none()).map(|known| known.field);
        let given = |field: &str| {
            let mut others = of_owner().filter(|known| known.field == field);
            has(field) || others.any(|known| known.alias.is_some_and(&has))
        };
        required.filter(|field| !given(field)).collect()
    }

    /// Learns from a struct's complaint about a field while it reads the key `last`; once for each
    /// field.
    fn learn(&self, owner: &'static str, complaint: Complaint, last: Option<&'static str>) {
        let (field, alias) = match (complaint, last) {
            (Complaint::Missing(field), _) => (field, None),
            (Complaint::Twice(field), Some(last)) if last != field => (field, Some(last)),
            (Complaint::Twice(_), _) => return,
        };
        let new = Known { owner, field, alias };
        let mut known = self.known.borrow_mut();
        if !known.contains(&new) {
            known.push(new);
            self.again.set(true);
        }
    }
}

/// A struct's complaint about a field.
#[derive(Clone, Copy, Debug)]
enum Complaint {
    Missing(&'static str),
    Twice(&'static str),
}

impl Complaint {
    fn field(self) -> &'static str {
        match self {
            Self::Missing(field) | Self::Twice(field) => field,
        }
    }
}

/// Why a row cannot be read.
#[derive(Debug)]
pub(crate) struct GoError {
    message: String,
    /// What a struct says, until it is known which one.
    complaint: Option<Complaint>,
}

impl fmt::Display for GoError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for GoError {}

impl de::Error for GoError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), complaint: None }
    }

    fn missing_field(field: &'static str) -> Self {
        let complaint = Some(Complaint::Missing(field));
        Self { complaint, ..Self::custom(format_args!("missing field `{field}`")) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        let complaint = Some(Complaint::Twice(field));
        Self { complaint, ..Self::custom(format_args!("duplicate field `{field}`")) }
    }
}

impl From<serde_json::Error> for GoError {
    fn from(error: serde_json::Error) -> Self {
        let message = error.to_string();
        // A value is read by itself: its place in the row is not known here.
        let message = match error.is_data() {
            true => message.split(" at line ").next().unwrap_or_default().to_owned(),
            false => message,
        };
        Self { message, complaint: None }
    }
}
