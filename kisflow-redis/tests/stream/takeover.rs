//! Rows of readers that are gone, silent or closed, and the names that they leave.

use std::time::{Duration, Instant};

use kisflow_core::{Ordered, Source, error_chain};
use tokio::time::timeout;

use crate::{
    redis_server::RedisServer,
    world::{add, consumers, done, next, open, orders, pending, positions, rows, texts},
};

/// Gives entries to a reader that will never be heard of again.
fn take(server: &RedisServer, consumer: &str, count: &str) {
    let arguments =
        ["XREADGROUP", "GROUP", "g", consumer, "COUNT", count, "STREAMS", "orders", ">"];
    assert!(!server.cli(&arguments).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_reader_that_died_come_in_order_when_their_lease_has_passed() {
    let server = RedisServer::start(&[]);
    let conf = orders(server.addr()).batch(3, Duration::ZERO).param("lease_ms", 2_000);
    add(&server, 1..7);
    let mut dead = open(&conf).await;
    let taken = [next(&mut dead).await, next(&mut dead).await];
    let at = Instant::now();
    drop(dead);
    server.until(&["INFO", "clients"], |said| said.contains("blocked_clients:0"));
    add(&server, 7..8);
    let mut reader = open(&conf).await;
    let fresh = next(&mut reader).await;
    assert_eq!(rows(&fresh), texts(7..8), "rows were taken over before their lease had passed");
    for (delivery, expect) in taken.iter().zip([1..4, 4..7]) {
        let again = next(&mut reader).await;
        assert_eq!(rows(&again), texts(expect));
        assert_eq!(positions(&again), positions(delivery));
        done(&again).await;
    }
    assert!(at.elapsed() >= Duration::from_millis(1_900), "{:?}", at.elapsed());
    done(&fresh).await;
    assert_eq!(pending(&server), "0");
    reader.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_reader_reads_nothing_new_before_what_a_dead_one_had_and_that_in_order() {
    let server = RedisServer::start(&[]);
    let conf = orders(server.addr()).batch(3, Duration::ZERO).param("lease_ms", 1_000);
    let conf = conf.ordered(Ordered::Partition);
    add(&server, 1..7);
    let mut dead = open(&conf).await;
    let taken = [next(&mut dead).await, next(&mut dead).await];
    // The lease of the older rows passes last.
    server.until(&["XPENDING", "orders", "g", "IDLE", "300", "-", "+", "9"], |said| {
        said.contains("6-0")
    });
    taken[0].receipt().renew().await.unwrap();
    drop(dead);
    server.until(&["INFO", "clients"], |said| said.contains("blocked_clients:0"));
    add(&server, 7..9);
    let mut reader = open(&conf).await;
    for expect in [1..4, 4..7, 7..9] {
        let delivery = next(&mut reader).await;
        assert_eq!(rows(&delivery), texts(expect));
        done(&delivery).await;
    }
    reader.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_reader_waits_for_what_others_had_when_it_was_opened() {
    let server = RedisServer::start(&[]);
    let conf = orders(server.addr()).param("lease_ms", 600_000);
    let mut other = open(&conf).await;
    add(&server, 1..3);
    let first = next(&mut other).await;
    let ordered = conf.clone().ordered(Ordered::Key("id".to_owned()));
    let mut reader = open(&ordered).await;
    assert!(timeout(Duration::from_millis(50), reader.next()).await.is_err());
    // What they get from now on need not be waited for.
    add(&server, 3..4);
    let second = next(&mut other).await;
    add(&server, 4..5);
    done(&first).await;
    let read = next(&mut reader).await;
    assert_eq!(rows(&read), texts(4..5));
    done(&read).await;
    done(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_for_rows_takes_over_as_well() {
    let server = RedisServer::start(&[]);
    let mut reader = open(&orders(server.addr()).param("lease_ms", 300)).await;
    assert!(timeout(Duration::from_millis(1), reader.next()).await.is_err());
    server.until(&["INFO", "clients"], |said| said.contains("blocked_clients:1"));
    // Added and taken in one go: the reader that waits is passed by.
    let script = "redis.call('XADD', KEYS[1], '1-0', 'row', '{\"id\":1}') \
                  return redis.call('XREADGROUP', 'GROUP', 'g', 'dead', 'STREAMS', KEYS[1], '>')";
    server.cli(&["EVAL", script, "1", "orders"]);
    assert_eq!(rows(&next(&mut reader).await), texts(1..2));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_are_deleted_while_they_are_pending_are_not_seen_again() {
    let server = RedisServer::start(&[]);
    let mut reader = open(&orders(server.addr()).param("lease_ms", 300)).await;
    add(&server, 1..5);
    take(&server, "dead", "4");
    assert_eq!(server.cli(&["XDEL", "orders", "1-0", "3-0"]), "2");
    let delivery = next(&mut reader).await;
    assert_eq!(positions(&delivery), ["2-0", "4-0"]);
    done(&delivery).await;
    server.until(&["XPENDING", "orders", "g"], |said| said.starts_with('0'));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_given_back_go_to_a_reader_that_waits() {
    let server = RedisServer::start(&[]);
    let conf = orders(server.addr()).param("lease_ms", 600_000);
    let mut one = open(&conf).await;
    add(&server, 1..4);
    let taken = next(&mut one).await;
    let mut other = open(&conf).await;
    assert!(timeout(Duration::from_millis(1), other.next()).await.is_err());
    taken.receipt().release().await.unwrap();
    assert_eq!(rows(&next(&mut other).await), texts(1..4));
    // What another has by now is not given back a second time.
    taken.receipt().release().await.unwrap();
    taken.receipt().release().await.unwrap();
    let owners = server.cli(&["XPENDING", "orders", "g", "IDLE", "60000", "-", "+", "10"]);
    assert_eq!(owners, "", "rows of another reader were given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_unless_another_reader_has_taken_over() {
    let server = RedisServer::start(&[]);
    let mut reader = open(&orders(server.addr()).param("lease_ms", 600_000)).await;
    add(&server, 1..3);
    let delivery = next(&mut reader).await;
    let idle = ["XPENDING", "orders", "g", "IDLE", "300", "-", "+", "10"];
    server.until(&idle, |said| said.contains("1-0") && said.contains("2-0"));
    delivery.receipt().renew().await.unwrap();
    assert_eq!(server.cli(&idle), "", "the lease was not renewed");
    let counts = server.cli(&["XPENDING", "orders", "g", "-", "+", "10"]);
    assert!(counts.lines().skip(3).step_by(4).all(|count| count == "1"), "{counts}");

    server.cli(&["XCLAIM", "orders", "g", "thief", "0", "2-0", "JUSTID"]);
    let said = error_chain(&*delivery.receipt().renew().await.unwrap_err()).to_string();
    assert_eq!(
        said,
        "1 entries of stream orders were taken over by another reader of group g: their lease of 600s had passed"
    );
    let thief = server.cli(&["XPENDING", "orders", "g", "-", "+", "10", "thief"]);
    assert!(thief.starts_with("2-0"), "it was taken back: {thief}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_ahead_and_lay_too_long_is_asked_for_again() {
    let server = RedisServer::start(&[]);
    let mut reader = open(&orders(server.addr()).param("lease_ms", 3_000)).await;
    add(&server, 1..21);
    let first = next(&mut reader).await;
    assert_eq!(rows(&first), texts(1..11));
    let idle = ["XPENDING", "orders", "g", "IDLE", "1100", "-", "+", "100"];
    server.until(&idle, |said| said.contains("20-0"));
    let taken = ["11-0", "12-0", "13-0"];
    let claim = ["XCLAIM", "orders", "g", "other", "0", "IDLE", "0", "JUSTID"];
    let (head, tail) = claim.split_at(5);
    server.cli(&[head, taken.as_slice(), tail].concat());
    assert_eq!(
        rows(&next(&mut reader).await),
        texts(14..21),
        "rows of another reader were handed out"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_readers_that_are_gone_are_removed() {
    let server = RedisServer::start(&[]);
    let conf = orders(server.addr()).param("lease_ms", 50).batch(10, Duration::ZERO);
    let mut reader = open(&conf).await;
    add(&server, 1..3);
    take(&server, "had_nothing", "1");
    server.cli(&["XACK", "orders", "g", "1-0"]);
    take(&server, "had_a_row", "1");
    let delivery = next(&mut reader).await;
    assert_eq!(rows(&delivery), texts(2..3));
    done(&delivery).await;
    let read = tokio::spawn(async move { (reader.next().await.is_ok(), reader) });
    server.until(&["XINFO", "CONSUMERS", "orders", "g"], |said| consumers(said).len() == 1);
    add(&server, 3..4);
    assert!(read.await.unwrap().0, "the reader lost its own name");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_gives_back_what_was_fetched_and_loses_nothing() {
    let server = RedisServer::start(&[]);
    let conf = orders(server.addr()).param("lease_ms", 600_000);
    add(&server, 1..31);
    let mut reader = open(&conf).await;
    let first = next(&mut reader).await;
    done(&first).await;
    let second = next(&mut reader).await;
    // A third batch is on its way, the second is not settled.
    server.until(&["XPENDING", "orders", "g"], |said| said.starts_with("20"));
    reader.close().await.unwrap();
    assert_eq!(pending(&server), "20", "entries were lost with the name of their reader");
    drop(second);
    let mut reader = open(&conf).await;
    for expect in [11..21, 21..31] {
        let delivery = next(&mut reader).await;
        assert_eq!(rows(&delivery), texts(expect));
        done(&delivery).await;
    }
    reader.close().await.unwrap();
    let left = consumers(&server.cli(&["XINFO", "CONSUMERS", "orders", "g"]));
    assert_eq!(left.len(), 1, "the one whose rows were pending: {left:?}");
}
