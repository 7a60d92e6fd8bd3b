//! Metrics: handles that are made at link, so that a run only adds numbers.

use std::sync::Arc;

use metrics::{
    Counter, Gauge, Histogram, Label, Recorder, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram, with_local_recorder,
};

use crate::{
    conf::{GlobalConf, Mode},
    error::Result,
};

/// Where metrics go: the exporter's recorder, or the one that the program installed.
pub(crate) type SharedRecorder = Option<Arc<dyn Recorder + Send + Sync>>;

/// What `prometheus_enable` of the global conf starts.
pub trait Exporter: Send + Sync + 'static {
    /// Starts to keep metrics and, if the conf says so, to serve them. Called within a tokio
    /// runtime, once, after the conf has linked and before anything connects.
    ///
    /// # Errors
    ///
    /// When it cannot start: the address is not free, or no address.
    fn start(&self, conf: &GlobalConf) -> Result<Arc<dyn Recorder + Send + Sync>>;

    /// All metrics in the exposition format, for a program that serves them itself.
    fn render(&self) -> String;
}

/// Runs `make` with the recorder that handles are to be bound to.
pub(crate) fn with_recorder<T>(recorder: &SharedRecorder, make: impl FnOnce() -> T) -> T {
    match recorder {
        Some(recorder) => with_local_recorder(&**recorder, make),
        None => make(),
    }
}

/// The metrics of one flow.
pub(crate) struct FlowMetrics {
    pub(crate) completed: Counter,
    pub(crate) aborted: Counter,
    pub(crate) failed: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) disabled: Counter,
    pub(crate) running: Gauge,
    pub(crate) seconds: Histogram,
    pub(crate) rows: RowMetrics,
}

/// The metrics of one function at one place of a flow.
pub(crate) struct FunctionMetrics {
    pub(crate) ok: Counter,
    pub(crate) error: Counter,
    pub(crate) panic: Counter,
    pub(crate) timeout: Counter,
    pub(crate) retries: Counter,
    pub(crate) seconds: Histogram,
    pub(crate) rows: RowMetrics,
}

/// What became of rows.
pub(crate) struct RowMetrics {
    pub(crate) input: Counter,
    pub(crate) output: Counter,
    pub(crate) filtered: Counter,
    pub(crate) rejected: Counter,
    pub(crate) failed: Counter,
}

impl RowMetrics {
    fn new(name: &'static str, labels: &[Label]) -> Self {
        let of = |outcome: &'static str| counter!(name, with(labels, outcome));
        Self {
            input: of("in"),
            output: of("out"),
            filtered: of("filtered"),
            rejected: of("rejected"),
            failed: of("failed"),
        }
    }

    pub(crate) fn add(&self, rows: &crate::flow::RowCounts) {
        let add = |counter: &Counter, rows: usize| {
            if rows > 0 {
                counter.increment(rows as u64);
            }
        };
        add(&self.input, rows.rows_in);
        add(&self.output, rows.rows_out);
        add(&self.filtered, rows.filtered);
        add(&self.rejected, rows.rejected);
        add(&self.failed, rows.failed);
    }
}

impl FlowMetrics {
    pub(crate) fn new(flow: &str) -> Self {
        let labels = [Label::new("flow", flow.to_owned())];
        let runs =
            |outcome: &'static str| counter!("kisflow_flow_runs_total", with(&labels, outcome));
        Self {
            completed: runs("completed"),
            aborted: runs("aborted"),
            failed: runs("failed"),
            cancelled: runs("cancelled"),
            disabled: runs("disabled"),
            running: gauge!("kisflow_flow_runs_in_flight", labels.to_vec()),
            seconds: histogram!("kisflow_flow_duration_seconds", labels.to_vec()),
            rows: RowMetrics::new("kisflow_flow_rows_total", &labels),
        }
    }
}

impl FunctionMetrics {
    pub(crate) fn new(flow: &str, function: &str, mode: Mode) -> Self {
        let labels = [
            Label::new("flow", flow.to_owned()),
            Label::new("function", function.to_owned()),
            Label::from_static_parts("mode", mode.as_str()),
        ];
        let calls = |outcome: &'static str| {
            counter!("kisflow_function_calls_total", with(&labels, outcome))
        };
        Self {
            ok: calls("ok"),
            error: calls("error"),
            panic: calls("panic"),
            timeout: calls("timeout"),
            retries: counter!("kisflow_function_retries_total", labels.to_vec()),
            seconds: histogram!("kisflow_function_duration_seconds", labels.to_vec()),
            rows: RowMetrics::new("kisflow_function_rows_total", &labels),
        }
    }
}

fn with(labels: &[Label], outcome: &'static str) -> Vec<Label> {
    labels.iter().cloned().chain([Label::from_static_parts("outcome", outcome)]).collect()
}

/// Gives every metric its HELP text.
pub(crate) fn describe() {
    describe_counter!("kisflow_flow_runs_total", "Runs of a flow, by how they ended.");
    describe_gauge!("kisflow_flow_runs_in_flight", "Runs of a flow that are going on.");
    describe_histogram!(
        "kisflow_flow_duration_seconds",
        Unit::Seconds,
        "How long a run of a flow took."
    );
    describe_counter!("kisflow_flow_rows_total", "Rows of a flow, by what became of them.");
    describe_counter!(
        "kisflow_function_calls_total",
        "Calls of a function, each attempt counted, by how they ended."
    );
    describe_counter!(
        "kisflow_function_retries_total",
        "Calls of a function that repeated a failed one."
    );
    describe_histogram!(
        "kisflow_function_duration_seconds",
        Unit::Seconds,
        "How long a function took for a batch, repeated calls and the pauses between them included."
    );
    describe_counter!("kisflow_function_rows_total", "Rows of a function, by what became of them.");
}
