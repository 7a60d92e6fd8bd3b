//! What the tests share: a stream, readers of it, and what they read.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kisflow_core::{
    Delivery, Result, Settled, Source, SourceConf, SourceContext, durable::MemoryStore, error_chain,
};
use kisflow_redis::RedisStream;
use tokio::time::timeout;

use crate::redis_server::RedisServer;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The conf of a source of the stream `orders`.
pub(crate) fn orders(addrs: impl Into<String>) -> SourceConf {
    SourceConf::new("orders", "redis_stream")
        .addrs(addrs)
        .key("orders")
        .group("g")
        .batch(10, Duration::from_millis(20))
}

/// The params of a conf as the engine would read them.
fn params(conf: &SourceConf) -> Result<<RedisStream as Source>::Params> {
    Ok(conf.params.read()?)
}

pub(crate) async fn try_open(conf: &SourceConf) -> Result<RedisStream> {
    let context = SourceContext::new("flow", &conf.sname, Arc::new(MemoryStore::default()));
    RedisStream::open(conf, params(conf)?, context).await
}

pub(crate) async fn open(conf: &SourceConf) -> RedisStream {
    match try_open(conf).await {
        Ok(reader) => reader,
        Err(error) => panic!("{}", error_chain(&*error)),
    }
}

pub(crate) async fn open_in(conf: &SourceConf, context: SourceContext) -> RedisStream {
    match RedisStream::open(conf, params(conf).unwrap(), context).await {
        Ok(reader) => reader,
        Err(error) => panic!("{}", error_chain(&*error)),
    }
}

/// What is wrong with a conf, found without a server.
pub(crate) fn misfits(conf: &SourceConf) -> Vec<(String, String)> {
    RedisStream::check(conf, &params(conf).unwrap())
}

/// The next delivery; an error is none.
pub(crate) async fn next(reader: &mut RedisStream) -> Delivery {
    match timeout(PATIENCE, reader.next()).await.expect("nothing came") {
        Ok(delivery) => delivery.expect("a stream does not end"),
        Err(error) => panic!("{}", error_chain(&*error)),
    }
}

/// The next delivery; errors are tried again, as the engine does.
pub(crate) async fn next_after_errors(reader: &mut RedisStream) -> (Delivery, Vec<String>) {
    let (started, mut errors) = (Instant::now(), Vec::new());
    loop {
        match timeout(PATIENCE, reader.next()).await.expect("nothing came") {
            Ok(delivery) => return (delivery.expect("a stream does not end"), errors),
            Err(error) => errors.push(error_chain(&*error).to_string()),
        }
        assert!(started.elapsed() < PATIENCE, "{errors:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn rows(delivery: &Delivery) -> Vec<String> {
    delivery.batch().to_ndjson().unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn positions(delivery: &Delivery) -> Vec<String> {
    (0..delivery.batch().len()).map(|row| delivery.receipt().position(row)).collect()
}

pub(crate) async fn done(delivery: &Delivery) {
    delivery.receipt().done(&Settled::new(delivery.batch().len(), 0)).await.unwrap();
}

/// Adds rows `{"id":n}` with the ids `n-0`.
pub(crate) fn add(server: &RedisServer, ids: std::ops::Range<u32>) {
    for id in ids {
        let (entry, row) = (format!("{id}-0"), format!("{{\"id\":{id}}}"));
        assert_eq!(server.cli(&["XADD", "orders", &entry, "row", &row]), entry);
    }
}

pub(crate) fn texts(ids: std::ops::Range<u32>) -> Vec<String> {
    ids.map(|id| format!("{{\"id\":{id}}}")).collect()
}

/// How many entries are delivered and not acknowledged.
pub(crate) fn pending(server: &RedisServer) -> String {
    server.cli(&["XPENDING", "orders", "g"]).lines().next().unwrap_or_default().to_owned()
}

/// The names of the readers of the group.
pub(crate) fn consumers(said: &str) -> Vec<String> {
    let mut lines = said.lines();
    let mut names = Vec::new();
    while let Some(line) = lines.next() {
        if line == "name" {
            names.extend(lines.next().map(str::to_owned));
        }
    }
    names
}
