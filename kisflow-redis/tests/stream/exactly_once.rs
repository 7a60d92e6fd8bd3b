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
