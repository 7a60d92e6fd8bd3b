//! The flow verify → average → sink against the loop that one would write by hand, with `must` on
//! every function, metrics kept for Prometheus, and a tracing subscriber at `info`.
//!
//! On both sides each batch of JSON arrives in a buffer of its own, as from a file or a socket.
//!
//! `cargo bench --package kisflow-benches --bench engine` prints the table; `-- --smoke` only proves that it runs.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark has no users, and fails loudly")]

#[path = "support/interleave.rs"]
mod interleave;
mod support;

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use interleave::{Pair, interleave};
use kisflow::prelude::*;
use support::is_smoke;

#[derive(Clone, Serialize, Deserialize)]
struct Scores {
    stu_id: u32,
    score_1: u32,
    score_2: u32,
    score_3: u32,
}

#[derive(Serialize, Deserialize)]
struct Average {
    stu_id: u32,
    avg_score: f64,
}

/// What the sink adds up.
#[derive(Default)]
struct Total(AtomicU64);

impl Total {
    fn add(&self, sum: f64) {
        let before = f64::from_bits(self.0.load(Ordering::Relaxed));
        self.0.store((before + sum).to_bits(), Ordering::Relaxed);
    }
}

#[faas("Verify")]
fn verify(rows: &[Scores]) -> Action {
    if rows.iter().all(|row| row.stu_id <= 999) { Action::Reuse } else { Action::Abort }
}

#[faas("Average")]
fn average(row: &Scores) -> Average {
    Average { stu_id: row.stu_id, avg_score: mean(row) }
}

#[faas("Sink")]
fn sink(rows: &[Average], total: State<'_, Arc<Total>>) {
    total.add(rows.iter().map(|row| row.avg_score).sum());
}

fn mean(row: &Scores) -> f64 {
    f64::from(row.score_1 + row.score_2 + row.score_3) / 3.0
}

/// The loop over JSON: decode once, check, compute, add up.
fn json_by_hand(buffer: &[u8], total: &Total) {
    let mut sum = 0.0;
    for line in std::str::from_utf8(buffer).unwrap().lines() {
        let row: Scores = serde_json::from_str(line).unwrap();
        if row.stu_id > 999 {
            return;
        }
        sum += mean(&row);
    }
    total.add(sum);
}

/// The loop over values.
fn typed_by_hand(rows: &[Scores], total: &Total) {
    let mut sum = 0.0;
    for row in rows {
        if row.stu_id > 999 {
            return;
        }
        sum += mean(row);
    }
    total.add(sum);
}

async fn flow(total: Arc<Total>) -> Flow {
    let function = |name: &str, mode| FunctionConf::new(name, mode).must("stu_id");
    let mut global = GlobalConf::default();
    global.prometheus_enable = true;
    let conf = Conf::new()
        .flow(FlowConf::new("Bench").then::<verify>().then::<average>().then::<sink>())
        .function(function("Verify", Mode::Verify))
        .function(function("Average", Mode::Calculate))
        .function(function("Sink", Mode::Expand))
        .global(global);
    let flows =
        Registry::linked().state(total).exporter(Prometheus::new()).link(conf).await.unwrap();
    let flow = flows.get("Bench").unwrap();
    // The exporter lives as long as the flows.
    std::mem::forget(flows);
    flow
}

fn main() {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::sink)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ours, theirs) = (Arc::new(Total::default()), Total::default());
    let flow = runtime.block_on(flow(ours.clone()));
    let (slice, rounds) =
        if is_smoke() { (Duration::from_micros(50), 1) } else { (Duration::from_millis(40), 25) };

    println!(
        "| rows | a batch | kisflow ns/row | by hand ns/row | rows/s by kisflow : by hand | above by hand |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for batch in [1_usize, 10, 100, 1_000, 10_000] {
        let rows: Vec<Scores> = (0..batch as u32)
            .map(|row| Scores {
                stu_id: row % 1_000,
                score_1: row % 101,
                score_2: (row * 7) % 101,
                score_3: (row * 13) % 101,
            })
            .collect();
        let buffer = Batch::typed(rows.clone()).to_ndjson().unwrap();

        let run = |times: u32, batch: &dyn Fn() -> Batch| {
            runtime.block_on(async {
                for _ in 0..times {
                    let report = flow.run(batch()).await.unwrap();
                    assert_eq!(black_box(report).rows().rejected, 0);
                }
            });
        };
        let arrive = || black_box(&buffer).as_bytes().to_vec();
        let kisflow = |times| run(times, &|| Batch::ndjson(arrive()));
        let by_hand = |times| (0..times).for_each(|_| json_by_hand(&arrive(), &theirs));
        let pair = interleave(batch, slice, rounds, kisflow, by_hand);
        print("JSON", batch, &pair);

        let typed = Batch::typed(rows.clone());
        let kisflow = |times| run(times, &|| typed.clone());
        let by_hand = |times| (0..times).for_each(|_| typed_by_hand(black_box(&rows), &theirs));
        let pair = interleave(batch, slice, rounds, kisflow, by_hand);
        print("typed", batch, &pair);
    }
    assert!(f64::from_bits(ours.0.load(Ordering::Relaxed)) > 0.0, "the flow added nothing up");
}

fn print(kind: &str, batch: usize, Pair { ours, theirs }: &Pair) {
    println!(
        "| {kind} | {batch} | {ours:.2} | {theirs:.2} | {:.2} | {:.2} ns/row |",
        theirs / ours,
        ours - theirs
    );
}
