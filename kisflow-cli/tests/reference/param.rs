//! One param: what it takes, what it is when it is left out, and what it is for.

use std::path::Path;

use serde_json::{Value, json};

use crate::written::{self, Field};

pub(crate) struct Param {
    pub(crate) name: String,
    /// The field of the struct.
    pub(crate) field: String,
    takes: Takes,
    /// What the doc comment says.
    pub(crate) default: Option<String>,
    /// The doc comment without its default.
    pub(crate) meaning: String,
    /// The doc comment.
    doc: String,
}

/// What may stand there.
enum Takes {
    Boolean,
    Number,
    Duration,
    Text,
    Texts,
    Words(Vec<String>),
}

impl Param {
    /// A field of a struct of the crate at `home`.
    pub(crate) fn new(home: &Path, Field { key, name, ty, doc }: Field) -> Self {
        assert!(doc.ends_with('.'), "the doc comment of `{name}` is no sentence: {doc:?}");
        let (default, meaning) = split(&doc);
        Self { takes: Takes::of(home, &ty), name: key, field: name, default, meaning, doc }
    }

    pub(crate) fn takes(&self) -> String {
        match &self.takes {
            Takes::Boolean => "true or false".to_owned(),
            Takes::Number => "whole number".to_owned(),
            Takes::Duration => "duration".to_owned(),
            Takes::Text => "text".to_owned(),
            Takes::Texts => "list of texts".to_owned(),
            Takes::Words(words) => format!("`{}`", words.join("`, `")),
        }
    }

    pub(crate) fn schema(&self) -> Value {
        let mut schema = match &self.takes {
            Takes::Boolean => json!({ "$ref": "#/$defs/boolean" }),
            Takes::Number => json!({ "$ref": "#/$defs/number" }),
            Takes::Duration => json!({ "$ref": "#/$defs/millis" }),
            Takes::Text => json!({ "$ref": "#/$defs/text" }),
            Takes::Texts => json!({ "$ref": "#/$defs/texts" }),
            Takes::Words(words) => {
                let words = words.iter().map(|word| Value::from(word.as_str()));
                json!({ "enum": words.chain([Value::Null]).collect::<Vec<_>>() })
            }
        };
        schema["description"] = self.doc.as_str().into();
        if let Some(default) = self.default.as_deref().and_then(number) {
            schema["default"] = default.into();
        } else if let Some(default) = self.default.as_deref().and_then(boolean) {
            schema["default"] = default.into();
        }
        schema
    }

    /// Whether the doc comment says what the type has.
    pub(crate) fn agrees(&self, real: Option<&str>) -> Result<(), String> {
        let written = self.default.as_deref();
        let same = match real {
            None | Some("None" | "[]") => true,
            Some(real) if matches!(self.takes, Takes::Duration) => {
                written.and_then(number) == debug_millis(real)
            }
            Some(real) => match (real.parse::<u64>(), real.parse::<bool>()) {
                (Ok(real), _) => written.and_then(number) == Some(real),
                (_, Ok(real)) => written.and_then(boolean) == Some(real),
                _ => true,
            },
        };
        match same {
            true => Ok(()),
            false => Err(format!("the default is {real:?}, the doc comment says {written:?}")),
        }
    }
}

impl Takes {
    fn of(home: &Path, ty: &str) -> Self {
        let inner = |wrap: &str| ty.strip_prefix(wrap)?.strip_suffix('>');
        if let Some(inner) = inner("Option<") {
            return Self::of(home, inner);
        }
        match ty {
            "bool" => Self::Boolean,
            "u8" | "u16" | "u32" | "u64" | "usize" => Self::Number,
            "Duration" => Self::Duration,
            "String" | "Secret" => Self::Text,
            "Vec<String>" => Self::Texts,
            name => Self::Words(written::words(home, name)),
        }
    }
}

/// `(default 5,000)` and `(in bytes, default 5,000)`: the default, and the sentence without it.
fn split(doc: &str) -> (Option<String>, String) {
    let Some(start) = doc.find("default") else { return (None, doc.to_owned()) };
    let (before, after) = doc.split_at(start);
    let (Some(open), Some(close)) = (before.rfind('('), after.find(')')) else {
        return (None, doc.to_owned());
    };
    let default = after["default".len()..close].trim_start_matches(':').trim();
    // What else the brackets say.
    let (default, more) = default
        .split_once(", from ")
        .map_or((default, None), |(default, range)| (default, Some(format!("from {range}"))));
    let unit = before[open + 1..].trim_end().trim_end_matches(',').to_owned();
    let rest: Vec<String> =
        [Some(unit).filter(|unit| !unit.is_empty()), more].into_iter().flatten().collect();
    let brackets = if rest.is_empty() { String::new() } else { format!(" ({})", rest.join(", ")) };
    let meaning = format!("{}{brackets}{}", before[..open].trim_end(), &after[close + 1..]);
    (Some(default.to_owned()), meaning)
}

/// `false`, `false: its end is the source's end`.
fn boolean(text: &str) -> Option<bool> {
    text.split(':').next()?.parse().ok()
}

/// The milliseconds of a whole duration as `{:?}` shows it: `5s`, `100ms`.
fn debug_millis(text: &str) -> Option<u64> {
    let start = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(start);
    number(&format!("{digits} {unit}"))
}

/// `5,000`, `1 MiB`, `5 s` in milliseconds.
fn number(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let factor = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.replace(',', "").parse::<u64>().ok()?.checked_mul(factor)
}

#[test]
fn a_doc_comment_is_taken_apart() {
    let check = |doc: &str, default: Option<&str>, meaning: &str| {
        assert_eq!(split(doc), (default.map(str::to_owned), meaning.to_owned()));
    };
    check("The user (default: none).", Some("none"), "The user.");
    check("A limit (in bytes, default 5,000). More.", Some("5,000"), "A limit (in bytes). More.");
    check(
        "A lease (default 30 s, from 10 ms to a week).",
        Some("30 s"),
        "A lease (from 10 ms to a week).",
    );
    check("The user.", None, "The user.");
    assert_eq!(number("5,000"), Some(5_000));
    assert_eq!(number("10 MiB"), Some(10 << 20));
    assert_eq!(number("10 min"), Some(600_000));
    assert_eq!(debug_millis("600s"), Some(600_000));
    assert_eq!(number("none"), None);
    assert_eq!(boolean("false: its end is the source's end"), Some(false));
}
