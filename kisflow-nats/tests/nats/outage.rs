//! A server that goes away under a reader, and comes back.

use std::time::Duration;

use kisflow_core::{Source, error_chain};
use kisflow_nats::NatsError;

use crate::nats_server::NatsServer;
use crate::reader::{conf, done, next, open, params, read, rows_of, server, texts, timed, until};

/// Waits until so many rows are with readers.
async fn fetched(server: &NatsServer, rows: usize) {
    let stream = server.jetstream().await.get_stream("ORDERS").await.unwrap();
    until("rows are fetched", async || {
        (stream.consumer_info("billing").await.unwrap().num_ack_pending == rows).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_reader_says_that_its_server_is_away_and_goes_on_when_it_is_back() {
    let mut server = server(0..10).await;
    let mut reader = open(&conf(&server), params(|_| {})).await;
    assert_eq!(read(&mut reader, 10).await, texts(0..10));
    server.kill();
    for _ in 0..3 {
        let error = reader.next().await.unwrap_err();
        let error = error.downcast_ref::<NatsError>().unwrap();
        assert!(error.is_outage(), "{error:?}");
        let expect =
            format!("the connection to nats at {} is lost and being made again", server.addr());
        assert_eq!(error.to_string(), expect);
    }
    let lag = reader.lag().await.unwrap_err();
    assert!(lag.to_string().contains("is lost"), "{lag}");
    server.restart();
    server.publish("orders.new", texts(10..20)).await;
    let mut rows = Vec::new();
    until("all rows have come", async || {
        rows.extend(reader.next().await.ok().flatten().iter().flat_map(rows_of));
        texts(10..20).iter().all(|row| rows.contains(row)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_done_while_the_server_is_away_can_be_told_when_it_is_back() {
    let mut server = server(0..10).await;
    let mut reader =
        open(&conf(&server), params(|params| params.lease = Duration::from_secs(600))).await;
    let delivery = next(&mut reader).await;
    server.stop();
    let error = done(delivery.receipt()).await.unwrap_err();
    assert!(error.downcast_ref::<NatsError>().unwrap().is_outage(), "{}", error_chain(&*error));
    assert!(delivery.receipt().release().await.is_err());
    assert!(delivery.receipt().renew().await.is_err());
    server.restart();
    until("it can be told", async || done(delivery.receipt()).await.ok()).await;
    let stream = server.jetstream().await.get_stream("ORDERS").await.unwrap();
    let info = stream.consumer_info("billing").await.unwrap();
    assert_eq!((info.num_ack_pending, info.num_pending), (0, 0));
}

#[tokio::test]
async fn a_server_that_hangs_is_an_error_in_time() {
    let server = server(0..30).await;
    let mut reader =
        open(&conf(&server), params(|params| params.request_timeout = Duration::from_secs(1)))
            .await;
    let delivery = next(&mut reader).await;
    fetched(&server, 20).await;
    server.signal("STOP");
    // It takes a moment to stop.
    let asked = until("it hangs", async || done(delivery.receipt()).await.err());
    let (error, took) = timed(asked).await;
    assert_eq!(
        error.to_string(),
        format!("nats at {} did not answer within 1s: an acknowledgement", server.addr())
    );
    assert!(took.as_secs() < 20, "{took:?}");
    let (closed, took) = timed(reader.close()).await;
    assert!(closed.is_err());
    assert!(took.as_secs() < 20, "{took:?}");
    server.signal("CONT");
    until("it can be told", async || done(delivery.receipt()).await.ok()).await;
}

#[tokio::test]
async fn a_reader_closes_without_its_server_and_says_so() {
    let mut server = server(0..30).await;
    let mut reader = open(&conf(&server), params(|_| {})).await;
    let delivery = next(&mut reader).await;
    fetched(&server, 20).await;
    done(delivery.receipt()).await.unwrap();
    server.kill();
    until("it is known to be away", async || done(delivery.receipt()).await.err()).await;
    let (closed, took) = timed(reader.close()).await;
    let error = closed.unwrap_err();
    assert!(error.to_string().contains("is lost"), "{error}");
    assert!(took.as_secs() < 5, "{took:?}");
}
