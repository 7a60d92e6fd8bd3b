//! A process that serves a directory of conf: what the chaos tests kill, again and again.
//!
//! `chaos_worker DIR NAME` serves until it is told to stop, then prints its ledger and how much
//! memory it has taken. Its flows count every row in Redis: how often each id was delivered, and by
//! whom.

#![allow(missing_docs, reason = "a part of the tests")]

use std::{
    collections::HashMap,
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kisflow::{File, Result, Unavailable, prelude::*};
use kisflow_redis::fred::prelude::*;

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

/// The worker's name, and how long it takes for each batch.
struct Worker {
    name: String,
    dawdle: Duration,
}

/// Counts each id once more, in one round trip for the batch: what makes repeats visible.
#[faas("CountInRedis")]
async fn count_in_redis(
    rows: &[Numbered],
    redis: Conn<'_, Redis>,
    worker: State<'_, Worker>,
) -> Result<()> {
    tokio::time::sleep(worker.dawdle).await;
    let mut counts: HashMap<u64, i64> = HashMap::new();
    rows.iter().for_each(|row| *counts.entry(row.id).or_default() += 1);
    // Both counts of a batch, or none.
    let script = "for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end \
                  return redis.call('HINCRBY', KEYS[2], ARGV[1], ARGV[2])";
    let mut arguments = vec![worker.name.clone(), rows.len().to_string()];
    for (id, count) in counts {
        arguments.extend([id.to_string(), count.to_string()]);
    }
    let keys = vec!["delivered", "workers"];
    let counted: Result<i64, _> = redis.client().eval(script, keys, arguments).await;
    counted.map(|_| ()).map_err(|error| Unavailable::new(error).into())
}

#[derive(Deserialize)]
struct Keyed {
    id: u64,
    key: u64,
}

/// Keeps the last id of each key, as an upsert does, and counts each id, in one round trip.
#[faas("KeepLastInRedis")]
async fn keep_last_in_redis(rows: &[Keyed], redis: Conn<'_, Redis>) -> Result<()> {
    let script = "for i = 1, #ARGV, 2 do \
                  redis.call('HINCRBY', KEYS[1], ARGV[i], 1) redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i]) \
                  end";
    let arguments: Vec<String> =
        rows.iter().flat_map(|row| [row.id.to_string(), row.key.to_string()]).collect();
    let kept: Result<(), _> =
        redis.client().eval(script, vec!["delivered", "last"], arguments).await;
    kept.map_err(|error| Unavailable::new(error).into())
}

#[derive(Clone, Deserialize, Serialize)]
struct Grouped {
    id: u64,
    group: u64,
}

/// What is known of a group.
#[derive(Default, Deserialize, Serialize)]
struct Group {
    rows: u64,
    sum: u64,
    /// The last row of each file: of the first half of the rows, and of the second.
    last: [Option<u64>; 2],
    out_of_order: u64,
}

/// Counts the rows of each group in its state.
#[faas("Tally")]
fn tally(row: &Grouped, group: &mut Group) -> Grouped {
    group.rows += 1;
    group.sum += row.id;
    let [first, second] = &mut group.last;
    let last = if row.id < 50_000 { first } else { second };
    group.out_of_order += u64::from(last.is_some_and(|last| last >= row.id));
    *last = Some(row.id);
    row.clone()
}

/// Counts in its own memory: for a flow that is to be fast, or slow, and nothing else.
#[faas("Count")]
async fn count(rows: &[Numbered], worker: State<'_, Worker>, cx: Cx<'_>) -> Result<()> {
    tokio::time::sleep(worker.dawdle).await;
    let sum: u64 = rows.iter().map(|row| row.id).sum();
    let total = cx.metadata().get_or_insert_with("sum", std::sync::atomic::AtomicU64::default);
    total.fetch_add(sum, std::sync::atomic::Ordering::Relaxed);
    Ok(())
}

/// Says of a few rows that something is unavailable, for 50 ms in every 200 ms.
#[faas("Doubt")]
fn doubt(row: &Numbered) -> Result<bool> {
    let is_away = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() % 200 < 50;
    match row.id % 50 == 7 && is_away {
        true => Err(Unavailable::new("there are doubts").into()),
        false => Ok(true),
    }
}

/// Refuses the rows that the tests have poisoned.
#[faas("Refuse")]
fn refuse(row: &Numbered) -> Result<bool> {
    match row.id % 1_000 == 999 {
        // Long enough for a hundred of them to need a larger file.
        true => Err(format!("row {} is poison {}", row.id, "!".repeat(50_000)).into()),
        false => Ok(true),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let usage = "chaos_worker DIR NAME [DAWDLE_MS]";
    let (dir, name) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let dawdle = arguments.next().map_or(Ok(0), |ms| ms.parse())?;
    let flows = Registry::linked()
        .connector::<Redis>()
        .connector::<Redb>()
        .connector::<Postgres>()
        .source::<File>()
        .source::<Stdin>()
        .source::<Http>()
        .source::<Nats>()
        .source::<RedisStream>()
        .exporter(Prometheus::new())
        .state(Worker { name, dawdle: Duration::from_millis(dawdle) })
        .load(dir)
        .await?;
    let served = flows.serve(termination()).await?;
    for (flow, ended) in &served.flows {
        let ledger = &ended.ledger;
        println!(
            "{flow} read {} delivered {} filtered {} quarantined {} waiting {} resumed {} returned {} unaccounted {}",
            ledger.read,
            ledger.delivered,
            ledger.filtered,
            ledger.quarantined,
            ledger.waiting,
            ledger.resumed,
            ledger.returned,
            ledger.unaccounted()
        );
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("peak memory {}", peak.unwrap_or("unknown").trim());
    Ok(())
}
