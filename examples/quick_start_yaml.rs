//! The quick start with YAML: the code says what is computed, `conf/quick_start` in which order.
//!
//! Run it from the root of the repository: `cargo run --example quick_start_yaml`
//!
//! ```text
//! student 101: 90
//! student 102: 76.66666666666667
//! flow CalStuAvgScore: completed, 2 rows in, 2 out
//! ```

use kisflow::{Result, prelude::*};

#[derive(Deserialize)]
struct Scores {
    stu_id: u32,
    score_1: f64,
    score_2: f64,
    score_3: f64,
}

#[derive(Serialize, Deserialize)]
struct Average {
    stu_id: u32,
    avg_score: f64,
}

/// The name in the parentheses is the `fname` of the conf.
#[faas("AvgStuScore")]
fn avg_stu_score(row: &Scores) -> Average {
    Average { stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2 + row.score_3) / 3.0 }
}

#[faas("PrintStuAvgScore")]
fn print_stu_avg_score(row: &Average) {
    println!("student {}: {}", row.stu_id, row.avg_score);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // Finds both functions by themselves. Misspell one in the conf to see what it says then.
    let flows = Registry::linked().load("conf/quick_start").await?;

    let rows = Batch::json([
        r#"{"stu_id":101,"score_1":100,"score_2":90,"score_3":80}"#,
        r#"{"stu_id":102,"score_1":100,"score_2":70,"score_3":60}"#,
    ]);
    let report = flows.get("CalStuAvgScore")?.run(rows).await?;
    println!("{report}");
    Ok(())
}
