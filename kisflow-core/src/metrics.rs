//! Metrics: handles that are created at link, so that a run only adds numbers.

use std::sync::Arc;

use metrics::{
    Counter, Gauge, Histogram, Label, Recorder, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram, with_local_recorder,
};

use crate::{
    conf::{GlobalConf, Mode},
    durable::Usage,
    error::Result,
    health::Health,
};

/// The recorder of metrics: the exporter's, or the one that the program installed.
pub(crate) type SharedRecorder = Option<Arc<dyn Recorder + Send + Sync>>;

/// The exporter that `prometheus_enable` of the global conf starts.
pub trait Exporter: Send + Sync + 'static {
    /// Starts to keep metrics and, if the conf says so, to serve them together with `health`.
    /// Called within a tokio runtime, once, after the conf has linked and before anything connects.
    ///
    /// # Errors
    ///
    /// When it cannot start: the address is in use or invalid.
    fn start(&self, conf: &GlobalConf, health: Health) -> Result<Arc<dyn Recorder + Send + Sync>>;

    /// Returns all metrics in the exposition format, for a program that serves them itself.
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

/// The metrics of the rounds of a flow whose functions keep state.
pub(crate) struct RoundMetrics {
    pub(crate) committed: Counter,
    pub(crate) refused: Counter,
}

impl RoundMetrics {
    pub(crate) fn new(flow: &str) -> Self {
        let labels = [Label::new("flow", flow.to_owned())];
        let of =
            |outcome: &'static str| counter!("kisflow_flow_rounds_total", with(&labels, outcome));
        Self { committed: of("committed"), refused: of("refused") }
    }
}

/// The metrics of one function at one place of a flow.
pub(crate) struct FunctionMetrics {
    pub(crate) ok: Counter,
    pub(crate) error: Counter,
    pub(crate) panic: Counter,
    pub(crate) timeout: Counter,
    pub(crate) retries: Counter,
    /// Rows that the function got although they lack a field of `must`.
    pub(crate) incomplete: Counter,
    pub(crate) seconds: Histogram,
    pub(crate) rows: RowMetrics,
}

/// Counts of rows by outcome.
pub(crate) struct RowMetrics {
    pub(crate) input: Counter,
    pub(crate) output: Counter,
    pub(crate) filtered: Counter,
    pub(crate) aborted: Counter,
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
            aborted: of("aborted"),
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
        add(&self.aborted, rows.aborted);
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
            incomplete: counter!("kisflow_function_incomplete_rows_total", labels.to_vec()),
            seconds: histogram!("kisflow_function_duration_seconds", labels.to_vec()),
            rows: RowMetrics::new("kisflow_function_rows_total", &labels),
        }
    }
}

/// The metrics of a flow's source.
pub(crate) struct SourceMetrics {
    pub(crate) read: Counter,
    pub(crate) delivered: Counter,
    pub(crate) filtered: Counter,
    pub(crate) aborted: Counter,
    pub(crate) quarantined: Counter,
    pub(crate) waiting: Counter,
    pub(crate) resumed: Counter,
    pub(crate) added: Counter,
    pub(crate) folded: Counter,
    pub(crate) returned: Counter,
    pub(crate) in_flight: Gauge,
    /// Rows of the flow that wait in the store.
    pub(crate) waiting_now: Gauge,
    pub(crate) unaccounted: Gauge,
    pub(crate) lag: Gauge,
    pub(crate) lag_bytes: Gauge,
    pub(crate) lost: Counter,
    pub(crate) skipped: Counter,
    /// Rows that were redelivered although they are done.
    pub(crate) repeated: Counter,
    pub(crate) oldest: Gauge,
    pub(crate) batches: Counter,
    pub(crate) errors: Counter,
    pub(crate) restarts: Counter,
    pub(crate) splits: Counter,
    pub(crate) outages: Counter,
    pub(crate) lost_leases: Counter,
    /// Positions that others have changed.
    pub(crate) moved: Counter,
}

impl SourceMetrics {
    pub(crate) fn new(flow: &str, source: &str) -> Self {
        let labels = [Label::new("flow", flow.to_owned()), Label::new("source", source.to_owned())];
        let rows =
            |outcome: &'static str| counter!("kisflow_source_rows_total", with(&labels, outcome));
        let count = |name: &'static str| counter!(name, labels.to_vec());
        let level = |name: &'static str| gauge!(name, labels.to_vec());
        Self {
            read: rows("read"),
            delivered: rows("delivered"),
            filtered: rows("filtered"),
            aborted: rows("aborted"),
            quarantined: rows("quarantined"),
            waiting: rows("waiting"),
            resumed: rows("resumed"),
            added: rows("added"),
            folded: rows("folded"),
            returned: rows("returned"),
            in_flight: level("kisflow_rows_in_flight"),
            waiting_now: level("kisflow_rows_waiting"),
            unaccounted: level("kisflow_rows_unaccounted"),
            lag: level("kisflow_source_lag_rows"),
            lag_bytes: level("kisflow_source_lag_bytes"),
            lost: count("kisflow_source_lost_bytes_total"),
            skipped: count("kisflow_source_skipped_bytes_total"),
            repeated: count("kisflow_source_repeated_rows_total"),
            oldest: level("kisflow_source_oldest_unacknowledged_seconds"),
            batches: count("kisflow_source_batches_total"),
            errors: count("kisflow_source_errors_total"),
            restarts: count("kisflow_source_restarts_total"),
            splits: count("kisflow_source_batch_splits_total"),
            outages: count("kisflow_source_outages_total"),
            lost_leases: count("kisflow_source_lost_leases_total"),
            moved: count("kisflow_source_moved_positions_total"),
        }
    }
}

/// The metrics of the quarantine.
pub(crate) struct QuarantineMetrics {
    rows: Gauge,
    bytes: Gauge,
    pub(crate) delivered: Counter,
    pub(crate) discarded: Counter,
    pub(crate) dropped: Counter,
}

impl QuarantineMetrics {
    pub(crate) fn new() -> Self {
        let left = |outcome: &'static str| {
            counter!("kisflow_quarantine_rows_left_total", with(&[], outcome))
        };
        Self {
            rows: gauge!("kisflow_quarantine_rows"),
            bytes: gauge!("kisflow_quarantine_bytes"),
            delivered: left("delivered"),
            discarded: left("discarded"),
            dropped: left("dropped"),
        }
    }

    pub(crate) fn show(&self, usage: Usage) {
        self.rows.set(usage.entries as f64);
        self.bytes.set(usage.bytes as f64);
    }
}

fn with(labels: &[Label], outcome: &'static str) -> Vec<Label> {
    labels.iter().cloned().chain([Label::from_static_parts("outcome", outcome)]).collect()
}

/// Sets the versions of kisflow and, if known, of the program.
pub(crate) fn build_info(program: Option<&str>) {
    let program = program.unwrap_or_default().to_owned();
    let version = env!("CARGO_PKG_VERSION");
    gauge!("kisflow_build_info", "version" => version, "program_version" => program).set(1.0);
}

/// Gives every metric its HELP text.
pub(crate) fn describe() {
    describe_gauge!(
        "kisflow_build_info",
        "1, with the versions of kisflow and of the program as labels."
    );
    describe_counter!("kisflow_flow_runs_total", "Runs of a flow, by how they ended.");
    describe_gauge!("kisflow_flow_runs_in_flight", "Runs of a flow that are going on.");
    describe_histogram!(
        "kisflow_flow_duration_seconds",
        Unit::Seconds,
        "How long a run of a flow took."
    );
    describe_counter!(
        "kisflow_flow_rounds_total",
        "Rounds of a flow whose functions keep state: committed, or refused, so that they ran again."
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
    describe_counter!(
        "kisflow_function_incomplete_rows_total",
        "Rows that the function got although they lack a field of `source.must` (`must: warn`)."
    );
    describe_histogram!(
        "kisflow_function_duration_seconds",
        Unit::Seconds,
        "How long a function took for a batch, repeated calls and the pauses between them included."
    );
    describe_counter!("kisflow_function_rows_total", "Rows of a function, by what became of them.");
    describe_sources();
    describe_quarantine();
}

fn describe_sources() {
    describe_counter!(
        "kisflow_source_rows_total",
        "Rows of a flow's source, by what became of them: read + resumed + added = delivered + filtered + aborted + quarantined + waiting + folded + returned + in flight."
    );
    describe_gauge!("kisflow_rows_in_flight", "Rows that were read and are not done.");
    describe_gauge!(
        "kisflow_rows_waiting",
        "Rows of a flow that wait in the store for what a function says is unavailable."
    );
    describe_gauge!(
        "kisflow_rows_unaccounted",
        "Rows that the ledger of a flow's source cannot account for; anything but 0 is a bug in kisflow."
    );
    describe_gauge!("kisflow_source_lag_rows", "Rows that wait behind those that were read.");
    describe_gauge!(
        "kisflow_source_lag_bytes",
        Unit::Bytes,
        "Bytes that wait behind those that were read, of sources that count bytes."
    );
    describe_counter!(
        "kisflow_source_lost_bytes_total",
        Unit::Bytes,
        "Bytes that were gone before they were read: files that were deleted or overwritten."
    );
    describe_counter!(
        "kisflow_source_skipped_bytes_total",
        Unit::Bytes,
        "Bytes that belong to no row and were passed over: NUL bytes before a row."
    );
    describe_counter!(
        "kisflow_source_repeated_rows_total",
        Unit::Count,
        "Rows that were redelivered and not worked on again, of flows with `guarantee: exactly_once`."
    );
    describe_gauge!(
        "kisflow_source_oldest_unacknowledged_seconds",
        Unit::Seconds,
        "How long the oldest batch in flight has been there; 0 when there is none."
    );
    describe_counter!("kisflow_source_batches_total", "Batches that were acknowledged.");
    describe_counter!(
        "kisflow_source_errors_total",
        "Openings, reads and acknowledgements of a source that failed."
    );
    describe_counter!(
        "kisflow_source_restarts_total",
        "How often the task of a flow died and was started again."
    );
    describe_counter!(
        "kisflow_source_batch_splits_total",
        "Batches that failed and were split, to find the rows that cannot be processed."
    );
    describe_counter!(
        "kisflow_source_outages_total",
        "Times that a batch waited because a connector did not answer, or a function said that what it needs is unavailable."
    );
    describe_counter!(
        "kisflow_source_lost_leases_total",
        "Leases that ran out while their rows were in progress."
    );
    describe_counter!(
        "kisflow_source_moved_positions_total",
        "Times that another process or a command had changed the position of a source."
    );
}

fn describe_quarantine() {
    describe_gauge!("kisflow_quarantine_rows", "Rows in quarantine.");
    describe_gauge!(
        "kisflow_quarantine_bytes",
        Unit::Bytes,
        "Bytes of the rows in quarantine, with their causes."
    );
    describe_counter!(
        "kisflow_quarantine_rows_left_total",
        "Rows that left the quarantine: delivered, discarded by somebody, or dropped because it was full or they were too old."
    );
}
