//! [`Cache`]: states that were read or written lately.

use std::collections::HashMap;

use bytes::Bytes;

use crate::durable::{CommitId, Key};

/// A state as the store has it, as far as is known, and the commit that wrote it.
#[derive(Clone, Debug)]
pub(super) struct Cached {
    pub(super) value: Option<Bytes>,
    pub(super) version: Option<CommitId>,
}

/// States that were read or written lately, bounded by their size. What it has may be out of date: a
/// commit that relies on it checks its version, and no version is used twice.
///
/// Two generations: when the young one is full, the old one is dropped and the young one takes its
/// place.
pub(super) struct Cache {
    young: HashMap<Key, Cached>,
    old: HashMap<Key, Cached>,
    bytes: usize,
    most: usize,
}

/// What an entry needs beside its key and value.
const OVERHEAD: usize = 100;

impl Cache {
    /// A cache of at most so many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), bytes: 0, most }
    }

    pub(super) fn get(&mut self, key: &Key) -> Option<Cached> {
        if let Some(found) = self.young.get(key) {
            return Some(found.clone());
        }
        let found = self.old.remove(key)?;
        self.set(key.clone(), found.clone());
        Some(found)
    }

    pub(super) fn set(&mut self, key: Key, cached: Cached) {
        self.old.remove(&key);
        let key_bytes = key.bytes().len() + OVERHEAD;
        let size = |cached: &Cached| key_bytes + cached.value.as_ref().map_or(0, Bytes::len);
        self.bytes += size(&cached);
        if let Some(before) = self.young.insert(key, cached) {
            self.bytes =
                self.bytes.saturating_sub(key_bytes + before.value.map_or(0, |value| value.len()));
        }
        if self.bytes > self.most / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays_and_the_size_is_bounded() {
        let key = |number: u64| Key::new("state").number(number);
        let cached = || Cached { value: Some(Bytes::from(vec![0; 100])), version: None };
        let mut cache = Cache::new(20_000);
        cache.set(key(0), cached());
        for number in 1..1_000 {
            assert!(cache.get(&key(0)).is_some(), "{number}");
            cache.set(key(number), cached());
            assert!(cache.young.len() + cache.old.len() <= 110, "{number}");
        }
        assert!(cache.get(&key(999)).is_some() && cache.get(&key(1)).is_none());
        cache.remove(&key(999));
        assert!(cache.get(&key(999)).is_none());
    }
}
