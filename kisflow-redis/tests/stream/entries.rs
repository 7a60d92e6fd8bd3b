//! Which rows a source gives: fields, batches, where a group begins, what is left.

use std::time::{Duration, Instant};

use kisflow_core::{Source, Start};

use crate::{
    redis_server::RedisServer,
    world::{add, done, next, open, orders, positions, rows, texts},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_a_field_of_an_entry_or_all_of_them() {
    let server = RedisServer::start(&[]);
    for fields in [
        ["row", "{\"id\":1}"].as_slice(),
        &["data", "{\"id\":2}"],
        &["id", "3"],
        &["id", "4", "body", "{\"id\":4}"],
    ] {
        server.cli(&[["XADD", "orders", "*"].as_slice(), fields].concat());
    }
    let read = async |field: &str, group: &str| {
        let mut conf = orders(server.addr()).group(group).batch(4, Duration::from_secs(1));
        if !field.is_empty() {
            conf = conf.param("field", field);
        }
        rows(&next(&mut open(&conf).await).await)
    };
    let all = [
        r#"{"row":"{\"id\":1}"}"#,
        r#"{"data":"{\"id\":2}"}"#,
        r#"{"id":3}"#,
        r#"{"id":4,"body":"{\"id\":4}"}"#,
    ];
    assert_eq!(read("", "guess").await, [r#"{"id":1}"#, r#"{"id":2}"#, all[2], all[3]]);
    assert_eq!(read("*", "all").await, all);
    assert_eq!(read("body", "named").await, [all[0], all[1], all[2], r#"{"id":4}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_group_begins_where_start_says_and_one_that_is_there_goes_on() {
    let server = RedisServer::start(&[]);
    add(&server, 1..4);
    let conf = |group: &str, start| orders(server.addr()).group(group).start(start);
    let after = Start::After("2-0".to_owned());
    let mut earliest = open(&conf("earliest", Start::Earliest)).await;
    let mut latest = open(&conf("latest", Start::Latest)).await;
    let mut behind = open(&conf("behind", after)).await;
    add(&server, 4..5);
    assert_eq!(rows(&next(&mut latest).await), texts(4..5));
    assert_eq!(rows(&next(&mut behind).await), texts(3..5));
    let delivery = next(&mut earliest).await;
    assert_eq!(rows(&delivery), texts(1..5));
    done(&delivery).await;
    earliest.close().await.unwrap();

    add(&server, 5..7);
    let mut again = open(&conf("earliest", Start::Latest)).await;
    assert_eq!(rows(&next(&mut again).await), texts(5..7), "the group's own position wins");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_group_the_flow_is_one() {
    let server = RedisServer::start(&[]);
    let _reader = open(&orders(server.addr()).group("")).await;
    let groups = server.cli(&["XINFO", "GROUPS", "orders"]);
    assert!(groups.starts_with("name\nflow\n"), "{groups}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_not_full_waits_for_more_and_not_for_longer() {
    let server = RedisServer::start(&[]);
    // It is full long before the wait is over.
    let mut patient = open(&orders(server.addr()).batch(2, Duration::from_secs(9))).await;
    add(&server, 1..2);
    let started = Instant::now();
    let read = tokio::spawn(async move { positions(&next(&mut patient).await) });
    server.until(&["XPENDING", "orders", "g"], |said| said.starts_with('1'));
    add(&server, 2..3);
    assert_eq!(read.await.unwrap(), ["1-0", "2-0"]);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());

    let mut quick =
        open(&orders(server.addr()).group("other").batch(10, Duration::from_millis(300))).await;
    let started = Instant::now();
    assert_eq!(positions(&next(&mut quick).await), ["1-0", "2-0"]);
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_to_read_is_known() {
    let server = RedisServer::start(&[]);
    let mut reader = open(&orders(server.addr()).batch(2, Duration::ZERO)).await;
    add(&server, 1..8);
    assert_eq!(reader.lag().await.unwrap(), Some(7));
    let delivery = next(&mut reader).await;
    // One batch is fetched ahead.
    server.until(&["XPENDING", "orders", "g"], |said| said.starts_with('4'));
    assert_eq!(reader.lag().await.unwrap(), Some(3));
    done(&delivery).await;
    server.cli(&["DEL", "orders"]);
    assert_eq!(reader.lag().await.unwrap(), None);
}
