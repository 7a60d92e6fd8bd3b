//! Readers as the tests open them, and what they read.

use std::{future::Future, sync::Arc, time::Duration};

use kisflow_core::{
    Delivery, Receipt, Result, Settled, Source, SourceConf, SourceContext, durable::MemoryStore,
    error_chain,
};
use kisflow_nats::{Nats, NatsParams};
use tokio::time::{Instant, sleep, timeout};

use crate::nats_server::NatsServer;

/// Longer than anything takes here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The context of a flow, as of a process of its own.
pub(crate) fn context(flow: &str) -> SourceContext {
    SourceContext::new(flow, "orders", Arc::new(MemoryStore::default()))
}

/// Subject `orders.>` of stream `ORDERS`, ten rows a batch.
pub(crate) fn conf(server: &NatsServer) -> SourceConf {
    SourceConf::new("orders", "nats")
        .addrs(server.addr())
        .key("orders.>")
        .batch(10, Duration::from_millis(20))
}

pub(crate) fn params(change: impl FnOnce(&mut NatsParams)) -> NatsParams {
    let mut params = NatsParams::default();
    change(&mut params);
    params
}

/// A server with the stream `ORDERS` and so many rows in it.
pub(crate) async fn server(rows: std::ops::Range<usize>) -> NatsServer {
    let server = NatsServer::start();
    server.create_stream("ORDERS", &["orders.>"]).await;
    server.publish("orders.new", texts(rows)).await;
    server
}

pub(crate) fn texts(rows: std::ops::Range<usize>) -> Vec<String> {
    rows.map(|id| format!("{{\"id\":{id}}}")).collect()
}

pub(crate) async fn open(conf: &SourceConf, params: NatsParams) -> Nats {
    Nats::open(conf, params, context("billing")).await.unwrap()
}

/// Why it cannot be opened, with all causes.
pub(crate) async fn refusal(conf: &SourceConf, params: NatsParams) -> String {
    match Nats::open(conf, params, context("billing")).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error_chain(&*error).to_string(),
    }
}

/// The next delivery, whatever errors come before it.
pub(crate) async fn next(reader: &mut Nats) -> Delivery {
    until("rows come", async || reader.next().await.ok().flatten()).await
}

pub(crate) fn rows_of(delivery: &Delivery) -> Vec<String> {
    delivery.batch().to_ndjson().unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn positions_of(delivery: &Delivery) -> Vec<String> {
    (0..delivery.batch().len()).map(|row| delivery.receipt().position(row)).collect()
}

pub(crate) async fn done(receipt: &dyn Receipt) -> Result<()> {
    receipt.done(&Settled::new(1, 0)).await
}

/// Reads and acknowledges so many rows.
pub(crate) async fn read(reader: &mut Nats, rows: usize) -> Vec<String> {
    let mut all = Vec::new();
    while all.len() < rows {
        let delivery = next(reader).await;
        all.extend(rows_of(&delivery));
        done(delivery.receipt()).await.unwrap();
    }
    all
}

/// Asks until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("it never came to be that {what}"))
}

/// What it gives, and how long it took.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    (future.await, start.elapsed())
}
