//! The rules of sources.

use std::time::Duration;

use kisflow_core::{
    async_trait,
    conformance::{self, Lease, SourceWorld, World},
};
use kisflow_nats::Nats;

use crate::{
    nats_server::NatsServer,
    reader::{conf, open, params, server},
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
        let lease_ms = match lease {
            Lease::Short => 500,
            Lease::Long => 600_000,
        };
        open(
            &conf(&*self.0.lock().await),
            params(|params| params.lease = Duration::from_millis(lease_ms)),
        )
        .await
    }

    async fn feed(&self, rows: Vec<String>) {
        self.0.lock().await.publish("orders.new", rows).await;
    }

    async fn disconnect(&self) {
        self.0.lock().await.restart();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_keeps_the_rules_on_many_threads() {
    conformance::source(&Servers).await;
}

#[tokio::test]
async fn the_source_keeps_the_rules_on_one_thread() {
    conformance::source(&Servers).await;
}
