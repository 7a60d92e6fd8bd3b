//! Looking into rows without building them: `must`, and keys that rows are ordered by.

use super::Batch;
use crate::{
    reject::Fault,
    row::{RawRow, field_text, missing_field, text},
};

impl Batch {
    /// The rows that lack a field of `must`, or that are no JSON objects.
    pub(crate) fn lacking(&self, must: &[String]) -> Vec<Fault> {
        let json = self.json_rows();
        let mut faults = json.faults.clone();
        json.rows.for_each(|position, row: RawRow<'_>| {
            let missing = text(row).and_then(|text| missing_field(text, must));
            let (field, cause) = match missing {
                Ok(None) => return,
                Ok(Some(field)) => (
                    Some(field.to_owned()),
                    format!("the row has no field `{field}`, which `must` demands").into(),
                ),
                Err(error) => (None, error),
            };
            faults.push(Fault { index: json.index(position), field, cause: cause.into() });
        });
        faults.sort_by_key(|fault| fault.index);
        faults
    }

    /// The value of a field in each row, as JSON; empty where a row has none, or is no object.
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
