//! Fields of rows without decoding them: `must`, and the keys by which rows are ordered.

use super::{Batch, content::Content};
use crate::{
    reject::Fault,
    row::{Must, RawRow, field_text},
};

impl Batch {
    /// The rows that lack a field of `must`, or are not JSON objects.
    pub(crate) fn lacking(&self, must: &Must) -> Vec<Fault> {
        let typed = match self.content() {
            Content::Typed(rows) => Some(rows.lacking(None, must)),
            Content::Picked { base, keep } => match base.content() {
                Content::Typed(rows) => Some(rows.lacking(Some(keep), must)),
                _ => None,
            },
            Content::Raw { .. } => None,
        };
        if let Some(faults) = typed {
            return faults;
        }
        let json = self.json_rows();
        let mut faults = json.faults.clone();
        json.rows.for_each(|position, row: RawRow<'_>| {
            faults.extend(must.fault_of_json(json.index(position), row));
        });
        faults.sort_by_key(|fault| fault.index);
        faults
    }

    /// The value of a field in each row, as JSON; empty if a row does not have it, or is not an
    /// object.
    pub(crate) fn keys(&self, field: &str) -> Vec<String> {
        let json = self.json_rows();
        let mut keys = vec![String::new(); self.len()];
        json.rows.for_each(|position, row: RawRow<'_>| {
            let key = row.text().ok().and_then(|text| field_text(text, field));
            if let (Some(slot), Some(key)) = (keys.get_mut(json.index(position)), key) {
                *slot = key;
            }
        });
        keys
    }
}
