//! Rows that are values, erased as a whole.

use std::any::Any;

use crate::{
    batch::{JsonRows, owned::Owned},
    error::Result,
    reject::Fault,
    row::{Emit, Must},
};

/// A `Vec<T>` whose type only its reader knows.
pub(super) trait TypedRows: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn type_name(&self) -> &'static str;
    /// Appends one row to `out` as JSON.
    fn encode(&self, index: usize, out: &mut Vec<u8>) -> Result<()>;
    /// All rows, or those at `keep`, as JSON in one buffer.
    fn to_json(&self, keep: Option<&[usize]>) -> JsonRows;
    /// Those of all rows, or of those at `keep`, that lack a field.
    fn lacking(&self, keep: Option<&[usize]>, must: &Must) -> Vec<Fault>;
}

pub(super) struct Typed<T>(pub(super) Owned<T>);

impl<T: Emit> TypedRows for Typed<T> {
    fn as_any(&self) -> &dyn Any {
        &*self.0
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }

    fn encode(&self, index: usize, out: &mut Vec<u8>) -> Result<()> {
        self.0.get(index).map_or(Ok(()), |row| row.encode(out))
    }

    fn to_json(&self, keep: Option<&[usize]>) -> JsonRows {
        match keep {
            None => JsonRows::encode(self.0.iter()),
            Some(keep) => JsonRows::encode(keep.iter().filter_map(|index| self.0.get(*index))),
        }
    }

    fn lacking(&self, keep: Option<&[usize]>, must: &Must) -> Vec<Fault> {
        let fault = |(index, row)| must.fault_of_value(index, row);
        match keep {
            None => self.0.iter().enumerate().filter_map(fault).collect(),
            Some(keep) => {
                let rows = keep.iter().enumerate();
                rows.filter_map(|(index, at)| fault((index, self.0.get(*at)?))).collect()
            }
        }
    }
}
