//! A flow that saves 10,000 rows to Redis and loads them again, through `Store`, against the
//! pipelines of fred that one would write by hand for the same rows.
//!
//! `cargo bench --package kisflow-benches --bench redis` starts a redis-server of its own and prints the table; `-- --smoke`
//! only proves that it runs.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark has no users, and fails loudly"
)]

#[path = "../tests/support/redis_server.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod redis_server;
#[path = "../tests/support/server.rs"]
mod server;
#[allow(dead_code, reason = "the other benchmarks use more of it")]
mod support;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use kisflow::{Result, prelude::*};
use kisflow_core::ConnConf;
use kisflow_redis::{
    Redis,
    fred::{
        clients::{Client, Pool},
        prelude::*,
        types::{ClusterHash, CustomCommand},
    },
};
use redis_server::RedisServer;
use support::{is_smoke, median};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Scores {
    stu_id: u32,
    name: String,
    score_1: f64,
    score_2: f64,
    passed: bool,
}

fn scores(stu_id: u32) -> Scores {
    let part = f64::from(stu_id) / 7.0;
    Scores {
        stu_id,
        name: format!("student {stu_id}"),
        score_1: part,
        score_2: 100.0 - part / 3.0,
        passed: !stu_id.is_multiple_of(5),
    }
}

#[faas("Save")]
async fn save(rows: &[Scores], store: Store<'_>) -> Result<Action> {
    store.put(rows.iter().map(|row| (row.stu_id, row))).await?;
    Ok(Action::Reuse)
}

#[faas("Load")]
async fn load(rows: &[Scores], store: Store<'_>, cx: Cx<'_>) -> Result<Vec<Scores>> {
    let mut loaded = Vec::with_capacity(rows.len());
    for (position, row) in
        store.get(rows.iter().map(|row| row.stu_id)).await?.into_iter().enumerate()
    {
        match row {
            Ok(row) => loaded.push(row),
            Err(cause) => cx.reject(position, cause),
        }
    }
    Ok(loaded)
}

/// As one would write it: a pipeline of `HSET`s, a pipeline of `HGETALL`s.
async fn by_hand(pool: &Pool, rows: &[Scores]) -> Result<Vec<Scores>> {
    let pipeline = pool.next().pipeline();
    for row in rows {
        let fields = [
            ("stu_id", row.stu_id.to_string()),
            ("name", row.name.clone()),
            ("score_1", row.score_1.to_string()),
            ("score_2", row.score_2.to_string()),
            ("passed", row.passed.to_string()),
        ];
        pipeline.hset::<(), _, _>(format!("hand_{}", row.stu_id), fields.to_vec()).await?;
    }
    pipeline.all::<Vec<i64>>().await?;

    let pipeline = pool.next().pipeline();
    for row in rows {
        pipeline.hgetall::<(), _>(format!("hand_{}", row.stu_id)).await?;
    }
    let records: Vec<HashMap<String, String>> = pipeline.all().await?;
    let read = |mut record: HashMap<String, String>| -> Result<Scores> {
        let mut field = |name: &str| record.remove(name).ok_or_else(|| format!("no field {name}"));
        Ok(Scores {
            stu_id: field("stu_id")?.parse()?,
            name: field("name")?,
            score_1: field("score_1")?.parse()?,
            score_2: field("score_2")?.parse()?,
            passed: field("passed")?.parse()?,
        })
    };
    records.into_iter().map(read).collect()
}

/// By hand again, by someone who has read fred's sources: no maps, and the last command stands behind
/// the pipeline, so that fred does not flush after each command.
async fn by_an_expert(pool: &Pool, rows: &[Scores]) -> Result<Vec<Scores>> {
    let set = |row: &Scores| {
        let fields: [(&'static str, Value); 5] = [
            ("stu_id", row.stu_id.to_string().into()),
            ("name", row.name.clone().into()),
            ("score_1", row.score_1.to_string().into()),
            ("score_2", row.score_2.to_string().into()),
            ("passed", row.passed.to_string().into()),
        ];
        let mut arguments: Vec<Value> = Vec::with_capacity(11);
        arguments.push(format!("expert_{}", row.stu_id).into());
        for (name, value) in fields {
            arguments.extend([Value::from_static_str(name), value]);
        }
        arguments
    };
    flushed_once(pool.next(), "HSET", rows.iter().map(set)).await?;
    let get = |row: &Scores| vec![format!("expert_{}", row.stu_id).into()];
    let records = flushed_once(pool.next(), "HGETALL", rows.iter().map(get)).await?;
    let read = |record: Value| -> Result<Scores> {
        let mut scores =
            Scores { stu_id: 0, name: String::new(), score_1: 0.0, score_2: 0.0, passed: false };
        let values = record.into_array();
        for pair in values.chunks_exact(2) {
            let [Value::String(name), Value::String(text)] = pair else {
                return Err("no text".into());
            };
            match &**name {
                "stu_id" => scores.stu_id = text.parse()?,
                "name" => scores.name = text.to_string(),
                "score_1" => scores.score_1 = text.parse()?,
                "score_2" => scores.score_2 = text.parse()?,
                "passed" => scores.passed = text.parse()?,
                _ => {}
            }
        }
        Ok(scores)
    };
    records.into_iter().map(read).collect()
}

async fn flushed_once(
    client: &Client,
    command: &'static str,
    all: impl ExactSizeIterator<Item = Vec<Value>>,
) -> Result<Vec<Value>> {
    let command = CustomCommand::new_static(command, ClusterHash::FirstKey, false);
    let pipeline = client.pipeline();
    let (count, mut last) = (all.len(), Vec::new());
    for (index, arguments) in all.enumerate() {
        if index + 1 == count {
            last = arguments;
        } else {
            pipeline.custom::<(), Value>(command.clone(), arguments).await?;
        }
    }
    let last = client.custom::<Value, Value>(command, last);
    let (answers, last) = tokio::join!(biased; pipeline.all::<Vec<Value>>(), last);
    let mut answers = answers?;
    answers.push(last?);
    Ok(answers)
}

async fn run(rows: u32, rounds: usize) -> Result<()> {
    let server = RedisServer::start(&[]);
    let conf = Conf::new()
        .connector(ConnConf::new("scores", "redis").addrs(server.addr()).key("flow_"))
        .function(FunctionConf::new("Save", Mode::Save).connector("scores"))
        .function(FunctionConf::new("Load", Mode::Load).connector("scores"))
        .flow(FlowConf::new("SaveAndLoad").then::<save>().then::<load>());
    let registry = Registry::new().connector::<Redis>().function::<save>().function::<load>();
    let flow = registry.link(conf).await?.get("SaveAndLoad")?;

    // The pool of the other sides is as large as that of the connector.
    let pool = Builder::from_config(Config {
        server: ServerConfig::new_centralized("127.0.0.1", server.port()),
        ..Config::default()
    })
    .with_performance_config(|config| config.default_command_timeout = Duration::from_secs(30))
    .build_pool(2)?;
    let connected = pool.init().await?;

    let values: Vec<Scores> = (0..rows).map(scores).collect();
    let batch = Batch::typed(values.clone());
    let mut times: [Vec<f64>; 3] = Default::default();
    // The first round warms all sides up and is not counted.
    for round in 0..=rounds {
        for turn in 0..3 {
            let side = (round + turn) % 3;
            let start = Instant::now();
            let loaded = match side {
                0 => flow.run(batch.clone()).await?.output().rows::<Scores>()?.to_vec(),
                1 => by_hand(&pool, &values).await?,
                _ => by_an_expert(&pool, &values).await?,
            };
            let took = start.elapsed().as_secs_f64() * 1e3;
            assert!(loaded == values, "side {side} loaded other rows than it saved");
            if round > 0 {
                times[side].push(took);
            }
        }
    }
    let [flow, hand, expert] = times.map(median);
    println!("saving and loading {rows} rows, medians of {rounds} interleaved rounds");
    println!("{:<44}{:>10}{:>12}", "", "ms", "flow is");
    println!("{:<44}{flow:>10.1}", "flow of two functions, through Store");
    println!("{:<44}{hand:>10.1}{:>11.2}x", "fred's pipelines by hand", flow / hand);
    println!(
        "{:<44}{expert:>10.1}{:>11.2}x",
        "by hand, without flushing each command",
        flow / expert
    );
    pool.quit().await?;
    connected.await??;
    Ok(())
}

fn main() -> Result<()> {
    let (rows, rounds) = if is_smoke() { (100, 2) } else { (10_000, 31) };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(rows, rounds))
}
