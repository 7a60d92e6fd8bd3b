//! [`Flow`]: a linked chain of functions, and its runs.

mod append;
mod call;
mod chain;
mod context;
mod error;
mod flows;
mod lineage;
mod outage;
mod report;
mod run;
mod store;
#[cfg(test)]
mod tests;
mod walk;

use std::{fmt, future::Future, ops::Range, sync::Arc};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

pub(crate) use self::chain::Chain;
pub use self::context::RunId;
pub(crate) use self::context::{FlowContext, Isolation, Node, RunContext};
pub use self::error::{RunError, UnknownFlow};
pub use self::flows::Flows;
pub(crate) use self::lineage::Lineage;
pub(crate) use self::outage::unavailable;
pub(crate) use self::report::Deferred;
pub use self::report::{FunctionReport, Report, RowCounts, RunOutcome, Visit};
use self::run::Begin;
pub(crate) use self::run::Stage;
pub use self::store::{Cache, Metadata};
use crate::{
    batch::Batch,
    conf::{ConfError, FlowConf, StepConf, suggest},
    connector::ConnectorSlot,
    durable::Durable,
    health::Health,
    keyed::StateKeys,
    link::{Linker, Prepared},
    metrics::{FlowMetrics, RoundMetrics, SharedRecorder},
    round::Rounds,
};

/// A linked chain of functions. Cheap to clone, and re-entrant: any number of runs of one flow may
/// be in progress at once. They share the flow's [`Cache`] and [`Metadata`].
#[derive(Clone)]
pub struct Flow {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    context: Arc<FlowContext>,
    /// The chain of runs that begin now.
    chain: ArcSwap<Chain>,
    linked: Arc<Linked>,
    metrics: Arc<FlowMetrics>,
    /// Where the states of its functions change, if there is a store.
    rounds: Option<Arc<Rounds>>,
}

/// What all flows of a conf share.
pub(crate) struct Linked {
    pub(crate) linker: Linker,
    pub(crate) recorder: SharedRecorder,
    pub(crate) health: Health,
}

impl Flow {
    fn new(
        conf: FlowConf,
        prepared: Vec<Prepared>,
        linked: Arc<Linked>,
        store: Option<Arc<dyn Durable>>,
    ) -> Self {
        let context = Arc::new(FlowContext::new(&conf.flow_name, linked.linker.registry.log_rows));
        let metrics = Arc::new(linked.with_recorder(|| FlowMetrics::new(&conf.flow_name)));
        let nodes =
            prepared.into_iter().map(|prepared| linked.node(&conf.flow_name, prepared)).collect();
        let chain = Chain::new(conf, nodes);
        let rounds = |store| {
            let metrics = linked.with_recorder(|| RoundMetrics::new(&chain.conf.flow_name));
            Arc::new(Rounds::new(&chain.conf.flow_name, metrics, store))
        };
        let rounds = chain.keyed.as_ref().and(store).map(rounds);
        let chain = ArcSwap::from_pointee(chain);
        Self { inner: Arc::new(Inner { context, chain, linked, metrics, rounds }) }
    }

    /// Returns the flow's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.context.name
    }

    /// Returns the flow's current conf, with the functions that were appended.
    #[must_use]
    pub fn conf(&self) -> FlowConf {
        self.inner.chain.load().conf.clone()
    }

    /// Returns the flow's cache.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.inner.context.cache
    }

    /// Returns the flow's metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.inner.context.metadata
    }

    /// Runs a batch through the chain. The future owns what it needs: spawn it as a tokio task, or
    /// await it in place.
    ///
    /// ```
    /// # use kisflow_core::{Batch, Flow, RunError};
    /// # async fn example(flow: Flow) -> Result<(), Box<dyn std::error::Error>> {
    /// let task = tokio::spawn(flow.run(Batch::json([r#"{"stu_id":101}"#])));
    /// println!("{} rows out", task.await??.rows_out());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When a function fails for good, panics, takes longer than its `timeout`, rejects rows in a
    /// flow with `on_reject: fail`, or jumps nowhere or forever. The error has the cause, the
    /// rejected rows, the report so far, and the batch that the function was given.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the run between two functions, or where a function awaits; earlier
    /// effects of functions remain. The run counts as cancelled in the metrics. States of its functions
    /// are as before the run, unless their commit was on the way.
    pub fn run<R: Into<Batch>>(
        &self,
        rows: R,
    ) -> impl Future<Output = Result<Report, RunError>> + Send + use<R> {
        let begin = Begin::new(rows.into());
        run::run(self.inner.clone(), begin)
    }

    /// Like [`run`](Self::run), but stops when `token` is cancelled, with an error that has the
    /// report so far ([`RunError::is_cancelled`]).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and when the token is cancelled before the end.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub fn run_until<R: Into<Batch>>(
        &self,
        rows: R,
        token: CancellationToken,
    ) -> impl Future<Output = Result<Report, RunError>> + Send + use<R> {
        let begin = Begin { cancel: Some(token), ..Begin::new(rows.into()) };
        run::run(self.inner.clone(), begin)
    }

    /// Like [`run`](Self::run), and records what each function was given and handed on, in
    /// [`Report::visits`]. Use it for a few rows: every batch between functions stays in memory.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); the report of the error has the visits until then.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub fn trace<R: Into<Batch>>(
        &self,
        rows: R,
    ) -> impl Future<Output = Result<Report, RunError>> + Send + use<R> {
        run::run(self.inner.clone(), Begin { visits: true, ..Begin::new(rows.into()) })
    }

    /// Runs rows of an input that the caller reads, like those of a source: whatever `on_reject`
    /// says, the good rows go on, and each rejected row has its position in the input
    /// ([`Reject::origin`](crate::Reject::origin)).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), but not because of rejected rows; and when rows are rejected while
    /// the function's connector does not answer, because the rows are then not at fault. The caller
    /// reports the failure: the run does not log it.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub fn feed<R: Into<Batch>>(
        &self,
        rows: R,
    ) -> impl Future<Output = Result<Report, RunError>> + Send + use<R> {
        run::run(self.inner.clone(), Begin { served: true, ..Begin::new(rows.into()) })
    }

    /// Runs rows for a caller that keeps them, from the function at `at` on: the rejected rows are
    /// in the report, each with its origin, and so are those that wait for an outage or have arrived
    /// at the end of the stage.
    pub(crate) fn run_served(
        &self,
        input: Batch,
        at: usize,
        cancel: CancellationToken,
        isolation: Isolation,
        stage: Option<Stage>,
    ) -> impl Future<Output = Result<Report, RunError>> + Send + use<> {
        let cancel = Some(cancel);
        let begin = Begin { at, cancel, served: true, isolation, stage, ..Begin::new(input) };
        run::run_guarded(self.inner.clone(), begin)
    }

    /// Returns a flow with the same functions and its own cache and metadata. Functions that are
    /// appended to one of the two later are not in the other.
    #[must_use]
    pub fn fork(&self) -> Self {
        self.with_chain(self.inner.chain.load_full())
    }

    /// Returns a [`fork`](Self::fork) in which a function has other params, at each of its places
    /// in the chain: those of `step` overlay the existing ones.
    ///
    /// # Errors
    ///
    /// When no function of the flow has this name, or the params do not fit.
    pub fn with_params(&self, step: impl Into<StepConf>) -> Result<Self, ConfError> {
        let StepConf { fname, params } = step.into();
        let chain = self.inner.chain.load_full();
        let mut conf = chain.conf.clone();
        let mut nodes = chain.nodes.clone();
        let mut problems = Vec::new();
        let places: Vec<usize> = (0..)
            .zip(&conf.flows)
            .filter(|(_, step)| step.fname == fname)
            .map(|(at, _)| at)
            .collect();
        for step in conf.flows.iter_mut().filter(|step| step.fname == fname) {
            step.params.extend(params.clone());
        }
        for place in &places {
            let prepared = self.inner.linked.linker.step(&conf, *place, &mut problems);
            if let (Some(prepared), Some(node)) = (prepared, nodes.get_mut(*place)) {
                *node = self.inner.linked.node(&conf.flow_name, prepared);
            }
        }
        if places.is_empty() {
            let known = suggest(&fname, conf.flows.iter().map(|step| step.fname.as_str()));
            let message = format!("the flow has no function \"{fname}\"{known}");
            problems.push(conf.origin.problem(
                format!("flow `{}`", conf.flow_name),
                "flows",
                message,
            ));
        }
        ConfError::check(problems)?;
        Ok(self.with_chain(Arc::new(Chain::new(conf, nodes))))
    }

    fn with_chain(&self, chain: Arc<Chain>) -> Self {
        let Inner { context, linked, metrics, rounds, .. } = &*self.inner;
        let context = Arc::new(FlowContext::new(&context.name, context.log_rows));
        Self {
            inner: Arc::new(Inner {
                context,
                chain: ArcSwap::new(chain),
                linked: linked.clone(),
                metrics: metrics.clone(),
                rounds: rounds.clone(),
            }),
        }
    }
}

impl Flow {
    /// The most characters of a row in a log line.
    pub(crate) fn log_rows(&self) -> usize {
        self.inner.context.log_rows
    }

    /// The connectors of its functions, each once, in the order of the chain.
    pub(crate) fn connectors(&self) -> Vec<Arc<ConnectorSlot>> {
        let mut slots: Vec<Arc<ConnectorSlot>> = Vec::new();
        for slot in self.inner.chain.load().nodes.iter().flat_map(|node| &node.connectors) {
            if !slots.iter().any(|known| Arc::ptr_eq(known, slot)) {
                slots.push(slot.clone());
            }
        }
        slots
    }

    /// From the first function that keeps state to behind the last one, if any does.
    pub(crate) fn keyed(&self) -> Option<Range<usize>> {
        self.inner.chain.load().keyed.clone()
    }

    /// Where the states of its functions change, if any keeps state.
    pub(crate) fn rounds(&self) -> Option<&Arc<Rounds>> {
        self.inner.rounds.as_ref()
    }

    /// Whether a function declares that it may jump.
    pub(crate) fn may_jump(&self) -> bool {
        self.inner.chain.load().nodes.iter().any(|node| !node.conf.option.jump.is_empty())
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            self.inner.chain.load().nodes.iter().map(|node| node.name.clone()).collect();
        write!(formatter, "Flow({}: {})", self.name(), names.join(" → "))
    }
}

impl Linked {
    fn with_recorder<T>(&self, make: impl FnOnce() -> T) -> T {
        crate::metrics::with_recorder(&self.recorder, make)
    }

    fn node(&self, flow: &str, prepared: Prepared) -> Arc<Node> {
        let Prepared {
            conf,
            params,
            function,
            is_async,
            must,
            row_defaults,
            connectors,
            is_keyed,
            left_out: _,
        } = prepared;
        let metrics = self
            .with_recorder(|| crate::metrics::FunctionMetrics::new(flow, &conf.fname, conf.fmode));
        let key = &conf.option.key;
        Arc::new(Node {
            keyed: is_keyed.then(|| StateKeys::new(flow, &conf.fname, key)),
            name: conf.fname.as_str().into(),
            timeout: conf.option.timeout,
            conf,
            params,
            function,
            is_async,
            must,
            row_defaults,
            connectors,
            metrics,
        })
    }
}
