//! [`Durable`]: entries that outlive the process, for quarantine and positions.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;

/// Durable entries: by key, in spaces, ordered by the bytes of their keys. Quarantine and positions
/// need them of an engine.
///
/// A space exists once something is written to it. A key is any text of up to 1 KiB; a value is any
/// bytes.
#[async_trait]
pub trait Durable: Send + Sync + 'static {
    /// Applies all changes or none, in order. When it returns, they survive a crash of the process
    /// (and of the machine, if the engine promises that).
    ///
    /// # Errors
    ///
    /// When the engine cannot be written. Nothing was changed then; after a lost connection,
    /// possibly everything.
    async fn write(&self, changes: Vec<Change>) -> Result<()>;

    /// Returns the value of an entry; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the engine cannot be read.
    async fn read(&self, space: &str, key: &str) -> Result<Option<Bytes>>;

    /// Returns entries with keys greater than `after`, ascending, at most `limit`. (No key is
    /// smaller than `""`, so a scan never returns an entry with that key.)
    ///
    /// # Errors
    ///
    /// When the engine cannot be read.
    async fn scan(&self, space: &str, after: &str, limit: usize) -> Result<Vec<(String, Bytes)>>;

    /// Returns how much a space holds.
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
    /// The new value; `None` removes the entry. Removing a missing entry is no error.
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
