//! Posts to a flow with `guarantee: exactly_once`: how far each is done outlives the process.

use std::sync::Arc;

use kisflow_core::{
    Delivery, Guarantee, Redelivery, Settled, Source, SourceConf, SourceContext, conformance::Kept,
    durable::MemoryStore,
};
use kisflow_http::{Http, HttpParams};
use serde_json::json;
use tokio::{task::JoinHandle, time::timeout};

use crate::support::{Answer, LONG, ask, conf, free_port, params, post, until};

/// A path whose processes come and go.
struct Path {
    port: u16,
    store: Arc<MemoryStore>,
}

impl Path {
    fn new() -> Self {
        Self { port: free_port(), store: Arc::default() }
    }

    fn context(&self) -> SourceContext {
        SourceContext::new("Flow", "posts", self.store.clone()).guarantee(Guarantee::ExactlyOnce)
    }

    async fn open(&self, change: impl FnOnce(&mut HttpParams)) -> Kept<Http> {
        Kept::open(&conf(self.port, "/rows"), params(change), self.context()).await.unwrap()
    }

    fn post(&self, key: &str, rows: std::ops::Range<u32>) -> JoinHandle<Answer> {
        let rows: Vec<String> = rows.map(|row| row.to_string()).collect();
        let request = post("/rows", &[&format!("idempotency-key: {key}")], rows.join("\n"));
        let port = self.port;
        tokio::spawn(async move { ask(port, &request).await })
    }

    /// The keys in the store.
    async fn keys(&self) -> Vec<String> {
        self.context().positions().all().await.unwrap().into_keys().collect()
    }
}

async fn next(http: &mut Kept<Http>) -> Delivery {
    timeout(LONG, http.next()).await.unwrap().unwrap().unwrap()
}

async fn done(delivery: &Delivery) {
    let settled = Settled::new(delivery.batch().len(), 0);
    delivery.receipt().done(&settled).await.unwrap();
}

#[tokio::test]
async fn a_post_goes_on_behind_the_rows_that_are_done() {
    let path = Path::new();
    let mut http = path.open(|_| {}).await;
    let first = path.post("day-17", 0..25);
    done(&next(&mut http).await).await;
    let second = next(&mut http).await;
    second.receipt().release().await.unwrap();
    assert_eq!(first.await.unwrap().status, 503);
    drop(second);
    http.close().await.unwrap();

    let mut http = path.open(|_| {}).await;
    let other_body = path.post("day-17", 0..24).await.unwrap();
    assert_eq!(other_body.status, 422, "{other_body:?}");
    let again = path.post("day-17", 0..25);
    for (count, first) in [(10, "day-17:10"), (5, "day-17:20")] {
        let delivery = next(&mut http).await;
        assert_eq!((delivery.batch().len(), &*delivery.receipt().position(0)), (count, first));
        done(&delivery).await;
    }
    let again = again.await.unwrap();
    assert_eq!((again.status, again.body), (200, json!({"rows": 25, "quarantined": null})));
    http.close().await.unwrap();

    let http = path.open(|_| {}).await;
    let third = path.post("day-17", 0..25).await.unwrap();
    assert_eq!((third.status, third.body), (200, json!({"rows": 25, "quarantined": null})));
    assert_eq!(third.headers["idempotency-replayed"], "true");
    http.close().await.unwrap();
}

#[tokio::test]
async fn a_post_without_a_key_is_refused() {
    let path = Path::new();
    let http = path.open(|_| {}).await;
    let answer = ask(path.port, &post("/rows", &[], "1")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("send an `idempotency-key`"), "{answer:?}");
    http.close().await.unwrap();
}

#[tokio::test]
async fn keys_that_are_too_many_leave_the_store() {
    let path = Path::new();
    for round in 0..2 {
        let mut http = path.open(|params| params.idempotency_keys = 2).await;
        for post in 0..6 {
            let key = format!("{round}-{post}");
            let answer = path.post(&key, 0..3);
            done(&next(&mut http).await).await;
            assert_eq!(answer.await.unwrap().status, 200);
            assert!(path.keys().await.contains(&key));
        }
        until("old keys are gone", async || path.keys().await.len() <= 2).await;
        http.close().await.unwrap();
    }
}

#[test]
fn a_source_without_idempotency_keys_cannot_be_read_exactly_once() {
    let conf = SourceConf::new("posts", "http");
    assert_eq!(Http::redelivery(&conf, &params(|_| {})), Redelivery::Recognized);
    for params in [
        params(|params| params.idempotency = std::time::Duration::ZERO),
        params(|params| params.idempotency_keys = 0),
    ] {
        let Redelivery::Unrecognized(why) = Http::redelivery(&conf, &params) else { panic!() };
        assert!(why.starts_with("remembers no idempotency keys"), "{why}");
    }
}
