//! The text of single rows, for messages and quarantine.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::{Batch, content::Content};

impl Batch {
    /// Returns the text of the row at this position: as it arrived, or as JSON; empty if there is
    /// no such row.
    #[must_use]
    pub fn row_text(&self, index: usize) -> Bytes {
        match self.content() {
            Content::Raw { rows, .. } => rows.bytes(index),
            Content::Typed(rows) => {
                // This is for a message: code of the row's own that panics must not end the run.
                let encode = AssertUnwindSafe(|| {
                    let mut out = Vec::new();
                    rows.encode(index, &mut out).map(|()| out)
                });
                match catch_unwind(encode) {
                    Ok(Ok(out)) => out.into(),
                    _ => Bytes::from_static(b"(a row that has no JSON form)"),
                }
            }
            Content::Picked { base, keep } => {
                keep.get(index).map(|index| base.row_text(*index)).unwrap_or_default()
            }
        }
    }
}
