//! How posts become deliveries, and deliveries answers.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::support::{self, ask, done, next, open, post, request, until};
use kisflow_core::{Delivery, Settled, Source};
use kisflow_http::Http;
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};

fn spawn_post(port: u16, headers: &[&str], body: impl AsRef<[u8]>) -> JoinHandle<support::Answer> {
    let request = post("/rows", headers, body);
    tokio::spawn(async move { ask(port, &request).await })
}

fn rows(delivery: &Delivery) -> Vec<String> {
    delivery.batch().to_ndjson().unwrap().lines().map(str::to_owned).collect()
}

fn positions(delivery: &Delivery) -> Vec<String> {
    (0..delivery.batch().len()).map(|row| delivery.receipt().position(row)).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_post_of_more_rows_than_a_batch_is_answered_when_all_are_done() {
    for (start, between, end) in [("", "\n", "\n"), ("[", ", ", "]")] {
        let (mut http, port) = open(|_| {}).await;
        let body = format!("{start}{}{end}", numbers(0..25).join(between));
        let answer = spawn_post(port, &["idempotency-key: k"], body);
        until("it waits", async || http.lag().await.unwrap() == Some(25)).await;
        let mut deliveries = Vec::new();
        for expected in [0..10, 10..20, 20..25] {
            let delivery = next(&mut http).await;
            assert_eq!(http.lag().await.unwrap(), Some(25 - expected.end as u64));
            assert_eq!(rows(&delivery), numbers(expected.clone()));
            let expected: Vec<_> = expected.map(|row| format!("k:{row}")).collect();
            assert_eq!(positions(&delivery), expected);
            deliveries.push(delivery);
        }
        for delivery in deliveries.iter().rev().take(2) {
            done(delivery).await;
            // Twice does no harm: the rows of the first are still open.
            done(delivery).await;
        }
        // Another is answered meanwhile: had this one been, it would be there.
        assert_eq!(ask(port, &request("GET", "/rows", &[], b"")).await.status, 405);
        assert!(!answer.is_finished());
        deliveries[0].receipt().done(&Settled::new(7, 3)).await.unwrap();
        assert_eq!(answer.await.unwrap().body, json!({"rows": 25, "quarantined": 3}));
    }
}

#[tokio::test]
async fn a_post_of_which_a_part_is_given_back_is_not_done() {
    let (mut http, port) = open(|_| {}).await;
    let answer = spawn_post(port, &[], numbers(0..25).join("\n"));
    done(&next(&mut http).await).await;
    next(&mut http).await.receipt().release().await.unwrap();
    assert_eq!(answer.await.unwrap().status, 503);
    // What was begun is handed out to its end.
    assert_eq!(rows(&next(&mut http).await), numbers(20..25));
}

#[tokio::test]
async fn many_small_posts_travel_together_and_each_is_answered_by_itself() {
    let (mut http, port) = open(|params| params.queue = 200).await;
    let mut clients = JoinSet::new();
    for number in 0..200 {
        clients.spawn(async move {
            let key = format!("idempotency-key: {number}");
            (number, ask(port, &post("/rows", &[&key], number.to_string())).await)
        });
    }
    until("all of them wait", async || http.lag().await.unwrap() == Some(200)).await;
    for _ in 0..20 {
        let delivery = next(&mut http).await;
        let numbers: BTreeSet<usize> =
            rows(&delivery).iter().map(|row| row.parse().unwrap()).collect();
        assert_eq!(numbers.len(), 10, "a batch is full");
        let places: Vec<_> = rows(&delivery).iter().map(|row| format!("{row}:0")).collect();
        assert_eq!(positions(&delivery), places);
        done(&delivery).await;
        let mut answered = BTreeSet::new();
        for _ in 0..10 {
            let (number, answer) = clients.join_next().await.unwrap().unwrap();
            assert_eq!(answer.body, json!({"rows": 1, "quarantined": 0}));
            answered.insert(number);
        }
        assert_eq!(answered, numbers, "those are answered whose rows are done");
    }
    assert_eq!(http.lag().await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_post_that_fits_into_a_batch_is_not_torn() {
    let (mut http, port) = open(|_| {}).await;
    let one = spawn_post(port, &[], "1\n".repeat(6));
    until("one waits", async || http.lag().await.unwrap() == Some(6)).await;
    let other = spawn_post(port, &[], "2\n".repeat(6));
    until("both wait", async || http.lag().await.unwrap() == Some(12)).await;
    for answer in [one, other] {
        let delivery = next(&mut http).await;
        assert_eq!(delivery.batch().len(), 6);
        done(&delivery).await;
        assert_eq!(answer.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn whose_rows_are_in_quarantine_is_told_where_it_is_known() {
    for (settled, expected) in [
        (Settled::new(3, 0), [json!(0), json!(0)]),
        (Settled::new(0, 3).bad_rows(0..3), [json!(1), json!(2)]),
        (Settled::new(2, 1).bad_rows([2]), [json!(0), json!(1)]),
        (Settled::new(2, 1), [json!(null), json!(null)]),
    ] {
        let (mut http, port) = open(|_| {}).await;
        let one = spawn_post(port, &[], "1");
        until("one waits", async || http.lag().await.unwrap() == Some(1)).await;
        let other = spawn_post(port, &[], "2\n2");
        until("both wait", async || http.lag().await.unwrap() == Some(3)).await;
        next(&mut http).await.receipt().done(&settled).await.unwrap();
        let answers = [one.await.unwrap(), other.await.unwrap()];
        assert_eq!(answers.map(|answer| answer.body["quarantined"].clone()), expected);
    }
}

#[tokio::test]
async fn posts_without_a_key_have_ids_of_their_own() {
    let (mut http, port) = open(|_| {}).await;
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let answer = spawn_post(port, &[], "1\n2");
        let delivery = next(&mut http).await;
        let positions = positions(&delivery);
        let ids: BTreeSet<_> =
            positions.iter().map(|position| position.rsplit_once(':').unwrap().0).collect();
        assert_eq!(ids.len(), 1, "{positions:?}");
        assert!(positions[0].ends_with(":0") && positions[1].ends_with(":1"), "{positions:?}");
        assert!(seen.insert(positions[0].clone()), "{positions:?} came before");
        done(&delivery).await;
        assert_eq!(answer.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn the_rows_of_a_client_that_goes_are_worked_on() {
    let (mut http, port) = open(|_| {}).await;
    let connect = async |row: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&post("/rows", &[], row)).await.unwrap();
        stream
    };
    let begun = connect("1").await;
    let delivery = next(&mut http).await;
    drop(begun);
    let waiting = connect("2").await;
    until("it waits", async || http.lag().await.unwrap() == Some(1)).await;
    // Whether it only closed its own side, nobody can know.
    drop(waiting);
    let stays = spawn_post(port, &[], "3");
    until("both wait", async || http.lag().await.unwrap() == Some(2)).await;
    done(&delivery).await;
    let delivery = next(&mut http).await;
    assert_eq!(rows(&delivery), ["2", "3"]);
    done(&delivery).await;
    assert_eq!(stays.await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_come_again_get_all_their_rows_done_however_small_the_queue() {
    let (http, port) = open(|params| params.queue = 2).await;
    let (rows, mut seen) = mpsc::channel(10_000);
    let told_to_wait = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for client in 0..50 {
        let told_to_wait = told_to_wait.clone();
        clients.spawn(async move {
            for post_number in 0..20 {
                let body = format!(
                    "{}\n{}",
                    client * 1_000 + post_number,
                    client * 1_000 + post_number + 500
                );
                loop {
                    match ask(port, &post("/rows", &[], &body)).await.status {
                        200 => break,
                        429 => told_to_wait.fetch_add(1, Ordering::Relaxed),
                        status => panic!("{status}"),
                    };
                }
            }
        });
    }
    until("one is told to come again", async || told_to_wait.load(Ordering::Relaxed) > 0).await;
    let working = tokio::spawn(support::work(http, rows));
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    working.abort();
    let mut all = Vec::new();
    while let Some(row) = seen.recv().await {
        all.push(row);
    }
    let unique: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), unique.len()), (2_000, 2_000), "each row is done once");
}

/// The source goes to another thread with its flow.
const _: fn() = || {
    fn send<T: Send + 'static>() {}
    send::<Http>();
};
