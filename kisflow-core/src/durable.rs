//! [`Durable`]: entries that outlive the process, for what must not be lost: quarantine, positions.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;

/// Entries by key, in spaces, in the order of their keys' bytes; durable once written. What
/// quarantine and positions need of an engine.
///
/// Spaces are made by writing to them. Keys are any text up to 1 KiB; values any bytes.
#[async_trait]
pub trait Durable: Send + Sync + 'static {
    /// Makes all changes or none, in their order; when it returns they survive a crash of the
    /// process (and of the machine, as far as the engine promises that).
    ///
    /// # Errors
    ///
    /// When nothing was changed, or, after a connection was lost, perhaps everything.
    async fn write(&self, changes: Vec<Change>) -> Result<()>;

    /// An entry's value; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When the engine cannot be read.
    async fn read(&self, space: &str, key: &str) -> Result<Option<Bytes>>;

    /// Entries whose keys are greater than `after`, ascending, at most `limit`. (Nothing is smaller
    /// than `""`, so a scan never gives an entry of that key.)
    ///
    /// # Errors
    ///
    /// When the engine cannot be read.
    async fn scan(&self, space: &str, after: &str, limit: usize) -> Result<Vec<(String, Bytes)>>;

    /// How much a space holds.
    ///
    /// # Errors
    ///
    /// When the engine cannot be read.
    async fn usage(&self, space: &str) -> Result<Usage>;
}

/// One change of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The space.
    pub space: String,
    /// The key.
    pub key: String,
    /// The new value; `None` removes the entry. Removing one that is not there is no error.
    pub value: Option<Bytes>,
}

impl Change {
    /// Sets an entry.
    pub fn put(space: impl Into<String>, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self { space: space.into(), key: key.into(), value: Some(value.into()) }
    }

    /// Removes an entry.
    pub fn remove(space: impl Into<String>, key: impl Into<String>) -> Self {
        Self { space: space.into(), key: key.into(), value: None }
    }
}

/// How much a space holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its entries.
    pub entries: u64,
    /// The bytes of their keys and values.
    pub bytes: u64,
}
