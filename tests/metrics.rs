//! Metrics as Prometheus sees them: every one of them, with its labels and values, over HTTP.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, future,
    net::TcpListener,
    path::Path,
    sync::Arc,
    time::Duration,
};

use kisflow::{LoadError, error_chain, prelude::*};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::timeout,
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
kisflow_flow_rows_total{flow="Stopped",outcome="filtered"} 2
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
kisflow_function_rows_total{flow="Stopped",function="Stop",mode="Verify",outcome="filtered"} 2
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
}

#[tokio::test]
async fn the_endpoint_serves_every_metric_with_its_labels_and_value() {
    let endpoint = Endpoint::start().await;
    run_everything(&endpoint).await;
    let scrape = Scrape::of(endpoint.serve).await;

    let (zero, counted): (BTreeMap<_, _>, _) =
        scrape.plain_samples().partition(|(_, value)| *value == 0.0);
    assert_eq!(counted, samples(SAMPLES));
    // What has not happened yet is there as well: a rate over it is 0, not unknown.
    for outcome in ["completed", "aborted", "failed", "cancelled", "disabled"] {
        let sample = format!("kisflow_flow_runs_total{{flow=\"Off\",outcome=\"{outcome}\"}}");
        assert!(zero.contains_key(&sample) || counted.contains_key(&sample), "no {sample}");
    }
    assert_eq!(zero.keys().filter(|sample| sample.contains("in_flight")).count(), 9);
}

#[tokio::test]
async fn every_metric_has_help_and_the_type_and_unit_that_its_name_says() {
    let endpoint = Endpoint::start().await;
    run_everything(&endpoint).await;
    let scrape = Scrape::of(endpoint.serve).await;

    let types = [
        ("kisflow_flow_duration_seconds", "histogram"),
        ("kisflow_flow_rows_total", "counter"),
        ("kisflow_flow_runs_in_flight", "gauge"),
        ("kisflow_flow_runs_total", "counter"),
        ("kisflow_function_calls_total", "counter"),
        ("kisflow_function_duration_seconds", "histogram"),
        ("kisflow_function_retries_total", "counter"),
        ("kisflow_function_rows_total", "counter"),
    ];
    assert_eq!(scrape.types, types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into());
    for (name, kind) in types {
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        assert_eq!(name.ends_with("_seconds"), kind == "histogram", "{name}");
        let help = scrape.help.get(name).map(String::as_str).unwrap_or_default();
        assert!(help.ends_with('.') && help.len() > 20, "HELP of {name}: \"{help}\"");
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
    assert_eq!(counts, samples(COUNTS));

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
    let error = load(&global(true, "localhost"), registry()).await.unwrap_err();
    problem(&error, "prometheus_serve", "\"localhost\" is no address to listen on");
}

/// The error is one problem, at this key of the global conf.
#[track_caller]
fn problem(error: &LoadError, key: &str, message: &str) {
    let [problem] = error.problems() else { panic!("one problem is expected: {error}") };
    assert_eq!(problem.path, key);
    assert!(problem.file.as_ref().is_some_and(|file| file.ends_with("kis-flow.yml")), "{problem}");
    assert!(problem.line.is_some() && problem.message.contains(message), "{problem}");
}

#[tokio::test]
async fn the_dashboard_asks_only_for_metrics_and_labels_that_exist() {
    let endpoint = Endpoint::start().await;
    run_everything(&endpoint).await;
    let scrape = Scrape::of(endpoint.serve).await;

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/grafana/kisflow.json");
    let dashboard = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut queries = Vec::new();
    texts(&dashboard, &mut queries);
    let selectors: Vec<Selector<'_>> = queries.iter().flat_map(|query| selectors(query)).collect();

    for Selector { metric, labels } in &selectors {
        let known = scrape.labels(metric);
        assert!(!known.is_empty(), "the dashboard asks for {metric}, which does not exist");
        for (label, values) in labels {
            let Some(known) = known.get(*label) else { panic!("{metric} has no label `{label}`") };
            let unknown = values.iter().find(|value| !known.contains(**value));
            assert_eq!(unknown, None, "`{label}` of {metric} is never that");
        }
    }
    let shown = |name: &String| selectors.iter().any(|selector| selector.metric.starts_with(name));
    let missing: Vec<_> = scrape.types.keys().filter(|name| !shown(name)).collect();
    assert_eq!(missing, Vec::<&String>::new(), "the dashboard leaves metrics out");
}

/// Flows whose metrics are served.
struct Endpoint {
    flows: Flows,
    begun: Arc<Notify>,
    serve: u16,
}

impl Endpoint {
    async fn start() -> Self {
        loop {
            let begun = Arc::new(Notify::new());
            let registry = Registry::linked().exporter(Prometheus::new()).state(begun.clone());
            let serve = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            match load(&global(true, &format!("127.0.0.1:{serve}")), registry).await {
                Ok(flows) => return Self { flows, begun, serve },
                // Another process has taken the port in the meantime.
                Err(error) if error.is_exporter() => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn registry() -> Registry {
    Registry::linked().exporter(Prometheus::new()).state(Arc::new(Notify::new()))
}

/// The global conf, in KisFlow's words.
fn global(listen: bool, serve: &str) -> String {
    format!(
        "kistype: global\nprometheus_enable: true\nprometheus_listen: {listen}\nprometheus_serve: \"{serve}\"\n"
    )
}

async fn load(global: &str, registry: Registry) -> Result<Flows, LoadError> {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("flows.yml"), FLOWS).unwrap();
    fs::write(dir.path().join("kis-flow.yml"), global).unwrap();
    registry.load(dir.path()).await
}

/// What Prometheus reads: samples by `name{labels}`, and what it is told of the metrics.
struct Scrape {
    samples: BTreeMap<String, f64>,
    help: BTreeMap<String, String>,
    types: BTreeMap<String, String>,
}

impl Scrape {
    /// Asks over HTTP, as Prometheus does.
    async fn of(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.to_lowercase().contains("content-type: text/plain"), "{head}");
        Self::read(body)
    }

    fn read(text: &str) -> Self {
        let told = |word: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(word)?.split_once(' '));
            let lines: Vec<_> = lines.map(|(name, what)| (name.into(), what.into())).collect();
            let told: BTreeMap<String, String> = lines.iter().cloned().collect();
            assert_eq!(told.len(), lines.len(), "a metric is told of twice");
            told
        };
        Self { samples: samples(text), help: told("# HELP "), types: told("# TYPE ") }
    }

    /// Counters and gauges.
    fn plain_samples(&self) -> impl Iterator<Item = (String, f64)> {
        let plain = |sample: &&String| !sample.contains("_seconds_");
        let samples = self.samples.keys().filter(plain);
        samples.map(|sample| (sample.clone(), self.samples[sample]))
    }

    /// Each label of a metric, with the values that it has; none if there is no such metric.
    fn labels(&self, metric: &str) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for sample in self.samples.keys() {
            let (name, pairs) = sample.trim_end_matches('}').split_once('{').unwrap();
            for (label, value) in pairs.split(',').filter_map(|pair| pair.split_once('=')) {
                if name == metric {
                    labels.entry(label).or_default().insert(value.trim_matches('"'));
                }
            }
        }
        labels
    }
}

fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap());
    pairs.map(|(sample, value)| (sample.to_owned(), value.parse().unwrap())).collect()
}

/// A metric in a query, with the labels that it is narrowed by.
struct Selector<'a> {
    metric: &'a str,
    labels: Vec<(&'a str, Vec<&'a str>)>,
}

/// Every text within a JSON value.
fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => {}
    }
}

/// `metric{label="value",label=~"value|value"}`; a dashboard's variables are not looked into.
fn selectors(query: &str) -> impl Iterator<Item = Selector<'_>> {
    query.match_indices("kisflow_").map(|(start, _)| {
        let text = &query[start..];
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (metric, rest) = text.split_at(end.unwrap_or(text.len()));
        let narrowed = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let pairs = narrowed.map_or("", |(labels, _)| labels).split(',');
        let labels = pairs.filter_map(|pair| pair.split_once('=')).map(|(label, value)| {
            let values = value.trim_start_matches('~').trim_matches('"').split('|');
            (label.trim(), values.filter(|value| !value.contains('$')).collect())
        });
        Selector { metric, labels: labels.collect() }
    })
}
