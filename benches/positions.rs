//! A flow that reads a file and keeps its position in the embedded store, against the same flow that
//! keeps it in memory: what durability costs.
//!
//! `cargo bench --package kisflow-benches --bench positions` prints the table; `-- --smoke` only
//! proves that it runs.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark has no users, and fails loudly"
)]

mod support;

use std::{
    fs,
    future::pending,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use kisflow::{AsDurable, QuarantineConf, RawParams, durable::MemoryStore, prelude::*};
use support::{is_smoke, median};

#[derive(Serialize, Deserialize)]
struct Reading {
    id: u64,
    celsius: f64,
}

#[faas("SumIds")]
fn sum_ids(rows: &[Reading], sum: State<'_, Arc<AtomicU64>>) {
    sum.fetch_add(rows.iter().map(|row| row.id).sum(), Ordering::Relaxed);
}

/// `type: unkept`: a store that ends with its flow.
struct Unkept(Arc<MemoryStore>);

#[kisflow::async_trait]
impl Connector for Unkept {
    const TYPE: &'static str = "unkept";
    type Params = RawParams;

    async fn connect(_: &ConnConf, _: RawParams) -> kisflow::Result<Self> {
        Ok(Self(Arc::default()))
    }

    fn durable() -> Option<AsDurable<Self>> {
        Some(|unkept| unkept.0.clone())
    }
}

/// Serves the whole file, and says how long that took.
async fn serve(file: &Path, rows: u64, batch: u32, in_flight: u32, engine: &str) -> Duration {
    let dir = tempfile::tempdir_in(file.parent().unwrap()).unwrap();
    let sum = Arc::new(AtomicU64::new(0));
    let source = SourceConf::new("readings", "file").key(file.display().to_string());
    let kept = dir.path().join("kept.redb").display().to_string();
    let conf = Conf::new()
        .flow(FlowConf::new("Readings").source("readings").then::<sum_ids>())
        .source(source.batch(batch, Duration::from_millis(5)).in_flight(in_flight))
        .connector(match engine {
            "redb" => ConnConf::new("kept", engine).addrs(kept),
            _ => ConnConf::new("kept", engine),
        })
        .global(GlobalConf::default().quarantine(QuarantineConf::on("kept")));
    let registry =
        Registry::linked().connector::<Redb>().connector::<Unkept>().source::<kisflow::File>();
    let flows = registry.state(sum.clone()).link(conf).await.unwrap();
    let started = Instant::now();
    let served = flows.serve(pending()).await.unwrap();
    let elapsed = started.elapsed();
    assert_eq!(served.flows["Readings"].ledger.delivered, rows);
    assert_eq!(sum.load(Ordering::Relaxed), rows * (rows - 1) / 2);
    elapsed
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (rows, rounds) = if is_smoke() { (5_000, 1) } else { (5_000_000, 5) };
    // Where a service would have it: a temporary folder may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let file = dir.path().join("readings.ndjson");
    let line =
        |id: u64| format!("{{\"id\":{id},\"celsius\":{}}}\n", 20.0 + (id % 100) as f64 / 10.0);
    fs::write(&file, (0..rows).map(line).collect::<String>()).unwrap();
    println!("{rows} rows, medians of {rounds} rounds in turn\n");
    println!("| rows a batch | in flight | redb rows/s | memory rows/s | ratio |");
    println!("|---:|---:|---:|---:|---:|");
    for (batch, in_flight) in [(100, 1), (500, 4), (5_000, 1)] {
        let (mut kept, mut unkept) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            kept.push(serve(&file, rows, batch, in_flight, "redb").await.as_secs_f64());
            unkept.push(serve(&file, rows, batch, in_flight, "unkept").await.as_secs_f64());
        }
        let [kept, unkept] = [kept, unkept].map(|times| rows as f64 / median(times));
        println!("| {batch} | {in_flight} | {kept:.0} | {unkept:.0} | {:.2} |", kept / unkept);
    }
}
