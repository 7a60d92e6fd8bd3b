//! A function that keeps a state for each key, in memory, redb, Redis and PostgreSQL, each of which
//! syncs every commit, against a loop by hand over the same file with a `HashMap`, which forgets
//! everything when it ends.
//!
//! `cargo bench --package kisflow-benches --bench state` prints the table; `-- --smoke` only proves
//! that it runs.

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
    collections::HashMap,
    fs::{self, File},
    future::pending,
    io::{BufRead, BufReader},
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
struct Payment {
    card: u64,
    cents: u64,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Seen {
    payments: u64,
    cents: u64,
}

/// How many rows each card has, and how many were the last of their card.
struct Lasts {
    per_card: u64,
    count: AtomicU64,
}

#[faas("Count")]
fn count(payment: &Payment, seen: &mut Seen, lasts: State<'_, Arc<Lasts>>) {
    seen.payments += 1;
    seen.cents += payment.cents;
    if seen.payments == lasts.per_card {
        lasts.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts the whole file by hand.
fn by_hand(file: &Path, rows: u64, cards: u64) -> Duration {
    let started = Instant::now();
    let mut seen: HashMap<u64, Seen> = HashMap::new();
    let mut lasts = 0;
    let mut lines = BufReader::with_capacity(1 << 16, File::open(file).unwrap());
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).unwrap() > 0 {
        let payment: Payment = serde_json::from_slice(&line).unwrap();
        let seen = seen.entry(payment.card).or_default();
        seen.payments += 1;
        seen.cents += payment.cents;
        lasts += u64::from(seen.payments == rows / cards);
        line.clear();
    }
    let elapsed = started.elapsed();
    assert_eq!(lasts, cards);
    elapsed
}

/// Serves the whole file with new states in this store, and says how long that took.
async fn serve(file: &Path, rows: u64, cards: u64, batch: u32, store: ConnConf) -> Duration {
    // The states of no run before.
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let flow = format!("Payments {}", RUNS.fetch_add(1, Ordering::Relaxed));
    let lasts = Arc::new(Lasts { per_card: rows / cards, count: AtomicU64::new(0) });
    let source = SourceConf::new("payments", "file").key(file.display().to_string());
    let conf = Conf::new()
        .flow(FlowConf::new(&flow).source("payments").then::<count>())
        .function(FunctionConf::new("Count", Mode::Calculate).key(["card"]))
        .source(source.batch(batch, Duration::from_millis(5)))
        .connector(store)
        .global(GlobalConf::default().quarantine(QuarantineConf::on("kept")));
    let registry = Stores::registry().source::<kisflow::File>();
    let flows = registry.state(lasts.clone()).link(conf).await.unwrap();
    let started = Instant::now();
    let served = flows.serve(pending()).await.unwrap();
    let elapsed = started.elapsed();
    assert_eq!(served.flows[&flow].ledger.delivered, rows);
    assert_eq!(lasts.count.load(Ordering::Relaxed), cards, "one process runs nothing again");
    elapsed
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (rows, rounds) = if is_smoke() { (10_000, 1) } else { (300_000, 3) };
    let stores = Stores::start();
    println!(
        "{rows} rows, medians of {rounds} rounds in turn, rows/s and the share of the loop's\n"
    );
    println!("| keys | rows a batch | loop by hand | memory | redb | Redis | PostgreSQL |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for (cards, batch) in [(100, 500), (10_000, 500), (10_000, 900)] {
        let file = stores.dir.path().join(format!("payments-{cards}.ndjson"));
        // 7919 is prime, so every card appears once before any repeats.
        let line =
            |row: u64| format!("{{\"card\":{},\"cents\":{}}}\n", row * 7919 % cards, row % 997);
        fs::write(&file, (0..rows).map(line).collect::<String>()).unwrap();
        let (mut loops, mut times) = (Vec::new(), stores.all.each_ref().map(|_| Vec::new()));
        for _ in 0..rounds {
            loops.push(by_hand(&file, rows, cards).as_secs_f64());
            for (store, times) in stores.all.iter().zip(&mut times) {
                times.push(serve(&file, rows, cards, batch, store.clone()).await.as_secs_f64());
            }
        }
        let by_hand = rows as f64 / median(loops);
        let rates = times.map(|times| rows as f64 / median(times));
        let rates = rates.map(|rate| format!("{rate:.0} ({:.2})", rate / by_hand));
        println!("| {cards} | {batch} | {by_hand:.0} | {} |", rates.join(" | "));
    }
}
