//! A YAML document as a tree in which every value knows its line and every scalar its text.

use serde_json::Value;

use super::scalar::{Meaning, Scalar};

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) kind: Kind,
    /// Whether it is a scalar without quotes.
    pub(super) plain: bool,
    /// The scalar as it stands in the file, where variables were put in.
    pub(super) written: Option<Written>,
}

/// A scalar with variables, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) plain: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; keys are distinct.
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn new(line: u64, kind: Kind) -> Self {
        Self { line, kind, plain: false, written: None }
    }

    /// The text of a scalar that stands for something.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.as_text(),
            _ => None,
        }
    }

    /// Whether nothing stands there: `load:`, `~`, `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.is_null())
    }

    /// What it is, for a message: `the text "x"`.
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.to_string(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
        }
    }
}

/// The JSON value of a scalar; a text that JSON reads as a number is that number.
pub(super) fn json(scalar: &Scalar) -> Value {
    match scalar.meaning() {
        Meaning::Null => Value::Null,
        Meaning::Bool(value) => value.into(),
        Meaning::Unsigned(value) => value.into(),
        Meaning::Signed(value) => value.into(),
        Meaning::Float(value) => value.into(),
        Meaning::Large | Meaning::Text => scalar.text.as_str().into(),
    }
}
