//! [`RowNotes`]: what a source knows about its rows, besides their text.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Batch, RawRows, RowBytes,
    content::{Content, Raw},
};
use crate::{
    error::BoxError,
    reject::{Fault, Reject},
};

/// What a source knows about its rows, besides their text: which of them cannot be read, and how
/// they were written. For [`Batch::with_notes`](super::Batch::with_notes).
///
/// ```
/// use kisflow_core::{Batch, RowNotes};
///
/// let mut notes = RowNotes::new();
/// notes.unreadable(1, None, "2 fields, the header has 3");
/// let batch = Batch::with_notes([r#"{"id":1}"#, "2,tea"], notes);
/// let error = batch.rows::<serde_json::Value>().unwrap_err();
/// assert_eq!(error.source().unwrap().to_string(), "2 fields, the header has 3");
/// ```
#[derive(Clone, Debug, Default)]
pub struct RowNotes {
    /// In ascending order of rows.
    pub(super) unreadable: Vec<Fault>,
    pub(super) csv: Option<Arc<CsvForm>>,
}

impl RowNotes {
    /// Creates empty notes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Marks a row, counted from 0, as one that cannot be read, with the cause. No function gets
    /// it: the first function of the flow rejects it with this field and cause. Of two causes for
    /// one row the first counts.
    pub fn unreadable(&mut self, row: usize, field: Option<&str>, cause: impl Into<BoxError>) {
        let at = self.unreadable.partition_point(|fault| fault.index < row);
        if self.unreadable.get(at).is_none_or(|fault| fault.index != row) {
            let fault =
                Fault { index: row, field: field.map(str::to_owned), cause: cause.into().into() };
            self.unreadable.insert(at, fault);
        }
    }

    /// Records that the rows were lines of CSV. Quarantine keeps the form with each row, so that
    /// the row can be edited as a line of CSV.
    #[must_use]
    pub fn csv(mut self, form: Arc<CsvForm>) -> Self {
        self.csv = Some(form);
        self
    }

    /// Returns `true` if every row can be read.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unreadable.is_empty()
    }
}

impl Batch {
    /// Creates a batch of JSON rows with the notes of their source: rows that cannot be read are
    /// among them unchanged.
    pub fn with_notes<R: Into<RowBytes>>(
        rows: impl IntoIterator<Item = R>,
        notes: RowNotes,
    ) -> Self {
        let rows = RawRows::each(rows);
        let len = rows.len();
        Self::new(Raw { rows, codec: None, notes: Some(Box::new(notes)) }, len)
    }

    /// Returns the rows that their source could not read, each with its field and cause; see
    /// [`RowNotes`].
    #[must_use]
    pub fn unreadable(&self) -> Vec<Reject> {
        let source: Arc<str> = Arc::from("source");
        self.faults().into_iter().map(|fault| self.reject(&source, fault)).collect()
    }

    /// The rows that their source could not read, in ascending order.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        match self.content() {
            Content::Raw { notes: Some(notes), .. } => notes.unreadable.clone(),
            Content::Picked { base, keep } => {
                let faults = base.faults().into_iter();
                let here = |fault: Fault| {
                    Some(Fault { index: keep.binary_search(&fault.index).ok()?, ..fault })
                };
                faults.filter_map(here).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether the source could not read some row.
    pub(crate) fn has_unreadable(&self) -> bool {
        match self.content() {
            Content::Raw { notes, .. } => notes.is_some_and(|notes| !notes.is_clean()),
            Content::Picked { base, .. } if base.has_unreadable() => !self.faults().is_empty(),
            _ => false,
        }
    }

    /// Whether the source could not read this row.
    pub(crate) fn is_unreadable(&self, row: usize) -> bool {
        self.faults().iter().any(|fault| fault.index == row)
    }

    /// How the rows were written as CSV, if they were.
    pub(crate) fn csv_form(&self) -> Option<Arc<CsvForm>> {
        match self.content() {
            Content::Raw { notes, .. } => notes?.csv.clone(),
            Content::Picked { base, .. } => base.csv_form(),
            Content::Typed(_) => None,
        }
    }
}

/// How rows were written as CSV: everything needed to read one more line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CsvForm {
    /// The names of the fields, in the order of a line.
    pub fields: Vec<String>,
    /// The character between fields.
    pub delimiter: char,
    /// The fields whose values are always text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    /// Whether blanks around a value are dropped.
    #[serde(skip_serializing_if = "is_false")]
    pub trim: bool,
    /// Whether `1,5` is the number 1.5.
    #[serde(skip_serializing_if = "is_false")]
    pub decimal_comma: bool,
}

impl CsvForm {
    /// The form of lines with these fields, separated by commas.
    #[must_use]
    pub fn new(fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { fields: fields.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

impl Default for CsvForm {
    fn default() -> Self {
        Self {
            fields: Vec::new(),
            delimiter: ',',
            text: Vec::new(),
            trim: false,
            decimal_comma: false,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
