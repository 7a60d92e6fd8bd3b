//! [`Storage`]: records with fields, for functions that do not know their engine.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::error::Result;

/// A record's fields by name, each as text: numbers and booleans as JSON writes them, text
/// unchanged, lists and maps as JSON.
pub type Fields = Vec<(String, String)>;

/// A record to write.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// The whole key: the connector's `key` and the record's id.
    pub key: String,
    /// The fields to set, or to remove with `None`.
    pub fields: Vec<(Cow<'static, str>, Option<String>)>,
}

impl Record {
    /// A record of this key, in which these fields are set, or removed with `None`.
    #[must_use]
    pub fn new(key: impl Into<String>, fields: Vec<(Cow<'static, str>, Option<String>)>) -> Self {
        Self { key: key.into(), fields }
    }
}

/// Records with fields. Every method takes one round trip for all of its records, or a few of
/// bounded size; never one per record.
#[async_trait]
pub trait Storage: Send + Sync {
    /// Sets and removes fields; other fields of a record stay. Of two records with the same key the
    /// later wins. A record without fields is removed.
    async fn put(&self, records: Vec<Record>) -> Result<()>;

    /// Reads whole records, in the order of the keys; `None` for a missing record.
    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Fields>>>;

    /// Removes whole records; a missing one is no error.
    async fn remove(&self, keys: &[String]) -> Result<()>;

    /// Reads records, and waits for missing ones until `deadline`. By default it asks again, after
    /// 2 ms at first and 100 ms at most.
    async fn wait(&self, keys: &[String], deadline: Duration) -> Result<Vec<Option<Fields>>> {
        let end = Instant::now() + deadline;
        let mut pause = Duration::from_millis(2);
        let mut found = self.get(keys).await?;
        loop {
            let missing: Vec<usize> = found
                .iter()
                .enumerate()
                .filter(|(_, fields)| fields.is_none())
                .map(|(index, _)| index)
                .collect();
            let left = end.saturating_duration_since(Instant::now());
            if missing.is_empty() || left.is_zero() {
                return Ok(found);
            }
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(Duration::from_millis(100));
            let keys: Vec<String> =
                missing.iter().filter_map(|index| keys.get(*index).cloned()).collect();
            for (index, fields) in missing.into_iter().zip(self.get(&keys).await?) {
                if let Some(slot) = found.get_mut(index) {
                    *slot = fields;
                }
            }
        }
    }
}
