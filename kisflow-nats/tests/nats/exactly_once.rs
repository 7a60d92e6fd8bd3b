//! Readers of flows with `guarantee: exactly_once`.

use std::{sync::Arc, time::Duration};

use kisflow_core::{
    Delivery, Guarantee, Settled, Source, SourceContext, conformance::Kept, durable::MemoryStore,
    error_chain,
};
use kisflow_nats::Nats;
use tokio::time::timeout;

use crate::{
    nats_server::NatsServer,
    reader::{conf, params, rows_of, server, texts, until},
};

/// Long enough for rows that are there.
const SHORT: Duration = Duration::from_millis(200);

async fn open(server: &NatsServer, store: &Arc<MemoryStore>) -> Kept<Nats> {
    let context =
        SourceContext::new("billing", "orders", store.clone()).guarantee(Guarantee::ExactlyOnce);
    let params = params(|params| params.lease = Duration::from_millis(500));
    Kept::open(&conf(server), params, context).await.unwrap()
}

async fn next(reader: &mut Kept<Nats>) -> Delivery {
    until("rows come", async || reader.next().await.ok().flatten()).await
}

async fn done(delivery: &Delivery) {
    delivery.receipt().done(&Settled::new(delivery.batch().len(), 0)).await.unwrap();
}

/// Reads and settles rows until so many have come.
async fn read(reader: &mut Kept<Nats>, rows: usize) -> Vec<String> {
    let mut read = Vec::new();
    while read.len() < rows {
        let delivery = next(reader).await;
        done(&delivery).await;
        read.extend(rows_of(&delivery));
    }
    read
}

async fn make_anew(server: &NatsServer) {
    server.jetstream().await.delete_stream("ORDERS").await.unwrap();
    server.create_stream("ORDERS", &["orders.>"]).await;
}

#[tokio::test]
async fn the_sequences_of_a_stream_that_is_made_anew_are_other_rows() {
    let (server, store) = (server(0..10).await, Arc::default());
    let mut reader = open(&server, &store).await;
    assert_eq!(read(&mut reader, 10).await, texts(0..10));
    // While it runs, and while it does not.
    make_anew(&server).await;
    server.publish("orders.new", texts(10..20)).await;
    assert_eq!(read(&mut reader, 10).await, texts(10..20));
    reader.close().await.unwrap();
    make_anew(&server).await;
    server.publish("orders.new", texts(20..30)).await;
    let mut reader = open(&server, &store).await;
    assert_eq!(read(&mut reader, 10).await, texts(20..30));
    reader.close().await.unwrap();
}

#[tokio::test]
async fn a_consumer_that_is_gone_is_an_error_with_the_ways_out() {
    let (server, store) = (server(0..10).await, Arc::default());
    let mut reader = open(&server, &store).await;
    assert_eq!(read(&mut reader, 10).await, texts(0..10));
    let stream = server.jetstream().await.get_stream("ORDERS").await.unwrap();
    let config = stream.consumer_info("billing").await.unwrap().config;
    stream.delete_consumer("billing").await.unwrap();
    server.publish("orders.new", texts(10..20)).await;
    until("it says so", async || {
        let said = error_chain(&*reader.next().await.err()?).to_string();
        said.contains("is gone, and with it which rows are done").then_some(())
    })
    .await;
    let config = async_nats::jetstream::consumer::Config {
        deliver_policy: async_nats::jetstream::consumer::DeliverPolicy::ByStartSequence {
            start_sequence: 11,
        },
        ..config
    };
    stream.create_consumer(config).await.unwrap();
    assert_eq!(read(&mut reader, 10).await, texts(10..20));
    reader.close().await.unwrap();
    stream.delete_consumer("billing").await.unwrap();
    let context =
        SourceContext::new("billing", "orders", store.clone()).guarantee(Guarantee::ExactlyOnce);
    let error = Nats::open(&conf(&server), params(|_| {}), context).await.unwrap_err();
    assert!(error.to_string().contains("begin anew: `positions reset"), "{error}");
}

#[tokio::test]
async fn a_second_reader_waits_and_takes_over() {
    let (server, store) = (server(0..20).await, Arc::default());
    let mut first = open(&server, &store).await;
    let held = next(&mut first).await;
    let mut second = open(&server, &store).await;
    assert!(timeout(SHORT, second.next()).await.is_err(), "two readers have rows");
    done(&held).await;
    first.close().await.unwrap();
    assert_eq!(read(&mut second, 10).await, texts(10..20));
    second.close().await.unwrap();
}

#[tokio::test]
async fn a_consumer_that_is_made_again_delivers_no_row_twice_that_is_in_progress() {
    let (server, store) = (server(0..10).await, Arc::default());
    let mut reader = open(&server, &store).await;
    let held = next(&mut reader).await;
    assert_eq!(rows_of(&held), texts(0..10));
    let stream = server.jetstream().await.get_stream("ORDERS").await.unwrap();
    let config = stream.consumer_info("billing").await.unwrap().config;
    stream.delete_consumer("billing").await.unwrap();
    stream.create_consumer(config).await.unwrap();
    server.publish("orders.new", texts(10..20)).await;
    let new = next(&mut reader).await;
    assert_eq!(rows_of(&new), texts(10..20));
    for delivery in [held, new] {
        done(&delivery).await;
    }
    // The new consumer has given the first rows as well, and hears that they are done.
    let (reader, stream) = (&mut reader, &stream);
    until("all are acknowledged", async || {
        assert!(timeout(SHORT, reader.next()).await.is_err(), "a row came again");
        let info = stream.consumer_info("billing").await.unwrap();
        (info.num_ack_pending + usize::try_from(info.num_pending).unwrap() == 0).then_some(())
    })
    .await;
}
