//! The context of a run, and a linked function.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{Cache, Metadata};
use crate::{
    conf::{FunctionConf, OnReject, RawParams, RowDefaults},
    connector::ConnectorSlot,
    function::BoundFunction,
    keyed::StateKeys,
    metrics::FunctionMetrics,
    round::States,
    row::Must,
};

/// A flow's own values; each fork has its own.
pub(crate) struct FlowContext {
    pub(crate) name: Arc<str>,
    pub(crate) cache: Cache,
    pub(crate) metadata: Metadata,
    /// The most characters of a row, or of a text about one, in a log line.
    pub(crate) log_rows: usize,
    seed: u64,
    runs: AtomicU64,
}

impl FlowContext {
    pub(crate) fn new(name: &str, log_rows: usize) -> Self {
        // The standard library seeds its hash maps at random: that is all a run id needs.
        let seed = RandomState::new().build_hasher().finish();
        Self {
            name: name.into(),
            cache: Cache::default(),
            metadata: Metadata::default(),
            log_rows,
            seed,
            runs: AtomicU64::new(0),
        }
    }

    pub(crate) fn next_run(&self) -> RunId {
        RunId { seed: self.seed, run: self.runs.fetch_add(1, Ordering::Relaxed) }
    }
}

/// The id of a run: 64 random bits of its flow, and a count. Other processes have other bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId {
    seed: u64,
    run: u64,
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}-{}", self.seed, self.run)
    }
}

/// One run.
#[derive(Clone)]
pub(crate) struct RunContext {
    pub(crate) flow: Arc<FlowContext>,
    pub(crate) id: RunId,
    pub(crate) cancel: Option<CancellationToken>,
    pub(crate) on_reject: OnReject,
    /// Whether the run is fed: its caller needs the origin of each row.
    pub(crate) traced: bool,
    pub(crate) isolation: Isolation,
    /// The states of its functions, while it is inside a round.
    pub(crate) states: Option<States>,
}

/// What the caller of a run does with rows by themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Isolation {
    /// Rows that a function rejects during an outage may wait while the others go on: the caller
    /// runs them later.
    pub(crate) defers: bool,
    /// A batch is split to find the rows that it is about.
    pub(crate) splits: bool,
}

/// A function at one place of a flow.
pub(crate) struct Node {
    pub(crate) name: Arc<str>,
    pub(crate) conf: Arc<FunctionConf>,
    pub(crate) params: RawParams,
    pub(crate) function: Arc<dyn BoundFunction>,
    pub(crate) is_async: bool,
    pub(crate) must: Must,
    pub(crate) row_defaults: RowDefaults,
    pub(crate) timeout: Option<Duration>,
    /// Where it keeps the states of its rows, if it does.
    pub(crate) keyed: Option<StateKeys>,
    /// Each once.
    pub(crate) connectors: Vec<Arc<ConnectorSlot>>,
    pub(crate) metrics: FunctionMetrics,
}
