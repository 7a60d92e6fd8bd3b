//! Keeping rows, and making room for them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{
    Change, PAGE, Quarantine, QuarantineError, QuarantineFilter, Quarantined, SPACE, decode, key,
    put, remove,
};
use crate::{conf::WhenFull, durable::Usage};

/// How often rows that are too old are searched for, at most.
const EXPIRY: Duration = Duration::from_secs(60);

impl Quarantine {
    /// Keeps rows; they are durable when this returns.
    pub(crate) async fn keep(&self, rows: &[Quarantined]) -> Result<(), QuarantineError> {
        let mut room = self.inner.room.lock().await;
        self.drop_expired(&mut room).await?;
        let mut changes = Vec::with_capacity(rows.len());
        let mut new = Usage::default();
        let keys: Vec<_> = rows.iter().map(|row| key(SPACE, &row.id)).collect();
        let there = self.inner.durable.read(&keys).await;
        let there = there.map_err(QuarantineError::storage("read"))?;
        for (row, there) in rows.iter().zip(there) {
            if let Some(entry) = there {
                // A redelivered batch contains rows that are here already: they take no more room,
                // and keep their age.
                let since = decode(&row.id, &entry.value).map_or(row.since, |row| row.since);
                changes.push(put(SPACE, &Quarantined { since, ..row.clone() }));
            } else {
                let change = put(SPACE, row);
                new.entries += 1;
                new.bytes += size(&change);
                changes.push(change);
            }
        }
        self.make_room(new).await?;
        self.write(changes).await
    }

    async fn make_room(&self, new: Usage) -> Result<(), QuarantineError> {
        let conf = &self.inner.conf;
        let usage = self.usage().await?;
        if new.entries == 0 || self.fits(usage, new) {
            return Ok(());
        }
        if conf.when_full == WhenFull::Stop {
            return Err(QuarantineError::full(format!(
                "the quarantine is full ({} of {} rows, {} of {} bytes, and {} rows of {} bytes come), so what cannot be processed stays with its source; mend or discard rows, or raise `quarantine.max_rows` or `max_bytes`, or set `when_full: drop_oldest`",
                usage.entries, conf.max_rows, usage.bytes, conf.max_bytes, new.entries, new.bytes
            )));
        }
        while let Some(oldest) = self.in_the_way(SPACE, new).await? {
            self.lose(&oldest, "the quarantine is full: its oldest row is dropped").await?;
        }
        Ok(())
    }

    /// The oldest rows of a space, as many as have to go until this much more fits.
    pub(super) async fn in_the_way(
        &self,
        space: &str,
        new: Usage,
    ) -> Result<Option<Vec<Quarantined>>, QuarantineError> {
        let usage = self.inner.durable.usage(space).await;
        let usage = usage.map_err(QuarantineError::storage("read"))?;
        if usage.entries == 0 || self.fits(usage, new) {
            return Ok(None);
        }
        // A tenth at once: the search for the oldest reads all of them.
        let count = (self.inner.conf.max_rows / 10).max(new.entries).max(1);
        let count = usize::try_from(count).unwrap_or(PAGE).min(PAGE);
        Ok(Some(self.list_space(space, &QuarantineFilter::new(), "", count).await?))
    }

    fn fits(&self, usage: Usage, new: Usage) -> bool {
        let conf = &self.inner.conf;
        usage.entries + new.entries <= conf.max_rows && usage.bytes + new.bytes <= conf.max_bytes
    }

    /// Drops rows that are too old. The search reads all entries, so it runs only now and then.
    async fn drop_expired(&self, last: &mut Option<Instant>) -> Result<(), QuarantineError> {
        let Some(age) = self.inner.conf.max_age else { return Ok(()) };
        let pause = EXPIRY.min(age);
        if last.is_some_and(|last| last.elapsed() < pause) {
            return Ok(());
        }
        let now = SystemTime::now();
        let expired = QuarantineFilter::new().until(now.checked_sub(age).unwrap_or(UNIX_EPOCH));
        loop {
            let old = self.list(&expired, PAGE).await?;
            if old.is_empty() {
                *last = Some(Instant::now());
                return Ok(());
            }
            self.lose(&old, "a row in quarantine is older than `max_age_ms` and is dropped")
                .await?;
        }
    }

    /// Drops rows that were not dealt with. Each is logged before it is gone, and counted
    /// afterwards.
    async fn lose(&self, rows: &[Quarantined], why: &str) -> Result<(), QuarantineError> {
        for row in rows {
            row.warn(why, self.inner.log_rows);
        }
        self.remove(SPACE, rows).await?;
        self.inner.metrics.dropped.increment(rows.len() as u64);
        Ok(())
    }

    pub(super) async fn remove(
        &self,
        space: &str,
        rows: &[Quarantined],
    ) -> Result<(), QuarantineError> {
        self.write(rows.iter().map(|row| remove(space, &row.id)).collect()).await
    }
}

fn size((key, value): &Change) -> u64 {
    (key.bytes().len() + value.as_ref().map_or(0, |value| value.len())) as u64
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        collections::BTreeMap,
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicU64, Ordering},
        },
        time::{Duration, SystemTime},
    };

    use async_trait::async_trait;
    use bytes::Bytes;
    use metrics::Counter;

    use super::{Quarantine, QuarantineFilter, Quarantined, Usage, WhenFull};
    use crate::{
        conf::QuarantineConf,
        durable::{Change, Commit, CommitError, Durable, Entry, Key, Limits, MemoryStore, Scan},
        error::Result,
        metrics::QuarantineMetrics,
    };

    /// Rows by space and id; it can refuse to remove them.
    struct Cellar {
        store: MemoryStore,
        locked: AtomicBool,
    }

    #[async_trait]
    impl Durable for Cellar {
        async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
            self.store.read(keys).await
        }

        async fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Entry)>> {
            self.store.scan(scan).await
        }

        async fn commit(&self, commit: &Commit) -> std::result::Result<(), CommitError> {
            let removes = commit.changes().any(|(_, change)| *change == Change::Remove);
            if removes && self.locked.load(Ordering::SeqCst) {
                return Err(CommitError::Outage("the cellar is locked".into()));
            }
            self.store.commit(commit).await
        }

        fn limits(&self) -> Limits {
            self.store.limits()
        }

        async fn now(&self) -> Result<SystemTime> {
            self.store.now().await
        }

        async fn usage(&self, space: &str) -> Result<Usage> {
            let usage = self.store.usage(space).await?;
            Ok(Usage { bytes: usage.entries, ..usage })
        }
    }

    /// A quarantine, what it is kept in, and how many rows it says that it has dropped. A commit holds
    /// so many keys.
    fn quarantine(conf: QuarantineConf, keys: usize) -> (Quarantine, Arc<Cellar>, Arc<AtomicU64>) {
        let limits = Limits { keys, bytes: 1 << 20, key_bytes: 1 << 10 };
        let (store, locked) = (MemoryStore::with_limits(limits), AtomicBool::default());
        let (cellar, dropped) = (Arc::new(Cellar { store, locked }), Arc::<AtomicU64>::default());
        let mut metrics = QuarantineMetrics::new();
        metrics.dropped = Counter::from_arc(dropped.clone());
        (Quarantine::new(cellar.clone(), conf, BTreeMap::new(), metrics, 120), cellar, dropped)
    }

    pub(in crate::quarantine) fn row(id: &str, since_ms: u64) -> Quarantined {
        Quarantined {
            id: id.to_owned(),
            flow: String::new(),
            source: String::new(),
            position: String::new(),
            function: String::new(),
            at: 0,
            attempt: 1,
            since: crate::millis::since_epoch::time(since_ms),
            tried: crate::millis::since_epoch::time(since_ms),
            field: None,
            cause: String::new(),
            row: "{}".into(),
            origin: None,
            unreadable: false,
            csv: None,
            discarded: None,
        }
    }

    impl Cellar {
        async fn ids(&self) -> Vec<String> {
            let page = self.store.scan(&Scan::of(super::SPACE)).await.unwrap();
            page.into_iter().map(|(id, _)| String::from_utf8(id.to_vec()).unwrap()).collect()
        }
    }

    /// Rows that have to go cannot be removed at first.
    async fn drops_one_row(conf: QuarantineConf) {
        let (quarantine, cellar, dropped) = quarantine(conf, 1);
        quarantine.keep(&[row("a", 1)]).await.unwrap();
        cellar.locked.store(true, Ordering::SeqCst);
        // The search for old rows runs again.
        quarantine.inner.room.lock().await.take();
        quarantine.keep(&[row("b", 2)]).await.unwrap_err();
        assert_eq!((cellar.ids().await, dropped.load(Ordering::SeqCst)), (vec!["a".to_owned()], 0));
        cellar.locked.store(false, Ordering::SeqCst);
        quarantine.keep(&[row("b", 2)]).await.unwrap();
        assert_eq!((cellar.ids().await, dropped.load(Ordering::SeqCst)), (vec!["b".to_owned()], 1));
    }

    #[tokio::test]
    async fn a_row_is_discarded_before_it_is_gone() {
        let (quarantine, cellar, _) = quarantine(QuarantineConf::default(), 1);
        quarantine.keep(&[row("a", 1)]).await.unwrap();
        cellar.locked.store(true, Ordering::SeqCst);
        quarantine.discard("a", "a test").await.unwrap_err();
        let all = QuarantineFilter::new();
        assert_eq!(quarantine.discarded(&all, 10).await.unwrap().len(), 1);
        assert_eq!(cellar.ids().await, ["a"]);
        cellar.locked.store(false, Ordering::SeqCst);
        quarantine.discard("a", "a test").await.unwrap();
        assert_eq!(quarantine.discarded(&all, 10).await.unwrap().len(), 1);
        assert_eq!(cellar.ids().await, [""; 0]);
    }

    #[tokio::test]
    async fn two_rows_with_one_id_are_kept_as_the_later_one() {
        let (quarantine, _, _) = quarantine(QuarantineConf::default(), 10);
        let later = Quarantined { cause: "the later one".to_owned(), ..row("a", 1) };
        quarantine.keep(&[row("a", 1), later]).await.unwrap();
        assert_eq!(quarantine.show("a").await.unwrap().cause, "the later one");
    }

    #[tokio::test]
    async fn a_row_that_could_not_be_dropped_is_not_counted() {
        drops_one_row(QuarantineConf::default().limit(1, 1 << 20).when_full(WhenFull::DropOldest))
            .await;
        drops_one_row(QuarantineConf::default().max_age(Duration::from_millis(1))).await;
    }
}
