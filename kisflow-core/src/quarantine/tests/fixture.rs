//! A quarantine in a store that fails, and what must be true of the two.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
};

use bytes::Bytes;
use metrics::Counter;

use crate::{
    conf::{QuarantineConf, WaitingConf},
    durable::{Durable, Entry, Faulty, Scan, Usage},
    metrics::QuarantineMetrics,
    millis::since_epoch,
    quarantine::{
        DISCARDED, KEPT, Quarantine, QuarantineError, QuarantineFilter, Quarantined, WAITING,
        layout::Spaces,
    },
};

/// A quarantine, its store, and how many rows it says that it has dropped.
pub(super) struct Fixture {
    pub(super) quarantine: Quarantine,
    pub(super) store: Arc<Faulty>,
    pub(super) dropped: Arc<AtomicU64>,
}

impl Fixture {
    /// A commit holds so many keys.
    pub(super) fn new(conf: QuarantineConf, keys: usize) -> Self {
        let store = Arc::new(Faulty::new(keys));
        let dropped = Arc::<AtomicU64>::default();
        let mut metrics = QuarantineMetrics::new();
        metrics.dropped = Counter::from_arc(dropped.clone());
        let quarantine = Quarantine::new(
            store.clone(),
            conf,
            WaitingConf::default(),
            BTreeMap::new(),
            metrics,
            120,
        );
        Self { quarantine, store, dropped }
    }

    pub(super) async fn keep(&self, rows: Vec<Quarantined>) -> Result<(), QuarantineError> {
        self.quarantine.keeping(rows).keep().await
    }

    pub(super) async fn ids(&self) -> Vec<String> {
        self.audit().await;
        self.quarantine.ids(&QuarantineFilter::new()).await.unwrap()
    }

    pub(super) async fn entries(&self, space: &str) -> Vec<(Bytes, Entry)> {
        self.store.store.scan(&Scan::of(space).limit(usize::MAX)).await.unwrap()
    }

    /// Fails unless places and counters are those of the rows that are there.
    pub(super) async fn audit(&self) {
        for spaces in [KEPT, DISCARDED, WAITING] {
            self.audit_space(spaces).await;
        }
    }

    async fn audit_space(&self, spaces: Spaces) {
        let mut flows: BTreeMap<String, Usage> = BTreeMap::new();
        let mut places: Vec<(Bytes, Bytes)> = Vec::new();
        for (id, entry) in self.entries(spaces.rows).await {
            let row: Quarantined = serde_json::from_slice(&entry.value).unwrap();
            assert_eq!(row.id.as_bytes(), &*id);
            let bytes = id.len() + entry.value.len();
            places.push((spaces.place(&row).to_bytes(), bytes.to_string().into()));
            let usage = flows.entry(row.flow).or_default();
            usage.entries += 1;
            usage.bytes += bytes as u64;
        }
        places.sort_unstable();
        let found = self.entries(spaces.by_time).await.into_iter();
        assert_eq!(found.map(|(key, entry)| (key, entry.value)).collect::<Vec<_>>(), places);
        for flow in ["A", "B", "C"] {
            let counted = self.quarantine.usage_of(spaces, flow).await.unwrap();
            assert_eq!(counted, flows.remove(flow).unwrap_or_default(), "{flow}");
        }
    }
}

pub(crate) fn row(flow: &str, id: &str, since_ms: u64) -> Quarantined {
    let since = since_epoch::time(since_ms);
    let (id, row) = (id.to_owned(), "{}".into());
    Quarantined { id, row, since, tried: since, ..Quarantined::of(flow, "") }
}
