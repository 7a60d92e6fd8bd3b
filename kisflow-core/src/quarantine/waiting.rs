//! Rows that wait in the store for what is unavailable.

use std::collections::{BTreeSet, HashMap};

use super::{
    CommitMarker, OtherRows, Quarantine, QuarantineError, QuarantineFilter, Quarantined, RetryFrom,
    by_time::{ByTime, flows},
    draft::Draft,
    layout::{MARKERS, Stored, TimeKey, WAITING, waiting_lease},
};
use crate::{
    durable::{Commit, CommitError, Key, Lease, Scan, Usage},
    error::Result,
    millis::since_epoch,
};

/// When a marker belongs to a process that is gone: no commit waits that long for its answer.
const OLD_MILLIS: u64 = 7 * 24 * 60 * 60 * 1_000;

impl Quarantine {
    /// Returns the rows that wait for what a function says is [`Unavailable`](crate::Unavailable):
    /// those that are not in their batches any more. The process that serves their flow tries them
    /// again and again, see [`WaitingConf`](crate::WaitingConf).
    #[must_use]
    pub fn waiting(&self) -> OtherRows {
        OtherRows { quarantine: self.clone(), spaces: WAITING }
    }

    /// How many rows of a flow wait.
    pub(crate) async fn waiting_usage(&self, flow: &str) -> Result<Usage, QuarantineError> {
        self.usage_of(WAITING, flow).await
    }

    /// The flows that have waiting rows.
    pub(crate) async fn flows_with_waiting(&self) -> Result<Vec<String>, QuarantineError> {
        flows(&*self.inner.durable, WAITING).await
    }

    /// Removes a marker that is not needed any more. If that fails, another process does it.
    pub(crate) async fn remove_marker(&self, marker: &CommitMarker) {
        if let Some(commit) = marker.removal() {
            self.inner.durable.commit(&commit).await.ok();
        }
    }

    /// Removes markers of processes that were killed: those that are older than a week.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub(crate) async fn remove_old_markers(&self) -> Result<()> {
        let now = since_epoch::of(since_epoch::now());
        let mut scan = Scan::of(MARKERS);
        loop {
            let page = self.inner.durable.scan(&scan).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            scan = scan.after(last.clone());
            for (key, entry) in page {
                let moved = std::str::from_utf8(&entry.value).ok().and_then(|at| at.parse().ok());
                if now.saturating_sub(moved.unwrap_or(now)) > OLD_MILLIS {
                    let commit = Commit::new().remove_unchanged(Key::raw(MARKERS, key), &entry);
                    self.inner.durable.commit(&commit).await.ok();
                }
            }
        }
    }

    /// The lease of the one process that tries the waiting rows of a flow.
    pub(crate) fn waiting_lease(&self, flow: &str) -> Lease {
        Lease::new(self.inner.durable.clone(), waiting_lease(flow))
    }

    /// A page of a flow's waiting rows behind the one of this [cursor](Quarantined::cursor), the
    /// oldest first; none at the end.
    pub(crate) async fn waiting_page(
        &self,
        flow: &str,
        cursor: Option<&str>,
    ) -> Result<Vec<Stored>, QuarantineError> {
        let after = cursor.and_then(TimeKey::of);
        let filter = QuarantineFilter::new().flow(flow);
        let mut order =
            ByTime::open(&*self.inner.durable, WAITING, &filter, after.as_ref()).await?;
        loop {
            let ids = order.next().await?;
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let rows: Vec<Stored> = self.read(WAITING, &ids).await?.into_iter().flatten().collect();
            // One that is gone meanwhile is none.
            if !rows.is_empty() {
                return Ok(rows);
            }
        }
    }

    /// The function of the chain at which a row is tried again, by its place.
    ///
    /// # Errors
    ///
    /// When the flow does not have it any more.
    pub(crate) fn place_of(&self, row: &Quarantined) -> Result<usize, QuarantineError> {
        self.way(row, RetryFrom::Function).map(|(_, _, at)| at)
    }

    /// Records what came of waiting rows: those of `tried` wait on, in their new state; the others
    /// of the page are gone. Rows that others have changed meanwhile stay as they are, so it may be
    /// called again after an error.
    pub(crate) async fn settle_waiting(
        &self,
        page: &[Stored],
        tried: &[Quarantined],
    ) -> Result<(), QuarantineError> {
        let waits: BTreeSet<&str> = tried.iter().map(|row| row.id.as_str()).collect();
        let gone = page.iter().filter(|stored| !waits.contains(&*stored.row.id));
        let ids: Vec<String> = gone.clone().map(|stored| stored.row.id.clone()).collect();
        // If it is called again, some are removed already.
        let there = self.read(WAITING, &ids).await?;
        let is_unchanged = |(stored, there): (&Stored, Option<Stored>)| {
            there.filter(|there| there.version == stored.version)
        };
        let gone: Vec<Stored> = gone.zip(there).filter_map(is_unchanged).collect();
        self.remove(WAITING, &gone).await?;
        let stored: HashMap<&str, &Stored> =
            page.iter().map(|stored| (stored.row.id.as_str(), stored)).collect();
        let commit = |row: &Quarantined| {
            let stored = stored.get(row.id.as_str())?;
            Some(Draft::default().set(WAITING, Some(stored), Some(row)).commit(None))
        };
        let commits: Vec<Commit> = tried.iter().filter_map(commit).collect();
        for result in self.inner.durable.commit_each(&commits).await {
            match result {
                Ok(()) | Err(CommitError::Conflict(_) | CommitError::Lost) => {}
                // It may take effect later, and the row would not be known by its version.
                Err(error) => return Err(QuarantineError::storage("written")(error.into_cause())),
            }
        }
        Ok(())
    }
}
