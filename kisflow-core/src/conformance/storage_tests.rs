//! The suite passes an engine that keeps the rules, and catches those that break one.

use async_trait::async_trait;

use std::time::Duration;

use super::storage;
use crate::{ConnConf, Connector, Fields, Memory, MemoryParams, Record, Result, Storage};

/// A rule that an engine breaks.
#[derive(Clone, Copy, PartialEq)]
enum Breaks {
    Nothing,
    Order,
    Parts,
    LaterWins,
    Deadline,
    Waking,
}

struct Engine {
    memory: Memory,
    breaks: Breaks,
}

#[async_trait]
impl Storage for Engine {
    async fn put(&self, mut records: Vec<Record>) -> Result<()> {
        match self.breaks {
            Breaks::LaterWins => records.reverse(),
            Breaks::Parts => {
                self.remove(&records.iter().map(|record| record.key.clone()).collect::<Vec<_>>())
                    .await?
            }
            _ => {}
        }
        self.memory.put(records).await
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Fields>>> {
        let mut keys = keys.to_vec();
        if self.breaks == Breaks::Order {
            keys.sort();
        }
        self.memory.get(&keys).await
    }

    async fn remove(&self, keys: &[String]) -> Result<()> {
        self.memory.remove(keys).await
    }

    async fn wait(&self, keys: &[String], deadline: Duration) -> Result<Vec<Option<Fields>>> {
        match self.breaks {
            Breaks::Deadline => self.get(keys).await,
            Breaks::Waking => {
                let found = self.get(keys).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(found)
            }
            _ => self.memory.wait(keys, deadline).await,
        }
    }
}

async fn check(breaks: Breaks) {
    let memory =
        Memory::connect(&ConnConf::new("test", "memory"), MemoryParams::default()).await.unwrap();
    storage(&Engine { memory, breaks }).await;
}

#[tokio::test]
async fn the_memory_connector_keeps_the_rules() {
    check(Breaks::Nothing).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: records come in the order of the keys")]
async fn an_engine_that_sorts_is_found() {
    check(Breaks::Order).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: a record that is put without fields keeps those it has")]
async fn an_engine_that_replaces_records_is_found() {
    check(Breaks::Parts).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: of two records with one key in one put the later wins")]
async fn an_engine_that_writes_backwards_is_found() {
    check(Breaks::LaterWins).await;
}

#[tokio::test]
#[should_panic(
    expected = "broken rule: waiting for a record that is not there lasts until the deadline"
)]
async fn an_engine_that_does_not_wait_is_found() {
    check(Breaks::Deadline).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: waiting sees a record that is put meanwhile")]
async fn an_engine_that_looks_only_once_is_found() {
    check(Breaks::Waking).await;
}
