//! [`Quarantine`]: the rows that could not be processed, kept durably until they are edited, sent
//! on or discarded.

mod cause;
mod entry;
mod error;
mod fields;
mod filter;
mod repair;
mod room;

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{sync::Mutex, time::timeout};

pub use self::{
    cause::fold_cause,
    entry::{Quarantined, RowText},
    error::QuarantineError,
    fields::FieldError,
    filter::{CauseCount, QuarantineFilter},
    repair::{RetryFrom, RetryReport},
};
use crate::{
    conf::QuarantineConf,
    durable::{Durable, Key, Scan, Usage, commit_all},
    flow::Flow,
    metrics::QuarantineMetrics,
};

/// Rows that wait in quarantine, by id.
pub(crate) const SPACE: &str = "quarantine";
/// Rows that were discarded, with the reason.
pub(crate) const DISCARDED: &str = "discarded";
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
    flows: BTreeMap<String, Flow>,
    metrics: QuarantineMetrics,
    /// The most characters of a row in a log line.
    log_rows: usize,
    /// One writer at a time makes room, so that two do not drop twice as much as needed. Holds the
    /// time of the last search for rows that are too old.
    room: Mutex<Option<Instant>>,
}

impl Quarantine {
    pub(crate) fn new(
        durable: Arc<dyn Durable>,
        conf: QuarantineConf,
        flows: BTreeMap<String, Flow>,
        metrics: QuarantineMetrics,
        log_rows: usize,
    ) -> Self {
        let room = Mutex::default();
        Self { inner: Arc::new(Inner { durable, conf, flows, metrics, log_rows, room }) }
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
        self.list_space(SPACE, filter, "", limit).await
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
        self.list_space(SPACE, filter, cursor, limit).await
    }

    /// Returns discarded rows, the oldest first, at most `limit`. As many are kept as the
    /// quarantine may hold.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn discarded(
        &self,
        filter: &QuarantineFilter,
        limit: usize,
    ) -> Result<Vec<Quarantined>, QuarantineError> {
        self.list_space(DISCARDED, filter, "", limit).await
    }

    /// Like [`discarded`](Self::discarded), for the rows after this [cursor](Quarantined::cursor).
    ///
    /// # Errors
    ///
    /// As [`discarded`](Self::discarded).
    pub async fn discarded_after(
        &self,
        filter: &QuarantineFilter,
        cursor: &str,
        limit: usize,
    ) -> Result<Vec<Quarantined>, QuarantineError> {
        self.list_space(DISCARDED, filter, cursor, limit).await
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
        self.count_space(SPACE, filter, cursor).await
    }

    /// Like [`count_after`](Self::count_after), for discarded rows.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn discarded_count_after(
        &self,
        filter: &QuarantineFilter,
        cursor: &str,
    ) -> Result<usize, QuarantineError> {
        self.count_space(DISCARDED, filter, cursor).await
    }

    async fn count_space(
        &self,
        space: &str,
        filter: &QuarantineFilter,
        cursor: &str,
    ) -> Result<usize, QuarantineError> {
        let mut count = 0;
        let is_counted = |row: &Quarantined| row.cursor().as_str() > cursor && filter.takes(row);
        self.each(space, |row| count += usize::from(is_counted(&row))).await?;
        Ok(count)
    }

    async fn list_space(
        &self,
        space: &str,
        filter: &QuarantineFilter,
        cursor: &str,
        limit: usize,
    ) -> Result<Vec<Quarantined>, QuarantineError> {
        // Ids are not ordered by time: keep the oldest so far, never more than asked for.
        let mut oldest: BTreeMap<String, Quarantined> = BTreeMap::new();
        self.each(space, |row| {
            let at = row.cursor();
            if at.as_str() > cursor && filter.takes(&row) {
                oldest.insert(at, row);
                if oldest.len() > limit {
                    oldest.pop_last();
                }
            }
        })
        .await?;
        Ok(oldest.into_values().collect())
    }

    /// Returns the ids of all rows of a kind, sorted, to visit the rows one by one in their current
    /// state.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn ids(&self, filter: &QuarantineFilter) -> Result<Vec<String>, QuarantineError> {
        self.ids_of(SPACE, filter).await
    }

    /// Returns the ids of all [discarded](Self::discarded) rows of a kind, sorted.
    ///
    /// # Errors
    ///
    /// When their store cannot be read.
    pub async fn discarded_ids(
        &self,
        filter: &QuarantineFilter,
    ) -> Result<Vec<String>, QuarantineError> {
        self.ids_of(DISCARDED, filter).await
    }

    async fn ids_of(
        &self,
        space: &str,
        filter: &QuarantineFilter,
    ) -> Result<Vec<String>, QuarantineError> {
        let mut ids = Vec::new();
        self.each(space, |row| ids.extend(filter.takes(&row).then_some(row.id))).await?;
        Ok(ids)
    }

    /// Returns one row.
    ///
    /// # Errors
    ///
    /// When there is no row with this id, or the store cannot be read.
    pub async fn show(&self, id: &str) -> Result<Quarantined, QuarantineError> {
        let read = self.inner.durable.read(&[key(SPACE, id)]).await;
        let found = read.map_err(QuarantineError::storage("read"))?;
        let entry = found.into_iter().flatten().next();
        decode(id, &entry.ok_or_else(|| QuarantineError::unknown(id))?.value)
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
        self.each(SPACE, |row| {
            if !filter.takes(&row) {
                return;
            }
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
        let usage = self.inner.durable.usage(SPACE).await;
        let usage = usage.map_err(QuarantineError::storage("read"))?;
        self.inner.metrics.show(usage);
        Ok(usage)
    }

    /// Takes a row out for good. It is kept with the reason, see [`discarded`](Self::discarded).
    ///
    /// # Errors
    ///
    /// When there is no row with this id, or the store cannot be written.
    pub async fn discard(
        &self,
        id: &str,
        reason: impl Into<String>,
    ) -> Result<(), QuarantineError> {
        let mut row = self.show(id).await?;
        row.discarded = Some(reason.into());
        let one = Usage { entries: 1, bytes: 0 };
        while let Some(oldest) = self.in_the_way(DISCARDED, one).await? {
            self.remove(DISCARDED, &oldest).await?;
        }
        // In this order: if they do not fit one commit, the row is twice there rather than gone.
        self.write(vec![put(DISCARDED, &row), remove(SPACE, id)]).await?;
        self.inner.metrics.discarded.increment(1);
        Ok(())
    }

    /// Makes changes in their order; see [`commit_all`].
    async fn write(&self, changes: Vec<Change>) -> Result<(), QuarantineError> {
        let written = commit_all(&*self.inner.durable, changes).await;
        written.map_err(QuarantineError::storage("written"))?;
        // The write is durable, whatever follows.
        self.look().await;
        Ok(())
    }

    /// Updates the size in the metrics, unless the store takes too long to answer.
    async fn look(&self) {
        timeout(LOOK, self.usage()).await.ok();
    }

    async fn each(
        &self,
        space: &str,
        mut visit: impl FnMut(Quarantined),
    ) -> Result<(), QuarantineError> {
        let mut scan = Scan::of(space).limit(PAGE);
        loop {
            let page = self.inner.durable.scan(&scan).await;
            let page = page.map_err(QuarantineError::storage("read"))?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            scan = scan.after(last.clone());
            for (id, entry) in &page {
                visit(decode(&String::from_utf8_lossy(id), &entry.value)?);
            }
        }
    }
}

/// What is set or removed.
type Change = (Key, Option<Bytes>);

fn key(space: &str, id: &str) -> Key {
    Key::raw(space, id)
}

fn put(space: &str, row: &Quarantined) -> Change {
    // Only texts and numbers: an entry always has a JSON form.
    let value = serde_json::to_vec(row).unwrap_or_default();
    (key(space, &row.id), Some(value.into()))
}

fn remove(space: &str, id: &str) -> Change {
    (key(space, id), None)
}

fn decode(id: &str, entry: &[u8]) -> Result<Quarantined, QuarantineError> {
    serde_json::from_slice(entry).map_err(|error| {
        let text = format!("entry {id} is not what this version of kisflow writes: {error}");
        QuarantineError::storage("read")(text.into())
    })
}

impl fmt::Debug for Quarantine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Quarantine").field(&self.inner.conf).finish()
    }
}
