//! What a reader reads, where it begins, and how long its rows are its own.

use std::time::Duration;

use async_nats::jetstream::consumer::Info;
use kisflow_core::{Delivery, Source, Start};
use kisflow_nats::NatsParams;
use tokio::time::{Instant, timeout};

use crate::{
    nats_server::NatsServer,
    reader::{
        conf, context, done, next, open, params, positions_of, read, rows_of, server, texts, until,
    },
};

/// Short enough to wait for, long enough for a busy machine to renew.
const LEASE: Duration = Duration::from_millis(900);

/// A lease that no test outlasts: nothing comes again by itself.
fn long() -> NatsParams {
    params(|params| params.lease = Duration::from_secs(600))
}

async fn info(server: &NatsServer, consumer: &str) -> Option<Info> {
    let stream = server.jetstream().await.get_stream("ORDERS").await.unwrap();
    stream.consumer_info(consumer).await.ok()
}

#[tokio::test]
async fn a_position_is_the_stream_and_its_sequence() {
    let server = server(0..3).await;
    server.publish("orders.paid", ["paid".to_owned()]).await;
    let mut reader = open(&conf(&server).key("orders.new"), params(|_| {})).await;
    server.publish("orders.new", ["last".to_owned()]).await;
    let mut positions = Vec::new();
    while positions.len() < 4 {
        positions.extend(positions_of(&next(&mut reader).await));
    }
    assert_eq!(positions, ["ORDERS:1", "ORDERS:2", "ORDERS:3", "ORDERS:5"]);
}

#[tokio::test]
async fn a_new_group_begins_where_the_conf_says() {
    let server = server(0..5).await;
    let check = async |group: &str, start: Start, expect: Vec<String>| {
        let mut reader = open(&conf(&server).group(group).start(start), params(|_| {})).await;
        server.publish("orders.new", ["new".to_owned()]).await;
        let read = read(&mut reader, expect.len()).await;
        assert_eq!(read, expect, "{group}");
    };
    let new = || "new".to_owned();
    check("latest", Start::Latest, vec![new()]).await;
    check(
        "behind",
        Start::After("ORDERS:3".into()),
        vec![texts(3..4)[0].clone(), texts(4..5)[0].clone(), new(), new()],
    )
    .await;
    check("number", Start::After("6".into()), vec![new(), new()]).await;
    check("future", Start::After("8".into()), vec![new()]).await;
    let mut all = texts(0..5);
    all.extend([new(), new(), new(), new(), new()]);
    check("earliest", Start::Earliest, all).await;
}

#[tokio::test]
async fn the_lag_is_what_was_not_handed_out() {
    let server = server(0..25).await;
    let mut reader = open(&conf(&server), params(|_| {})).await;
    assert_eq!(reader.lag().await.unwrap(), Some(25));
    let delivery = next(&mut reader).await;
    assert_eq!(delivery.batch().len(), 10);
    until("ten more are fetched", async || {
        (info(&server, "billing").await?.num_ack_pending == 20).then_some(())
    })
    .await;
    until("15 rows wait", async || (reader.lag().await.unwrap() == Some(15)).then_some(())).await;
    read(&mut reader, 15).await;
    assert_eq!(reader.lag().await.unwrap(), Some(0));
}

#[tokio::test]
async fn rows_of_a_reader_that_is_gone_without_a_word_are_taken_over_after_the_lease() {
    let server = server(0..10).await;
    let lease = params(|params| params.lease = LEASE);
    let mut gone = open(&conf(&server), lease.clone()).await;
    let mut other = open(&conf(&server), lease).await;
    let start = Instant::now();
    let delivery = next(&mut gone).await;
    let positions = positions_of(&delivery);
    assert_eq!(positions.len(), 10);
    drop((delivery, gone));
    let taken = next(&mut other).await;
    assert_eq!(positions_of(&taken), positions);
    let waited = start.elapsed();
    assert!(waited >= LEASE && waited < LEASE * 10, "taken over after {waited:?}");
}

#[tokio::test]
async fn rows_stay_with_a_reader_that_renews_and_with_one_that_has_fetched_them() {
    let server = server(0..20).await;
    let lease = params(|params| params.lease = LEASE);
    let mut reader = open(&conf(&server), lease.clone()).await;
    let held = next(&mut reader).await;
    assert_eq!(held.receipt().lease(), Some(LEASE));
    until("a second batch is fetched", async || {
        (info(&server, "billing").await?.num_ack_pending == 20).then_some(())
    })
    .await;
    let mut other = open(&conf(&server), lease).await;
    let end = Instant::now() + LEASE * 3;
    while Instant::now() < end {
        held.receipt().renew().await.unwrap();
        if let Ok(taken) = timeout(LEASE / 6, other.next()).await {
            panic!("taken away: {:?}", taken.unwrap());
        }
    }
    let fetched = next(&mut reader).await;
    assert_eq!(rows_of(&fetched), texts(10..20));
    done(fetched.receipt()).await.unwrap();
    // Nobody renews the first ten any more.
    reader.close().await.unwrap();
    let mut rows = read(&mut other, 10).await;
    rows.sort_unstable();
    assert_eq!(rows, texts(0..10));
}

#[tokio::test]
async fn what_is_done_is_acknowledged_when_it_says_so() {
    let server = server(0..10).await;
    let mut reader = open(&conf(&server), params(|_| {})).await;
    let delivery = next(&mut reader).await;
    assert_eq!(info(&server, "billing").await.unwrap().num_ack_pending, 10);
    done(delivery.receipt()).await.unwrap();
    let info = info(&server, "billing").await.unwrap();
    assert_eq!((info.num_ack_pending, info.ack_floor.stream_sequence), (0, 10));
    done(delivery.receipt()).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_closes_gives_back_what_it_has_fetched() {
    let server = server(0..40).await;
    let mut reader = open(&conf(&server), long()).await;
    assert_eq!(read(&mut reader, 10).await, texts(0..10));
    reader.close().await.unwrap();
    let mut other = open(&conf(&server), long()).await;
    let mut rows = read(&mut other, 30).await;
    rows.sort_unstable();
    assert_eq!(rows, texts(10..40));
}

#[tokio::test]
async fn nothing_is_fetched_before_it_is_asked_for() {
    let server = server(0..10).await;
    let _idle = open(&conf(&server), long()).await;
    let mut busy = open(&conf(&server), long()).await;
    assert_eq!(read(&mut busy, 10).await, texts(0..10));
}

#[tokio::test]
async fn a_consumer_that_is_deleted_is_made_again_where_the_group_was() {
    let server = server(0..10).await;
    // The server says so; nobody waits for an answer that does not come.
    let params = params(|params| params.request_timeout = Duration::from_secs(120));
    let mut reader = open(&conf(&server), params).await;
    assert_eq!(read(&mut reader, 10).await, texts(0..10));
    assert_eq!(reader.lag().await.unwrap(), Some(0));
    server.publish("orders.new", texts(10..15)).await;
    let held = next(&mut reader).await;
    let stream = server.jetstream().await.get_stream("ORDERS").await.unwrap();
    stream.delete_consumer("billing").await.unwrap();
    let error = done(held.receipt()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the consumer `billing` of stream `ORDERS` at nats {} is gone and being made again",
            server.addr()
        )
    );
    server.publish("orders.new", texts(15..20)).await;
    let mut rows = read(&mut reader, 10).await;
    rows.sort_unstable();
    assert_eq!(rows, texts(10..20), "what was not acknowledged comes again, and nothing else");
}

#[tokio::test]
async fn a_flow_whose_name_nats_does_not_take_has_a_consumer_all_the_same() {
    let server = server(0..3).await;
    let flow = context("orders.fast 订单");
    let mut reader = kisflow_nats::Nats::open(&conf(&server), params(|_| {}), flow).await.unwrap();
    assert_eq!(read(&mut reader, 3).await, texts(0..3));
    assert!(info(&server, "orders=2E=fast=20=订单").await.is_some());
}

#[tokio::test]
async fn a_row_that_is_no_text_is_a_row() {
    let server = server(0..0).await;
    let jetstream = server.jetstream().await;
    for payload in [&b"\xff\xfe"[..], b""] {
        jetstream.publish("orders.new", payload.into()).await.unwrap().await.unwrap();
    }
    let mut reader = open(&conf(&server), params(|_| {})).await;
    let mut count = 0;
    while count < 2 {
        count += next(&mut reader).await.batch().len();
    }
}

#[tokio::test]
async fn a_batch_larger_than_the_servers_usual_limits_is_fetched() {
    let server = server(0..2_500).await;
    let mut reader = open(&conf(&server).batch(3_000, Duration::from_millis(200)), long()).await;
    let mut held = Vec::new();
    while held.iter().map(|delivery: &Delivery| delivery.batch().len()).sum::<usize>() < 2_500 {
        held.push(next(&mut reader).await);
    }
}
