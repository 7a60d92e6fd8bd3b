//! [`QuarantineFilter`]: which rows in quarantine to choose, and their counts.

use std::time::SystemTime;

use serde::Serialize;

use crate::millis::since_epoch;

use super::{Quarantined, RowText, fold_cause};

/// Which rows in quarantine to choose; all by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuarantineFilter {
    /// Only rows of this flow.
    pub flow: Option<String>,
    /// Only rows of this source.
    pub source: Option<String>,
    /// Only rows that this function could not process.
    pub function: Option<String>,
    /// Only rows whose cause contains this text, in full or [folded](super::fold_cause).
    pub cause: Option<String>,
    /// Only rows that came to quarantine at this time or later.
    pub since: Option<SystemTime>,
    /// Only rows that came to quarantine before this time.
    pub until: Option<SystemTime>,
    /// Only rows whose text contains this: as it reached the function, or as it came from the
    /// source.
    pub contains: Option<String>,
    /// Only rows whose fields have these values: the path of each
    /// ([`RowText::field`](super::RowText::field)), and its value as JSON, or a text without its
    /// quotes.
    pub fields: Vec<(String, String)>,
}

impl QuarantineFilter {
    /// All rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only rows of this flow.
    #[must_use]
    pub fn flow(mut self, flow: impl Into<String>) -> Self {
        self.flow = Some(flow.into());
        self
    }

    /// Only rows of this source.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Only rows that this function could not process.
    #[must_use]
    pub fn function(mut self, function: impl Into<String>) -> Self {
        self.function = Some(function.into());
        self
    }

    /// Only rows whose cause contains this text.
    #[must_use]
    pub fn cause(mut self, text: impl Into<String>) -> Self {
        self.cause = Some(text.into());
        self
    }

    /// Only rows that came to quarantine at this time or later.
    #[must_use]
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(time);
        self
    }

    /// Only rows that came to quarantine before this time.
    #[must_use]
    pub fn until(mut self, time: SystemTime) -> Self {
        self.until = Some(time);
        self
    }

    /// Only rows whose text contains this.
    #[must_use]
    pub fn contains(mut self, text: impl Into<String>) -> Self {
        self.contains = Some(text.into());
        self
    }

    /// Only rows whose field has this value, as JSON or as a text without its quotes.
    #[must_use]
    pub fn field(mut self, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((path.into(), value.into()));
        self
    }

    pub(super) fn takes(&self, row: &Quarantined) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        is(&self.flow, &row.flow)
            && is(&self.source, &row.source)
            && is(&self.function, &row.function)
            && self.cause.as_ref().is_none_or(|text| has_cause(row, text))
            && self.contains.as_ref().is_none_or(|text| has_text(row, text))
            && self.fields.iter().all(|(path, value)| has_field(row, path, value))
            && self.since.is_none_or(|since| row.since >= since)
            && self.until.is_none_or(|until| row.since < until)
    }
}

fn has_cause(row: &Quarantined, text: &str) -> bool {
    row.cause.contains(text) || fold_cause(&row.cause).contains(text)
}

/// The row's texts: at the function, and from the source.
fn texts(row: &Quarantined) -> impl Iterator<Item = &RowText> {
    [Some(&row.row), row.origin.as_ref()].into_iter().flatten()
}

fn has_text(row: &Quarantined, text: &str) -> bool {
    let has =
        |row: &RowText| row.bytes().windows(text.len().max(1)).any(|part| part == text.as_bytes());
    text.is_empty() || texts(row).any(has)
}

fn has_field(row: &Quarantined, path: &str, value: &str) -> bool {
    let is = |found: &str| {
        found == value || serde_json::from_str::<String>(found).is_ok_and(|text| text == value)
    };
    texts(row).any(|row| row.field(path).is_some_and(|found| is(&found)))
}

/// The number of rows of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct CauseCount {
    /// The flow.
    pub flow: String,
    /// The function.
    pub function: String,
    /// The cause, [folded](super::fold_cause).
    pub cause: String,
    /// The number of rows.
    pub rows: u64,
    /// When the oldest of them was put there. As JSON: `since_ms`, in milliseconds since 1970.
    #[serde(rename = "since_ms", with = "since_epoch")]
    pub since: SystemTime,
    /// The whole cause of the oldest of them.
    pub example: String,
    /// The id of the oldest of them.
    pub example_id: String,
}

#[cfg(test)]
mod tests {
    use super::{super::tests::row, QuarantineFilter};

    fn check(filter: &QuarantineFilter, takes: bool) {
        let mut kept = row("A", "a", 1);
        kept.cause = "no article 17 is named \"tae\"".to_owned();
        kept.row = r#"{"id":12345678901234567890,"to":{"city":"Ulm"},"open":true}"#.into();
        kept.origin = Some("id;city\n".into());
        assert_eq!(filter.takes(&kept), takes, "{filter:?}");
    }

    #[test]
    fn rows_are_found_by_their_text_and_by_their_fields() {
        let all = QuarantineFilter::new;
        check(&all().contains("\"Ulm\""), true);
        check(&all().contains("id;city"), true);
        check(&all().contains(""), true);
        check(&all().contains("Bonn"), false);
        check(&all().field("id", "12345678901234567890"), true);
        // As floats they would be equal.
        check(&all().field("id", "12345678901234567891"), false);
        check(&all().field("to.city", "Ulm"), true);
        check(&all().field("to.city", "\"Ulm\""), true);
        check(&all().field("open", "true").field("to.city", "Bonn"), false);
        check(&all().field("to.street", "null"), false);
    }

    #[test]
    fn a_cause_is_found_as_it_is_and_as_stats_show_it() {
        check(&QuarantineFilter::new().cause("article 17"), true);
        check(&QuarantineFilter::new().cause("article # is named \"…\""), true);
        check(&QuarantineFilter::new().cause("article 18"), false);
    }
}
