//! A batch decoded as one type, and a batch turned to JSON: both with the rows that failed.

use std::{any::Any, sync::Arc};

use smallvec::SmallVec;

use super::{RawRows, owned::Owned};
use crate::{
    conf::RowDefaults,
    error::BoxError,
    reject::Fault,
    row::{Emit, Learned, RawRow, Row},
};

/// An `Arc<Decoded<T>>` whose `T` only its reader knows.
pub(crate) type ErasedView = Arc<dyn Any + Send + Sync>;

/// The rows of a batch as `T`.
pub(crate) struct Decoded<T> {
    pub(crate) rows: Owned<T>,
    /// Where each row stands in its batch; `None` when every row was good, so they stand as they are.
    pub(crate) source: Option<Vec<usize>>,
    pub(crate) faults: Vec<Fault>,
    /// What the fields are that a row lacks; nothing for rows that are not read from JSON.
    defaults: Option<RowDefaults>,
}

impl<T> Decoded<T> {
    /// Whether the rows are read so.
    pub(crate) fn is(&self, defaults: RowDefaults) -> bool {
        self.defaults.is_none_or(|own| own == defaults)
    }

    #[inline]
    pub(crate) fn from_raw(
        raw: &RawRows,
        decode: impl Fn(RawRow<'_>) -> Result<T, BoxError>,
        culprit: impl Fn(RawRow<'_>) -> Option<String>,
    ) -> Self {
        let mut rows = Vec::with_capacity(raw.len());
        let mut source: Option<Vec<usize>> = None;
        let mut faults = Vec::new();
        raw.for_each(|index, row| match decode(row) {
            Ok(value) => {
                if let Some(source) = &mut source {
                    source.push(index);
                }
                rows.push(value);
            }
            Err(cause) => {
                source.get_or_insert_with(|| (0..index).collect());
                faults.push(Fault { index, field: culprit(row), cause: cause.into() });
            }
        });
        Self { rows: rows.into(), source, faults, defaults: None }
    }
}

impl<T: Row> Decoded<T> {
    /// Rows of JSON, or of the encoding that the type carries.
    #[inline]
    pub(crate) fn from_json(raw: &RawRows, defaults: RowDefaults) -> Self {
        let decoded = match defaults {
            RowDefaults::Require => Self::from_raw(raw, T::decode, T::culprit),
            RowDefaults::Go => {
                let learned = Learned::default();
                Self::from_raw(raw, |row| T::decode_as_go(row, &learned), T::culprit_as_go)
            }
        };
        Self { defaults: Some(defaults), ..decoded }
    }
}

impl<T: Emit> Decoded<T> {
    pub(crate) fn into_json(self) -> JsonRows {
        let mut json = JsonRows::encode(self.rows.iter());
        if let Some(source) = &self.source {
            json.remap(source);
        }
        json.faults.extend(self.faults);
        json
    }
}

/// The rows of a batch as JSON.
pub(crate) struct JsonRows {
    pub(crate) rows: RawRows,
    source: Option<Vec<usize>>,
    pub(crate) faults: Vec<Fault>,
}

impl JsonRows {
    pub(crate) fn plain(rows: RawRows) -> Self {
        Self { rows, source: None, faults: Vec::new() }
    }

    /// The rows of a batch but those that have a fault already.
    pub(crate) fn without(rows: RawRows, faults: Vec<Fault>) -> Self {
        if faults.is_empty() {
            return Self::plain(rows);
        }
        let is_faulty = |row: &usize| faults.binary_search_by_key(row, |fault| fault.index).is_ok();
        let good: Vec<usize> = (0..rows.len()).filter(|row| !is_faulty(row)).collect();
        Self { rows: rows.pick(&good), source: Some(good), faults }
    }

    /// One buffer for all rows.
    pub(crate) fn encode<'a, T: Emit>(values: impl Iterator<Item = &'a T>) -> Self {
        let mut buffer = Vec::new();
        let mut source: Option<Vec<usize>> = None;
        let mut ends = SmallVec::new();
        let mut faults = Vec::new();
        for (index, value) in values.enumerate() {
            let start = buffer.len();
            match value.encode(&mut buffer) {
                Ok(()) => {
                    // A row may have line feeds within: where it ends is known only here.
                    ends.push(buffer.len());
                    buffer.push(b'\n');
                    if let Some(source) = &mut source {
                        source.push(index);
                    }
                }
                Err(cause) => {
                    buffer.truncate(start);
                    source.get_or_insert_with(|| (0..index).collect());
                    faults.push(Fault { index, field: None, cause: cause.into() });
                }
            }
        }
        Self { rows: RawRows::ending_at(buffer.into(), ends), source, faults }
    }

    /// Where a row stands in the batch.
    pub(crate) fn index(&self, position: usize) -> usize {
        match &self.source {
            Some(source) => source.get(position).copied().unwrap_or(position),
            None => position,
        }
    }

    /// Where the row of the batch stands here, if it could be encoded.
    pub(crate) fn position(&self, index: usize) -> Option<usize> {
        match &self.source {
            Some(source) => source.binary_search(&index).ok(),
            None => Some(index),
        }
    }

    /// The rows as `T`, each at the place that it has in the batch.
    pub(crate) fn decode<T: Row>(&self, defaults: RowDefaults) -> Decoded<T> {
        let mut decoded = Decoded::from_json(&self.rows, defaults);
        if self.source.is_some() {
            let within = decoded.source.take().unwrap_or_else(|| (0..decoded.rows.len()).collect());
            decoded.source =
                Some(within.into_iter().map(|position| self.index(position)).collect());
            for fault in &mut decoded.faults {
                fault.index = self.index(fault.index);
            }
            decoded.faults.extend(self.faults.iter().cloned());
            decoded.faults.sort_by_key(|fault| fault.index);
        }
        decoded
    }

    /// Takes the rows for those of a batch in which they stand at `outer`.
    fn remap(&mut self, outer: &[usize]) {
        let at = |index: usize| outer.get(index).copied().unwrap_or(index);
        let within = self.source.take().unwrap_or_else(|| (0..self.rows.len()).collect());
        self.source = Some(within.into_iter().map(at).collect());
        for fault in &mut self.faults {
            fault.index = at(fault.index);
        }
    }
}
