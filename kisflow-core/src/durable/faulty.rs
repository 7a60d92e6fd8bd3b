//! [`Faulty`]: a store in memory that fails as a test asks it to.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{sync::Semaphore, task::yield_now};

use super::{Change, Commit, CommitError, Durable, Entry, Key, Limits, MemoryStore, Scan, Usage};
use crate::error::Result;

/// A store in memory that fails as a test asks it to.
#[derive(Default)]
pub(crate) struct Faulty {
    pub(crate) store: MemoryStore,
    /// The commits that reached the store.
    pub(crate) commits: AtomicUsize,
    /// Takes a permit for each commit, if there is one.
    pub(crate) gate: Option<Semaphore>,
    pub(crate) panics: AtomicBool,
    pub(crate) is_full: AtomicBool,
    pub(crate) removes_nothing: AtomicBool,
    /// Of ten commits, how many have no effect.
    pub(crate) refuses: AtomicU64,
    /// So many commits take effect without an answer.
    pub(crate) silent: AtomicU64,
}

impl Faulty {
    /// A commit holds so many keys, and 4 KiB.
    pub(crate) fn new(keys: usize) -> Self {
        let limits = Limits { keys, bytes: 1 << 12, key_bytes: 1 << 10 };
        Self { store: MemoryStore::with_limits(limits), ..Self::default() }
    }
}

#[async_trait]
impl Durable for Faulty {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        // Others get a chance between what is read and what is written.
        yield_now().await;
        self.store.read(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Entry)>> {
        self.store.scan(scan).await
    }

    async fn commit(&self, commit: &Commit) -> std::result::Result<(), CommitError> {
        let outage = |what: &str| Err(CommitError::Outage(what.into()));
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        yield_now().await;
        self.commits.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics.load(Ordering::SeqCst), "the store breaks");
        let is_refused = fastrand::u64(..10) < self.refuses.load(Ordering::SeqCst);
        if is_refused || self.is_full.load(Ordering::SeqCst) {
            return outage("disk full");
        }
        let removes = commit.changes().any(|(_, change)| *change == Change::Remove);
        if removes && self.removes_nothing.load(Ordering::SeqCst) {
            return outage("it removes nothing");
        }
        self.store.commit(commit).await?;
        let silent = |left: u64| left.checked_sub(1);
        match self.silent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, silent) {
            Ok(_) => outage("the answer is lost"),
            Err(_) => Ok(()),
        }
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn now(&self) -> Result<SystemTime> {
        self.store.now().await
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        self.store.usage(space).await
    }
}
