//! [`SourceContext`]: what a source gets when it is opened: its flow, durable positions, values
//! that sources share.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    Positions, SoleReader,
    report::{SourceProblem, SourceReport},
};
use crate::{conf::Guarantee, durable::Durable, error::Result, health::Health};

/// What a source gets when it is opened.
#[derive(Clone)]
pub struct SourceContext {
    pub(crate) flow: Arc<str>,
    pub(crate) source: Arc<str>,
    pub(crate) positions: Positions,
    pub(crate) shared: Arc<SharedByType>,
    pub(crate) draining: CancellationToken,
    pub(crate) report: Arc<SourceReport>,
    pub(crate) guarantee: Guarantee,
}

impl SourceContext {
    /// A context for the tests of a source.
    pub fn new(flow: impl Into<Arc<str>>, source: &str, durable: Arc<dyn Durable>) -> Self {
        let flow = flow.into();
        let positions = Positions::new(durable, source, &flow);
        let draining = CancellationToken::new();
        Self {
            flow,
            source: source.into(),
            positions,
            shared: Arc::default(),
            draining,
            report: Arc::default(),
            guarantee: Guarantee::default(),
        }
    }

    /// Sets what the flow guarantees, for the tests of a source.
    #[must_use]
    pub fn guarantee(mut self, guarantee: Guarantee) -> Self {
        self.guarantee = guarantee;
        self
    }

    /// The flow that the rows are for. Readers of several flows do not share rows, unless the conf
    /// gives the source a `group`.
    #[must_use]
    pub fn flow(&self) -> &str {
        &self.flow
    }

    /// Whether each row is to be worked on exactly once: a source whose broker redelivers rows then
    /// [keeps](crate::Delivery::keep) which of them are done, and hands out none of these again.
    #[must_use]
    pub fn is_exactly_once(&self) -> bool {
        self.guarantee == Guarantee::ExactlyOnce
    }

    /// The durable positions, for a source without a server: where to begin.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Waits until this process is the only one that reads the source for the flow, among those with
    /// the same store: for an exactly-once source whose broker does not say which reader had a row.
    /// The lease is renewed until it is dropped. A process that stops for longer than it lasts may go
    /// on although another has taken over: [keep](Positions::keep) a position before
    /// reading, so that nothing of it is committed any more.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    ///
    /// # Cancel safety
    ///
    /// A lease that is being taken when the future is dropped runs out.
    pub async fn sole_reader(&self, lease: Duration) -> Result<SoleReader> {
        SoleReader::wait(self.positions.store().clone(), (&self.source, &self.flow), lease).await
    }

    /// Returns a value that all sources of one `serve` share, such as a listener for several flows.
    /// The first caller creates it.
    #[must_use]
    pub fn shared<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        self.shared.get()
    }

    /// Cancelled when the flow stops reading. A source that others post to then refuses new rows,
    /// while the rows that it handed out are still in progress.
    #[must_use]
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Reports a lasting problem that needs attention while the source continues: `/readyz` has it
    /// until the returned value is dropped. Errors of [`next`](crate::Source::next) are reported
    /// without it.
    pub fn problem(&self, cause: impl Into<String>) -> SourceProblem {
        SourceProblem::new(self.report.health.trouble(&self.flow, cause))
    }

    /// Counts bytes that the source can no longer read and that reached no function, in the metric
    /// `kisflow_source_lost_bytes_total`.
    pub fn count_lost(&self, bytes: u64) {
        self.report.lost.add(bytes);
    }

    /// Counts skipped bytes that belong to no row, in the metric
    /// `kisflow_source_skipped_bytes_total`.
    pub fn count_skipped(&self, bytes: u64) {
        self.report.skipped.add(bytes);
    }

    /// Counts rows that were redelivered and not handed out, because they are done, in the metric
    /// `kisflow_source_repeated_rows_total`.
    pub fn count_repeated(&self, rows: usize) {
        self.report.repeated.add(rows as u64);
    }

    /// Returns how many redelivered rows were not handed out since serving began.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.report.repeated.total()
    }

    /// Returns how many bytes were lost since serving began.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.report.lost.total()
    }

    /// Returns how many bytes were skipped since serving began.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.report.skipped.total()
    }

    /// The health that [`problem`](Self::problem) reports to.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.report.health
    }
}

impl fmt::Debug for SourceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SourceContext(flow {}, {:?})", self.flow, self.positions)
    }
}

/// One value of each type.
#[derive(Default)]
pub(crate) struct SharedByType {
    values: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl SharedByType {
    fn get<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default()));
        // The key is the type: the cast cannot fail, and a fresh value is no harm if it did.
        value.clone().downcast().unwrap_or_default()
    }
}
