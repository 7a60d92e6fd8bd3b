//! [`Quarantine`]: the rows that could not be processed, kept durably until somebody mends or
//! discards them.

mod entry;
mod error;
mod filter;
mod repair;
mod room;

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Mutex, time::timeout};

pub(crate) use self::entry::now_ms;
pub use self::{
    entry::{Quarantined, RowText},
    error::QuarantineError,
    filter::{CauseCount, QuarantineFilter},
    repair::{RetryFrom, RetryReport},
};
use crate::{
    conf::QuarantineConf,
    durable::{Change, Durable, Usage},
    flow::Flow,
    metrics::QuarantineMetrics,
};

/// Rows that wait to be mended, by id.
const SPACE: &str = "quarantine";
/// Rows that were discarded, with the reason.
const DISCARDED: &str = "discarded";
/// How many entries are looked at in one go.
const PAGE: usize = 500;
/// How long looking at the usage may take when it is for the metrics only.
const LOOK: Duration = Duration::from_secs(1);

/// The rows that could not be processed, kept durably until somebody mends or discards them; cheap
/// to clone. [`Flows::quarantine`](crate::Flows::quarantine) has it.
///
/// Rows are looked at, and sent on, one page after the other: a large quarantine needs time, not
/// memory.
#[derive(Clone)]
pub struct Quarantine {
    inner: Arc<Inner>,
}

struct Inner {
    durable: Arc<dyn Durable>,
    conf: QuarantineConf,
    flows: BTreeMap<String, Flow>,
    metrics: QuarantineMetrics,
    /// One writer at a time makes room, so that two do not drop twice what one has to. When it was
    /// last looked at what is too old.
    room: Mutex<Option<Instant>>,
}

impl Quarantine {
    pub(crate) fn new(
        durable: Arc<dyn Durable>,
        conf: QuarantineConf,
        flows: BTreeMap<String, Flow>,
        metrics: QuarantineMetrics,
    ) -> Self {
        Self { inner: Arc::new(Inner { durable, conf, flows, metrics, room: Mutex::default() }) }
    }

    /// Rows of a kind, the oldest first, `limit` at most.
    ///
    /// # Errors
    ///
    /// When what keeps them cannot be read.
    pub async fn list(
        &self,
        filter: &QuarantineFilter,
        limit: usize,
    ) -> Result<Vec<Quarantined>, QuarantineError> {
        self.list_space(SPACE, filter, limit).await
    }

    /// Rows that were discarded, the oldest first, `limit` at most. As many are remembered as the
    /// quarantine may hold.
    ///
    /// # Errors
    ///
    /// When what keeps them cannot be read.
    pub async fn discarded(
        &self,
        filter: &QuarantineFilter,
        limit: usize,
    ) -> Result<Vec<Quarantined>, QuarantineError> {
        self.list_space(DISCARDED, filter, limit).await
    }

    async fn list_space(
        &self,
        space: &str,
        filter: &QuarantineFilter,
        limit: usize,
    ) -> Result<Vec<Quarantined>, QuarantineError> {
        // Ids are in no order of time: the oldest so far, never more than asked for.
        let mut oldest: BTreeMap<(u64, String), Quarantined> = BTreeMap::new();
        self.each(space, |row| {
            if filter.takes(&row) {
                oldest.insert((row.since_ms, row.id.clone()), row);
                if oldest.len() > limit {
                    oldest.pop_last();
                }
            }
        })
        .await?;
        Ok(oldest.into_values().collect())
    }

    /// The ids of all rows of a kind, sorted: to go through them one by one, each as it is then.
    ///
    /// # Errors
    ///
    /// When what keeps them cannot be read.
    pub async fn ids(&self, filter: &QuarantineFilter) -> Result<Vec<String>, QuarantineError> {
        self.ids_of(SPACE, filter).await
    }

    /// The ids of all rows of a kind that were [discarded](Self::discarded), sorted.
    ///
    /// # Errors
    ///
    /// When what keeps them cannot be read.
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

    /// One row.
    ///
    /// # Errors
    ///
    /// When there is none of this id, or what keeps them cannot be read.
    pub async fn show(&self, id: &str) -> Result<Quarantined, QuarantineError> {
        let read = self.inner.durable.read(SPACE, id).await;
        let found = read.map_err(QuarantineError::storage("read"))?;
        let entry = found.ok_or_else(|| QuarantineError::unknown(id))?;
        decode(id, &entry)
    }

    /// How many rows there are of each kind: by flow, function and cause.
    ///
    /// # Errors
    ///
    /// When what keeps them cannot be read.
    pub async fn stats(
        &self,
        filter: &QuarantineFilter,
    ) -> Result<Vec<CauseCount>, QuarantineError> {
        let mut counts: BTreeMap<(String, String, String), (u64, u64)> = BTreeMap::new();
        self.each(SPACE, |row| {
            if filter.takes(&row) {
                let key = (row.flow, row.function, filter::kind(&row.cause));
                let (rows, since) = counts.entry(key).or_insert((0, u64::MAX));
                *rows += 1;
                *since = row.since_ms.min(*since);
            }
        })
        .await?;
        let count = |((flow, function, cause), (rows, since_ms))| CauseCount {
            flow,
            function,
            cause,
            rows,
            since_ms,
        };
        Ok(counts.into_iter().map(count).collect())
    }

    /// How much there is.
    ///
    /// # Errors
    ///
    /// When what keeps them cannot be read.
    pub async fn usage(&self) -> Result<Usage, QuarantineError> {
        let usage = self.inner.durable.usage(SPACE).await;
        let usage = usage.map_err(QuarantineError::storage("read"))?;
        self.inner.metrics.show(usage);
        Ok(usage)
    }

    /// Takes a row out for good. It is remembered with the reason, see
    /// [`discarded`](Self::discarded).
    ///
    /// # Errors
    ///
    /// When there is none of this id, or it cannot be written.
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
        self.write(vec![Change::remove(SPACE, id), put(DISCARDED, &row)]).await?;
        self.inner.metrics.discarded.increment(1);
        Ok(())
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), QuarantineError> {
        let written = self.inner.durable.write(changes).await;
        written.map_err(QuarantineError::storage("written"))?;
        // What was written is written.
        self.look().await;
        Ok(())
    }

    /// Shows in the metrics how much there is. Nobody waits long for that.
    async fn look(&self) {
        timeout(LOOK, self.usage()).await.ok();
    }

    async fn each(
        &self,
        space: &str,
        mut visit: impl FnMut(Quarantined),
    ) -> Result<(), QuarantineError> {
        let mut after = String::new();
        loop {
            let page = self.inner.durable.scan(space, &after, PAGE).await;
            let page = page.map_err(QuarantineError::storage("read"))?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            for (id, entry) in &page {
                visit(decode(id, entry)?);
            }
        }
    }
}

fn put(space: &str, row: &Quarantined) -> Change {
    // Texts and numbers: nothing in an entry can fail to become JSON.
    Change::put(space, &row.id, serde_json::to_vec(row).unwrap_or_default())
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
