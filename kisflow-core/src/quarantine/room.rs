//! Room for rows: each flow has a quota, and rows can become too old.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::{
    Quarantine, QuarantineError, QuarantineFilter,
    by_time::{ByTime, flows},
    draft::Draft,
    layout::{KEPT, Spaces, Stored},
};
use crate::{
    durable::{CommitError, Usage},
    error::error_chain,
};

/// How often rows that are too old are searched for, at most.
const EXPIRY: Duration = Duration::from_secs(60);

impl Quarantine {
    /// How much a flow has, at this moment.
    pub(super) async fn usage_of(
        &self,
        spaces: Spaces,
        flow: &str,
    ) -> Result<Usage, QuarantineError> {
        let counters = self.inner.durable.read(&spaces.counters(flow)).await;
        let counters = counters.map_err(QuarantineError::storage("read"))?;
        let mut counts = counters.into_iter().map(|counter| {
            let count = counter.map_or(0, |counter| counter.count());
            u64::try_from(count).unwrap_or(0)
        });
        let mut next = || counts.next().unwrap_or(0);
        Ok(Usage { entries: next(), bytes: next() })
    }

    /// Drops a flow's oldest rows, as many as are in the way of this much more, a page at most.
    /// Returns `false` if none was in the way.
    pub(super) async fn drop_oldest(
        &self,
        spaces: Spaces,
        flow: &str,
        new: Usage,
    ) -> Result<bool, QuarantineError> {
        let (conf, usage) = (&self.inner.conf, self.usage_of(spaces, flow).await?);
        let (mut rows, mut bytes) = (
            (usage.entries + new.entries).saturating_sub(conf.max_rows),
            (usage.bytes + new.bytes).saturating_sub(conf.max_bytes),
        );
        let oldest = self.oldest(spaces, &QuarantineFilter::new().flow(flow)).await?;
        let in_the_way = oldest.into_iter().take_while(|row| {
            let is_in_the_way = rows > 0 || bytes > 0;
            (rows, bytes) = (rows.saturating_sub(1), bytes.saturating_sub(row.bytes));
            is_in_the_way
        });
        let in_the_way: Vec<Stored> = in_the_way.collect();
        if spaces == KEPT {
            self.lose(&in_the_way, "the quarantine is full: its oldest row is dropped").await?;
        } else {
            self.remove(spaces, &in_the_way).await?;
        }
        Ok(!in_the_way.is_empty())
    }

    /// A page of the oldest rows that the filter takes.
    async fn oldest(
        &self,
        spaces: Spaces,
        filter: &QuarantineFilter,
    ) -> Result<Vec<Stored>, QuarantineError> {
        let mut order = ByTime::open(&*self.inner.durable, spaces, filter, None).await?;
        let ids = order.next().await?;
        let rows = self.read(spaces, &ids).await?.into_iter().flatten();
        Ok(rows.filter(|stored| filter.takes(&stored.row)).collect())
    }

    /// Drops rows that are too old, now and then. If that fails, they are dropped the next time.
    pub(super) async fn drop_expired(&self) {
        let Some(age) = self.inner.conf.max_age else { return };
        let searched = |time| {
            let mut last = self.inner.expired.lock().unwrap_or_else(|e| e.into_inner());
            std::mem::replace(&mut *last, time)
        };
        let last = searched(Some(Instant::now()));
        if last.is_some_and(|last| last.elapsed() < EXPIRY.min(age)) {
            searched(last);
            return;
        }
        if let Err(error) = self.drop_older(age).await {
            searched(None);
            let error = error_chain(&error).to_string();
            warn!(error, "rows in quarantine that are older than `max_age_ms` cannot be dropped");
        }
    }

    async fn drop_older(&self, age: Duration) -> Result<(), QuarantineError> {
        let expired = SystemTime::now().checked_sub(age).unwrap_or(UNIX_EPOCH);
        for flow in flows(&*self.inner.durable, KEPT).await? {
            let expired = QuarantineFilter::new().flow(flow).until(expired);
            loop {
                let old = self.oldest(KEPT, &expired).await?;
                if old.is_empty() {
                    break;
                }
                let why = "a row in quarantine is older than `max_age_ms` and is dropped";
                self.lose(&old, why).await?;
            }
        }
        Ok(())
    }

    /// Drops rows that were not dealt with. Each is logged before it is gone, and counted
    /// afterwards.
    async fn lose(&self, rows: &[Stored], why: &str) -> Result<(), QuarantineError> {
        for stored in rows {
            stored.row.warn(why, self.inner.log_rows);
        }
        let removed = self.remove(KEPT, rows).await?;
        self.inner.metrics.dropped.increment(removed);
        Ok(())
    }

    /// Removes rows of one flow, without those that others have changed or removed meanwhile.
    /// Returns how many.
    pub(super) async fn remove(
        &self,
        spaces: Spaces,
        rows: &[Stored],
    ) -> Result<u64, QuarantineError> {
        let mut removed = 0;
        // A row has two entries, and the flow two counters.
        let most = (self.inner.durable.limits().keys.saturating_sub(2) / 2).max(1);
        for mut rows in rows.chunks(most) {
            while !rows.is_empty() {
                let draft = rows
                    .iter()
                    .fold(Draft::default(), |draft, stored| draft.set(spaces, Some(stored), None));
                match self.commit_in(spaces, &draft.commit(None)).await {
                    Ok(()) => removed += rows.len() as u64,
                    Err(CommitError::Conflict(_)) if rows.len() > 1 => {
                        // One by one: the conflict is about some of them.
                        let (first, others) = rows.split_at(1);
                        removed += Box::pin(self.remove(spaces, first)).await?;
                        rows = others;
                        continue;
                    }
                    Err(CommitError::Conflict(_)) => {}
                    Err(error) => {
                        return Err(QuarantineError::storage("written")(error.into_cause()));
                    }
                }
                break;
            }
        }
        Ok(removed)
    }
}
