//! [`Piece`]: rows of a delivery on their way through the flow, and how they are split.

use std::time::Instant;

use crate::{batch::Batch, flow::Lineage};

/// Rows of a delivery that go through the flow together.
#[derive(Clone)]
pub(super) struct Piece {
    /// The function that they start at.
    pub(super) at: usize,
    pub(super) rows: Batch,
    /// Their positions in the delivery.
    pub(super) lineage: Lineage,
    /// Since when they wait for what is away, if they do.
    pub(super) waits_since: Option<Instant>,
    /// How often they have failed alone.
    pub(super) failures: u32,
    /// Whether they must contain the row that made a larger piece fail: then they need not be tried
    /// together.
    pub(super) suspect: bool,
}

impl Piece {
    pub(super) fn new(at: usize, rows: Batch, lineage: Lineage) -> Self {
        Self { at, rows, lineage, waits_since: None, failures: 0, suspect: false }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows at these positions, ascending.
    pub(super) fn pick(&self, positions: Vec<usize>) -> Self {
        let lineage = self.lineage.pick(positions.iter().copied());
        let waits_since = self.waits_since;
        Self { waits_since, ..Self::new(self.at, self.rows.pick(positions), lineage) }
    }

    /// Splits into two pieces, in the order of the rows. The first is tried, and if it gets
    /// through, the second is known to be at fault without a try: so a smaller first piece is
    /// cheaper. At the golden section the worst case for one bad row among n is 1.44·log2(n) tries,
    /// against 2·log2(n) for halves.
    pub(super) fn split(self) -> (Self, Self) {
        let first = (self.len() * 382 / 1_000).max(1);
        (self.pick((0..first).collect()), self.pick((first..self.len()).collect()))
    }
}
