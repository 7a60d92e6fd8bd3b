//! [`Entries`]: a [`Durable`] that forgets.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    durable::{Change, Durable, Usage},
    error::Result,
};

/// Entries in memory: what the tests of a source give to
/// [`SourceContext::new`](crate::SourceContext::new). It keeps the rules of [`Durable`], for as long
/// as it lives.
#[derive(Debug, Default)]
pub struct Entries {
    spaces: Mutex<BTreeMap<String, BTreeMap<String, Bytes>>>,
}

impl Entries {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Bytes>>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Durable for Entries {
    async fn write(&self, changes: Vec<Change>) -> Result<()> {
        let mut spaces = self.lock();
        for Change { space, key, value } in changes {
            let entries = spaces.entry(space).or_default();
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        Ok(())
    }

    async fn read(&self, space: &str, key: &str) -> Result<Option<Bytes>> {
        Ok(self.lock().get(space).and_then(|entries| entries.get(key)).cloned())
    }

    async fn scan(&self, space: &str, after: &str, limit: usize) -> Result<Vec<(String, Bytes)>> {
        let spaces = self.lock();
        let Some(entries) = spaces.get(space) else { return Ok(Vec::new()) };
        let behind = entries.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        Ok(behind.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        let spaces = self.lock();
        let entries = spaces.get(space).into_iter().flatten();
        Ok(entries.fold(Usage::default(), |usage, (key, value)| Usage {
            entries: usage.entries + 1,
            bytes: usage.bytes + (key.len() + value.len()) as u64,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::durable, Entries};

    #[tokio::test]
    async fn it_keeps_the_rules_of_durable_storage() {
        durable(Entries::default(), async |entries| entries).await;
    }
}
