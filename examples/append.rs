//! Adding a function to a flow while it runs: a run that has begun keeps the chain that it began
//! with, the runs after it take the new one, and nobody waits.
//!
//! Run it: `cargo run --example append`
//!
//! ```text
//! began before: 76.66666666666667 by AvgStuScore
//! began after:  77 by AvgStuScore, RoundScore
//! ```

use std::sync::Arc;

use kisflow::{Result, prelude::*};
use tokio::sync::{Notify, Semaphore};

/// Holds runs up in the middle of the flow, until `open` has permits.
struct Gate {
    reached: Notify,
    open: Semaphore,
}

#[faas("AvgStuScore")]
async fn avg_stu_score(rows: &[[f64; 3]], gate: State<'_, Arc<Gate>>) -> Result<Vec<f64>> {
    gate.reached.notify_one();
    let _permit = gate.open.acquire().await?;
    Ok(rows.iter().map(|scores| scores.iter().sum::<f64>() / 3.0).collect())
}

#[faas("RoundScore")]
fn round_score(row: &f64) -> f64 {
    row.round()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let gate = Arc::new(Gate { reached: Notify::new(), open: Semaphore::new(0) });
    let conf = FlowConf::new("CalStuAvgScore").then::<avg_stu_score>();
    let flow = Registry::linked().state(gate.clone()).link(conf).await?.get("CalStuAvgScore")?;
    let scores = || Batch::json(["[100, 70, 60]"]);

    let before = tokio::spawn(flow.run(scores()));
    gate.reached.notified().await;
    // The first run is in the middle of its first function. What is appended is linked as all
    // functions are: params that do not fit are an error here, and the chain stays as it was.
    flow.append(StepConf::of::<round_score>()).await?;
    let after = tokio::spawn(flow.run(scores()));
    gate.open.add_permits(1);

    print("began before:", &before.await??)?;
    print("began after: ", &after.await??)?;
    Ok(())
}

fn print(which: &str, report: &Report) -> Result<()> {
    let ran: Vec<_> = report.functions().map(|function| function.function.to_string()).collect();
    for score in report.output().rows::<f64>()?.iter() {
        println!("{which} {score} by {}", ran.join(", "));
    }
    Ok(())
}
