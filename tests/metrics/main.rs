//! Metrics as Prometheus sees them: every one of them, with its labels and values, over HTTP.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod dashboard;
mod endpoint;
mod scrape;
mod serving;

use std::{collections::BTreeMap, future, net::TcpListener, sync::Arc, time::Duration};

use kisflow::{LoadError, Result, error_chain, prelude::*};
use tokio::{net::TcpStream, sync::Notify, time::timeout};

use crate::{
    endpoint::{Endpoint, global, load, registry},
    scrape::{Scrape, samples},
};

#[derive(Deserialize)]
struct Order {
    id: u32,
    amount: f64,
}

/// Filters orders of nothing, and refuses those of less.
#[faas("Check")]
fn check(row: &Order) -> Result<bool> {
    match row.amount {
        amount if amount < 0.0 => Err(format!("order {} is for less than nothing", row.id).into()),
        amount => Ok(amount > 0.0),
    }
}

#[faas("Sink")]
fn sink(_: &Order) {}

#[faas("Stop")]
fn stop(_: &[Order]) -> Action {
    Action::Abort
}

#[faas("Fail")]
async fn fail(_: &[Order]) -> Result<()> {
    Err("the disk is full".into())
}

#[faas("Flaky")]
fn flaky(_: &[Order], cx: Cx<'_>) -> Result<()> {
    if cx.attempt() < 3 { Err("not yet".into()) } else { Ok(()) }
}

#[faas("Panic")]
fn panics(_: &[Order]) {
    panic!("a bug");
}

/// Says that it has begun, and never ends.
#[faas("Hang")]
async fn hang(_: &[Order], begun: State<'_, Arc<Notify>>) {
    begun.notify_one();
    future::pending::<()>().await;
}

/// Hangs, too, but its conf has a timeout.
#[faas("HangBriefly")]
async fn hang_briefly(_: &[Order]) {
    future::pending::<()>().await;
}

const FLOWS: &str = "
{ kistype: flow, flow_name: Quarantine, on_reject: quarantine, flows: [{ fname: Check }, { fname: Sink }] }
---
{ kistype: flow, flow_name: Strict, flows: [{ fname: Check }, { fname: Sink }] }
---
{ kistype: flow, flow_name: Stopped, flows: [{ fname: Stop }, { fname: Sink }] }
---
{ kistype: flow, flow_name: Failing, flows: [{ fname: Check }, { fname: Fail }] }
---
{ kistype: flow, flow_name: Retried, flows: [{ fname: Flaky }] }
---
{ kistype: flow, flow_name: Panicking, flows: [{ fname: Panic }] }
---
{ kistype: flow, flow_name: Late, flows: [{ fname: HangBriefly }] }
---
{ kistype: flow, flow_name: Hanging, flows: [{ fname: Hang }] }
---
{ kistype: flow, flow_name: Off, status: 0, flows: [{ fname: Sink }] }
---
{ kistype: func, fname: Check, fmode: Verify }
---
{ kistype: func, fname: Stop, fmode: Verify }
---
{ kistype: func, fname: Sink, fmode: Expand }
---
{ kistype: func, fname: Fail, fmode: Calculate, option: { retry_times: 1, retry_duration: 1 } }
---
{ kistype: func, fname: Flaky, fmode: Calculate, option: { retry_times: 5, retry_duration: 1 } }
---
{ kistype: func, fname: HangBriefly, fmode: Expand, option: { timeout: 1 } }
---
{ kistype: func, fname: Panic, fmode: Calculate }
---
{ kistype: func, fname: Hang, fmode: Calculate }
---
";

const GOOD: &str = r#"{"id":1,"amount":2.5}"#;
const NOTHING: &str = r#"{"id":2,"amount":0}"#;
const NEGATIVE: &str = r#"{"id":3,"amount":-1}"#;
const TRUNCATED: &str = r#"{"id":4,"amou"#;

/// What every counter and gauge is after [`run_everything`]; those that are not here are 0.
const SAMPLES: &str = r#"
kisflow_flow_rows_total{flow="Failing",outcome="failed"} 2
kisflow_flow_rows_total{flow="Failing",outcome="filtered"} 1
kisflow_flow_rows_total{flow="Failing",outcome="in"} 3
kisflow_flow_rows_total{flow="Hanging",outcome="failed"} 3
kisflow_flow_rows_total{flow="Hanging",outcome="in"} 3
kisflow_flow_rows_total{flow="Late",outcome="failed"} 1
kisflow_flow_rows_total{flow="Late",outcome="in"} 1
kisflow_flow_rows_total{flow="Panicking",outcome="failed"} 2
kisflow_flow_rows_total{flow="Panicking",outcome="in"} 2
kisflow_flow_rows_total{flow="Quarantine",outcome="filtered"} 1
kisflow_flow_rows_total{flow="Quarantine",outcome="in"} 8
kisflow_flow_rows_total{flow="Quarantine",outcome="out"} 5
kisflow_flow_rows_total{flow="Quarantine",outcome="rejected"} 2
kisflow_flow_rows_total{flow="Retried",outcome="in"} 1
kisflow_flow_rows_total{flow="Retried",outcome="out"} 1
kisflow_flow_rows_total{flow="Stopped",outcome="aborted"} 2
kisflow_flow_rows_total{flow="Stopped",outcome="in"} 2
kisflow_flow_rows_total{flow="Strict",outcome="failed"} 2
kisflow_flow_rows_total{flow="Strict",outcome="in"} 3
kisflow_flow_rows_total{flow="Strict",outcome="rejected"} 1
kisflow_flow_runs_total{flow="Failing",outcome="failed"} 1
kisflow_flow_runs_total{flow="Hanging",outcome="cancelled"} 2
kisflow_flow_runs_total{flow="Late",outcome="failed"} 1
kisflow_flow_runs_total{flow="Off",outcome="disabled"} 1
kisflow_flow_runs_total{flow="Panicking",outcome="failed"} 1
kisflow_flow_runs_total{flow="Quarantine",outcome="completed"} 2
kisflow_flow_runs_total{flow="Retried",outcome="completed"} 1
kisflow_flow_runs_total{flow="Stopped",outcome="aborted"} 1
kisflow_flow_runs_total{flow="Strict",outcome="failed"} 1
kisflow_function_calls_total{flow="Failing",function="Check",mode="Verify",outcome="ok"} 1
kisflow_function_calls_total{flow="Failing",function="Fail",mode="Calculate",outcome="error"} 2
kisflow_function_calls_total{flow="Late",function="HangBriefly",mode="Expand",outcome="timeout"} 1
kisflow_function_calls_total{flow="Panicking",function="Panic",mode="Calculate",outcome="panic"} 1
kisflow_function_calls_total{flow="Quarantine",function="Check",mode="Verify",outcome="ok"} 2
kisflow_function_calls_total{flow="Quarantine",function="Sink",mode="Expand",outcome="ok"} 2
kisflow_function_calls_total{flow="Retried",function="Flaky",mode="Calculate",outcome="error"} 2
kisflow_function_calls_total{flow="Retried",function="Flaky",mode="Calculate",outcome="ok"} 1
kisflow_function_calls_total{flow="Stopped",function="Stop",mode="Verify",outcome="ok"} 1
kisflow_function_calls_total{flow="Strict",function="Check",mode="Verify",outcome="ok"} 1
kisflow_function_retries_total{flow="Failing",function="Fail",mode="Calculate"} 1
kisflow_function_retries_total{flow="Retried",function="Flaky",mode="Calculate"} 2
kisflow_function_rows_total{flow="Failing",function="Check",mode="Verify",outcome="filtered"} 1
kisflow_function_rows_total{flow="Failing",function="Check",mode="Verify",outcome="in"} 3
kisflow_function_rows_total{flow="Failing",function="Check",mode="Verify",outcome="out"} 2
kisflow_function_rows_total{flow="Failing",function="Fail",mode="Calculate",outcome="failed"} 2
kisflow_function_rows_total{flow="Failing",function="Fail",mode="Calculate",outcome="in"} 2
kisflow_function_rows_total{flow="Hanging",function="Hang",mode="Calculate",outcome="failed"} 1
kisflow_function_rows_total{flow="Hanging",function="Hang",mode="Calculate",outcome="in"} 1
kisflow_function_rows_total{flow="Late",function="HangBriefly",mode="Expand",outcome="failed"} 1
kisflow_function_rows_total{flow="Late",function="HangBriefly",mode="Expand",outcome="in"} 1
kisflow_function_rows_total{flow="Panicking",function="Panic",mode="Calculate",outcome="failed"} 2
kisflow_function_rows_total{flow="Panicking",function="Panic",mode="Calculate",outcome="in"} 2
kisflow_function_rows_total{flow="Quarantine",function="Check",mode="Verify",outcome="filtered"} 1
kisflow_function_rows_total{flow="Quarantine",function="Check",mode="Verify",outcome="in"} 8
kisflow_function_rows_total{flow="Quarantine",function="Check",mode="Verify",outcome="out"} 5
kisflow_function_rows_total{flow="Quarantine",function="Check",mode="Verify",outcome="rejected"} 2
kisflow_function_rows_total{flow="Quarantine",function="Sink",mode="Expand",outcome="in"} 5
kisflow_function_rows_total{flow="Quarantine",function="Sink",mode="Expand",outcome="out"} 5
kisflow_function_rows_total{flow="Retried",function="Flaky",mode="Calculate",outcome="in"} 1
kisflow_function_rows_total{flow="Retried",function="Flaky",mode="Calculate",outcome="out"} 1
kisflow_function_rows_total{flow="Stopped",function="Stop",mode="Verify",outcome="aborted"} 2
kisflow_function_rows_total{flow="Stopped",function="Stop",mode="Verify",outcome="in"} 2
kisflow_function_rows_total{flow="Strict",function="Check",mode="Verify",outcome="failed"} 2
kisflow_function_rows_total{flow="Strict",function="Check",mode="Verify",outcome="in"} 3
kisflow_function_rows_total{flow="Strict",function="Check",mode="Verify",outcome="rejected"} 1
"#;

/// How often each histogram has been recorded to; a flow that is off records nothing, and a run
/// that is dropped never learns how long its function took.
const COUNTS: &str = r#"
kisflow_flow_duration_seconds{flow="Failing"} 1
kisflow_flow_duration_seconds{flow="Hanging"} 2
kisflow_flow_duration_seconds{flow="Late"} 1
kisflow_flow_duration_seconds{flow="Panicking"} 1
kisflow_flow_duration_seconds{flow="Quarantine"} 2
kisflow_flow_duration_seconds{flow="Retried"} 1
kisflow_flow_duration_seconds{flow="Stopped"} 1
kisflow_flow_duration_seconds{flow="Strict"} 1
kisflow_function_duration_seconds{flow="Failing",function="Check",mode="Verify"} 1
kisflow_function_duration_seconds{flow="Failing",function="Fail",mode="Calculate"} 1
kisflow_function_duration_seconds{flow="Hanging",function="Hang",mode="Calculate"} 1
kisflow_function_duration_seconds{flow="Late",function="HangBriefly",mode="Expand"} 1
kisflow_function_duration_seconds{flow="Panicking",function="Panic",mode="Calculate"} 1
kisflow_function_duration_seconds{flow="Quarantine",function="Check",mode="Verify"} 2
kisflow_function_duration_seconds{flow="Quarantine",function="Sink",mode="Expand"} 2
kisflow_function_duration_seconds{flow="Retried",function="Flaky",mode="Calculate"} 1
kisflow_function_duration_seconds{flow="Stopped",function="Stop",mode="Verify"} 1
kisflow_function_duration_seconds{flow="Strict",function="Check",mode="Verify"} 1
"#;

/// One run or more of each flow, each with another end.
async fn run_everything(endpoint: &Endpoint) {
    let flow = |name: &str| endpoint.flows.get(name).unwrap();
    let run = |name: &str, rows: &[&str]| flow(name).run(Batch::json(rows.iter().copied()));

    run("Quarantine", &[GOOD, TRUNCATED, NOTHING, GOOD, NEGATIVE, GOOD]).await.unwrap();
    run("Quarantine", &[GOOD, GOOD]).await.unwrap();
    assert!(run("Strict", &[GOOD, NEGATIVE, GOOD]).await.unwrap_err().is_rejected());
    run("Stopped", &[GOOD, GOOD]).await.unwrap();
    run("Failing", &[GOOD, NOTHING, GOOD]).await.unwrap_err();
    run("Retried", &[GOOD]).await.unwrap();
    assert!(run("Panicking", &[GOOD, GOOD]).await.unwrap_err().is_panic());
    assert!(run("Late", &[GOOD]).await.unwrap_err().is_timeout());
    run("Off", &[GOOD]).await.unwrap();

    let token = CancellationToken::new();
    let told = tokio::spawn(flow("Hanging").run_until(Batch::json([GOOD]), token.clone()));
    endpoint.begun.notified().await;
    let dropped = tokio::spawn(run("Hanging", &[GOOD, GOOD]));
    endpoint.begun.notified().await;
    let in_flight = Scrape::of(endpoint.serve).await;
    let in_flight = in_flight.samples["kisflow_flow_runs_in_flight{flow=\"Hanging\"}"];
    assert!(in_flight == 2.0, "{in_flight} runs are in flight");
    token.cancel();
    assert!(told.await.unwrap().unwrap_err().is_cancelled());
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());

    serving::serve(endpoint).await;
}

/// What is expected of the flows that are run by hand, and of the one that is served.
fn expected(by_hand: &str, served: &str) -> BTreeMap<String, f64> {
    samples(by_hand).into_iter().chain(samples(served)).collect()
}

#[tokio::test]
async fn the_endpoint_serves_every_metric_with_its_labels_and_value() {
    let endpoint = Endpoint::start().await;
    run_everything(&endpoint).await;
    let scrape = Scrape::of(endpoint.serve).await;

    let (zero, mut counted): (BTreeMap<_, _>, BTreeMap<_, _>) =
        scrape.plain_samples().partition(|(_, value)| *value == 0.0);
    // Rows are kept with times and ids: how long that is depends on the day.
    assert!(counted.remove("kisflow_quarantine_bytes").is_some());
    let build = format!(
        "kisflow_build_info{{version=\"{}\",program_version=\"1.2.3\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(counted.remove(&build), Some(1.0));
    assert_eq!(counted, expected(SAMPLES, serving::SAMPLES));
    // What has not happened yet is there as well: a rate over it is 0, not unknown.
    for outcome in ["completed", "aborted", "failed", "cancelled", "disabled"] {
        let sample = format!("kisflow_flow_runs_total{{flow=\"Off\",outcome=\"{outcome}\"}}");
        assert!(zero.contains_key(&sample) || counted.contains_key(&sample), "no {sample}");
    }
    let runs = zero.keys().filter(|sample| sample.starts_with("kisflow_flow_runs_in_flight"));
    assert_eq!(runs.count(), 11);
    for sample in [
        "kisflow_quarantine_rows_left_total{outcome=\"dropped\"}",
        "kisflow_rows_in_flight{flow=\"Served\",source=\"tape\"}",
        "kisflow_rows_waiting{flow=\"Served\",source=\"tape\"}",
        "kisflow_rows_unaccounted{flow=\"Served\",source=\"tape\"}",
        "kisflow_source_oldest_unacknowledged_seconds{flow=\"Served\",source=\"tape\"}",
    ] {
        assert!(zero.contains_key(sample), "no {sample}");
    }
}

#[tokio::test]
async fn every_metric_has_help_and_the_type_and_unit_that_its_name_says() {
    let endpoint = Endpoint::start().await;
    run_everything(&endpoint).await;
    let scrape = Scrape::of(endpoint.serve).await;

    let types = [
        ("kisflow_build_info", "gauge"),
        ("kisflow_flow_duration_seconds", "histogram"),
        ("kisflow_flow_rounds_total", "counter"),
        ("kisflow_flow_rows_total", "counter"),
        ("kisflow_flow_runs_in_flight", "gauge"),
        ("kisflow_flow_runs_total", "counter"),
        ("kisflow_function_calls_total", "counter"),
        ("kisflow_function_duration_seconds", "histogram"),
        ("kisflow_function_incomplete_rows_total", "counter"),
        ("kisflow_function_retries_total", "counter"),
        ("kisflow_function_rows_total", "counter"),
        ("kisflow_quarantine_bytes", "gauge"),
        ("kisflow_quarantine_rows", "gauge"),
        ("kisflow_quarantine_rows_left_total", "counter"),
        ("kisflow_rows_in_flight", "gauge"),
        ("kisflow_rows_unaccounted", "gauge"),
        ("kisflow_rows_waiting", "gauge"),
        ("kisflow_source_batch_splits_total", "counter"),
        ("kisflow_source_batches_total", "counter"),
        ("kisflow_source_errors_total", "counter"),
        ("kisflow_source_lag_bytes", "gauge"),
        ("kisflow_source_lag_rows", "gauge"),
        ("kisflow_source_lost_bytes_total", "counter"),
        ("kisflow_source_lost_leases_total", "counter"),
        ("kisflow_source_moved_positions_total", "counter"),
        ("kisflow_source_oldest_unacknowledged_seconds", "gauge"),
        ("kisflow_source_outages_total", "counter"),
        ("kisflow_source_repeated_rows_total", "counter"),
        ("kisflow_source_restarts_total", "counter"),
        ("kisflow_source_rows_total", "counter"),
        ("kisflow_source_skipped_bytes_total", "counter"),
    ];
    assert_eq!(scrape.types, types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into());
    for (name, kind) in types {
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        assert_eq!(name.ends_with("_duration_seconds"), kind == "histogram", "{name}");
        let help = scrape.help.get(name).map(String::as_str).unwrap_or_default();
        assert!(help.ends_with('.') && help.split(' ').count() > 2, "HELP of {name}: \"{help}\"");
    }
}

#[tokio::test]
async fn histograms_count_runs_and_calls_in_buckets_of_seconds() {
    let endpoint = Endpoint::start().await;
    run_everything(&endpoint).await;
    let scrape = Scrape::of(endpoint.serve).await;

    let counts = scrape.samples.iter();
    let counts = counts.filter(|(sample, n)| sample.contains("_seconds_count{") && **n > 0.0);
    let counts: BTreeMap<String, f64> =
        counts.map(|(sample, count)| (sample.replace("_count{", "{"), *count)).collect();
    assert_eq!(counts, expected(COUNTS, serving::COUNTS));

    for (histogram, count) in &counts {
        let (name, labels) = histogram.trim_end_matches('}').split_once('{').unwrap();
        let sum = scrape.samples[&format!("{name}_sum{{{labels}}}")];
        assert!((0.0..60.0).contains(&sum), "{histogram} took {sum} s in all");
        let bucket = |le: &str| scrape.samples[&format!("{name}_bucket{{{labels},le=\"{le}\"}}")];
        let buckets = ["0.000001", "0.001", "0.1", "1", "60", "+Inf"].map(bucket);
        assert!(buckets.is_sorted(), "{histogram}: {buckets:?}");
        assert!(buckets[5] == *count, "{histogram}: {buckets:?}, but {count} in all");
    }
    // One millisecond is how long it may take.
    let late = |le: &str| {
        scrape.samples[&format!(
            "kisflow_function_duration_seconds_bucket{{flow=\"Late\",function=\"HangBriefly\",mode=\"Expand\",le=\"{le}\"}}"
        )]
    };
    assert_eq!((late("0.0005"), late("60")), (0.0, 1.0));
}

#[tokio::test]
async fn the_endpoint_closes_with_the_last_of_the_flows() {
    let Endpoint { flows, serve, .. } = Endpoint::start().await;
    let flow = flows.get("Quarantine").unwrap();
    drop(flows);
    Scrape::of(serve).await;
    drop(flow);
    let closed = async {
        while TcpStream::connect(("127.0.0.1", serve)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), closed).await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_the_address_and_the_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = load(&global(true, &address), registry()).await.unwrap_err();
    assert!(error.is_exporter() && !error.is_conf() && !error.is_connect());
    let message = error_chain(&error).to_string();
    assert!(
        message.contains(&format!("cannot listen on {address} (`prometheus_serve`)")),
        "{message}"
    );
}

#[tokio::test]
async fn without_an_endpoint_the_program_renders_the_metrics_itself() {
    let flows = load(&global(false, ""), registry()).await.unwrap();
    flows.get("Quarantine").unwrap().run(Batch::json([GOOD])).await.unwrap();
    let scrape = Scrape::read(&flows.render_metrics().unwrap());
    let sample = "kisflow_flow_rows_total{flow=\"Quarantine\",outcome=\"in\"}";
    assert_eq!(scrape.samples.get(sample), Some(&1.0));
}

#[tokio::test]
async fn metrics_that_are_not_enabled_are_not_kept() {
    let flows = load("{ kistype: global, prometheus_enable: false }", registry()).await.unwrap();
    assert_eq!(flows.render_metrics(), None);
}

#[tokio::test]
async fn metrics_without_an_exporter_are_a_problem_of_the_conf() {
    let registry = Registry::linked().state(Arc::new(Notify::new()));
    let error = load(&global(false, ""), registry).await.unwrap_err();
    problem(&error, "prometheus_enable", ".exporter(Prometheus::new())");
}

#[tokio::test]
async fn an_endpoint_without_a_port_is_a_problem_of_the_conf() {
    for address in ["localhost", "*:20004", " :20004", "http://:20004", ":99999"] {
        let error = load(&global(true, address), registry()).await.unwrap_err();
        let expected = format!("\"{address}\" is no address to listen on");
        problem(&error, "prometheus_serve", &expected);
    }
}

/// The error is one problem, at this key of the global conf.
#[track_caller]
fn problem(error: &LoadError, key: &str, message: &str) {
    let [problem] = error.problems() else { panic!("one problem is expected: {error}") };
    assert_eq!(problem.path, key);
    assert!(problem.file.as_ref().is_some_and(|file| file.ends_with("kis-flow.yml")), "{problem}");
    assert!(problem.line.is_some() && problem.message.contains(message), "{problem}");
}
