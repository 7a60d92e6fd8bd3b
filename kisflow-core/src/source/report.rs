//! [`SourceReport`]: what a source reports beside its rows: lasting problems, bytes without rows,
//! redelivered rows.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use metrics::Counter;

use crate::health::{Health, Trouble};

/// Where a source reports to.
pub(crate) struct SourceReport {
    pub(crate) health: Health,
    pub(crate) lost: SourceCount,
    pub(crate) skipped: SourceCount,
    pub(crate) repeated: SourceCount,
}

/// A report by hand, of flows without connectors.
impl Default for SourceReport {
    fn default() -> Self {
        let health = Health::default();
        health.connectors(Vec::new());
        Self {
            health,
            lost: SourceCount::default(),
            skipped: SourceCount::default(),
            repeated: SourceCount::default(),
        }
    }
}

/// A count of bytes or rows, and its metric.
pub(crate) struct SourceCount {
    total: AtomicU64,
    metric: Counter,
}

impl SourceCount {
    pub(crate) fn new(metric: Counter) -> Self {
        Self { total: AtomicU64::new(0), metric }
    }

    pub(crate) fn add(&self, count: u64) {
        self.total.fetch_add(count, Ordering::Relaxed);
        self.metric.increment(count);
    }

    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

impl Default for SourceCount {
    fn default() -> Self {
        Self::new(Counter::noop())
    }
}

/// A problem that a source reports to `/readyz`, until this is dropped. See
/// [`SourceContext::problem`](super::SourceContext::problem).
#[must_use = "the problem is over when this is dropped"]
pub struct SourceProblem(#[allow(dead_code, reason = "its drop ends the problem")] Trouble);

impl SourceProblem {
    pub(crate) fn new(trouble: Trouble) -> Self {
        Self(trouble)
    }
}

impl fmt::Debug for SourceProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SourceProblem")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{SourceContext, durable::MemoryStore};

    #[test]
    fn a_problem_of_a_source_is_told_until_it_is_dropped() {
        let context = SourceContext::new("Orders", "lines", Arc::new(MemoryStore::default()));
        let problem = context.problem("40 bytes are missing");
        assert_eq!(context.health().problems(), ["flow `Orders`: 40 bytes are missing"]);
        drop(problem);
        assert_eq!(context.health().problems(), [""; 0]);
        context.count_lost(40);
        context.count_skipped(2);
        context.count_repeated(3);
        assert_eq!((context.lost(), context.skipped(), context.repeated()), (40, 2, 3));
    }
}
