//! Metrics: two runs, then what Prometheus sees of them. `conf/metrics` says where it looks, and
//! `kisflow-cli/src/new/template/dashboard.json` is the dashboard.
//!
//! Run it from the root of the repository: `cargo run --features prometheus --example metrics`
//!
//! ```text
//! kisflow_flow_rows_total{flow="CalStuAvgScore",outcome="filtered"} 1
//! kisflow_flow_rows_total{flow="CalStuAvgScore",outcome="in"} 5
//! kisflow_flow_rows_total{flow="CalStuAvgScore",outcome="out"} 3
//! kisflow_flow_rows_total{flow="CalStuAvgScore",outcome="rejected"} 1
//! kisflow_flow_runs_total{flow="CalStuAvgScore",outcome="completed"} 2
//! kisflow_function_calls_total{flow="CalStuAvgScore",function="AvgStuScore",mode="Calculate",outcome="ok"} 2
//! kisflow_function_calls_total{flow="CalStuAvgScore",function="VerifyStu",mode="Verify",outcome="ok"} 2
//! kisflow_function_rows_total{flow="CalStuAvgScore",function="AvgStuScore",mode="Calculate",outcome="in"} 3
//! kisflow_function_rows_total{flow="CalStuAvgScore",function="AvgStuScore",mode="Calculate",outcome="out"} 3
//! kisflow_function_rows_total{flow="CalStuAvgScore",function="VerifyStu",mode="Verify",outcome="filtered"} 1
//! kisflow_function_rows_total{flow="CalStuAvgScore",function="VerifyStu",mode="Verify",outcome="in"} 5
//! kisflow_function_rows_total{flow="CalStuAvgScore",function="VerifyStu",mode="Verify",outcome="out"} 3
//! kisflow_function_rows_total{flow="CalStuAvgScore",function="VerifyStu",mode="Verify",outcome="rejected"} 1
//! ```

use kisflow::{Result, prelude::*};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[derive(Deserialize)]
struct Scores {
    stu_id: u32,
    score_1: f64,
    score_2: f64,
}

#[derive(Serialize)]
struct Average {
    stu_id: u32,
    avg_score: f64,
}

#[faas("VerifyStu")]
fn verify_stu(row: &Scores) -> bool {
    row.stu_id <= 999
}

#[faas("AvgStuScore")]
fn avg_stu_score(row: &Scores) -> Average {
    Average { stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2) / 2.0 }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let conf = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/metrics");
    let flows = Registry::linked().exporter(Prometheus::new()).load(conf).await?;
    let flow = flows.get("CalStuAvgScore")?;

    let first = [
        r#"{"stu_id":101,"score_1":100,"score_2":90}"#,
        r#"{"stu_id":102,"score_1":100,"score_2":80}"#,
    ];
    let second = [
        r#"{"stu_id":103,"score_1":70,"score_2":60}"#,
        r#"{"stu_id":1000,"score_1":70,"score_2":60}"#,
        r#"{"stu_id":104,"score_1":"seventy","score_2":60}"#,
    ];
    flow.run(Batch::json(first)).await?;
    flow.run(Batch::json(second)).await?;

    let metrics = get(&flows.conf().global.prometheus_serve, "/metrics").await?;
    let counted = |line: &&str| line.contains("_total{") && !line.ends_with(" 0");
    let mut lines: Vec<&str> = metrics.lines().filter(counted).collect();
    lines.sort_unstable();
    println!("{}", lines.join("\n"));
    Ok(())
}

/// What a browser would show at `http://address/path`.
async fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}
