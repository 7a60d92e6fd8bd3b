//! The idempotency key: rows that are done are not delivered again for it.

use std::time::Duration;

use crate::support::{Answer, ask, done, next, open, post, until};
use kisflow_core::{Delivery, Settled, Source};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinHandle};

const KEY: &str = "idempotency-key: day-17";

fn spawn_post(port: u16, headers: &[&str], body: &str) -> JoinHandle<Answer> {
    let request = post("/rows", headers, body);
    tokio::spawn(async move { ask(port, &request).await })
}

fn rows(delivery: &Delivery) -> String {
    delivery.batch().to_ndjson().unwrap()
}

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").map(String::as_str) == Some("true")
}

#[tokio::test]
async fn a_post_that_was_answered_200_is_answered_again_and_not_delivered_again() {
    let (mut http, port) = open(|_| {}).await;
    let first = spawn_post(port, &[KEY], "1\n2\n3");
    let delivery = next(&mut http).await;
    delivery.receipt().done(&Settled::new(2, 1).bad_rows([1])).await.unwrap();
    let first = first.await.unwrap();
    assert_eq!(first.body, json!({"rows": 3, "quarantined": 1}));
    assert!(!replayed(&first));
    for headers in [&[KEY][..], &[KEY, "content-type: application/x-ndjson"]] {
        let again = ask(port, &post("/rows", headers, "1\n2\n3")).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
        assert!(replayed(&again));
    }
    // Nothing but another key's rows is handed out.
    let other = spawn_post(port, &["idempotency-key: day-18"], "1\n2\n3");
    let delivery = next(&mut http).await;
    assert_eq!(
        (rows(&delivery).as_str(), delivery.receipt().position(0).as_str()),
        ("1\n2\n3\n", "day-18:0")
    );
    done(&delivery).await;
    assert_eq!(other.await.unwrap().status, 200);
    assert_eq!(http.lag().await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_key_with_another_body_is_refused() {
    let (mut http, port) = open(|_| {}).await;
    let first = spawn_post(port, &[KEY], "1");
    let delivery = next(&mut http).await;
    for done_first in [false, true] {
        if done_first {
            done(&delivery).await;
        }
        let other = ask(port, &post("/rows", &[KEY], "2")).await;
        assert_eq!(other.status, 422, "{other:?}");
        assert!(other.error().contains("another body"), "{other:?}");
    }
    assert_eq!(first.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_post_that_is_repeated_while_its_rows_are_worked_on_is_told_so() {
    let (mut http, port) = open(|_| {}).await;
    let first = spawn_post(port, &[KEY], "1");
    until("it waits", async || http.lag().await.unwrap() == Some(1)).await;
    let waiting = ask(port, &post("/rows", &[KEY], "1")).await;
    let delivery = next(&mut http).await;
    let begun = ask(port, &post("/rows", &[KEY], "1")).await;
    for answer in [waiting, begun] {
        assert_eq!(
            (answer.status, answer.headers["retry-after"].as_str()),
            (409, "1"),
            "{answer:?}"
        );
        assert!(answer.error().contains("post again"), "{answer:?}");
    }
    done(&delivery).await;
    assert_eq!(first.await.unwrap().status, 200);
    assert!(replayed(&ask(port, &post("/rows", &[KEY], "1")).await));
}

#[tokio::test]
async fn a_client_that_got_no_answer_learns_what_became_of_its_rows() {
    let (mut http, port) = open(|params| params.timeout = Duration::from_millis(500)).await;
    // One is told that it took too long, the other is gone.
    let late = spawn_post(port, &[KEY], "1");
    let mut gone = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let delivery = next(&mut http).await;
    gone.write_all(&post("/rows", &["idempotency-key: gone"], "2")).await.unwrap();
    let other = next(&mut http).await;
    drop(gone);
    assert_eq!(late.await.unwrap().status, 503);
    for delivery in [delivery, other] {
        done(&delivery).await;
    }
    for (key, body) in [(KEY, "1"), ("idempotency-key: gone", "2")] {
        let again = ask(port, &post("/rows", &[key], body)).await;
        assert_eq!(again.body, json!({"rows": 1, "quarantined": 0}));
        assert!(replayed(&again));
    }
}

#[tokio::test]
async fn rows_that_were_not_done_are_delivered_again() {
    let (mut http, port) = open(|_| {}).await;
    for give_back in [true, false] {
        let first = spawn_post(port, &[KEY], "1");
        let delivery = next(&mut http).await;
        if give_back {
            delivery.receipt().release().await.unwrap();
        }
        drop(delivery);
        assert_eq!(first.await.unwrap().status, 503);
    }
    let again = spawn_post(port, &[KEY], "1");
    let delivery = next(&mut http).await;
    assert_eq!(
        (rows(&delivery).as_str(), delivery.receipt().position(0).as_str()),
        ("1\n", "day-17:0")
    );
    done(&delivery).await;
    let again = again.await.unwrap();
    assert_eq!(again.status, 200);
    assert!(!replayed(&again));
}

#[tokio::test]
async fn a_post_that_was_refused_leaves_its_key_free() {
    let (mut http, port) = open(|params| params.queue = 1).await;
    assert_eq!(ask(port, &post("/rows", &[KEY], "{")).await.status, 400);
    let blocking = spawn_post(port, &[], "0");
    until("one waits", async || http.lag().await.unwrap() == Some(1)).await;
    assert_eq!(ask(port, &post("/rows", &[KEY], "1")).await.status, 429);
    done(&next(&mut http).await).await;
    assert_eq!(blocking.await.unwrap().status, 200);
    let first = spawn_post(port, &[KEY], "1");
    done(&next(&mut http).await).await;
    assert!(!replayed(&first.await.unwrap()));
}

#[tokio::test]
async fn only_so_many_keys_are_remembered() {
    for (keys, known) in [(0, [false, false, false]), (2, [false, true, true])] {
        let (mut http, port) = open(|params| params.idempotency_keys = keys).await;
        let names = ["idempotency-key: a", "idempotency-key: b", "idempotency-key: c"];
        for name in names {
            let answer = spawn_post(port, &[name], "1");
            done(&next(&mut http).await).await;
            assert!(!replayed(&answer.await.unwrap()));
        }
        for (name, known) in names.into_iter().zip(known).rev() {
            let answer = spawn_post(port, &[name], "1");
            if !known {
                done(&next(&mut http).await).await;
            }
            assert_eq!(replayed(&answer.await.unwrap()), known, "{name} of {keys}");
        }
    }
}
