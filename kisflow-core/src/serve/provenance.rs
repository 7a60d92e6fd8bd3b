//! [`Provenance`]: where the rows that are worked on come from.

use crate::{batch::Batch, quarantine::Quarantined, source::Delivery};

/// Where the rows that are worked on come from.
pub(super) enum Provenance<'a> {
    /// A source has read them.
    Delivery(&'a Delivery),
    /// They waited in the store. All are of one flow, and there is one at least.
    Waiting(&'a [Quarantined]),
}

impl Provenance<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Delivery(delivery) => delivery.batch.len(),
            Self::Waiting(rows) => rows.len(),
        }
    }

    /// These rows as they came from the source, if that is known of each.
    pub(super) fn batch(&self, rows: Vec<usize>) -> Option<Batch> {
        match self {
            Self::Delivery(delivery) => Some(delivery.batch.pick(rows)),
            Self::Waiting(waiting) => {
                let row = |row: usize| Some(waiting.get(row)?.source_row()?.bytes().clone());
                Some(Batch::json(rows.into_iter().map(row).collect::<Option<Vec<_>>>()?))
            }
        }
    }

    /// What is known of a row that is at a function now, by the one that it was made from, if that is
    /// known: its position in the source, and how it came from there.
    pub(super) fn describe(&self, row: &mut Quarantined, source_row: Option<usize>, at: usize) {
        match self {
            Self::Delivery(delivery) => {
                let batch = &delivery.batch;
                let position = |row| delivery.receipt.position(row);
                row.position = match source_row {
                    Some(row) => position(row),
                    None => range(&position(0), &position(batch.len().saturating_sub(1))),
                };
                row.origin = source_row.filter(|_| at > 0).map(|row| batch.row_text(row).into());
                row.unreadable = at == 0 && source_row.is_some_and(|row| batch.is_unreadable(row));
                row.csv = source_row.and_then(|_| batch.csv_form()).map(|form| (*form).clone());
            }
            Self::Waiting(rows) => match source_row.and_then(|row| rows.get(row)) {
                Some(waited) => {
                    row.position.clone_from(&waited.position);
                    row.origin = waited.source_row().filter(|_| at > 0).cloned();
                    row.csv.clone_from(&waited.csv);
                    row.attempt = row.attempt.saturating_add(waited.attempt);
                }
                None => {
                    let place = |row: Option<&Quarantined>| {
                        row.map(|row| row.position.clone()).unwrap_or_default()
                    };
                    row.position = range(&place(rows.first()), &place(rows.last()));
                }
            },
        }
    }
}

fn range(first: &str, last: &str) -> String {
    format!("{first}..{last}")
}
