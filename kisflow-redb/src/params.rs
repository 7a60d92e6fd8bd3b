//! [`RedbParams`]: `params` of an embedded store.

use serde::Deserialize;

use crate::error::RedbError;

/// `params` of an embedded store, all optional.
///
/// The durability of writes is fixed: entries here must not be lost, so every write is on the disk
/// before it is acknowledged.
///
/// ```
/// use kisflow_core::ConnConf;
///
/// let conf = ConnConf::new("kisflow", "redb").addrs("state/kisflow.redb").param("cache_mb", 256);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RedbParams {
    /// The most memory for pages of the file, in MiB, at least 1 (default 64). Quarantine and
    /// positions are written much and read little, so the system's own cache of the file does most
    /// of the work; records that are read all the time may want more.
    pub cache_mb: usize,
}

impl Default for RedbParams {
    fn default() -> Self {
        Self { cache_mb: 64 }
    }
}

impl RedbParams {
    /// Returns the size of the cache in bytes.
    pub(crate) fn cache_bytes(&self) -> Result<usize, RedbError> {
        match self.cache_mb.checked_mul(1 << 20) {
            None => Err(RedbError::conf("`cache_mb` is more than this machine can count")),
            Some(0) => Err(RedbError::conf("`cache_mb` is 0; it must be at least 1")),
            Some(bytes) => Ok(bytes),
        }
    }
}
