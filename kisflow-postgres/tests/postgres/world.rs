//! What the tests have in common.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use kisflow_core::{
    ConnConf, Connector, Result, async_trait,
    durable::{Commit, CommitError, Durable, Entry, Key, Limits, Scan, Usage},
};
use kisflow_postgres::{Postgres, PostgresParams};
use tokio_postgres::NoTls;

use super::postgres_server::PostgresServer;

pub(crate) fn conf(url: impl Into<String>) -> ConnConf {
    ConnConf::new("store", "postgres").addrs(url.into())
}

pub(crate) async fn connect(server: &PostgresServer) -> Postgres {
    connect_with(server, |_| {}).await
}

pub(crate) async fn connect_with(
    server: &PostgresServer,
    change: impl FnOnce(&mut PostgresParams),
) -> Postgres {
    let mut params = PostgresParams::default();
    change(&mut params);
    Postgres::connect(&conf(server.url()), params).await.unwrap()
}

pub(crate) fn durable(postgres: &Postgres) -> Arc<dyn Durable> {
    Postgres::durable().unwrap()(postgres)
}

/// Runs statements as another client would, and returns the first column of the last row.
pub(crate) async fn execute(url: &str, sql: &str) -> Option<String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let ask = async {
        let said = client.simple_query(sql).await;
        drop(client);
        said
    };
    let (said, _) = tokio::join!(ask, connection);
    said.unwrap().iter().rev().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

/// Connectors that take turns, as the processes of a service do.
pub(crate) struct Turns {
    engines: Vec<Arc<dyn Durable>>,
    calls: AtomicUsize,
}

impl Turns {
    pub(crate) fn of(connectors: &[Postgres]) -> Self {
        Self { engines: connectors.iter().map(durable).collect(), calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &dyn Durable {
        &*self.engines[self.calls.fetch_add(1, Ordering::Relaxed) % self.engines.len()]
    }
}

#[async_trait]
impl Durable for Turns {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.next().read(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(bytes::Bytes, Entry)>> {
        self.next().scan(scan).await
    }

    async fn commit(&self, commit: &Commit) -> std::result::Result<(), CommitError> {
        self.next().commit(commit).await
    }

    async fn commit_each(&self, commits: &[Commit]) -> Vec<std::result::Result<(), CommitError>> {
        self.next().commit_each(commits).await
    }

    fn limits(&self) -> Limits {
        self.next().limits()
    }

    async fn now(&self) -> Result<SystemTime> {
        self.next().now().await
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        self.next().usage(space).await
    }
}
