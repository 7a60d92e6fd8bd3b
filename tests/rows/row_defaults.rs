//! `row_defaults: go`: rows are read as Go reads them, where the conf says so and nowhere else.

use std::fs;

use kisflow::{RowDefaults, prelude::*};

#[derive(Clone, Serialize, Deserialize)]
struct Scores {
    stu_id: i64,
    score_1: i64,
    score_2: i64,
    score_3: i64,
}

#[derive(Serialize, Deserialize)]
struct Average {
    stu_id: i64,
    average: i64,
}

#[derive(Serialize, Deserialize)]
struct Graded {
    stu_id: i64,
    average: i64,
    grade: String,
}

#[faas("AvgStuScore")]
fn avg_stu_score(row: &Scores) -> Average {
    let average = (row.score_1 + row.score_2 + row.score_3) / 3;
    Average { stu_id: row.stu_id, average }
}

/// Reads a field more than its predecessor hands on.
#[faas("Grade")]
fn grade(rows: &[Graded]) -> Vec<String> {
    rows.iter().map(|row| format!("{}:{}:{}", row.stu_id, row.average, row.grade)).collect()
}

/// KisFlow's own test of what it injects, and two rows more.
const ROWS: &str = r#"{"stu_id":100,"score_1":1,"score_2":2,"score_3":3}
{"stu_id":101}
{"stu_id":102,"score_1":null,"score_2":2,"score_3":4}
{"Stu_ID":103,"Score_1":1,"score_2":2,"score_3":3}
{"score_1":9}
"#;

fn conf(of_flow: &str, of_global: &str) -> String {
    format!(
        "kistype: flow\nflow_name: F\non_reject: quarantine\n{of_flow}\nflows: [{{fname: AvgStuScore}}, {{fname: Grade}}]\n---\nkistype: func\nfname: AvgStuScore\nfmode: Calculate\nsource: {{must: [stu_id]}}\n---\nkistype: func\nfname: Grade\nfmode: Calculate\n---\nkistype: global\n{of_global}\n"
    )
}

/// The flow of these confs.
async fn flow(of_flow: &str, of_global: &str) -> Flow {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("conf.yml"), conf(of_flow, of_global)).unwrap();
    Registry::linked().load(dir.path()).await.unwrap().get("F").unwrap()
}

/// What comes of the rows, and which were rejected for which field.
async fn run(flow: &Flow, rows: Batch) -> (Vec<String>, Vec<(usize, String)>) {
    let report = flow.run(rows).await.unwrap();
    report.assert_balanced();
    let rejected = report.rejected().iter();
    let rejected =
        rejected.map(|reject| (reject.index(), reject.field().unwrap_or_default().to_owned()));
    (report.output().rows::<String>().unwrap().to_vec(), rejected.collect())
}

#[tokio::test]
async fn a_flow_or_the_whole_conf_may_be_lenient_and_a_flow_may_be_strict_again() {
    let (go, none) = ("row_defaults: go", "");
    let lenient = ["100:2:", "101:0:", "102:2:", "103:2:"].map(str::to_owned).to_vec();
    for (of_flow, of_global) in [(go, none), (none, go), (go, "row_defaults: require")] {
        let (rows, rejected) = run(&flow(of_flow, of_global).await, Batch::ndjson(ROWS)).await;
        assert_eq!(rows, lenient, "{of_flow}, {of_global}");
        // `must` demands a field, whatever the letters of its key.
        assert_eq!(rejected, [(4, "stu_id".to_owned())]);
    }
    for (of_flow, of_global) in [(none, none), ("row_defaults: require", go)] {
        let (rows, rejected) = run(&flow(of_flow, of_global).await, Batch::ndjson(ROWS)).await;
        assert_eq!(rows, Vec::<String>::new(), "{of_flow}, {of_global}");
        let fields: Vec<&str> = rejected.iter().map(|(_, field)| field.as_str()).collect();
        assert_eq!(fields, ["score_1", "score_1", "stu_id", "stu_id", "grade"], "{rejected:?}");
    }
}

#[tokio::test]
async fn a_batch_that_two_flows_read_is_read_by_each_in_its_own_way() {
    let (go, strict) = (flow("row_defaults: go", "").await, flow("", "").await);
    let rows = || Batch::ndjson("{\"stu_id\":101}\n");
    for go_first in [true, false] {
        let batch = rows();
        if !go_first {
            assert_eq!(run(&strict, batch.clone()).await.1, [(0, "score_1".to_owned())]);
        }
        assert_eq!(run(&go, batch.clone()).await.0, ["101:0:"]);
        assert_eq!(run(&strict, batch).await.1, [(0, "score_1".to_owned())]);
    }
}

#[tokio::test]
async fn values_are_read_as_they_are_and_must_looks_at_their_names() {
    let go = flow("row_defaults: go", "").await;
    let scores = Scores { stu_id: 7, score_1: 3, score_2: 3, score_3: 3 };
    assert_eq!(run(&go, Batch::typed(vec![scores])).await.0, ["7:3:"]);
    let maps: Vec<serde_json::Value> = [r#"{"STU_ID":8}"#, r#"{"score_1":1}"#]
        .map(|row| serde_json::from_str(row).unwrap())
        .into();
    let (rows, rejected) = run(&go, Batch::typed(maps)).await;
    assert_eq!((rows, rejected), (vec!["8:0:".to_owned()], vec![(1, "stu_id".to_owned())]));
}

#[tokio::test]
async fn a_row_that_go_would_refuse_is_rejected_with_its_field() {
    let go = flow("row_defaults: go", "").await;
    let rows = Batch::json([r#"{"stu_id":1,"Score_2":"x"}"#, r#"[1,2,3,4]"#, r#"{"stu_id":2}"#]);
    let (rows, rejected) = run(&go, rows).await;
    assert_eq!(rows, ["2:0:"]);
    assert_eq!(rejected, [(0, "score_2".to_owned()), (1, String::new())]);
}

#[test]
fn check_looks_for_no_fields_where_rows_have_defaults() {
    let problems = |of_flow: &str| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("conf.yml"), conf(of_flow, "")).unwrap();
        Registry::linked().inspect(dir.path()).problems
    };
    let told = problems("");
    assert!(told[0].message.contains("needs `grade`, which cannot arrive"), "{told:?}");
    assert_eq!(problems("row_defaults: go"), []);
    let told = problems("row_defaults: rust");
    assert_eq!(told[0].message, "found the text \"rust\"; known: require, go");
}

#[tokio::test]
async fn it_is_built_in_code_and_exported_too() {
    let mut conf =
        Conf::from(FlowConf::new("F").then::<avg_stu_score>().row_defaults(RowDefaults::Go));
    conf.global.row_defaults = RowDefaults::Go;
    let out = tempfile::tempdir().unwrap();
    conf.write(out.path()).unwrap();
    assert_eq!(Conf::read(out.path()).unwrap(), conf);
}
