//! [`Names`]: the ids of rows that are kept.

use std::collections::HashMap;

use super::{delivery::BadRow, provenance::Provenance};
use crate::quarantine::Quarantined;

/// The ids of rows of one delivery that are kept in one place: the same at each redelivery, and
/// different for each row. One row of the source may have become several with the same text.
#[derive(Clone)]
pub(super) struct Names {
    /// Which place: a row that waits may come to quarantine later, where another has an id already
    /// that was made of the same.
    place: &'static str,
    times: HashMap<String, usize>,
    /// What the ids of the last call were made of.
    last: Vec<String>,
}

impl Names {
    /// Of rows for the quarantine.
    pub(super) fn of_bad() -> Self {
        Self { place: "", times: HashMap::new(), last: Vec::new() }
    }

    /// Of rows that are to wait.
    pub(super) fn of_waiting() -> Self {
        Self { place: "waiting", ..Self::of_bad() }
    }

    /// Gives each row its id.
    pub(super) fn name(&mut self, rows: Vec<BadRow>, from: &Provenance<'_>) -> Vec<Quarantined> {
        self.last.clear();
        let generation = match from {
            Provenance::Delivery(delivery) => delivery.receipt.generation(),
            Provenance::Waiting(_) => String::new(),
        };
        let name = |BadRow { mut row, source_row }: BadRow| {
            let is_exact = source_row.is_some();
            let own_id = |before: &str, times| row.own_id(self.place, before, is_exact, times);
            let id = |times| match from {
                Provenance::Delivery(_) => own_id(&generation, times),
                Provenance::Waiting(rows) => {
                    let waited = source_row.map_or(rows.first(), |row| rows.get(row));
                    match waited {
                        // It is where it was.
                        Some(waited) if is_exact && waited.is_at(&row) && times == 0 => {
                            waited.id.clone()
                        }
                        waited => own_id(waited.map_or("", |waited| &waited.id), times),
                    }
                }
            };
            let first = id(0);
            let times = self.times.entry(first.clone()).or_default();
            let id = id(*times);
            *times += 1;
            self.last.push(first);
            row.id = id;
            row
        };
        rows.into_iter().map(name).collect()
    }

    /// Takes back the ids of the last rows of the last call, which are not kept after all.
    pub(super) fn take_back(&mut self, rows: usize) {
        let kept = self.last.len().saturating_sub(rows);
        for first in self.last.drain(kept..) {
            if let Some(times) = self.times.get_mut(&first) {
                *times = times.saturating_sub(1);
            }
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::of_waiting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, Delivery, Receipt, Result, Settled, async_trait};

    struct Slip;

    #[async_trait]
    impl Receipt for Slip {
        fn position(&self, row: usize) -> String {
            row.to_string()
        }

        async fn done(&self, _: &Settled) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_row_that_was_not_kept_has_the_same_id_when_it_is_named_again() {
        let delivery = Delivery::new(Batch::json(["{}"]), Slip);
        let from = Provenance::Delivery(&delivery);
        let rows = |count| {
            let row = || BadRow { row: Quarantined::of("A", "s"), source_row: Some(0) };
            std::iter::repeat_with(row).take(count).collect::<Vec<_>>()
        };
        let ids = |rows: Vec<Quarantined>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
        let mut names = Names::of_waiting();
        let first = ids(names.name(rows(3), &from));
        names.take_back(2);
        assert_eq!(ids(names.name(rows(2), &from)), first[1..]);
        assert!(first[0] != first[1] && first[1] != first[2]);
        let bad = ids(Names::of_bad().name(rows(3), &from));
        assert!(bad.iter().all(|id| !first.contains(id)), "they may meet in quarantine");
    }
}
