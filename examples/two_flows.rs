//! Two flows run at once as tokio tasks and meet through a connector: the first saves averages
//! there, the second waits for them.
//!
//! Run it from the root of the repository: `cargo run --example two_flows`. The connector of
//! `conf/two_flows` is of `type: memory`. The same functions keep the same records in Redis with
//! `cargo run --features redis --example two_flows -- --redis 127.0.0.1:6379`.
//!
//! ```text
//! flow CalStuAvgScore12: completed, 2 rows in, 2 out
//!   student 101: 95
//!   student 102: 90
//! flow CalStuAvgScore3: completed, 2 rows in, 2 out
//!   student 101: 90
//!   student 102: 83.33333333333333
//! ```

use std::env;

use kisflow::{Result, prelude::*};

#[derive(Deserialize)]
struct Student {
    stu_id: u32,
}

#[derive(Deserialize)]
struct Scores12 {
    stu_id: u32,
    score_1: f64,
    score_2: f64,
}

#[derive(Deserialize)]
struct Score3 {
    stu_id: u32,
    score_3: f64,
}

/// Score 3, and what the other flow made of the scores before it.
#[derive(Serialize, Deserialize)]
struct Scores123 {
    stu_id: u32,
    score_3: f64,
    avg_score_1_2: f64,
}

#[derive(Serialize, Deserialize)]
struct Average {
    stu_id: u32,
    avg_score: f64,
}

#[faas("VerifyStu")]
fn verify_stu(rows: &[Student]) -> Action {
    if rows.iter().all(|row| row.stu_id <= 999) { Action::Reuse } else { Action::Abort }
}

#[faas("AvgStuScore12")]
fn avg_stu_score_12(row: &Scores12) -> Average {
    Average { stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2) / 2.0 }
}

/// `Store` is whatever engine the conf names.
#[faas("SaveScoreAvg12")]
async fn save_score_avg_12(rows: &[Average], averages: Store<'_>) -> Result<Action> {
    averages.put(rows.iter().map(|row| (row.stu_id, row))).await?;
    Ok(Action::Reuse)
}

/// Waits for records that are not there yet, as long as `wait_ms` in its conf says. A row whose
/// record did not come is rejected: it ends up in the report with its cause.
#[faas("LoadScoreAvg12")]
async fn load_score_avg_12(
    rows: &[Score3],
    averages: Store<'_>,
    cx: Cx<'_>,
) -> Result<Vec<Scores123>> {
    let records = averages.get::<Average>(rows.iter().map(|row| row.stu_id)).await?;
    let mut scores = Vec::with_capacity(rows.len());
    for (position, (&Score3 { stu_id, score_3 }, record)) in rows.iter().zip(records).enumerate() {
        match record {
            Ok(Average { avg_score: avg_score_1_2, .. }) => {
                scores.push(Scores123 { stu_id, score_3, avg_score_1_2 });
            }
            Err(error) => cx.reject(position, error),
        }
    }
    Ok(scores)
}

#[faas("AvgStuScore3")]
fn avg_stu_score_3(row: &Scores123) -> Average {
    Average { stu_id: row.stu_id, avg_score: (row.score_3 + row.avg_score_1_2 * 2.0) / 3.0 }
}

/// A line for `main` to print, so that the lines of the two flows do not mix.
#[faas("PrintStuAvgScore")]
fn print_stu_avg_score(row: &Average) -> String {
    format!("student {}: {}", row.stu_id, row.avg_score)
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut conf = Conf::read("conf/two_flows")?;
    if let Some(addrs) = redis_addrs()? {
        // As if the file said `type: redis` and `addrs: HOST:PORT`.
        let cache = conf.connectors.get_mut("Score12Cache").ok_or("there is no Score12Cache")?;
        cache.engine = "redis".to_owned();
        cache.addrs = addrs;
    }
    let registry = Registry::linked();
    #[cfg(feature = "redis")]
    let registry = registry.connector::<Redis>();
    let flows = registry.link(conf).await?;

    let scores_12 = Batch::json([
        r#"{"stu_id":101,"score_1":100,"score_2":90}"#,
        r#"{"stu_id":102,"score_1":100,"score_2":80}"#,
    ]);
    let scores_3 =
        Batch::json([r#"{"stu_id":101,"score_3":80}"#, r#"{"stu_id":102,"score_3":70}"#]);
    // The one that waits is started first, to show that the order does not matter.
    let second = tokio::spawn(flows.get("CalStuAvgScore3")?.run(scores_3));
    let first = tokio::spawn(flows.get("CalStuAvgScore12")?.run(scores_12));

    for report in [first.await??, second.await??] {
        println!("{report}");
        report.output().rows::<String>()?.iter().for_each(|line| println!("  {line}"));
    }
    Ok(())
}

/// What stands behind `--redis`.
fn redis_addrs() -> Result<Option<String>> {
    match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => Ok(None),
        [flag, addrs] if flag == "--redis" => Ok(Some(addrs.clone())),
        _ => Err("usage: two_flows [--redis HOST:PORT]".into()),
    }
}
