//! The engine allocates for a batch, never for a row.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Scores {
    stu_id: u32,
    score_1: u32,
    score_2: u32,
}

#[derive(Serialize, Deserialize)]
struct Average {
    stu_id: u32,
    avg_score: f64,
}

#[faas("Verify")]
fn verify(rows: &[Scores]) -> Action {
    if rows.iter().all(|row| row.stu_id < 1_000_000) { Action::Reuse } else { Action::Abort }
}

#[faas("Keep")]
fn keep(row: &Scores) -> bool {
    row.stu_id % 4 != 3
}

#[faas("Average")]
fn average(row: &Scores) -> Result<Average> {
    Ok(Average { stu_id: row.stu_id, avg_score: f64::from(row.score_1 + row.score_2) / 2.0 })
}

#[faas("Sink")]
fn sink(row: &Average) {
    std::hint::black_box(row.avg_score);
}

/// How often one run of so many rows allocates.
fn allocations(flow: &Flow, batch: Batch) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut report, rows) = (None, batch.len());
    // What is counted is this thread, and all of the run is on it.
    let counted = allocation_counter::measure(|| report = Some(runtime.block_on(flow.run(batch))));
    let report = report.unwrap().unwrap();
    assert_eq!(report.rows_in(), rows);
    report.assert_balanced();
    counted.count_total
}

fn rows(count: u32) -> Vec<Scores> {
    (0..count).map(|stu_id| Scores { stu_id, score_1: 90, score_2: 80 }).collect()
}

/// A hundred times the rows may take a few allocations more (a list of unknown length grows by
/// doubling), but not one for each row, nor one for each hundred.
fn check(flow: FlowConf, batch: impl Fn(u32) -> Batch) {
    let flow = link(flow);
    allocations(&flow, batch(10));
    let (few, many) = (allocations(&flow, batch(100)), allocations(&flow, batch(10_000)));
    assert!(many <= few + 32, "100 rows take {few} allocations, 10,000 take {many}");
}

fn link(conf: FlowConf) -> Flow {
    let must = |name: &str| FunctionConf::new(name, Mode::Calculate).must("stu_id");
    let conf = ["Verify", "Keep", "Average", "Sink"]
        .iter()
        .fold(Conf::from(conf), |conf, name| conf.function(must(name)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(Registry::linked().link(conf)).unwrap().get("F").unwrap()
}

#[test]
fn nothing_is_allocated_for_a_row_of_json() {
    let flow = FlowConf::new("F").then::<verify>().then::<keep>().then::<average>().then::<sink>();
    check(flow, |count| Batch::ndjson(Batch::typed(rows(count)).to_ndjson().unwrap()));
}

#[test]
fn nothing_is_allocated_for_a_typed_row() {
    let flow = FlowConf::new("F").then::<verify>().then::<keep>().then::<average>().then::<sink>();
    check(flow, |count| Batch::typed(rows(count)));
}

#[derive(Serialize, Deserialize)]
struct Other {
    stu_id: u32,
    avg_score: f32,
}

#[faas("Convert")]
fn convert(row: &Other) {
    std::hint::black_box(row.avg_score);
}

#[test]
fn nothing_is_allocated_for_a_row_that_becomes_another_type() {
    let flow = FlowConf::new("F").then::<average>().then::<convert>();
    check(flow, |count| Batch::typed(rows(count)));
}
