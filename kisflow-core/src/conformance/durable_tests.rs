//! The suite passes an engine that keeps the rules, and catches those that break one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::durable;
use crate::{
    Result,
    durable::{Change, Durable, Usage},
};

/// A rule that an engine breaks.
#[derive(Clone, Copy, PartialEq)]
enum Breaks {
    Nothing,
    Order,
    After,
    Limit,
    LaterWins,
    Rewrites,
    Keys,
    Spaces,
    Reopening,
    UsageOnReopening,
    Removal,
    EmptyKey,
    LongKeys,
    Values,
    LargeWrites,
}

type Entries = BTreeMap<(String, String), Bytes>;

/// What the engine writes to: it outlives it.
type Disk = Arc<Mutex<Entries>>;

struct Engine {
    disk: Disk,
    breaks: Breaks,
    /// How often an entry was set that was there already.
    rewrites: Mutex<u64>,
    reopened: bool,
}

impl Engine {
    /// The space, unless the engine has only one.
    fn space(&self, space: &str) -> String {
        match self.breaks {
            Breaks::Spaces => space.trim_end_matches("-other").to_owned(),
            _ => space.to_owned(),
        }
    }
}

#[async_trait]
impl Durable for Engine {
    async fn write(&self, mut changes: Vec<Change>) -> Result<()> {
        let mut disk = self.disk.lock().unwrap();
        match self.breaks {
            Breaks::LaterWins => changes.reverse(),
            Breaks::LargeWrites => changes.truncate(1_000),
            _ => {}
        }
        for Change { space, key, value } in changes {
            if key.is_empty() && self.breaks == Breaks::EmptyKey
                || key.len() > 1_000 && self.breaks == Breaks::LongKeys
            {
                continue;
            }
            let entry = (self.space(&space), key);
            match value {
                Some(value) => {
                    let value = match self.breaks {
                        Breaks::Values => String::from_utf8_lossy(&value).into_owned().into(),
                        _ => value,
                    };
                    if disk.insert(entry, value).is_some() {
                        *self.rewrites.lock().unwrap() += 1;
                    }
                }
                None if self.breaks == Breaks::Removal => {
                    disk.entry(entry).and_modify(|value| *value = Bytes::new());
                }
                None => drop(disk.remove(&entry)),
            }
        }
        Ok(())
    }

    async fn read(&self, space: &str, key: &str) -> Result<Option<Bytes>> {
        let entry = (self.space(space), key.to_owned());
        Ok(self.disk.lock().unwrap().get(&entry).cloned())
    }

    async fn scan(&self, space: &str, after: &str, limit: usize) -> Result<Vec<(String, Bytes)>> {
        let space = self.space(space);
        let disk = self.disk.lock().unwrap();
        let found = disk.iter().filter(|((found, key), _)| {
            let behind = match self.breaks {
                Breaks::After => &**key >= after,
                _ => &**key > after,
            };
            *found == space && behind
        });
        let mut found: Vec<(String, Bytes)> =
            found.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        if self.breaks == Breaks::Order {
            found.sort_by_key(|(key, _)| key.to_lowercase());
        }
        if self.breaks != Breaks::Limit {
            found.truncate(limit);
        }
        Ok(found)
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        let space = self.space(space);
        if self.reopened && self.breaks == Breaks::UsageOnReopening {
            return Ok(Usage::default());
        }
        let mut usage = Usage::default();
        for ((_, key), value) in
            self.disk.lock().unwrap().iter().filter(|((found, _), _)| *found == space)
        {
            let keys = if self.breaks == Breaks::Keys { 0 } else { key.len() };
            usage.entries += 1;
            usage.bytes += (keys + value.len()) as u64;
        }
        if self.breaks == Breaks::Rewrites {
            usage.entries += *self.rewrites.lock().unwrap();
        }
        Ok(usage)
    }
}

async fn check(breaks: Breaks) {
    let open = |disk: Disk, reopened| Engine { disk, breaks, rewrites: Mutex::new(0), reopened };
    let reopen = |engine: Engine| async move {
        let disk = match breaks {
            Breaks::Reopening => Disk::default(),
            _ => engine.disk.clone(),
        };
        open(disk, true)
    };
    durable(open(Disk::default(), false), reopen).await;
}

#[tokio::test]
async fn an_engine_in_memory_keeps_the_rules() {
    check(Breaks::Nothing).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: entries come in the order of their keys' bytes")]
async fn an_engine_that_sorts_as_people_do_is_found() {
    check(Breaks::Order).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: a scan begins behind `after`")]
async fn an_engine_whose_scan_begins_with_after_is_found() {
    check(Breaks::After).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: `after` need not be there")]
async fn an_engine_that_knows_no_limit_is_found() {
    check(Breaks::Limit).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: the later of two changes of an entry wins")]
async fn an_engine_that_writes_backwards_is_found() {
    check(Breaks::LaterWins).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: an entry that is written again counts once")]
async fn an_engine_that_counts_writes_is_found() {
    check(Breaks::Rewrites).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: usage counts entries, and the bytes of keys and values")]
async fn an_engine_that_does_not_count_keys_is_found() {
    check(Breaks::Keys).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: spaces are apart")]
async fn an_engine_with_one_space_is_found() {
    check(Breaks::Spaces).await;
}

#[tokio::test]
#[should_panic(
    expected = "broken rule: what was written is there after the engine is opened again"
)]
async fn an_engine_that_forgets_is_found() {
    check(Breaks::Reopening).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: usage survives as well")]
async fn an_engine_that_counts_only_what_it_saw_itself_is_found() {
    check(Breaks::UsageOnReopening).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: a removed entry is gone")]
async fn an_engine_that_empties_entries_is_found() {
    check(Breaks::Removal).await;
}

#[tokio::test]
#[should_panic(
    expected = "broken rule: any text up to 1 KiB is a key, any bytes a value, also \"\""
)]
async fn an_engine_without_the_empty_key_is_found() {
    check(Breaks::EmptyKey).await;
}

#[tokio::test]
#[should_panic(
    expected = "broken rule: any text up to 1 KiB is a key, any bytes a value, also \"kkk"
)]
async fn an_engine_without_long_keys_is_found() {
    check(Breaks::LongKeys).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: any text up to 1 KiB is a key, any bytes a value")]
async fn an_engine_that_keeps_texts_only_is_found() {
    check(Breaks::Values).await;
}

#[tokio::test]
#[should_panic(expected = "broken rule: pages of a scan give every entry once")]
async fn an_engine_that_writes_in_part_is_found() {
    check(Breaks::LargeWrites).await;
}
