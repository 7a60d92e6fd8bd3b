//! [`Delivery`]: rows that a source hands out, and the [`Receipt`] that says what became of them.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{batch::Batch, error::Result};

/// Rows that a source hands out, and the receipt to settle when they are done.
pub struct Delivery {
    pub(crate) batch: Batch,
    pub(crate) receipt: Box<dyn Receipt>,
    pub(crate) partition: u64,
}

impl Delivery {
    /// Rows and their receipt. An empty batch is settled at once.
    pub fn new(batch: Batch, receipt: impl Receipt) -> Self {
        Self { batch, receipt: Box::new(receipt), partition: 0 }
    }

    /// Names the partition of the source that the rows come from: with `ordered: true` deliveries
    /// of one partition are worked on one after the other. One source without partitions is one
    /// partition.
    pub fn partition(mut self, partition: u64) -> Self {
        self.partition = partition;
        self
    }

    /// The rows.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The receipt.
    pub fn receipt(&self) -> &dyn Receipt {
        &*self.receipt
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.batch.len().saturating_sub(1);
        let (first, last) = (self.receipt.position(0), self.receipt.position(last));
        write!(formatter, "Delivery({:?}, {first} to {last})", self.batch)
    }
}

/// What the rows of a delivery became; see [`Receipt::done`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// Rows that were delivered or filtered.
    pub delivered: usize,
    /// Rows that are in quarantine, safely written. One row of the delivery may have become several.
    pub quarantined: usize,
    /// The positions in the delivery, ascending, of the rows that those in quarantine come from;
    /// `None` where that is not known of each.
    pub bad_rows: Option<Vec<usize>>,
}

impl Settled {
    /// So many rows delivered and in quarantine; which those are, nobody knows.
    pub fn new(delivered: usize, quarantined: usize) -> Self {
        let bad_rows = (quarantined == 0).then(Vec::new);
        Self { delivered, quarantined, bad_rows }
    }

    /// Says which rows of the delivery are in quarantine.
    pub fn bad_rows(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut rows: Vec<usize> = rows.into_iter().collect();
        rows.sort_unstable();
        rows.dedup();
        self.bad_rows = Some(rows);
        self
    }
}

/// What a source is told about rows that it handed out. Dropped without a word, it means "not
/// done": the rows must come again.
#[async_trait]
pub trait Receipt: Send + Sync + 'static {
    /// Where the row at this position of the batch came from, in the source's own words: a
    /// stream's id, a sequence number, `path:offset`. The same row has the same position whenever
    /// it comes.
    fn position(&self, row: usize) -> String;

    /// Every row is done: acknowledge them. A source with offsets commits the contiguous prefix of
    /// what is done, see [`Prefix`](super::Prefix).
    ///
    /// # Errors
    ///
    /// When the source could not be told. The engine calls it again, after a pause; acknowledging
    /// twice must do no harm.
    async fn done(&self, settled: &Settled) -> Result<()>;

    /// The rows are not done and will not be, here: give them back, so that they come again at
    /// once rather than after their lease.
    ///
    /// # Errors
    ///
    /// When the source could not be told; the rows then come again after their lease.
    async fn release(&self) -> Result<()> {
        Ok(())
    }

    /// How long the rows are this reader's without a word; others may take them afterwards. `None`
    /// where nobody else can.
    fn lease(&self) -> Option<Duration> {
        None
    }

    /// Asks for another lease. The engine calls it three times a lease while the rows are worked on.
    ///
    /// # Errors
    ///
    /// When the source could not be told; the rows may then come again, elsewhere.
    async fn renew(&self) -> Result<()> {
        Ok(())
    }
}
