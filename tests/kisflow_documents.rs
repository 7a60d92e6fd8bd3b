//! The cases of KisFlow's own documents, with the results that they promise.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::sync::{Arc, Mutex};

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Student {
    stu_id: u32,
}

#[derive(Serialize, Deserialize)]
struct Scores12 {
    stu_id: u32,
    score_1: f64,
    score_2: f64,
}

#[derive(Serialize, Deserialize)]
struct Average {
    stu_id: u32,
    avg_score: f64,
}

#[derive(Serialize, Deserialize)]
struct Score3 {
    stu_id: u32,
    score_3: f64,
}

#[derive(Deserialize)]
struct Average12 {
    avg_score: f64,
}

#[derive(Serialize, Deserialize)]
struct Joined {
    stu_id: u32,
    score_3: f64,
    avg_score_1_2: f64,
}

/// What `PrintStuAvgScore` has printed.
type Printed = Arc<Mutex<Vec<(u32, f64)>>>;

#[faas("VerifyStu")]
fn verify_stu(rows: &[Student]) -> Action {
    if rows.iter().all(|row| row.stu_id <= 999) { Action::Reuse } else { Action::Abort }
}

#[faas("AvgStuScore12")]
fn avg_stu_score_12(row: &Scores12) -> Average {
    Average { stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2) / 2.0 }
}

#[faas("SaveScoreAvg12")]
async fn save_score_avg_12(rows: &[Average], scores: Store<'_>) -> Result<Action> {
    scores.put(rows.iter().map(|row| (row.stu_id, row))).await?;
    Ok(Action::Reuse)
}

#[faas("LoadScoreAvg12")]
async fn load_score_avg_12(rows: &[Score3], scores: Store<'_>, cx: Cx<'_>) -> Result<Vec<Joined>> {
    let found = scores.get::<Average12>(rows.iter().map(|row| row.stu_id)).await?;
    let mut joined = Vec::new();
    for (position, (row, record)) in rows.iter().zip(found).enumerate() {
        match record {
            Ok(Average12 { avg_score }) => joined.push(Joined {
                stu_id: row.stu_id,
                score_3: row.score_3,
                avg_score_1_2: avg_score,
            }),
            Err(missing) => cx.reject(position, missing),
        }
    }
    Ok(joined)
}

#[faas("AvgStuScore3")]
fn avg_stu_score_3(row: &Joined) -> Average {
    Average { stu_id: row.stu_id, avg_score: (row.score_3 + row.avg_score_1_2 * 2.0) / 3.0 }
}

#[faas("PrintStuAvgScore")]
fn print_stu_avg_score(rows: &[Average], printed: State<'_, Printed>) {
    printed.lock().unwrap().extend(rows.iter().map(|row| (row.stu_id, row.avg_score)));
}

fn conf(wait_ms: u64) -> Conf {
    let function = |name: &str, mode| FunctionConf::new(name, mode).must("stu_id");
    Conf::new()
        .connector(ConnConf::new("Score12Cache", "memory").key("stu_score12_avg_"))
        .function(function("VerifyStu", Mode::Verify))
        .function(function("AvgStuScore12", Mode::Calculate))
        .function(function("SaveScoreAvg12", Mode::Save).connector("Score12Cache"))
        .function(
            function("LoadScoreAvg12", Mode::Load)
                .connector("Score12Cache")
                .param("wait_ms", wait_ms),
        )
        .function(function("AvgStuScore3", Mode::Calculate))
        .function(function("PrintStuAvgScore", Mode::Expand))
        .flow(
            FlowConf::new("CalStuAvgScore12")
                .then::<verify_stu>()
                .then::<avg_stu_score_12>()
                .then::<save_score_avg_12>()
                .then::<print_stu_avg_score>(),
        )
        .flow(
            FlowConf::new("CalStuAvgScore3")
                .then::<verify_stu>()
                .then::<load_score_avg_12>()
                .then::<avg_stu_score_3>()
                .then::<print_stu_avg_score>(),
        )
}

fn rows_12() -> Batch {
    Batch::json([
        r#"{"stu_id":101,"score_1":100,"score_2":90}"#,
        r#"{"stu_id":102,"score_1":100,"score_2":80}"#,
    ])
}

fn rows_3() -> Batch {
    Batch::json([r#"{"stu_id":101,"score_3":80}"#, r#"{"stu_id":102,"score_3":70}"#])
}

async fn flows(wait_ms: u64) -> (Flows, Printed) {
    let printed = Printed::default();
    (Registry::linked().state(printed.clone()).link(conf(wait_ms)).await.unwrap(), printed)
}

/// Sorted by student and score: the two flows print in any order.
fn sorted(printed: &Printed) -> Vec<(u32, f64)> {
    let mut printed = printed.lock().unwrap().clone();
    printed.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    printed
}

const EXPECTED: [(u32, f64); 4] =
    [(101, 90.0), (101, 95.0), (102, 83.333_333_333_333_33), (102, 90.0)];

#[tokio::test]
async fn two_flows_meet_through_a_connector_a_thousand_times_in_both_orders() {
    for round in 0..1_000 {
        let (flows, printed) = flows(30_000).await;
        let (first, second) =
            (flows.get("CalStuAvgScore12").unwrap(), flows.get("CalStuAvgScore3").unwrap());
        let (one, two) = if round % 2 == 0 {
            (tokio::spawn(first.run(rows_12())), tokio::spawn(second.run(rows_3())))
        } else {
            // On this runtime the second flow gets as far as it can alone: it waits for records.
            let two = tokio::spawn(second.run(rows_3()));
            tokio::task::yield_now().await;
            (tokio::spawn(first.run(rows_12())), two)
        };
        one.await.unwrap().unwrap().assert_balanced();
        two.await.unwrap().unwrap().assert_balanced();
        assert_eq!(sorted(&printed), EXPECTED, "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn past_the_deadline_a_row_without_its_record_is_rejected_with_the_cause() {
    let (flows, printed) = flows(250).await;
    let error = flows.get("CalStuAvgScore3").unwrap().run(rows_3()).await.unwrap_err();
    error.report().assert_balanced();
    assert!(error.is_rejected());
    assert_eq!(error.rejected().len(), 2);
    let cause = error.rejected()[1].cause().to_string();
    assert_eq!(
        cause,
        "there is no record `stu_score12_avg_102`, not after 250ms of waiting (param `wait_ms`)"
    );
    assert!(printed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_student_outside_the_range_aborts_the_flow() {
    let (flows, printed) = flows(0).await;
    let row = r#"{"stu_id":1000,"score_1":1,"score_2":2}"#;
    let report = flows.get("CalStuAvgScore12").unwrap().run(Batch::json([row])).await.unwrap();
    report.assert_balanced();
    assert_eq!((report.outcome(), report.rows().aborted), (RunOutcome::Aborted, 1));
    assert!(printed.lock().unwrap().is_empty());
}

/// What a function of the data stream saw.
type Seen = Arc<Mutex<Vec<String>>>;

fn pass(rows: &[String], cx: Cx<'_>, seen: &Seen) -> Vec<String> {
    seen.lock().unwrap().extend(rows.iter().map(|row| format!("{} saw {row}", cx.function())));
    rows.iter().enumerate().map(|(index, _)| format!("{} row {index}", cx.function())).collect()
}

#[faas("Func1")]
fn func_1(rows: &[String], cx: Cx<'_>, seen: State<'_, Seen>) -> Vec<String> {
    pass(rows, cx, &seen)
}

#[faas("Func2")]
async fn func_2(rows: &[String], cx: Cx<'_>, seen: State<'_, Seen>) -> Vec<String> {
    pass(rows, cx, &seen)
}

#[faas("Func3")]
fn func_3(rows: &[String], cx: Cx<'_>, seen: State<'_, Seen>) -> Vec<String> {
    pass(rows, cx, &seen)
}

#[tokio::test]
async fn every_function_of_a_data_stream_sees_what_the_one_before_it_emitted() {
    let seen = Seen::default();
    let flow = FlowConf::new("Stream").then::<func_1>().then::<func_2>().then::<func_3>();
    let registry = Registry::new()
        .function::<func_1>()
        .function::<func_2>()
        .function::<func_3>()
        .state(seen.clone());
    let flows = registry.link(flow).await.unwrap();
    let rows = Batch::text(["This is Data1", "This is Data2", "This is Data3"]);
    flows.get("Stream").unwrap().run(rows).await.unwrap().assert_balanced();
    let expected = [
        "Func1 saw This is Data1",
        "Func1 saw This is Data2",
        "Func1 saw This is Data3",
        "Func2 saw Func1 row 0",
        "Func2 saw Func1 row 1",
        "Func2 saw Func1 row 2",
        "Func3 saw Func2 row 0",
        "Func3 saw Func2 row 1",
        "Func3 saw Func2 row 2",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[derive(Deserialize)]
struct Suffix {
    suffix: String,
    times: usize,
}

#[faas("Append")]
fn append_suffix(row: &String, params: Params<'_, Suffix>) -> String {
    row.clone() + &params.suffix.repeat(params.times)
}

#[tokio::test]
async fn a_function_stands_twice_in_a_flow_with_other_params_over_its_defaults() {
    let conf = Conf::new()
        .function(
            FunctionConf::of::<append_suffix>(Mode::Calculate)
                .param("suffix", "a")
                .param("times", 2),
        )
        .flow(
            FlowConf::new("Twice")
                .then::<append_suffix>()
                .then_named(StepConf::of::<append_suffix>().param("suffix", "b")),
        );
    let flows = Registry::new().function::<append_suffix>().link(conf).await.unwrap();
    let report = flows.get("Twice").unwrap().run(Batch::text(["x"])).await.unwrap();
    report.assert_balanced();
    assert_eq!(*report.output().rows::<String>().unwrap(), ["xaabb"]);
}
