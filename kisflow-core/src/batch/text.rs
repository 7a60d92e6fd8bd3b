//! The text of single rows, for messages and quarantine.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::{Batch, content::Content, typed::TypedRows};

impl Batch {
    /// Returns the text from which a function can read the row later: as it arrived, or as its type
    /// writes it. `None` if its source could not read it, if it is in the encoding of a codec, or if
    /// it cannot be written.
    pub(crate) fn kept_text(&self, index: usize) -> Option<Bytes> {
        match self.content() {
            _ if self.is_unreadable(index) => None,
            Content::Raw { rows, codec: None, .. } => Some(rows.bytes(index)),
            Content::Raw { codec: Some(_), .. } => None,
            Content::Typed(rows) => encoded(rows, index),
            Content::Picked { base, keep } => base.kept_text(*keep.get(index)?),
        }
    }

    /// Returns the text of the row at this position: as it arrived, or as JSON; empty if there is
    /// no such row.
    #[must_use]
    pub fn row_text(&self, index: usize) -> Bytes {
        match self.content() {
            Content::Raw { rows, .. } => rows.bytes(index),
            Content::Typed(rows) => {
                encoded(rows, index).unwrap_or(Bytes::from_static(b"(a row that has no JSON form)"))
            }
            Content::Picked { base, keep } => {
                keep.get(index).map(|index| base.row_text(*index)).unwrap_or_default()
            }
        }
    }
}

/// A row as its type writes it, if it can.
fn encoded(rows: &dyn TypedRows, index: usize) -> Option<Bytes> {
    // Code of the row's own that panics must not end the run.
    let encode = AssertUnwindSafe(|| {
        let mut out = Vec::new();
        rows.encode(index, &mut out).map(|()| out)
    });
    catch_unwind(encode).ok()?.ok().map(Bytes::from)
}
