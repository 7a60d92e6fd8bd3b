//! [`Delivery`]: rows that a source hands out, and the [`Receipt`] with which they are settled.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use super::positions::Change;
use crate::{batch::Batch, error::Result};

/// Rows that a source hands out, and the receipt to settle when they are done.
pub struct Delivery {
    pub(crate) batch: Batch,
    pub(crate) receipt: Arc<dyn Receipt>,
    pub(crate) partition: u64,
    /// What is kept when the rows are done.
    pub(crate) positions: Vec<Change>,
}

impl Delivery {
    /// The most parts of which one delivery should [keep](Self::keep) a position. Linking compares
    /// `batch.rows` with what one commit of the store takes, with room for so many.
    pub const PARTS: usize = 32;

    /// Rows and their receipt. An empty batch is settled at once.
    pub fn new(batch: Batch, receipt: impl Receipt) -> Self {
        Self { batch, receipt: Arc::new(receipt), partition: 0, positions: Vec::new() }
    }

    /// No rows: a source has come further without any. Add what to [`keep`](Self::keep) or to
    /// [`forget`](Self::forget).
    #[must_use]
    pub fn progress() -> Self {
        Self::new(Batch::empty(), NoRows)
    }

    /// Sets the partition of the source that the rows come from: with `ordered: true` deliveries of
    /// one partition run one after the other, and positions are kept in the order of the deliveries
    /// of one partition. A source without partitions is one partition.
    #[must_use]
    pub fn partition(mut self, partition: u64) -> Self {
        self.partition = partition;
        self
    }

    /// Keeps a position of a part of the source (a path) when these rows and all before them are
    /// done: the one behind the last row, in the source's own form. The source finds it in its
    /// [positions](crate::SourceContext::positions) when it opens next. Positions are JSON text
    /// unless there is a reason, so that operators can read them; tools show the `offset` of an
    /// object.
    ///
    /// If another process or a command has changed the position meanwhile, it is not kept: the
    /// engine opens the source anew, and the rows behind the changed position are redelivered.
    #[must_use]
    pub fn keep(mut self, part: impl Into<Arc<str>>, position: impl Into<Bytes>) -> Self {
        self.positions.push((part.into(), Some(position.into())));
        self
    }

    /// Removes the position of a part when these rows and all before them are done: nothing will be
    /// read from that part again.
    #[must_use]
    pub fn forget(mut self, part: impl Into<Arc<str>>) -> Self {
        self.positions.push((part.into(), None));
        self
    }

    /// The rows.
    #[must_use]
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The receipt.
    #[must_use]
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

/// The result of a delivery's rows; see [`Receipt::done`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// Rows that were delivered, filtered or aborted.
    pub delivered: usize,
    /// Rows that are durably in quarantine. One row of the delivery may have become several.
    pub quarantined: usize,
    /// Rows that wait durably in the store for what a function says is unavailable.
    pub waiting: usize,
    /// The positions in the delivery, ascending, of the rows that those in quarantine come from;
    /// `None` unless it is known for each.
    pub bad_rows: Option<Vec<usize>>,
}

impl Settled {
    /// A result with these numbers of rows delivered and in quarantine, without the positions of
    /// the latter.
    pub fn new(delivered: usize, quarantined: usize) -> Self {
        let bad_rows = (quarantined == 0).then(Vec::new);
        Self { delivered, quarantined, waiting: 0, bad_rows }
    }

    /// Sets how many rows wait in the store.
    #[must_use]
    pub fn waiting(mut self, waiting: usize) -> Self {
        self.waiting = waiting;
        self
    }

    /// Sets which rows of the delivery are in quarantine.
    #[must_use]
    pub fn bad_rows(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut rows: Vec<usize> = rows.into_iter().collect();
        rows.sort_unstable();
        rows.dedup();
        self.bad_rows = Some(rows);
        self
    }
}

/// Settles rows that a source handed out. Dropping it unsettled means "not done": the rows must be
/// redelivered.
#[async_trait]
pub trait Receipt: Send + Sync + 'static {
    /// Returns where the row at this position of the batch came from, in the source's terms: a
    /// stream's id, a sequence number, `path:offset`. The same row has the same position each time
    /// it is delivered.
    fn position(&self, row: usize) -> String;

    /// Returns what tells these rows apart from others that had the same positions, if anything can:
    /// which file it is at a path where files are replaced, which run of the program reads its
    /// standard input. A redelivered row has the same generation each time. A bad row with the same
    /// text at the same position of another generation is another row in quarantine.
    fn generation(&self) -> String {
        String::new()
    }

    /// Acknowledges the rows: every one is done, and the [positions](Delivery::keep) of the delivery
    /// are durable. A source that the engine keeps all positions for needs nothing else.
    ///
    /// # Errors
    ///
    /// When the acknowledgement fails. The engine calls it again after a pause; acknowledging twice
    /// must be harmless.
    async fn done(&self, settled: &Settled) -> Result<()> {
        let _ = settled;
        Ok(())
    }

    /// Gives the rows back: they are not done and will not be by this reader. They are then
    /// redelivered at once instead of after their lease.
    ///
    /// # Errors
    ///
    /// When the rows cannot be given back; they are redelivered after their lease.
    async fn release(&self) -> Result<()> {
        Ok(())
    }

    /// Returns how long the rows belong to this reader unless it renews them; other readers may
    /// take them afterwards. `None` if no other reader can.
    fn lease(&self) -> Option<Duration> {
        None
    }

    /// Renews the lease. The engine calls it three times per lease while the rows are in progress.
    ///
    /// # Errors
    ///
    /// When the lease cannot be renewed; another reader may then get the rows.
    async fn renew(&self) -> Result<()> {
        Ok(())
    }
}

/// The receipt of a delivery without rows.
struct NoRows;

impl Receipt for NoRows {
    fn position(&self, _: usize) -> String {
        String::new()
    }
}
