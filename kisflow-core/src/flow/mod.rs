//! [`Flow`]: a linked chain of functions, and what a run of it does.

mod call;
mod context;
mod error;
mod flows;
mod lineage;
mod outage;
mod report;
mod run;
mod store;
mod walk;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

pub use self::context::RunId;
pub(crate) use self::context::{FlowContext, Node, RunContext};
pub use self::error::{RunError, UnknownFlow};
pub use self::flows::Flows;
pub(crate) use self::lineage::Lineage;
pub(crate) use self::outage::unavailable;
pub use self::report::{FunctionReport, Report, RowCounts, RunOutcome, Visit};
use self::run::Begin;
pub use self::store::{Cache, Metadata};
use crate::{
    batch::Batch,
    conf::{ConfError, FlowConf, StepConf, suggest},
    connector::ConnectorSlot,
    link::{Linker, LoadError, Prepared},
    metrics::{FlowMetrics, SharedRecorder},
};

/// A linked chain of functions: cheap to clone, and re-entrant. Any number of runs of one flow go
/// on at once; what they share is the flow's [`Cache`] and [`Metadata`].
#[derive(Clone)]
pub struct Flow {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    context: Arc<FlowContext>,
    /// What runs that begin now go through.
    chain: ArcSwap<Chain>,
    linked: Arc<Linked>,
    metrics: Arc<FlowMetrics>,
}

/// What all flows of a conf have in common.
pub(crate) struct Linked {
    pub(crate) linker: Linker,
    pub(crate) recorder: SharedRecorder,
}

/// The functions of a flow, as they are at one time.
pub(crate) struct Chain {
    pub(crate) conf: FlowConf,
    pub(crate) nodes: Vec<Arc<Node>>,
}

impl Flow {
    fn new(conf: FlowConf, prepared: Vec<Prepared>, linked: Arc<Linked>) -> Self {
        let context = Arc::new(FlowContext::new(&conf.flow_name, linked.linker.registry.log_rows));
        let metrics = Arc::new(linked.with_recorder(|| FlowMetrics::new(&conf.flow_name)));
        let nodes =
            prepared.into_iter().map(|prepared| linked.node(&conf.flow_name, prepared)).collect();
        let chain = ArcSwap::from_pointee(Chain { conf, nodes });
        Self { inner: Arc::new(Inner { context, chain, linked, metrics }) }
    }

    /// The flow's name.
    pub fn name(&self) -> &str {
        &self.inner.context.name
    }

    /// The flow's conf as it is now, with what has been appended.
    pub fn conf(&self) -> FlowConf {
        self.inner.chain.load().conf.clone()
    }

    /// The flow's cache.
    pub fn cache(&self) -> &Cache {
        &self.inner.context.cache
    }

    /// The flow's metadata.
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
    /// flow with `on_reject: fail`, or jumps nowhere or for ever. The error has the cause, the
    /// rejected rows, the report so far, and the batch that the function was given.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the run between two functions, or where a function awaits; what
    /// functions have done until then stays done. The run counts as cancelled in the metrics.
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

    /// Like [`run`](Self::run), and keeps what each function was given and handed on:
    /// [`Report::visits`]. For looking at a few rows; every batch between functions stays in memory.
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

    /// Runs rows of an input that the caller reads, as those of a source run: whatever `on_reject`
    /// says, the good rows go on, and each that is rejected knows which row of the input it was
    /// ([`Reject::origin`](crate::Reject::origin)).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), but not because of rejected rows; and when rows are rejected while the
    /// function's connector does not answer, which says nothing of the rows. The caller tells of it:
    /// a run that fails is not logged.
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

    /// Runs rows that somebody looks after, from the function at `at` on: those that are rejected
    /// are in the report, each with its origin.
    pub(crate) fn run_served(
        &self,
        input: Batch,
        at: usize,
        cancel: CancellationToken,
    ) -> impl Future<Output = Result<Report, RunError>> + Send + use<> {
        let begin = Begin { at, cancel: Some(cancel), served: true, ..Begin::new(input) };
        run::run(self.inner.clone(), begin)
    }

    /// A flow of the same functions with a cache and metadata of its own; what is appended to one
    /// of the two later, the other does not have.
    pub fn fork(&self) -> Self {
        self.with_chain(self.inner.chain.load_full())
    }

    /// A [`fork`](Self::fork) in which a function has other params, wherever it stands in the
    /// chain: those of `step` overlay what it has.
    ///
    /// # Errors
    ///
    /// When no function of the flow has this name, or the params do not fit it.
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
        Ok(self.with_chain(Arc::new(Chain { conf, nodes })))
    }

    fn with_chain(&self, chain: Arc<Chain>) -> Self {
        let Inner { context, linked, metrics, .. } = &*self.inner;
        let context = Arc::new(FlowContext::new(&context.name, context.log_rows));
        Self {
            inner: Arc::new(Inner {
                context,
                chain: ArcSwap::new(chain),
                linked: linked.clone(),
                metrics: metrics.clone(),
            }),
        }
    }

    /// Adds a function to the end of the chain while the flow runs. Runs that have begun keep the
    /// old chain, runs that begin afterwards take the new one; nobody waits.
    ///
    /// # Errors
    ///
    /// When the function does not link, or its connector does not connect; the chain is then as it
    /// was.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the chain as it was.
    pub async fn append(&self, step: impl Into<StepConf>) -> Result<(), LoadError> {
        let step = step.into();
        let linked = &self.inner.linked;
        let appended = |chain: &Chain| {
            let mut conf = chain.conf.clone();
            conf.flows.push(step.clone());
            conf
        };
        let conf = appended(&self.inner.chain.load());
        let mut problems = Vec::new();
        let prepared = linked.linker.step(&conf, conf.flows.len() - 1, &mut problems);
        ConfError::check(problems)?;
        let Some(prepared) = prepared else { return Ok(()) };
        Linker::connect(&prepared.connectors).await?;
        let node = linked.node(&conf.flow_name, prepared);
        // Others may append at the same time: each is added to what is there then.
        self.inner.chain.rcu(|chain| {
            let nodes = chain.nodes.iter().cloned().chain([node.clone()]).collect();
            Chain { conf: appended(chain), nodes }
        });
        Ok(())
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
            left_out: _,
        } = prepared;
        let metrics = self
            .with_recorder(|| crate::metrics::FunctionMetrics::new(flow, &conf.fname, conf.fmode));
        Arc::new(Node {
            name: conf.fname.as_str().into(),
            timeout: conf.option.timeout.map(Duration::from_millis),
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
