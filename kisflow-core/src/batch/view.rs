//! A function's view of a batch: its rows as `T`, and the rows that are not `T`.

use std::{ops::Deref, sync::Arc};

use super::{Batch, Decoded};
use crate::{reject::Fault, row::Row};

/// The rows of one batch as `T`.
pub(crate) struct View<T> {
    rows: Held<T>,
    picked: Option<Picked>,
}

/// The owner of the rows.
enum Held<T> {
    Typed(Batch),
    Decoded(Arc<Decoded<T>>),
}

/// Some rows of what is held.
struct Picked {
    /// `(position in the held rows, index in the batch)`.
    rows: Vec<(usize, usize)>,
    faults: Vec<Fault>,
}

impl<T: Row> View<T> {
    pub(super) fn typed(batch: Batch) -> Self {
        Self { rows: Held::Typed(batch), picked: None }
    }

    pub(super) fn decoded(decoded: Arc<Decoded<T>>) -> Self {
        Self { rows: Held::Decoded(decoded), picked: None }
    }

    /// The view of a batch that holds the rows at `keep` of this one's.
    pub(super) fn pick(self, keep: &[usize]) -> Self {
        let mut faults = Vec::new();
        let rows = match self.source() {
            Some(source) => {
                let all = self.faults();
                let mut rows = Vec::with_capacity(keep.len());
                for (index, position) in keep.iter().enumerate() {
                    match source.binary_search(position) {
                        Ok(held) => rows.push((held, index)),
                        Err(_) => faults.extend(
                            all.iter()
                                .filter(|fault| fault.index == *position)
                                .map(|fault| Fault { index, ..fault.clone() }),
                        ),
                    }
                }
                rows
            }
            None => keep.iter().enumerate().map(|(index, position)| (*position, index)).collect(),
        };
        Self { rows: self.rows, picked: Some(Picked { rows, faults }) }
    }

    /// How many rows are `T`.
    pub(crate) fn len(&self) -> usize {
        match &self.picked {
            Some(picked) => picked.rows.len(),
            None => self.held().len(),
        }
    }

    /// The rows that are not `T`, in the order of the batch.
    pub(crate) fn faults(&self) -> &[Fault] {
        match (&self.picked, &self.rows) {
            (Some(picked), _) => &picked.faults,
            (None, Held::Decoded(decoded)) => &decoded.faults,
            (None, Held::Typed(_)) => &[],
        }
    }

    /// The rows as one slice; all that are held, so only for a view that was not picked.
    pub(crate) fn held(&self) -> &[T] {
        match &self.rows {
            Held::Typed(batch) => batch.typed_rows().unwrap_or_default(),
            Held::Decoded(decoded) => &decoded.rows,
        }
    }

    /// Every row in order, with its index in the batch.
    #[inline]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(usize, &T)) {
        let held = self.held();
        match &self.picked {
            Some(picked) => {
                for (position, index) in &picked.rows {
                    if let Some(row) = held.get(*position) {
                        visit(*index, row);
                    }
                }
            }
            None => match self.source() {
                Some(source) => {
                    for (index, row) in source.iter().zip(held) {
                        visit(*index, row);
                    }
                }
                None => {
                    for (index, row) in held.iter().enumerate() {
                        visit(index, row);
                    }
                }
            },
        }
    }

    /// The position in the batch of the row at `position` of the slice.
    pub(crate) fn index(&self, position: usize) -> usize {
        self.source().and_then(|source| source.get(position).copied()).unwrap_or(position)
    }

    /// The positions of the held rows in their batch, if some row of it is not a `T`.
    fn source(&self) -> Option<&[usize]> {
        match &self.rows {
            Held::Decoded(decoded) => decoded.source.as_deref(),
            Held::Typed(_) => None,
        }
    }
}

/// All rows of a batch as `T`: a slice that keeps its batch alive.
pub struct Rows<T> {
    view: View<T>,
}

impl<T: Row> Rows<T> {
    pub(super) fn new(view: View<T>) -> Self {
        Self { view }
    }
}

impl<T: Row> Deref for Rows<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.view.held()
    }
}

impl<T: Row + std::fmt::Debug> std::fmt::Debug for Rows<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(formatter)
    }
}
