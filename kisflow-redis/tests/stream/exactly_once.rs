//! Readers of flows with `guarantee: exactly_once`.

use std::{sync::Arc, time::Duration};

use kisflow_core::{
    Delivery, Guarantee, Source, SourceConf, SourceContext, conformance::Kept,
    durable::MemoryStore, error_chain,
};
use kisflow_redis::{RedisStream, RedisStreamParams};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    redis_server::RedisServer,
    world::{PATIENCE, add, done, orders, rows, texts},
};

fn context(store: &Arc<MemoryStore>) -> SourceContext {
    SourceContext::new("flow", "orders", store.clone()).guarantee(Guarantee::ExactlyOnce)
}

fn params(conf: &SourceConf) -> RedisStreamParams {
    conf.params.read().unwrap()
}

async fn open(conf: &SourceConf, store: &Arc<MemoryStore>) -> Kept<RedisStream> {
    Kept::open(conf, params(conf), context(store)).await.unwrap()
}

async fn next(reader: &mut Kept<RedisStream>) -> Delivery {
    timeout(PATIENCE, reader.next()).await.unwrap().unwrap().unwrap()
}

/// The parts that have a position.
async fn parts(store: &Arc<MemoryStore>) -> Vec<String> {
    context(store).positions().all().await.unwrap().into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_gone_is_an_error_with_the_ways_out() {
    let server = RedisServer::start(&[]);
    let (conf, store) = (orders(server.addr()).batch(10, Duration::ZERO), Arc::default());
    add(&server, 1..4);
    let mut reader = open(&conf, &store).await;
    let delivery = next(&mut reader).await;
    done(&delivery).await;
    server.cli(&["XGROUP", "DESTROY", "orders", "g"]);
    let said = error_chain(&*reader.next().await.unwrap_err()).to_string();
    let expect = format!(
        "the group g of stream orders at {} is gone, and with it which rows are done: rows that are read again would count again; begin anew: `positions reset --drop-states`, or, if the stream is the same, make the group behind the last row that is done: `XGROUP CREATE orders g <its id>`",
        server.addr()
    );
    assert_eq!(said, expect);
    reader.close().await.unwrap();
    // Nor is it made when a reader is opened.
    let error = RedisStream::open(&conf, params(&conf), context(&store)).await.unwrap_err();
    assert_eq!(error.to_string(), expect);
    server.cli(&["XGROUP", "CREATE", "orders", "g", "3-0"]);
    add(&server, 4..6);
    let mut reader = open(&conf, &store).await;
    let delivery = next(&mut reader).await;
    assert_eq!(rows(&delivery), texts(4..6));
    done(&delivery).await;
    reader.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_stays_until_nothing_of_it_can_be_redelivered() {
    let server = RedisServer::start(&[]);
    let conf = orders(server.addr()).batch(3, Duration::ZERO).param("lease_ms", 100);
    let store = Arc::default();
    add(&server, 1..10);
    let mut dead = open(&conf, &store).await;
    done(&next(&mut dead).await).await;
    let taken = next(&mut dead).await;
    drop((taken, dead));
    let dead = parts(&store).await;
    assert_eq!(dead.len(), 2, "{dead:?}");
    let mut reader = open(&conf, &store).await;
    let mut read = Vec::new();
    while read.len() < 6 {
        let delivery = next(&mut reader).await;
        done(&delivery).await;
        read.extend(rows(&delivery));
    }
    read.sort_unstable();
    assert_eq!(read, texts(4..10));
    // Nothing more comes; it looks after other things.
    let started = Instant::now();
    while parts(&store).await.len() > 2 {
        assert!(started.elapsed() < PATIENCE, "{:?}", parts(&store).await);
        let _ = timeout(Duration::from_millis(10), reader.next()).await;
        sleep(Duration::from_millis(10)).await;
    }
    assert!(parts(&store).await.iter().any(|part| !dead.contains(part)), "its own has to stay");
    // In the end there is only the mark of the group.
    reader.close().await.unwrap();
    assert_eq!(parts(&store).await, [r#""orders" "g""#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_has_a_position_before_it_has_an_entry() {
    let server = RedisServer::start(&[]);
    let (conf, store) = (orders(server.addr()), Arc::default());
    let mut reader = open(&conf, &store).await;
    let none = timeout(Duration::from_millis(200), reader.next()).await;
    assert!(none.is_err(), "the stream is empty");
    // Its own, and the mark of the group: others can fence it.
    assert_eq!(parts(&store).await.len(), 2);
    reader.close().await.unwrap();
}

#[test]
fn entries_are_taken_over_only_from_the_reader_that_was_seen() {
    let server = RedisServer::start(&[]);
    server.cli(&["XGROUP", "CREATE", "orders", "g", "0", "MKSTREAM"]);
    add(&server, 1..4);
    let read = ["XREADGROUP", "GROUP", "g", "dead", "COUNT", "3", "STREAMS", "orders", ">"];
    assert!(!server.cli(&read).is_empty());
    // Another one has claimed the second, and given it back.
    server.cli(&["XCLAIM", "orders", "g", "other", "0", "2-0", "IDLE", "90000", "JUSTID"]);
    server.cli(&["XCLAIM", "orders", "g", "dead", "0", "1-0", "3-0", "IDLE", "90000", "JUSTID"]);
    let script =
        concat!(include_str!("../../src/call.lua"), include_str!("../../src/stream/claim.lua"));
    let claim = |lease: &str| {
        let seen = ["1-0", "dead", "2-0", "dead", "3-0", "dead"];
        server.cli(&[&["EVAL", script, "1", "orders", "g", "me", lease][..], &seen].concat())
    };
    assert_eq!(claim("99000"), "0", "their leases have not passed");
    assert_eq!(claim("60000"), "2");
    let mine = server.cli(&["XPENDING", "orders", "g", "-", "+", "9", "me"]);
    assert!(mine.contains("1-0") && mine.contains("3-0") && !mine.contains("2-0"), "{mine}");
}
