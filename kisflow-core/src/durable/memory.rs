//! [`MemoryStore`]: a store that ends with the process.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Change, Commit, CommitError, CommitId, Decision, Durable, Entry, Key, Limits, Scan, Usage,
};
use crate::error::Result;

/// A store that ends with the process, for tests of programs and of sources.
#[derive(Debug)]
pub struct MemoryStore {
    entries: Mutex<BTreeMap<Key, Entry>>,
    limits: Limits,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_limits(Limits { keys: 50_000, bytes: 64 << 20, key_bytes: 8 << 10 })
    }
}

impl MemoryStore {
    /// A store with other limits, to test callers that split what is too large.
    #[must_use]
    pub const fn with_limits(limits: Limits) -> Self {
        Self { entries: Mutex::new(BTreeMap::new()), limits }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Durable for MemoryStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        let entries = self.entries();
        Ok(keys.iter().map(|key| entries.get(key).cloned()).collect())
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Entry)>> {
        let Some((lower, upper)) = scan.bounds() else { return Ok(Vec::new()) };
        let space: Arc<str> = scan.space().into();
        let key = |bytes: &[u8]| Key::raw(space.clone(), bytes);
        let upper = match upper {
            // The first key of the next space.
            Bound::Unbounded => Bound::Excluded(Key::new(format!("{space}\0"))),
            upper => upper.map(key),
        };
        let entries = self.entries();
        let range = entries.range((lower.map(key), upper));
        let page = |(key, entry): (&Key, &Entry)| {
            let value = if scan.is_keys_only() { Bytes::new() } else { entry.value.clone() };
            (key.to_bytes(), Entry { value, version: entry.version })
        };
        Ok(match scan.is_backwards() {
            false => range.take(scan.page()).map(page).collect(),
            true => range.rev().take(scan.page()).map(page).collect(),
        })
    }

    async fn commit(&self, commit: &Commit) -> std::result::Result<(), CommitError> {
        commit.validate(self.limits())?;
        let mut entries = self.entries();
        let verdict: Result<Decision> = commit.decide(|key| Ok(entries.get(key).cloned()));
        match verdict.map_err(CommitError::Outage)? {
            Decision::Apply => {}
            Decision::Done => return Ok(()),
            Decision::Refused(error) => return Err(error),
        }
        for (key, change) in commit.changes() {
            match change {
                Change::Put(value) => {
                    let entry = Entry { value: value.clone(), version: commit.id() };
                    entries.insert(key.clone(), entry);
                }
                Change::Remove => drop(entries.remove(key)),
                Change::Add { by, .. } => {
                    let sum = entries.get(key).map_or(0, Entry::count) + by;
                    entries.insert(key.clone(), Entry::counter(sum));
                }
            }
        }
        let last = |group: &Key| entries.get(group).map_or(0, Entry::count);
        let (appended, counters) = commit.numbered(last);
        for (key, value) in appended {
            entries.insert(key, Entry { value, version: commit.id() });
        }
        for (group, last) in counters {
            entries.insert(group, Entry::counter(last));
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn is_exclusive(&self) -> bool {
        true
    }

    async fn now(&self) -> Result<SystemTime> {
        Ok(SystemTime::now())
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        let entries = self.entries();
        let mine = entries
            .iter()
            .filter(|(key, entry)| key.space() == space && entry.version != CommitId::NONE);
        Ok(mine.fold(Usage::default(), |usage, (key, entry)| Usage {
            entries: usage.entries + 1,
            bytes: usage.bytes + (key.bytes().len() + entry.value.len()) as u64,
        }))
    }
}
