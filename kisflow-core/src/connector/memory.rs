//! `type: memory`: records in this process. No server, bounded, with an optional time to live.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{AsStorage, Connector, Fields, Private, Record, StartPrivate, Storage};
use crate::{conf::ConnConf, error::Result, millis};

/// Records in this process, gone when it ends. Only functions of a conf that name the same
/// connector share them.
///
/// A full store refuses new records instead of dropping old ones.
pub struct Memory {
    name: String,
    max_records: usize,
    ttl: Option<Duration>,
    records: Mutex<HashMap<String, Entry>>,
    changed: Notify,
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Memory")
            .field("name", &self.name)
            .field("max_records", &self.max_records)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// `params` of a memory connector.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MemoryParams {
    /// The most records that it keeps (default 1,000,000).
    pub max_records: usize,
    /// How long a record lives after it was last written (default: forever).
    #[serde(rename = "ttl_ms", with = "millis::option")]
    pub ttl: Option<Duration>,
}

impl Default for MemoryParams {
    fn default() -> Self {
        Self { max_records: 1_000_000, ttl: None }
    }
}

struct Entry {
    fields: BTreeMap<String, String>,
    expires: Option<Instant>,
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

impl Memory {
    /// A store without a conf, for unit tests of functions; see [`Store::of`](crate::Store::of).
    #[must_use]
    pub fn new() -> Self {
        Self::with_params("memory", &MemoryParams::default())
    }

    fn with_params(name: &str, params: &MemoryParams) -> Self {
        Self {
            name: name.to_owned(),
            max_records: params.max_records,
            ttl: params.ttl,
            records: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn records(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses records that would not fit, before any is written.
    fn reserve(
        &self,
        records: &mut HashMap<String, Entry>,
        new: &[Record],
        now: Instant,
    ) -> Result<()> {
        let added = |records: &HashMap<String, Entry>| {
            let kept =
                new.iter().filter(|record| record.fields.iter().any(|(_, text)| text.is_some()));
            let keys: HashSet<&str> = kept.map(|record| record.key.as_str()).collect();
            keys.into_iter().filter(|key| !records.contains_key(*key)).count()
        };
        // Expired records are searched for only when there is no room otherwise.
        if records.len() + new.len() <= self.max_records
            || records.len() + added(records) <= self.max_records
        {
            return Ok(());
        }
        records.retain(|_, entry| entry.is_live(now));
        let added = added(records);
        if records.len() + added <= self.max_records {
            return Ok(());
        }
        let (name, max) = (&self.name, self.max_records);
        Err(format!("connector `{name}` is full: {} records, and {} more do not fit; raise its `max_records` ({max}) or give records a `ttl_ms`", records.len(), added).into())
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Connector for Memory {
    const TYPE: &'static str = "memory";
    type Params = MemoryParams;

    async fn connect(conf: &ConnConf, params: MemoryParams) -> Result<Self> {
        Ok(Self::with_params(&conf.cname, &params))
    }

    fn storage() -> Option<AsStorage<Self>> {
        Some(|memory| memory)
    }

    fn private() -> Option<StartPrivate<Self>> {
        Some(|conf, params| {
            Box::pin(async move { Ok(Private::new(Self::connect(conf, params).await?, ())) })
        })
    }
}

#[async_trait]
impl Storage for Memory {
    async fn put(&self, new: Vec<Record>) -> Result<()> {
        let now = Instant::now();
        let expires = self.ttl.map(|ttl| now + ttl);
        {
            let mut records = self.records();
            self.reserve(&mut records, &new, now)?;
            for record in new {
                let fresh = || Entry { fields: BTreeMap::new(), expires };
                let entry = records.entry(record.key.clone()).or_insert_with(fresh);
                if !entry.is_live(now) {
                    *entry = fresh();
                }
                entry.expires = expires;
                for (name, text) in record.fields {
                    match text {
                        Some(text) => entry.fields.insert(name.into_owned(), text),
                        None => entry.fields.remove(&*name),
                    };
                }
                if entry.fields.is_empty() {
                    records.remove(&record.key);
                }
            }
        }
        self.changed.notify_waiters();
        Ok(())
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Fields>>> {
        let now = Instant::now();
        let records = self.records();
        let read = |key| {
            let entry: &Entry = records.get(key)?;
            let fields =
                || entry.fields.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
            entry.is_live(now).then(fields)
        };
        Ok(keys.iter().map(read).collect())
    }

    async fn remove(&self, keys: &[String]) -> Result<()> {
        let mut records = self.records();
        for key in keys {
            records.remove(key);
        }
        Ok(())
    }

    async fn wait(&self, keys: &[String], deadline: Duration) -> Result<Vec<Option<Fields>>> {
        let end = Instant::now() + deadline;
        // A record counts if it existed at any moment, even if it expires before the last one
        // arrives.
        let mut found: Vec<Option<Fields>> = vec![None; keys.len()];
        loop {
            // Listen first, look second: a record that is put in between wakes the wait.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            for (slot, fields) in found.iter_mut().zip(self.get(keys).await?) {
                *slot = fields.or(slot.take());
            }
            if found.iter().all(Option::is_some) || timeout_at(end, changed).await.is_err() {
                return Ok(found);
            }
        }
    }
}
