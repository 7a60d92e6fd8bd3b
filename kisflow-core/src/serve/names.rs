//! [`Names`]: the ids of rows that are kept.

use std::collections::HashMap;

use super::{delivery::BadRow, provenance::Provenance};
use crate::quarantine::Quarantined;

/// The ids of rows of one delivery that are kept in one place: the same at each redelivery, and
/// different for each row. One row of the source may have become several with the same text.
#[derive(Default)]
pub(super) struct Names {
    times: HashMap<String, usize>,
}

impl Names {
    /// Gives each row its id.
    pub(super) fn name(&mut self, rows: Vec<BadRow>, from: &Provenance<'_>) -> Vec<Quarantined> {
        let generation = match from {
            Provenance::Delivery(delivery) => delivery.receipt.generation(),
            Provenance::Waiting(_) => String::new(),
        };
        let name = |BadRow { mut row, source_row }: BadRow| {
            let id = |times| match from {
                Provenance::Delivery(_) => row.own_id(&generation, source_row.is_some(), times),
                Provenance::Waiting(rows) => {
                    let waited = source_row.map_or(rows.first(), |row| rows.get(row));
                    match waited {
                        // It is where it was.
                        Some(waited)
                            if source_row.is_some() && waited.is_at(&row) && times == 0 =>
                        {
                            waited.id.clone()
                        }
                        Some(waited) => row.own_id(&waited.id, source_row.is_some(), times),
                        None => row.own_id("", false, times),
                    }
                }
            };
            let times = self.times.entry(id(0)).or_default();
            let id = id(*times);
            *times += 1;
            row.id = id;
            row
        };
        rows.into_iter().map(name).collect()
    }
}
