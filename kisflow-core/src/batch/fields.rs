//! Fields of rows without decoding them: `must`, and the keys by which rows are ordered.

use std::panic::{AssertUnwindSafe, catch_unwind};

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

    /// The value of a field in each row, as JSON; empty if a row does not have it, is not an object,
    /// or cannot be read.
    pub(crate) fn keys(&self, field: &str) -> Vec<String> {
        // Reading rows runs code of row types and codecs.
        let keys = |rows: &Self| catch_unwind(AssertUnwindSafe(|| rows.read_keys(field)));
        keys(self).unwrap_or_else(|_| {
            // One of the rows panics: only that one is without a key.
            let one = |row| keys(&self.pick(vec![row])).unwrap_or_default().pop();
            (0..self.len()).map(|row| one(row).unwrap_or_default()).collect()
        })
    }

    fn read_keys(&self, field: &str) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use crate::Batch;

    #[derive(Clone, Debug, PartialEq, Deserialize)]
    struct Shy(u32);

    impl Serialize for Shy {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            assert!(self.0 != 2, "it does not like to be written");
            serializer.collect_map([("id", self.0)])
        }
    }

    #[test]
    fn a_row_that_panics_when_it_is_written_has_no_key_and_costs_no_other_its_key() {
        let batch = Batch::typed([1, 2, 3].map(Shy).into());
        assert_eq!(batch.keys("id"), ["1", "", "3"]);
    }
}
