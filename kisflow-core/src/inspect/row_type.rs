//! [`RowType`]: the type of rows, with its fields.

use std::fmt;

use serde::Serialize;

use crate::{function::Emits, row::Fields};

/// The type of rows, with its fields as far as they are known.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RowType {
    /// Its name, without the paths of modules.
    pub name: String,
    /// The fields that it reads (aliases too), or those that it may have when it is handed on;
    /// `None` if it hides them.
    pub fields: Option<Vec<String>>,
    /// The required fields; none for a type that is handed on.
    pub required: Vec<String>,
}

impl RowType {
    pub(super) fn read(fields: &Fields) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            name: short(fields.type_name),
            fields: (!fields.known.is_empty()).then(|| names(fields.known)),
            required: names(&fields.required),
        }
    }

    pub(super) fn written(fields: &Fields) -> Self {
        Self { name: short(fields.type_name), fields: fields.written.clone(), required: Vec::new() }
    }
}

/// `Average {stu_id, avg_score}`.
impl fmt::Display for RowType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match &self.fields {
            Some(fields) => write!(formatter, " {{{}}}", fields.join(", ")),
            None => Ok(()),
        }
    }
}

/// What a function hands on, as far as its result type shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HandsOn {
    /// No rows: the flow ends there, unless the function asks to continue without.
    Nothing,
    /// Its input rows, or some of them.
    Passed,
    /// New rows.
    Rows(RowType),
    /// New rows, or its input rows.
    RowsOrPassed(RowType),
    /// Its result type does not show it.
    Unsaid,
}

impl HandsOn {
    pub(super) fn new(emits: &Emits) -> Self {
        match emits {
            Emits::Nothing => Self::Nothing,
            Emits::Passed => Self::Passed,
            Emits::Rows(fields) => Self::Rows(RowType::written(fields)),
            Emits::Either(fields) => Self::RowsOrPassed(RowType::written(fields)),
            Emits::Unsaid => Self::Unsaid,
        }
    }
}

impl fmt::Display for HandsOn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => formatter.write_str("nothing"),
            Self::Passed => formatter.write_str("the rows it was given"),
            Self::Rows(rows) => rows.fmt(formatter),
            Self::RowsOrPassed(rows) => write!(formatter, "{rows}, or the rows it was given"),
            Self::Unsaid => formatter.write_str("any rows"),
        }
    }
}

/// `Vec<Average>` of `alloc::vec::Vec<school::Average>`.
pub(super) fn short(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')) {
        let (word, tail) = rest.split_at(at);
        match tail.strip_prefix("::") {
            Some(tail) => rest = tail,
            None => {
                let end = tail.chars().next().map_or(0, char::len_utf8);
                let (sign, tail) = tail.split_at(end);
                short.push_str(word);
                short.push_str(sign);
                rest = tail;
            }
        }
    }
    short.push_str(rest);
    short
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_name_is_shown_without_the_paths_of_modules() {
        assert_eq!(short("u8"), "u8");
        assert_eq!(short("school::rows::Average"), "Average");
        assert_eq!(short("alloc::vec::Vec<school::Average>"), "Vec<Average>");
        assert_eq!(short("(alloc::string::String, [a::B; 2])"), "(String, [B; 2])");
    }
}
