//! [`TestContext`]: the context behind a [`Cx`] in unit tests of functions, without a flow.

use std::{fmt, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{Cx, Rejects};
use crate::{
    conf::{ConnConf, FunctionConf, MustCheck, OnReject, RowDefaults},
    connector::{ConnectorDef, ConnectorSlot, Memory},
    error::BoxError,
    flow::{FlowContext, Isolation, Node, RunContext},
    link::LeftOut,
    metrics::FunctionMetrics,
    registry::LOG_ROWS,
    row::Must,
};

/// The context of one call of a function without a flow, for [`Cx::of`].
///
/// It needs neither a registry nor a runtime, and connects to nothing.
///
/// ```
/// use kisflow_core::{Cx, FunctionConf, Mode, TestContext};
///
/// fn positive(rows: &[i64], cx: Cx<'_>) -> Vec<i64> {
///     let is_good = |(at, row): (usize, &i64)| match *row > 0 {
///         true => Some(*row),
///         false => {
///             cx.reject(at, "not above 0");
///             None
///         }
///     };
///     rows.iter().enumerate().filter_map(is_good).collect()
/// }
///
/// let context = TestContext::new(FunctionConf::new("Positive", Mode::Verify));
/// assert_eq!(positive(&[3, -1, 4], Cx::of(&context)), [3, 4]);
/// let rejected = context.take_rejected();
/// assert_eq!((rejected.len(), rejected[0].0), (1, 1));
/// assert_eq!(rejected[0].1.to_string(), "not above 0");
/// ```
pub struct TestContext {
    pub(super) run: RunContext,
    pub(super) node: Node,
    pub(super) rejects: Rejects,
    pub(super) attempt: u32,
}

impl TestContext {
    /// The context of a function with this conf: its name, mode, source and params. The flow is
    /// called `test`.
    #[must_use]
    pub fn new(function: FunctionConf) -> Self {
        let flow = Arc::new(FlowContext::new("test", LOG_ROWS));
        let run = RunContext {
            id: flow.next_run(),
            flow,
            cancel: None,
            on_reject: OnReject::default(),
            traced: false,
            isolation: Isolation::default(),
            states: None,
        };
        let node = Node {
            name: function.fname.as_str().into(),
            params: function.option.default_params.clone(),
            function: Arc::new(LeftOut),
            is_async: false,
            must: Must::new(&function, MustCheck::default(), RowDefaults::default()),
            row_defaults: RowDefaults::default(),
            timeout: None,
            keyed: None,
            connectors: Vec::new(),
            metrics: FunctionMetrics::new("test", &function.fname, function.fmode),
            conf: Arc::new(function),
        };
        Self { run, node, rejects: Rejects::default(), attempt: 1 }
    }

    /// Names the flow.
    #[must_use]
    pub fn flow(mut self, name: &str) -> Self {
        self.run.flow = Arc::new(FlowContext::new(name, LOG_ROWS));
        self.run.id = self.run.flow.next_run();
        self
    }

    /// Adds a connector of the function: its name and params. It is not connected.
    #[must_use]
    pub fn connector(mut self, conf: ConnConf) -> Self {
        let slot = ConnectorSlot::new(conf, ConnectorDef::of::<Memory>());
        self.node.connectors.push(Arc::new(slot));
        self
    }

    /// Sets the number of the attempt, from 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Cancels the call when `token` is cancelled.
    #[must_use]
    pub fn cancelled_by(mut self, token: CancellationToken) -> Self {
        self.run.cancel = Some(token);
        self
    }

    /// Takes the rows that the function rejected: position in its slice, and cause.
    pub fn take_rejected(&self) -> Vec<(usize, BoxError)> {
        Cx::of(self).take_rejects()
    }
}

impl fmt::Debug for TestContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TestContext")
            .field("flow", &self.run.flow.name)
            .field("function", &self.node.conf)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
