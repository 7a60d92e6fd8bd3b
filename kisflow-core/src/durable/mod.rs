//! [`Durable`]: an ordered key-value store whose commits are all or nothing.

mod change;
mod commit;
mod commit_id;
mod decision;
mod error;
#[cfg(test)]
mod faulty;
mod key;
mod lease;
mod limits;
mod memory;
mod scan;
mod tuple;

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

#[cfg(test)]
pub(crate) use self::faulty::Faulty;
pub(crate) use self::lease::{HeldLease, Lease, LeaseTaken, SeenLease};
pub use self::{
    change::{Change, Check},
    commit::Commit,
    commit_id::CommitId,
    decision::Decision,
    error::CommitError,
    key::Key,
    limits::Limits,
    memory::MemoryStore,
    scan::{Bounds, Scan},
    tuple::{KeyPart, KeyParts, TupleError, key_parts},
};
use crate::error::Result;

/// An ordered key-value store that outlives the process. Everything that must survive is an entry in
/// one: positions and the quarantine.
///
/// Keys are any bytes up to [a limit](Limits::key_bytes), in spaces, and ordered by their bytes
/// within a space. A space exists as soon as something is in it. Values are any bytes, JSON text
/// unless there is a reason, so that operators can read them.
///
/// Entries change only by a [`Commit`]. It is atomic, takes effect only if all its checks hold at
/// that moment, and is serializable with other commits. Reads and scans are no snapshots: two
/// calls, and even the pages of one scan, may see different states. A decision that depends on what
/// was read checks every entry that it used.
///
/// # Values and counters
///
/// An entry is a value or a [counter](Change::Add), from when it is made until it is removed. A
/// commit that puts a value on a counter, checks that a counter is below a bound, adds to a value, or
/// appends to a group whose key has a value, is [invalid](CommitError::Invalid), and the error names
/// the key. If a check of the same commit fails as well, it is a conflict.
///
/// # Errors
///
/// The methods fail when the engine cannot be reached, read or written.
///
/// # Cancel safety
///
/// A commit whose future is dropped is still atomic. The other methods may be dropped at any time.
#[async_trait]
pub trait Durable: Send + Sync + 'static {
    /// Returns the entries of these keys, in their order; `None` for a key without an entry.
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>>;

    /// Returns a page of a range of entries, in order, with their keys. A page may be shorter than
    /// the scan's limit; an empty one is the end of the range.
    async fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Entry)>>;

    /// Applies all changes of a commit, if all its checks hold. When it returns `Ok`, the changes
    /// survive a crash of the process, and of the machine if the engine promises that.
    ///
    /// A commit that took effect already, because it is sent again, is recognised by its id and
    /// returns `Ok` without a second effect.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]. After any error but an outage, nothing was changed.
    async fn commit(&self, commit: &Commit) -> std::result::Result<(), CommitError>;

    /// Applies independent commits, in one round trip if the engine can do so. Each takes effect or
    /// fails by itself; the results are in the order of the commits.
    async fn commit_each(&self, commits: &[Commit]) -> Vec<std::result::Result<(), CommitError>> {
        let mut results = Vec::with_capacity(commits.len());
        for commit in commits {
            results.push(self.commit(commit).await);
        }
        results
    }

    /// The most that one commit may hold.
    fn limits(&self) -> Limits;

    /// Returns `true` if only this process can serve flows from the store: leases that other processes
    /// left there have then ended with them.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// Returns which confirmed commits the engine's server may lose with its current settings, and the
    /// way out. Returns `None` if it loses none, or if the engine cannot tell.
    async fn may_lose(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// The time of the engine's clock, which all its clients share. It may go back, at a failover
    /// for example.
    async fn now(&self) -> Result<SystemTime>;

    /// Returns how much a space holds. It may be late by about a second, and need not count
    /// [counters](Change::Add).
    async fn usage(&self, space: &str) -> Result<Usage>;
}

#[async_trait]
impl<D: Durable + ?Sized> Durable for Arc<D> {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        (**self).read(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Entry)>> {
        (**self).scan(scan).await
    }

    async fn commit(&self, commit: &Commit) -> std::result::Result<(), CommitError> {
        (**self).commit(commit).await
    }

    async fn commit_each(&self, commits: &[Commit]) -> Vec<std::result::Result<(), CommitError>> {
        (**self).commit_each(commits).await
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }

    fn is_exclusive(&self) -> bool {
        (**self).is_exclusive()
    }

    async fn may_lose(&self) -> Result<Option<String>> {
        (**self).may_lose().await
    }

    async fn now(&self) -> Result<SystemTime> {
        (**self).now().await
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        (**self).usage(space).await
    }
}

/// A value in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value; empty in a scan for keys only.
    pub value: Bytes,
    /// The commit that wrote the entry, to [check](Check::Version) that it is unchanged.
    /// [`CommitId::NONE`] for counters, which cannot be checked.
    pub version: CommitId,
}

impl Entry {
    /// A counter.
    #[must_use]
    pub fn counter(count: i64) -> Self {
        Self { value: count.to_string().into(), version: CommitId::NONE }
    }

    /// Returns `true` for a counter.
    #[must_use]
    pub fn is_counter(&self) -> bool {
        self.version == CommitId::NONE
    }

    /// The number of a counter; 0 if the value is no number.
    #[must_use]
    pub fn count(&self) -> i64 {
        std::str::from_utf8(&self.value).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// How much a space holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Its entries.
    pub entries: u64,
    /// The bytes of their keys and values.
    pub bytes: u64,
}

impl Usage {
    /// So many entries, with so many bytes in their keys and values.
    #[must_use]
    pub const fn new(entries: u64, bytes: u64) -> Self {
        Self { entries, bytes }
    }
}

/// Visits a range page by page: the next page begins behind the last key of the one before.
///
/// # Errors
///
/// Those of the engine and of `visit`.
pub async fn each_page(
    store: &dyn Durable,
    scan: Scan,
    mut visit: impl AsyncFnMut(Vec<(Bytes, Entry)>) -> Result<()>,
) -> Result<()> {
    let mut next = scan.clone();
    loop {
        let page = store.scan(&next).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        next = scan.clone().after(last.clone());
        visit(page).await?;
    }
}

/// Makes changes in their order, in as few commits as the limits of the store allow. `None` removes
/// an entry.
///
/// # Errors
///
/// Those of the first commit that fails; the ones before it have taken effect.
pub async fn commit_all(
    store: &dyn Durable,
    changes: impl IntoIterator<Item = (Key, Option<Bytes>)>,
) -> Result<()> {
    for commit in Commit::split(changes, store.limits()) {
        store.commit(&commit).await.map_err(CommitError::into_cause)?;
    }
    Ok(())
}
