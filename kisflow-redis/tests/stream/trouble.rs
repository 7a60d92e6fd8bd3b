//! Groups that vanish, answers that are lost, servers that hang: no row is lost, and nothing waits
//! for long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use kisflow_core::{Source, Start};
use kisflow_redis::{RedisError, RedisStream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    redis_server::RedisServer,
    world::{PATIENCE, add, done, next, next_after_errors, open, orders, positions, rows, texts},
};

/// Asks, and leaves the question standing: the reader blocks when this returns.
async fn wait_for_rows(server: &RedisServer, reader: &mut RedisStream) {
    assert!(timeout(Duration::from_millis(1), reader.next()).await.is_err());
    server.until(&["INFO", "clients"], |said| said.contains("blocked_clients:1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_removed_is_made_again() {
    let server = RedisServer::start(&[]);
    let mut reader = open(&orders(server.addr())).await;
    wait_for_rows(&server, &mut reader).await;
    assert_eq!(server.cli(&["XGROUP", "DESTROY", "orders", "g"]), "1");
    add(&server, 1..4);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let (delivery, errors) = next_after_errors(&mut reader).await;
        assert!(errors.is_empty(), "{errors:?}");
        seen.extend(rows(&delivery));
        done(&delivery).await;
    }
    assert_eq!(seen, texts(1..4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_flushed_is_read_from_its_new_beginning() {
    let server = RedisServer::start(&[]);
    add(&server, 500..503);
    for start in [Start::Latest, Start::After("501-0".to_owned()), Start::Earliest] {
        let mut reader = open(&orders(server.addr()).group("g").start(start.clone())).await;
        assert!(
            timeout(Duration::from_millis(50), reader.next()).await.is_err()
                || start != Start::Latest
        );
        // Ids begin anew as well, below the one that the group stood at.
        server.cli(&["FLUSHALL"]);
        add(&server, 1..4);
        let mut seen = Vec::new();
        while !seen.ends_with(&texts(1..4)) {
            let (delivery, errors) = next_after_errors(&mut reader).await;
            assert!(errors.is_empty(), "{errors:?}");
            seen.extend(rows(&delivery));
            done(&delivery).await;
        }
        reader.close().await.unwrap();
        server.cli(&["FLUSHALL"]);
        add(&server, 500..503);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_for_latest_rows_that_is_made_again_begins_where_it_did() {
    let server = RedisServer::start(&[]);
    add(&server, 1..4);
    let mut reader = open(&orders(server.addr()).start(Start::Latest)).await;
    server.cli(&["XGROUP", "DESTROY", "orders", "g"]);
    add(&server, 4..6);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(rows(&next(&mut reader).await));
    }
    assert_eq!(seen, texts(4..6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_without_its_data_is_read_on() {
    let mut server = RedisServer::start(&[]);
    let mut reader = open(&orders(server.addr())).await;
    add(&server, 7..8);
    let before = next(&mut reader).await;
    wait_for_rows(&server, &mut reader).await;
    server.restart();
    add(&server, 1..3);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let (delivery, _) = next_after_errors(&mut reader).await;
        seen.extend(rows(&delivery));
        done(&delivery).await;
    }
    assert_eq!(seen, texts(1..3));
    // Of the stream that is gone nothing can be acknowledged; that is no error.
    done(&before).await;
}

/// Forwards to a server, and cuts the connection instead of forwarding rows when it is told to.
async fn proxy(server: String, cut: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, cut) = (server.clone(), cut.clone());
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(server).await else { return };
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let answers = async {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                        let answer = &buffer[..read];
                        if answer.windows(5).any(|word| word == b"{\"id\"")
                            && cut.swap(false, Ordering::SeqCst)
                        {
                            return;
                        }
                        if to_client.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                };
                tokio::select! {
                    () = answers => {}
                    _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
                }
            });
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_answer_is_lost_do_not_wait_for_their_lease() {
    let server = RedisServer::start(&[]);
    let cut = Arc::new(AtomicBool::new(false));
    let addr = proxy(server.addr(), cut.clone()).await;
    let mut reader = open(&orders(addr).param("lease_ms", 600_000)).await;
    add(&server, 1..3);
    let in_hand = next(&mut reader).await;
    wait_for_rows(&server, &mut reader).await;
    cut.store(true, Ordering::SeqCst);
    add(&server, 3..4);
    let started = Instant::now();
    let (delivery, errors) = next_after_errors(&mut reader).await;
    assert_eq!(positions(&delivery), ["3-0"], "what is worked on here is not lost");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(errors.iter().any(|error| error.contains("was lost before the answer")), "{errors:?}");
    done(&in_hand).await;
    done(&delivery).await;
    server.until(&["XPENDING", "orders", "g"], |said| said.starts_with('0'));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_rows_are_more_than_a_batch_and_some_are_deleted() {
    let server = RedisServer::start(&[]);
    let cut = Arc::new(AtomicBool::new(false));
    let addr = proxy(server.addr(), cut.clone()).await;
    let mut reader = open(&orders(addr).batch(2, Duration::ZERO).param("lease_ms", 600_000)).await;
    add(&server, 1..4);
    let in_hand = next(&mut reader).await;
    // The second batch is fetched ahead; the third is lost.
    let second = next(&mut reader).await;
    wait_for_rows(&server, &mut reader).await;
    cut.store(true, Ordering::SeqCst);
    let script = "redis.call('XADD', KEYS[1], '4-0', 'row', '{\"id\":4}') \
                  return redis.call('XADD', KEYS[1], '5-0', 'row', '{\"id\":5}')";
    server.cli(&["EVAL", script, "1", "orders"]);
    server.until(&["XPENDING", "orders", "g"], |said| said.starts_with('5'));
    server.cli(&["XDEL", "orders", "5-0"]);
    let (delivery, _) = next_after_errors(&mut reader).await;
    assert_eq!(positions(&delivery), ["4-0"]);
    for delivery in [in_hand, second, delivery] {
        done(&delivery).await;
    }
    assert!(timeout(Duration::from_millis(1), reader.next()).await.is_err());
    server.until(&["XPENDING", "orders", "g"], |said| said.starts_with('0'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_an_error_in_time_and_is_read_on() {
    let server = RedisServer::start(&[]);
    let conf = orders(server.addr()).param("command_timeout_ms", 300).param("lease_ms", 600_000);
    let mut reader = open(&conf).await;
    wait_for_rows(&server, &mut reader).await;
    server.signal("STOP");
    let started = Instant::now();
    let read = timeout(PATIENCE, reader.next()).await.expect("it hangs with its server");
    let error = read.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(error.downcast_ref::<RedisError>().unwrap().is_outage(), "{error}");
    server.signal("CONT");
    add(&server, 1..4);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let (delivery, _) = next_after_errors(&mut reader).await;
        seen.extend(rows(&delivery));
        done(&delivery).await;
    }
    assert_eq!(seen, texts(1..4));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_does_not_stand_behind_a_read_that_blocks() {
    let server = RedisServer::start(&[]);
    let mut reader = open(&orders(server.addr())).await;
    let mut longest = Duration::ZERO;
    for id in 1..6 {
        add(&server, id..id + 1);
        let delivery = next(&mut reader).await;
        wait_for_rows(&server, &mut reader).await;
        let started = Instant::now();
        done(&delivery).await;
        longest = longest.max(started.elapsed());
    }
    assert!(longest < Duration::from_millis(500), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_does_not_wait_for_a_read_that_blocks() {
    let server = RedisServer::start(&[]);
    let mut closing = Duration::ZERO;
    for _ in 0..5 {
        let mut reader = open(&orders(server.addr())).await;
        wait_for_rows(&server, &mut reader).await;
        let started = Instant::now();
        reader.close().await.unwrap();
        closing += started.elapsed();
    }
    assert!(closing < Duration::from_millis(1_500), "{closing:?}");
    assert_eq!(server.cli(&["XINFO", "CONSUMERS", "orders", "g"]), "", "names were left behind");
}
