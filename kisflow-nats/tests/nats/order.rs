//! A reader that keeps the order, after another one died.

use std::time::Duration;

use kisflow_core::{Ordered, Source};
use tokio::time::timeout;

use crate::reader::{conf, done, next, open, params, positions_of, read, rows_of, server, texts};

#[tokio::test]
async fn rows_of_a_dead_reader_come_before_new_ones_and_in_their_order() {
    let server = server(0..20).await;
    let lease = params(|params| params.lease = Duration::from_millis(900));
    let conf = conf(&server).ordered(Ordered::Partition);
    let mut dead = open(&conf, lease.clone()).await;
    let taken = [next(&mut dead).await, next(&mut dead).await];
    // The lease of the older rows passes last.
    tokio::time::sleep(Duration::from_millis(300)).await;
    taken[0].receipt().renew().await.unwrap();
    drop((taken, dead));
    server.publish("orders.new", texts(20..30)).await;
    let mut reader = open(&conf, lease).await;
    for expect in [0..10, 10..20, 20..30] {
        let delivery = next(&mut reader).await;
        assert_eq!(rows_of(&delivery), texts(expect), "{:?}", positions_of(&delivery));
        done(delivery.receipt()).await.unwrap();
    }
    reader.close().await.unwrap();
}

#[tokio::test]
async fn rows_that_this_reader_has_are_not_handed_out_twice() {
    let server = server(0..10).await;
    let lease = params(|params| params.lease = Duration::from_millis(300));
    let mut reader = open(&conf(&server), lease).await;
    let held = next(&mut reader).await;
    assert_eq!(rows_of(&held), texts(0..10));
    // Nobody renews the lease: the server delivers the rows again.
    assert!(timeout(Duration::from_millis(900), reader.next()).await.is_err());
    // The acknowledgement counts, and what comes behind is handed out.
    done(held.receipt()).await.unwrap();
    server.publish("orders.new", texts(10..11)).await;
    assert_eq!(read(&mut reader, 1).await, texts(10..11));
    assert_eq!(reader.lag().await.unwrap(), Some(0));
    drop(held);
}

#[tokio::test]
async fn a_reader_waits_for_what_another_has_and_not_for_what_it_gave_back() {
    let server = server(0..30).await;
    let lease = params(|params| params.lease = Duration::from_secs(600));
    let ordered = conf(&server).ordered(Ordered::Key("id".to_owned()));
    let mut first = open(&ordered, lease.clone()).await;
    let held = next(&mut first).await;
    assert_eq!(rows_of(&held), texts(0..10));
    let mut second = open(&ordered, lease).await;
    assert!(timeout(Duration::from_millis(300), second.next()).await.is_err());
    // What it has fetched ahead comes back, and what the second one has gathered waits for it.
    first.close().await.unwrap();
    assert!(timeout(Duration::from_millis(300), second.next()).await.is_err());
    done(held.receipt()).await.unwrap();
    assert_eq!(read(&mut second, 20).await, texts(10..30));
}
