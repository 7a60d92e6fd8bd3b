//! [`OtherRows`]: rows that are not in quarantine, and are listed like those that are.

use std::fmt;

use super::{Quarantine, QuarantineError, QuarantineFilter, Quarantined, layout::Spaces};

/// Rows beside those in quarantine: the [discarded](Quarantine::discarded) or the
/// [waiting](Quarantine::waiting) ones.
#[derive(Clone)]
pub struct OtherRows {
    pub(super) quarantine: Quarantine,
    pub(super) spaces: Spaces,
}

impl OtherRows {
    /// Returns the rows that the filter takes, the oldest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn list(
        &self,
        filter: &QuarantineFilter,
        limit: usize,
    ) -> Result<Vec<Quarantined>, QuarantineError> {
        self.list_after(filter, "", limit).await
    }

    /// Like [`list`](Self::list), for the rows after this [cursor](Quarantined::cursor).
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub async fn list_after(
        &self,
        filter: &QuarantineFilter,
        cursor: &str,
        limit: usize,
    ) -> Result<Vec<Quarantined>, QuarantineError> {
        self.quarantine.list_space(self.spaces, filter, cursor, limit).await
    }

    /// Returns the number of rows that the filter takes after a [cursor](Quarantined::cursor); all are after
    /// `""`.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn count_after(
        &self,
        filter: &QuarantineFilter,
        cursor: &str,
    ) -> Result<usize, QuarantineError> {
        self.quarantine.count_space(self.spaces, filter, cursor).await
    }

    /// Returns the ids of all rows that the filter takes, sorted.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn ids(&self, filter: &QuarantineFilter) -> Result<Vec<String>, QuarantineError> {
        self.quarantine.ids_of(self.spaces, filter).await
    }

    /// Returns one row.
    ///
    /// # Errors
    ///
    /// When there is no row with this id, or the store cannot be read.
    pub async fn show(&self, id: &str) -> Result<Quarantined, QuarantineError> {
        Ok(self.quarantine.stored(self.spaces, id).await?.row)
    }
}

impl fmt::Debug for OtherRows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("OtherRows").field(&self.spaces.rows).finish()
    }
}
