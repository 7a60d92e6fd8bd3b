//! The same conf, built in code.

use std::time::Duration;

use super::{
    AbortScope, Conf, ConnConf, FlowConf, FunctionConf, FunctionSourceConf, GlobalConf, Guarantee,
    Mode, MustCheck, OnReject, OptionConf, Origin, Problem, QuarantineConf, RawParam, RowDefaults,
    SourceConf, Status, StepConf, TestConf, WaitingConf,
};
use crate::function::Function;

impl Conf {
    /// An empty conf.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a flow. A duplicate name is a problem at link.
    #[must_use]
    pub fn flow(mut self, flow: FlowConf) -> Self {
        self.add_flow(flow);
        self
    }

    /// Adds a function's conf. A duplicate name is a problem at link.
    #[must_use]
    pub fn function(mut self, function: FunctionConf) -> Self {
        self.add_function(function);
        self
    }

    /// Adds a connector. A duplicate name is a problem at link.
    #[must_use]
    pub fn connector(mut self, connector: ConnConf) -> Self {
        self.add_connector(connector);
        self
    }

    /// Adds a source. A duplicate name is a problem at link.
    #[must_use]
    pub fn source(mut self, source: SourceConf) -> Self {
        self.add_source(source);
        self
    }

    /// Sets the global conf.
    #[must_use]
    pub fn global(mut self, global: GlobalConf) -> Self {
        self.global = global;
        self
    }

    pub(super) fn add_flow(&mut self, flow: FlowConf) {
        let first = self.flows.get(&flow.flow_name).map(|first| &first.origin);
        match twice("flow", "flow_name", &flow.flow_name, &flow.origin, first) {
            Some(problem) => self.repeated.push(problem),
            None => drop(self.flows.insert(flow.flow_name.clone(), flow)),
        }
    }

    pub(super) fn add_function(&mut self, function: FunctionConf) {
        let first = self.functions.get(&function.fname).map(|first| &first.origin);
        match twice("function", "fname", &function.fname, &function.origin, first) {
            Some(problem) => self.repeated.push(problem),
            None => drop(self.functions.insert(function.fname.clone(), function)),
        }
    }

    pub(super) fn add_connector(&mut self, conn: ConnConf) {
        let first = self.connectors.get(&conn.cname).map(|first| &first.origin);
        match twice("connector", "cname", &conn.cname, &conn.origin, first) {
            Some(problem) => self.repeated.push(problem),
            None => drop(self.connectors.insert(conn.cname.clone(), conn)),
        }
    }

    pub(super) fn add_source(&mut self, source: SourceConf) {
        let first = self.sources.get(&source.sname).map(|first| &first.origin);
        match twice("source", "sname", &source.sname, &source.origin, first) {
            Some(problem) => self.repeated.push(problem),
            None => drop(self.sources.insert(source.sname.clone(), source)),
        }
    }

    pub(super) fn add_test(&mut self, test: TestConf) {
        let first = self.tests.get(&test.tname).map(|first| &first.origin);
        match twice("test", "tname", &test.tname, &test.origin, first) {
            Some(problem) => self.repeated.push(problem),
            None => drop(self.tests.insert(test.tname.clone(), test)),
        }
    }

    pub(super) fn add_global(&mut self, global: GlobalConf) {
        if let Origin::File(_) = self.global.origin {
            let message = format!(
                "there is a global conf already, in {}",
                self.global.origin.cite("kistype")
            );
            self.repeated.push(global.origin.problem("global", "kistype", message));
            return;
        }
        self.global = global;
    }
}

/// The problem of a duplicate name.
fn twice(
    kind: &str,
    key: &str,
    name: &str,
    origin: &Origin,
    first: Option<&Origin>,
) -> Option<Problem> {
    let message = format!("there is a {kind} `{name}` already, in {}", first?.cite(key));
    Some(origin.problem(format!("{kind} `{name}`"), key, message))
}

impl From<FlowConf> for Conf {
    fn from(flow: FlowConf) -> Self {
        Self::new().flow(flow)
    }
}

impl FlowConf {
    /// A flow with no functions yet.
    pub fn new(flow_name: impl Into<String>) -> Self {
        Self {
            flow_name: flow_name.into(),
            status: Status::Enabled,
            on_reject: OnReject::Fail,
            abort: None,
            guarantee: Guarantee::default(),
            row_defaults: None,
            jump_limit: 1_000,
            source: None,
            flows: Vec::new(),
            origin: Origin::Code,
        }
    }

    /// Appends a function by the type that `#[faas]` defines for it.
    #[must_use]
    pub fn then<F: Function>(self) -> Self {
        self.then_named(F::NAME)
    }

    /// Appends a function by its name, or with params of this place in the chain.
    #[must_use]
    pub fn then_named(mut self, step: impl Into<StepConf>) -> Self {
        self.flows.push(step.into());
        self
    }

    /// Sets what happens to rows that a function cannot use.
    #[must_use]
    pub fn on_reject(mut self, on_reject: OnReject) -> Self {
        self.on_reject = on_reject;
        self
    }

    /// Sets which rows of a batch that a source read end when a function aborts.
    #[must_use]
    pub fn abort(mut self, scope: AbortScope) -> Self {
        self.abort = Some(scope);
        self
    }

    /// Sets what holds for a row after a crash.
    #[must_use]
    pub fn guarantee(mut self, guarantee: Guarantee) -> Self {
        self.guarantee = guarantee;
        self
    }

    /// Sets the values of fields that a row lacks.
    #[must_use]
    pub fn row_defaults(mut self, row_defaults: RowDefaults) -> Self {
        self.row_defaults = Some(row_defaults);
        self
    }

    /// Sets the source of the flow's rows when it runs by itself.
    #[must_use]
    pub fn source(mut self, sname: impl Into<String>) -> Self {
        self.source = Some(sname.into());
        self
    }

    /// Sets whether the flow runs.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// Sets the most jumps that one run may make.
    #[must_use]
    pub fn jump_limit(mut self, jumps: u32) -> Self {
        self.jump_limit = jumps;
        self
    }

    /// Returns `file:line` of its name, for messages; "the code" if it was built in code.
    ///
    /// ```
    /// use kisflow_core::FlowConf;
    ///
    /// assert_eq!(FlowConf::new("Invoices").place(), "the code");
    /// ```
    #[must_use]
    pub fn place(&self) -> String {
        self.origin.cite("flow_name")
    }
}

impl StepConf {
    /// A function by its type.
    #[must_use]
    pub fn of<F: Function>() -> Self {
        Self::from(F::NAME)
    }

    /// Adds a param.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<RawParam>) -> Self {
        self.params.insert(name, value);
        self
    }
}

impl From<&str> for StepConf {
    fn from(fname: &str) -> Self {
        Self { fname: fname.to_owned(), ..Self::default() }
    }
}

impl From<String> for StepConf {
    fn from(fname: String) -> Self {
        Self { fname, ..Self::default() }
    }
}

impl FunctionConf {
    /// A function with no options.
    pub fn new(fname: impl Into<String>, fmode: Mode) -> Self {
        Self {
            fname: fname.into(),
            fmode,
            source: FunctionSourceConf::default(),
            option: OptionConf::default(),
            origin: Origin::Code,
        }
    }

    /// The conf of a function by its type.
    #[must_use]
    pub fn of<F: Function>(fmode: Mode) -> Self {
        Self::new(F::NAME, fmode)
    }

    /// Describes where the rows come from.
    #[must_use]
    pub fn source(mut self, name: impl Into<String>) -> Self {
        self.source.name = name.into();
        self
    }

    /// Adds a field that every row must have.
    #[must_use]
    pub fn must(mut self, field: impl Into<String>) -> Self {
        self.source.must.push(field.into());
        self
    }

    /// Sets what happens to rows that lack such a field.
    #[must_use]
    pub fn must_check(mut self, check: MustCheck) -> Self {
        self.option.must = Some(check);
        self
    }

    /// Names its connector.
    #[must_use]
    pub fn connector(mut self, cname: impl Into<String>) -> Self {
        self.option.cname = Some(cname.into());
        self
    }

    /// Names one of several connectors: that of the parameter with this name
    /// (`orders: Conn<'_, Redis>`).
    #[must_use]
    pub fn connector_of(mut self, parameter: impl Into<String>, cname: impl Into<String>) -> Self {
        self.option.cnames.insert(parameter.into(), cname.into());
        self
    }

    /// Repeats a failed call up to this many times, first after `pause`.
    #[must_use]
    pub fn retry(mut self, times: u32, pause: Duration) -> Self {
        self.option.retry_times = times;
        self.option.retry_duration = Some(pause);
        self
    }

    /// Bounds one call.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.option.timeout = Some(timeout);
        self
    }

    /// Sets the fields by which rows have the same state.
    #[must_use]
    pub fn key<F: Into<String>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        self.option.key = fields.into_iter().map(Into::into).collect();
        self
    }

    /// Declares a function that this one may jump to.
    #[must_use]
    pub fn jump(mut self, fname: impl Into<String>) -> Self {
        self.option.jump.push(fname.into());
        self
    }

    /// Adds a param, unless the flow has another.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<RawParam>) -> Self {
        self.option.default_params.insert(name, value);
        self
    }

    /// Returns `file:line` of its name, for messages; "the code" if it was built in code.
    ///
    /// ```
    /// use kisflow_core::{FunctionConf, Mode};
    ///
    /// assert_eq!(FunctionConf::new("Price", Mode::Calculate).place(), "the code");
    /// ```
    #[must_use]
    pub fn place(&self) -> String {
        self.origin.cite("fname")
    }
}

impl GlobalConf {
    /// Keeps metrics for Prometheus and serves them at `addr`.
    pub fn prometheus(addr: impl Into<String>) -> Self {
        Self {
            prometheus_enable: true,
            prometheus_listen: true,
            prometheus_serve: addr.into(),
            ..Self::default()
        }
    }

    /// Sets how long a flow that is asked to stop may work on what it has read.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the store of rows that cannot be processed.
    #[must_use]
    pub fn quarantine(mut self, quarantine: QuarantineConf) -> Self {
        self.quarantine = quarantine;
        self
    }

    /// Sets how rows wait for what is unavailable.
    #[must_use]
    pub fn waiting(mut self, waiting: WaitingConf) -> Self {
        self.waiting = waiting;
        self
    }
}
