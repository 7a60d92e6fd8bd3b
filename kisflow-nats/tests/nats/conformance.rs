//! The rules of sources.

use std::time::Duration;

use kisflow_core::{
    Source, SourceContext, async_trait,
    conformance::{self, ExactlyOnceWorld, Lease, SourceWorld, World},
};
use kisflow_nats::Nats;

use crate::{
    nats_server::NatsServer,
    reader::{conf, context, params, server},
};

struct Servers;

#[async_trait]
impl SourceWorld for Servers {
    type World = Stream;

    async fn create(&self) -> Stream {
        Stream(tokio::sync::Mutex::new(server(0..0).await))
    }
}

/// A stream on a server of its own, which dies in a `disconnect` and keeps its store.
struct Stream(tokio::sync::Mutex<NatsServer>);

#[async_trait]
impl World for Stream {
    type Source = Nats;

    async fn open(&self, lease: Lease) -> Nats {
        self.open_in(lease, context("billing")).await
    }

    async fn feed(&self, rows: Vec<String>) {
        self.0.lock().await.publish("orders.new", rows).await;
    }

    async fn disconnect(&self) {
        self.0.lock().await.restart();
    }
}

#[async_trait]
impl ExactlyOnceWorld for Stream {
    async fn open_in(&self, lease: Lease, context: SourceContext) -> Nats {
        let lease_ms = match lease {
            Lease::Short => 500,
            Lease::Long => 600_000,
        };
        let params = params(|params| params.lease = Duration::from_millis(lease_ms));
        Nats::open(&conf(&*self.0.lock().await), params, context).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_read_exactly_once() {
    conformance::exactly_once(&Servers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_keeps_the_rules_on_many_threads() {
    conformance::source(&Servers).await;
}

#[tokio::test]
async fn the_source_keeps_the_rules_on_one_thread() {
    conformance::source(&Servers).await;
}
