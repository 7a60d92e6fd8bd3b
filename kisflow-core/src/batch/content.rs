//! What a batch holds: rows as they came, values, or some rows of another batch.

use super::{
    Batch, RawRows, RowNotes,
    typed::{Typed, TypedRows},
};
use crate::row::{Emit, ErasedCodec};

/// What a batch holds, seen by its kind.
pub(super) enum Content<'a> {
    Raw {
        rows: &'a RawRows,
        codec: Option<&'a dyn ErasedCodec>,
        /// What the source knows of rows of JSON.
        notes: Option<&'a RowNotes>,
    },
    Typed(&'a dyn TypedRows),
    /// Some rows of another batch, by ascending position: nothing is copied to leave rows out.
    Picked {
        base: &'a Batch,
        keep: &'a [usize],
    },
}

/// What a batch holds, erased in the same allocation as the batch.
pub(super) trait Holds: Send + Sync {
    fn content(&self) -> Content<'_>;
}

pub(super) struct Raw {
    pub(super) rows: RawRows,
    pub(super) codec: Option<Box<dyn ErasedCodec>>,
    pub(super) notes: Option<Box<RowNotes>>,
}

impl Holds for Raw {
    fn content(&self) -> Content<'_> {
        Content::Raw {
            rows: &self.rows,
            codec: self.codec.as_deref(),
            notes: self.notes.as_deref(),
        }
    }
}

impl<T: Emit> Holds for Typed<T> {
    fn content(&self) -> Content<'_> {
        Content::Typed(self)
    }
}

pub(super) struct Picked {
    pub(super) base: Batch,
    pub(super) keep: Vec<usize>,
}

impl Holds for Picked {
    fn content(&self) -> Content<'_> {
        Content::Picked { base: &self.base, keep: &self.keep }
    }
}
