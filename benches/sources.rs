//! A flow that is fed by a Redis stream, or by NATS JetStream, against the loop over the same client
//! that one would write by hand: read a batch, decode it, compute, acknowledge.
//!
//! `cargo bench --package kisflow-benches --bench sources` starts servers of its own and prints the table;
//! `-- --smoke` only proves that it runs.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark has no users, and fails loudly"
)]

#[path = "../tests/support/nats_server.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod nats_server;
#[path = "../tests/support/redis_server.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod redis_server;
#[path = "../tests/support/server.rs"]
mod server;
#[allow(dead_code, reason = "the other benchmarks use more of it")]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::jetstream;
use futures_util::StreamExt;
use kisflow::{QuarantineConf, prelude::*};
use kisflow_redis::fred::{prelude::*, types::streams::XReadResponse};
use nats_server::NatsServer;
use redis_server::RedisServer;
use support::{is_smoke, median};
use tokio::sync::Notify;

const BATCH: u32 = 500;

#[derive(Serialize, Deserialize)]
struct Reading {
    id: u64,
    sensor: String,
    celsius: f64,
}

fn row(id: u64) -> String {
    let celsius = 20.0 + (id % 100) as f64 / 10.0;
    serde_json::to_string(&Reading { id, sensor: format!("sensor {}", id % 50), celsius }).unwrap()
}

/// What both sides compute, and when they are done.
struct Sum {
    rows: AtomicU64,
    ids: AtomicU64,
    wanted: u64,
    reached: Notify,
}

impl Sum {
    fn new(wanted: u64) -> Arc<Self> {
        let (rows, ids) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { rows, ids, wanted, reached: Notify::new() })
    }

    fn add(&self, rows: &[Reading]) {
        let ids: u64 = rows.iter().filter(|row| row.celsius > 0.0).map(|row| row.id).sum();
        self.ids.fetch_add(ids, Ordering::Relaxed);
        let count = rows.len() as u64;
        if self.rows.fetch_add(count, Ordering::Relaxed) + count >= self.wanted {
            self.reached.notify_one();
        }
    }
}

#[faas("SumReadings")]
fn sum_readings(rows: &[Reading], sum: State<'_, Arc<Sum>>) {
    sum.add(rows);
}

/// Serves a flow from the source until all rows are done.
async fn serve(source: SourceConf, rows: u64) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept.redb").display().to_string();
    let sum = Sum::new(rows);
    let conf = Conf::new()
        .flow(FlowConf::new("Readings").source("readings").then::<sum_readings>())
        .source(source.batch(BATCH, Duration::from_millis(5)))
        .connector(ConnConf::new("kept", "redb").addrs(kept))
        .global(GlobalConf::default().quarantine(QuarantineConf::on("kept")));
    let registry = Registry::linked()
        .connector::<Redb>()
        .source::<RedisStream>()
        .source::<Nats>()
        .state(sum.clone());
    let flows = registry.link(conf).await.unwrap();
    let started = Instant::now();
    // Until the last row is acknowledged; that the source is closed in order takes its own time.
    let stop = CancellationToken::new();
    let acknowledged = async {
        sum.reached.notified().await;
        while flows.ledgers()["Readings"].delivered < rows {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let elapsed = started.elapsed();
        stop.cancel();
        elapsed
    };
    let (served, elapsed) = tokio::join!(flows.serve(stop.cancelled()), acknowledged);
    let served = served.unwrap();
    assert!(served.is_complete(), "{served}");
    check(&sum);
    elapsed
}

fn check(sum: &Sum) {
    let rows = sum.wanted;
    assert_eq!(sum.rows.load(Ordering::Relaxed), rows);
    assert_eq!(sum.ids.load(Ordering::Relaxed), rows * (rows - 1) / 2);
}

async fn redis_client(addr: &str) -> kisflow_redis::fred::clients::Client {
    let client = Builder::from_config(Config::from_url(&format!("redis://{addr}")).unwrap())
        .build()
        .unwrap();
    client.init().await.unwrap();
    client
}

async fn redis_by_hand(addr: &str, group: &str, rows: u64) -> Duration {
    let sum = Sum::new(rows);
    let started = Instant::now();
    let client = redis_client(addr).await;
    client.xgroup_create::<(), _, _, _>("readings", group, "0", false).await.unwrap();
    while sum.rows.load(Ordering::Relaxed) < rows {
        let read: XReadResponse<String, String, String, String> = client
            .xreadgroup_map(
                group,
                "hand",
                Some(u64::from(BATCH)),
                Some(1_000),
                false,
                "readings",
                ">",
            )
            .await
            .unwrap();
        let entries = &read["readings"];
        let batch: Vec<Reading> = entries
            .iter()
            .map(|(_, fields)| serde_json::from_str(&fields["row"]).unwrap())
            .collect();
        sum.add(&batch);
        let ids: Vec<&str> = entries.iter().map(|(id, _)| id.as_str()).collect();
        client.xack::<i64, _, _, _>("readings", group, ids).await.unwrap();
    }
    let elapsed = started.elapsed();
    check(&sum);
    client.quit().await.unwrap();
    elapsed
}

async fn nats_by_hand(addr: &str, durable: &str, rows: u64) -> Duration {
    let sum = Sum::new(rows);
    let started = Instant::now();
    let client = async_nats::connect(addr).await.unwrap();
    let stream = jetstream::new(client.clone()).get_stream("READINGS").await.unwrap();
    let config = jetstream::consumer::pull::Config {
        durable_name: Some(durable.to_owned()),
        filter_subject: "readings".to_owned(),
        max_ack_pending: 10_000,
        ..Default::default()
    };
    let consumer = stream.get_or_create_consumer(durable, config).await.unwrap();
    while sum.rows.load(Ordering::Relaxed) < rows {
        let mut messages = consumer.fetch().max_messages(BATCH as usize).messages().await.unwrap();
        let (mut batch, mut fetched) = (Vec::new(), Vec::new());
        while let Some(message) = messages.next().await {
            let message = message.unwrap();
            batch.push(serde_json::from_slice::<Reading>(&message.payload).unwrap());
            fetched.push(message);
        }
        sum.add(&batch);
        for message in fetched {
            message.ack().await.unwrap();
        }
    }
    client.flush().await.unwrap();
    let elapsed = started.elapsed();
    check(&sum);
    elapsed
}

async fn fill_redis(addr: &str, rows: u64) {
    let client = redis_client(addr).await;
    for first in (0..rows).step_by(5_000) {
        let pipeline = client.pipeline();
        for id in first..(first + 5_000).min(rows) {
            pipeline
                .xadd::<(), _, _, _, _>("readings", false, None, "*", ("row", row(id)))
                .await
                .unwrap();
        }
        pipeline.all::<()>().await.unwrap();
    }
    client.quit().await.unwrap();
}

async fn fill_nats(addr: &str, rows: u64) {
    let jetstream = jetstream::new(async_nats::connect(addr).await.unwrap());
    let subjects = vec!["readings".to_owned()];
    let config =
        jetstream::stream::Config { name: "READINGS".to_owned(), subjects, ..Default::default() };
    jetstream.create_stream(config).await.unwrap();
    for first in (0..rows).step_by(1_000) {
        let mut acks = Vec::new();
        for id in first..(first + 1_000).min(rows) {
            acks.push(jetstream.publish("readings", row(id).into()).await.unwrap());
        }
        for ack in acks {
            ack.await.unwrap();
        }
    }
}

fn print(source: &str, rows: u64, ours: Vec<Duration>, hand: Vec<Duration>) {
    let rate = |times: Vec<Duration>| {
        rows as f64 / median(times.iter().map(Duration::as_secs_f64).collect())
    };
    let (ours, hand) = (rate(ours), rate(hand));
    println!("{source:<12} {ours:>14.0} {hand:>14.0} {:>6.2}", ours / hand);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (rows, rounds) = if is_smoke() { (2_000, 1) } else { (200_000, 7) };
    println!("{rows} rows, batches of {BATCH}, medians of {rounds} rounds in turn\n");
    println!("source       kisflow rows/s    hand rows/s  ratio");

    let redis = RedisServer::start(&[]);
    let addr = redis.addr();
    fill_redis(&addr, rows).await;
    let (mut ours, mut hand) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let source = SourceConf::new("readings", "redis_stream").addrs(&addr).key("readings");
        ours.push(serve(source.group(format!("ours-{round}")), rows).await);
        hand.push(redis_by_hand(&addr, &format!("hand-{round}"), rows).await);
    }
    print("redis_stream", rows, ours, hand);

    let nats = NatsServer::start();
    let addr = nats.addr();
    fill_nats(&addr, rows).await;
    let (mut ours, mut hand) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let source = SourceConf::new("readings", "nats").addrs(&addr).key("readings");
        let source = source.group(format!("ours-{round}")).param("stream", "READINGS");
        ours.push(serve(source, rows).await);
        hand.push(nats_by_hand(&addr, &format!("hand-{round}"), rows).await);
    }
    print("nats", rows, ours, hand);
}
