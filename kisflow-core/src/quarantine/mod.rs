//! [`Quarantine`]: the rows that could not be processed, kept durably until they are edited, sent
//! on or discarded.

mod by_time;
mod carry_over;
mod cause;
mod commit_marker;
mod discarded;
mod draft;
mod entry;
mod error;
mod fields;
mod filter;
mod keeping;
mod layout;
mod other_rows;
mod repair;
mod room;
#[cfg(test)]
pub(crate) mod tests;
mod waiting;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::time::timeout;

use self::{
    by_time::ByTime,
    layout::{Spaces, TimeKey},
};
pub(crate) use self::{
    carry_over::carry_over,
    commit_marker::CommitMarker,
    draft::Draft,
    keeping::Keeping,
    layout::{DISCARDED, KEPT, Stored, WAITING},
};
pub use self::{
    cause::fold_cause,
    entry::{Quarantined, RowText},
    error::QuarantineError,
    fields::FieldError,
    filter::{CauseCount, QuarantineFilter},
    other_rows::OtherRows,
    repair::{RetryFrom, RetryReport},
};
use crate::{
    conf::{QuarantineConf, WaitingConf},
    durable::{Commit, CommitError, Durable, Usage},
    flow::Flow,
    metrics::QuarantineMetrics,
};

/// How many entries are read in one go.
const PAGE: usize = 500;
/// How long reading the usage for the metrics may take.
const LOOK: Duration = Duration::from_secs(1);

/// The rows that could not be processed, kept durably until they are edited, sent on or discarded.
/// Cheap to clone. [`Flows::quarantine`](crate::Flows::quarantine) returns it.
///
/// Rows are read and sent on page by page: a large quarantine needs time, not memory.
#[derive(Clone)]
pub struct Quarantine {
    inner: Arc<Inner>,
}

struct Inner {
    durable: Arc<dyn Durable>,
    conf: QuarantineConf,
    waiting: WaitingConf,
    flows: BTreeMap<String, Flow>,
    metrics: QuarantineMetrics,
    /// The most characters of a row in a log line.
    log_rows: usize,
    /// When rows that are too old were last searched for.
    expired: Mutex<Option<Instant>>,
}

impl Quarantine {
    pub(crate) fn new(
        durable: Arc<dyn Durable>,
        conf: QuarantineConf,
        waiting: WaitingConf,
        flows: BTreeMap<String, Flow>,
        metrics: QuarantineMetrics,
        log_rows: usize,
    ) -> Self {
        let expired = Mutex::default();
        Self {
            inner: Arc::new(Inner { durable, conf, waiting, flows, metrics, log_rows, expired }),
        }
    }

    /// Returns the rows of a kind, the oldest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn list(
        &self,
        filter: &QuarantineFilter,
        limit: usize,
    ) -> Result<Vec<Quarantined>, QuarantineError> {
        self.list_space(KEPT, filter, "", limit).await
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
        self.list_space(KEPT, filter, cursor, limit).await
    }

    /// Returns the number of rows of a kind after a [cursor](Quarantined::cursor); all are after
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
        self.count_space(KEPT, filter, cursor).await
    }

    async fn count_space(
        &self,
        spaces: Spaces,
        filter: &QuarantineFilter,
        cursor: &str,
    ) -> Result<usize, QuarantineError> {
        let mut count = 0;
        self.each(spaces, filter, cursor, |_| {
            count += 1;
            Next::Visit
        })
        .await?;
        Ok(count)
    }

    async fn list_space(
        &self,
        spaces: Spaces,
        filter: &QuarantineFilter,
        cursor: &str,
        limit: usize,
    ) -> Result<Vec<Quarantined>, QuarantineError> {
        let mut oldest = Vec::new();
        if limit > 0 {
            self.each(spaces, filter, cursor, |row| {
                oldest.push(row);
                if oldest.len() < limit { Next::Visit } else { Next::Stop }
            })
            .await?;
        }
        Ok(oldest)
    }

    /// Returns the ids of all rows of a kind, sorted, to visit the rows one by one in their current
    /// state.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn ids(&self, filter: &QuarantineFilter) -> Result<Vec<String>, QuarantineError> {
        self.ids_of(KEPT, filter).await
    }

    async fn ids_of(
        &self,
        spaces: Spaces,
        filter: &QuarantineFilter,
    ) -> Result<Vec<String>, QuarantineError> {
        let mut ids = Vec::new();
        self.each(spaces, filter, "", |row| {
            ids.push(row.id);
            Next::Visit
        })
        .await?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Returns one row.
    ///
    /// # Errors
    ///
    /// When there is no row with this id, or the store cannot be read.
    pub async fn show(&self, id: &str) -> Result<Quarantined, QuarantineError> {
        Ok(self.stored(KEPT, id).await?.row)
    }

    /// Returns the number of rows of each kind: by flow, function and cause.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn stats(
        &self,
        filter: &QuarantineFilter,
    ) -> Result<Vec<CauseCount>, QuarantineError> {
        let mut counts: BTreeMap<(String, String, String), CauseCount> = BTreeMap::new();
        self.each(KEPT, filter, "", |row| {
            let key = (row.flow.clone(), row.function.clone(), fold_cause(&row.cause));
            let count =
                counts.entry(key).or_insert_with_key(|(flow, function, cause)| CauseCount {
                    flow: flow.clone(),
                    function: function.clone(),
                    cause: cause.clone(),
                    rows: 0,
                    since: row.since,
                    example: String::new(),
                    example_id: String::new(),
                });
            count.rows += 1;
            if count.rows == 1 || row.since < count.since {
                count.since = row.since;
                (count.example, count.example_id) = (row.cause, row.id);
            }
            Next::Visit
        })
        .await?;
        Ok(counts.into_values().collect())
    }

    /// Returns how much is in quarantine.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn usage(&self) -> Result<Usage, QuarantineError> {
        let usage = self.inner.durable.usage(KEPT.rows).await;
        let usage = usage.map_err(QuarantineError::storage("read"))?;
        self.inner.metrics.show(usage);
        Ok(usage)
    }

    /// Updates the size in the metrics, unless the store takes too long to answer.
    async fn look(&self) {
        timeout(LOOK, self.usage()).await.ok();
    }

    async fn stored(&self, spaces: Spaces, id: &str) -> Result<Stored, QuarantineError> {
        let found = self.read(spaces, &[id.to_owned()]).await?;
        found.into_iter().flatten().next().ok_or_else(|| QuarantineError::unknown(id))
    }

    /// Reads rows; `None` for an id without one.
    async fn read(
        &self,
        spaces: Spaces,
        ids: &[String],
    ) -> Result<Vec<Option<Stored>>, QuarantineError> {
        let keys: Vec<_> = ids.iter().map(|id| spaces.row(id)).collect();
        let found = self.inner.durable.read(&keys).await;
        let found = found.map_err(QuarantineError::storage("read"))?;
        let stored = |(id, entry): (&String, Option<_>)| {
            entry.map(|entry| Stored::new(id, &entry)).transpose()
        };
        ids.iter().zip(found).map(stored).collect()
    }

    async fn commit(&self, commit: &Commit) -> Result<(), CommitError> {
        self.commit_in(KEPT, commit).await
    }

    /// Commits changes of rows in these spaces alone.
    async fn commit_in(&self, spaces: Spaces, commit: &Commit) -> Result<(), CommitError> {
        self.inner.durable.commit(commit).await?;
        if spaces == KEPT {
            // The commit is durable, whatever follows.
            self.look().await;
        }
        Ok(())
    }

    /// Visits the rows that the filter takes, the oldest first.
    async fn each(
        &self,
        spaces: Spaces,
        filter: &QuarantineFilter,
        cursor: &str,
        mut visit: impl FnMut(Quarantined) -> Next,
    ) -> Result<(), QuarantineError> {
        let after = match cursor {
            "" => None,
            _ => Some(TimeKey::of(cursor).ok_or_else(|| QuarantineError::cursor(cursor))?),
        };
        let mut order = ByTime::open(&*self.inner.durable, spaces, filter, after.as_ref()).await?;
        loop {
            let ids = order.next().await?;
            if ids.is_empty() {
                return Ok(());
            }
            // One that is gone meanwhile is none.
            for Stored { row, .. } in self.read(spaces, &ids).await?.into_iter().flatten() {
                if filter.takes(&row)
                    && let Next::Stop = visit(row)
                {
                    return Ok(());
                }
            }
        }
    }
}

/// Whether to go on.
enum Next {
    Visit,
    Stop,
}

impl fmt::Debug for Quarantine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Quarantine").field(&self.inner.conf).finish()
    }
}
