//! A flow that reads a file and keeps its position in redb, Redis or PostgreSQL, each of which syncs
//! every commit, against the same flow that keeps it in memory: what durability costs.
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

#[path = "support/stores.rs"]
mod stores;
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

use kisflow::{QuarantineConf, prelude::*};
use stores::Stores;
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

/// Serves the whole file with a new position in this store, and says how long that took.
async fn serve(file: &Path, rows: u64, batch: u32, in_flight: u32, store: ConnConf) -> Duration {
    // The position of no run before.
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let flow = format!("Readings {}", RUNS.fetch_add(1, Ordering::Relaxed));
    let sum = Arc::new(AtomicU64::new(0));
    let source = SourceConf::new("readings", "file").key(file.display().to_string());
    let conf = Conf::new()
        .flow(FlowConf::new(&flow).source("readings").then::<sum_ids>())
        .source(source.batch(batch, Duration::from_millis(5)).in_flight(in_flight))
        .connector(store)
        .global(GlobalConf::default().quarantine(QuarantineConf::on("kept")));
    let registry = Stores::registry().source::<kisflow::File>();
    let flows = registry.state(sum.clone()).link(conf).await.unwrap();
    let started = Instant::now();
    let served = flows.serve(pending()).await.unwrap();
    let elapsed = started.elapsed();
    assert_eq!(served.flows[&flow].ledger.delivered, rows);
    assert_eq!(sum.load(Ordering::Relaxed), rows * (rows - 1) / 2);
    elapsed
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (rows, rounds) = if is_smoke() { (5_000, 1) } else { (5_000_000, 5) };
    let stores = Stores::start();
    let file = stores.dir.path().join("readings.ndjson");
    let line =
        |id: u64| format!("{{\"id\":{id},\"celsius\":{}}}\n", 20.0 + (id % 100) as f64 / 10.0);
    fs::write(&file, (0..rows).map(line).collect::<String>()).unwrap();
    println!("{rows} rows, medians of {rounds} rounds in turn, rows/s and the share of memory's\n");
    println!("| rows a batch | in flight | memory | redb | Redis | PostgreSQL |");
    println!("|---:|---:|---:|---:|---:|---:|");
    for (batch, in_flight) in [(100, 1), (500, 4), (5_000, 1)] {
        let mut times = stores.all.each_ref().map(|_| Vec::new());
        for _ in 0..rounds {
            for (store, times) in stores.all.iter().zip(&mut times) {
                let time = serve(&file, rows, batch, in_flight, store.clone()).await;
                times.push(time.as_secs_f64());
            }
        }
        let rates = times.map(|times| rows as f64 / median(times));
        let [memory, others @ ..] = rates;
        let others = others.map(|rate| format!("{rate:.0} ({:.2})", rate / memory));
        println!("| {batch} | {in_flight} | {memory:.0} | {} |", others.join(" | "));
    }
}
