//! A flow that runs by itself: its ledger and its quarantine as Prometheus sees them, and whether it
//! is ready.

use std::{
    future::pending,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use kisflow::{
    Delivery, QuarantineFilter, Receipt, Result, RetryFrom, Settled, Source, SourceContext,
    Unavailable, async_trait, prelude::*,
};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    GOOD, NEGATIVE, NOTHING, Order, TRUNCATED,
    endpoint::Endpoint,
    scrape::{Scrape, answer},
};

/// The order that cannot be posted.
const POISON: &str = r#"{"id":13,"amount":1}"#;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a tape plays.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Script {
    /// A read that fails; a row whose receipt panics, so that it comes again with the rest; the
    /// end.
    Ends,
    /// One row, and nothing after it.
    Stays,
}

/// `type: tape`: plays its script once, however often it is opened.
pub(crate) struct Tape {
    script: Script,
    played: Arc<AtomicUsize>,
}

#[derive(Deserialize)]
pub(crate) struct TapeParams {
    script: Script,
}

#[async_trait]
impl Source for Tape {
    const TYPE: &'static str = "tape";
    type Params = TapeParams;

    async fn open(_: &SourceConf, params: TapeParams, context: SourceContext) -> Result<Self> {
        Ok(Self { script: params.script, played: context.shared() })
    }

    async fn next(&mut self) -> Result<Option<Delivery>> {
        let step = self.played.fetch_add(1, Ordering::Relaxed);
        let rows: &[&str] = match (self.script, step) {
            (Script::Ends, 0) => return Err("the tape is torn".into()),
            (Script::Ends, 1) => return Ok(Some(Delivery::new(Batch::json([GOOD]), Torn))),
            (Script::Ends, 2) => &[GOOD, NEGATIVE, POISON, NOTHING, GOOD, TRUNCATED],
            (Script::Ends, _) => return Ok(None),
            (Script::Stays, 0) => &[GOOD],
            (Script::Stays, _) => pending().await,
        };
        Ok(Some(Delivery::new(Batch::json(rows.iter().copied()), Second::default())))
    }

    async fn lag(&mut self) -> Result<Option<u64>> {
        Ok(Some(7))
    }
}

/// A receipt that takes the task of its flow with it.
struct Torn;

#[async_trait]
impl Receipt for Torn {
    fn position(&self, row: usize) -> String {
        format!("torn:{row}")
    }

    async fn done(&self, _: &Settled) -> Result<()> {
        panic!("the tape broke");
    }
}

/// A receipt that is taken only when it is shown again.
#[derive(Default)]
struct Second {
    shown: AtomicBool,
}

#[async_trait]
impl Receipt for Second {
    fn position(&self, row: usize) -> String {
        format!("second:{row}")
    }

    async fn done(&self, _: &Settled) -> Result<()> {
        match self.shown.swap(true, Ordering::Relaxed) {
            true => Ok(()),
            false => Err("the tape is wound back".into()),
        }
    }
}

/// Is away when it is first called, and cannot post order 13.
#[faas("Post")]
fn post(rows: &[Order], cx: Cx<'_>) -> Result<Action> {
    if cx.metadata().get::<bool>("called").is_none() {
        cx.metadata().set("called", true);
        return Err(Unavailable::new("the post office is closed").into());
    }
    match rows.iter().any(|row| row.id == 13) {
        true => Err("there is no order 13".into()),
        false => Ok(Action::Reuse),
    }
}

/// Makes two of one.
#[faas("Double")]
fn double(row: &Order) -> Vec<u32> {
    vec![row.id, row.id]
}

/// Makes one of all.
#[faas("Sum")]
fn sum(ids: &[u32]) -> Vec<u32> {
    vec![ids.iter().sum()]
}

/// Counts the orders of each id.
#[faas("Tally")]
fn tally(_: &Order, count: &mut u32) {
    *count += 1;
}

/// The flow `Served`, which ends; or the flow `Held`, whose function does not.
pub(crate) fn conf(script: Script, kept: &Path) -> String {
    let (script, flow, functions) = match script {
        Script::Ends => (
            "ends",
            "Served",
            "{ fname: Check }, { fname: Post }, { fname: Double }, { fname: Sum }",
        ),
        Script::Stays => ("stays", "Held", "{ fname: Hang }"),
    };
    let kept = kept.display();
    format!(
        "
{{ kistype: flow, flow_name: {flow}, source: tape, flows: [{functions}] }}
---
{{ kistype: source, sname: tape, type: tape, in_flight: 1, retry_times: 0, params: {{ script: {script} }} }}
---
{{ kistype: conn, cname: kept, type: redb, addrs: '{kept}' }}
---
{{ kistype: func, fname: Post, fmode: Calculate }}
---
{{ kistype: func, fname: Double, fmode: Expand }}
---
{{ kistype: func, fname: Sum, fmode: Calculate }}
---
{{ kistype: flow, flow_name: Tallied, flows: [{{ fname: Tally }}] }}
---
{{ kistype: func, fname: Tally, fmode: Calculate, option: {{ key: id }} }}
"
    )
}

/// What every counter and gauge of `Served` is after [`serve`].
///
/// Order 13 is found by two splits: the three that `Check` lets through, then the two that are left
/// when the first of them is through. Each try is a run of the flow; in the ledger each row is one.
pub(crate) const SAMPLES: &str = r#"
kisflow_flow_rows_total{flow="Served",outcome="failed"} 5
kisflow_flow_rows_total{flow="Served",outcome="filtered"} 1
kisflow_flow_rows_total{flow="Served",outcome="in"} 11
kisflow_flow_rows_total{flow="Served",outcome="out"} 3
kisflow_flow_rows_total{flow="Served",outcome="rejected"} 2
kisflow_flow_runs_total{flow="Served",outcome="completed"} 3
kisflow_flow_runs_total{flow="Served",outcome="failed"} 3
kisflow_function_calls_total{flow="Served",function="Check",mode="Verify",outcome="ok"} 2
kisflow_function_calls_total{flow="Served",function="Double",mode="Expand",outcome="ok"} 3
kisflow_function_calls_total{flow="Served",function="Post",mode="Calculate",outcome="error"} 3
kisflow_function_calls_total{flow="Served",function="Post",mode="Calculate",outcome="ok"} 3
kisflow_function_calls_total{flow="Served",function="Sum",mode="Calculate",outcome="ok"} 3
kisflow_function_rows_total{flow="Served",function="Check",mode="Verify",outcome="filtered"} 1
kisflow_function_rows_total{flow="Served",function="Check",mode="Verify",outcome="in"} 7
kisflow_function_rows_total{flow="Served",function="Check",mode="Verify",outcome="out"} 4
kisflow_function_rows_total{flow="Served",function="Check",mode="Verify",outcome="rejected"} 2
kisflow_function_rows_total{flow="Served",function="Double",mode="Expand",outcome="in"} 3
kisflow_function_rows_total{flow="Served",function="Double",mode="Expand",outcome="out"} 6
kisflow_function_rows_total{flow="Served",function="Post",mode="Calculate",outcome="failed"} 5
kisflow_function_rows_total{flow="Served",function="Post",mode="Calculate",outcome="in"} 8
kisflow_function_rows_total{flow="Served",function="Post",mode="Calculate",outcome="out"} 3
kisflow_function_rows_total{flow="Served",function="Sum",mode="Calculate",outcome="in"} 6
kisflow_function_rows_total{flow="Served",function="Sum",mode="Calculate",outcome="out"} 3
kisflow_flow_rounds_total{flow="Tallied",outcome="committed"} 2
kisflow_flow_rows_total{flow="Tallied",outcome="in"} 3
kisflow_flow_rows_total{flow="Tallied",outcome="out"} 3
kisflow_flow_runs_total{flow="Tallied",outcome="completed"} 2
kisflow_function_calls_total{flow="Tallied",function="Tally",mode="Calculate",outcome="ok"} 2
kisflow_function_rows_total{flow="Tallied",function="Tally",mode="Calculate",outcome="in"} 3
kisflow_function_rows_total{flow="Tallied",function="Tally",mode="Calculate",outcome="out"} 3
kisflow_quarantine_rows 3
kisflow_source_batch_splits_total{flow="Served",source="tape"} 2
kisflow_source_batches_total{flow="Served",source="tape"} 1
kisflow_source_errors_total{flow="Served",source="tape"} 2
kisflow_source_lag_rows{flow="Served",source="tape"} 7
kisflow_source_outages_total{flow="Served",source="tape"} 1
kisflow_source_restarts_total{flow="Served",source="tape"} 1
kisflow_source_rows_total{flow="Served",source="tape",outcome="added"} 2
kisflow_source_rows_total{flow="Served",source="tape",outcome="delivered"} 2
kisflow_source_rows_total{flow="Served",source="tape",outcome="filtered"} 1
kisflow_source_rows_total{flow="Served",source="tape",outcome="folded"} 2
kisflow_source_rows_total{flow="Served",source="tape",outcome="quarantined"} 3
kisflow_source_rows_total{flow="Served",source="tape",outcome="read"} 7
kisflow_source_rows_total{flow="Served",source="tape",outcome="returned"} 1
"#;

/// How often each histogram of `Served` has been recorded to.
pub(crate) const COUNTS: &str = r#"
kisflow_flow_duration_seconds{flow="Served"} 6
kisflow_function_duration_seconds{flow="Served",function="Check",mode="Verify"} 2
kisflow_function_duration_seconds{flow="Served",function="Double",mode="Expand"} 3
kisflow_function_duration_seconds{flow="Served",function="Post",mode="Calculate"} 6
kisflow_function_duration_seconds{flow="Served",function="Sum",mode="Calculate"} 3
kisflow_flow_duration_seconds{flow="Tallied"} 2
kisflow_function_duration_seconds{flow="Tallied",function="Tally",mode="Calculate"} 2
"#;

/// Serves `Served` to its end.
pub(crate) async fn serve(endpoint: &Endpoint) {
    let tallied = endpoint.flows.get("Tallied").unwrap();
    for rows in [&[GOOD][..], &[GOOD, NOTHING]] {
        tallied.run(Batch::json(rows.iter().copied())).await.unwrap();
    }
    let served = timeout(PATIENCE, endpoint.flows.serve(pending())).await.unwrap().unwrap();
    assert_eq!(endpoint.flows.lags()["Served"], Some(7), "as the metrics have it");
    assert_eq!(
        served.to_string(),
        "flow Served: 7 rows read, 2 delivered, 1 filtered, 3 quarantined, 2 added, 2 folded, 1 returned"
    );
}

#[tokio::test]
async fn the_ledger_that_is_scraped_is_that_of_the_flow_and_accounts_for_every_row() {
    let endpoint = Endpoint::start().await;
    serve(&endpoint).await;
    let scrape = Scrape::of(endpoint.serve).await;

    let rows = |outcome: &str| {
        let labels = format!("flow=\"Served\",source=\"tape\",outcome=\"{outcome}\"");
        scrape.samples[&format!("kisflow_source_rows_total{{{labels}}}")]
    };
    let level = |name: &str| scrape.samples[&format!("{name}{{flow=\"Served\",source=\"tape\"}}")];
    let ledger = endpoint.flows.ledgers()["Served"];
    let kept = [
        ("read", ledger.read),
        ("delivered", ledger.delivered),
        ("filtered", ledger.filtered),
        ("quarantined", ledger.quarantined),
        ("added", ledger.added),
        ("folded", ledger.folded),
        ("returned", ledger.returned),
    ];
    for (outcome, count) in kept {
        assert!(count > 0 && rows(outcome) == count as f64, "{count} rows {outcome}");
    }
    assert!(rows("aborted") == ledger.aborted as f64);
    let left = ["delivered", "filtered", "aborted", "quarantined", "waiting", "folded", "returned"];
    let left: f64 = left.map(rows).iter().sum();
    let entered = rows("read") + rows("resumed") + rows("added");
    assert!(entered == left + level("kisflow_rows_in_flight"));
    assert!(level("kisflow_rows_unaccounted") == 0.0);
}

#[tokio::test]
async fn rows_that_leave_the_quarantine_are_counted_by_how_they_left() {
    let endpoint = Endpoint::start().await;
    serve(&endpoint).await;
    let quarantine = endpoint.flows.quarantine().unwrap();
    let rows = quarantine.list(&QuarantineFilter::new(), 10).await.unwrap();
    let of = |function: &str, row: &str| {
        let mut rows = rows.iter();
        rows.find(|kept| kept.function == function && kept.row.to_string() == row).unwrap()
    };
    let (truncated, poison) = (of("Check", TRUNCATED), of("Post", POISON));

    quarantine.edit(&truncated.id, GOOD, RetryFrom::Function).await.unwrap();
    quarantine.discard(&poison.id, "there is no such order").await.unwrap();
    let scrape = Scrape::of(endpoint.serve).await;
    let usage = quarantine.usage().await.unwrap();

    let left = |outcome: &str| {
        scrape.samples[&format!("kisflow_quarantine_rows_left_total{{outcome=\"{outcome}\"}}")]
    };
    assert_eq!(["delivered", "discarded", "dropped"].map(left), [1.0, 1.0, 0.0]);
    assert!(usage.entries == 1 && scrape.samples["kisflow_quarantine_rows"] == 1.0);
    assert!(usage.bytes > 0 && scrape.samples["kisflow_quarantine_bytes"] == usage.bytes as f64);
}

#[tokio::test]
async fn a_flow_is_ready_while_it_is_served_and_shows_what_is_in_flight() {
    let endpoint = Endpoint::with(Script::Stays).await;
    let says = async |path: &str| {
        let (status, body) = answer(endpoint.serve, path).await;
        (status, body.trim_end().to_owned())
    };
    assert_eq!(says("/healthz").await, (200, "ok".to_owned()));
    assert_eq!(says("/readyz").await, (503, "flow `Held` is not served yet".to_owned()));

    let (stop, stopped) = oneshot::channel::<()>();
    let flows = endpoint.flows.clone();
    let told = async { stopped.await.unwrap_or_default() };
    let serving = tokio::spawn(async move { flows.serve(told).await });
    endpoint.begun.notified().await;
    until(async || says("/readyz").await == (200, "ready".to_owned())).await;

    let level = async |name: &str| {
        let scrape = Scrape::of(endpoint.serve).await;
        scrape.samples[&format!("{name}{{flow=\"Held\",source=\"tape\"}}")]
    };
    assert!(level("kisflow_rows_in_flight").await == 1.0);
    // The age is looked at once a second.
    until(async || level("kisflow_source_oldest_unacknowledged_seconds").await > 0.5).await;

    stop.send(()).unwrap();
    let served = timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
    assert_eq!(served.to_string(), "flow Held: 1 rows read, 0 delivered, 1 returned");
    assert!(level("kisflow_rows_in_flight").await == 0.0);
    assert!(level("kisflow_source_oldest_unacknowledged_seconds").await == 0.0);
    assert_eq!(says("/healthz").await, (200, "ok".to_owned()));
    assert_eq!(says("/readyz").await, (503, "flow `Held` has been stopped".to_owned()));
}

#[tokio::test]
async fn other_paths_of_the_endpoint_are_not_found() {
    let endpoint = Endpoint::start().await;
    for path in ["/metric", "/healthz/", "/ready"] {
        assert_eq!(answer(endpoint.serve, path).await.0, 404, "{path}");
    }
}

/// Asks until the answer is yes.
async fn until(wanted: impl AsyncFn() -> bool) {
    let asking = async {
        while !wanted().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asking).await.unwrap();
}
