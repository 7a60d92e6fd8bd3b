//! Rows in quarantine against a store that fails, and by many at once.

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

use super::{
    DISCARDED, KEPT, Quarantine, QuarantineError, QuarantineFilter, Quarantined,
    by_time::ByTime,
    draft::Draft,
    layout::{OPEN, Spaces, flow_and_place},
};
use crate::{
    conf::{QuarantineConf, WhenFull},
    durable::{Change, Commit, CommitError, Durable, Entry, Key, Limits, MemoryStore, Scan, Usage},
    error::Result,
    metrics::QuarantineMetrics,
    millis::since_epoch,
};

/// A store that can refuse to remove entries, and keep its answers to itself.
struct Faulty {
    store: MemoryStore,
    removes_nothing: AtomicBool,
    /// So many commits take effect without an answer.
    silent: AtomicU64,
}

#[async_trait]
impl Durable for Faulty {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        // Others get a chance between what is read and what is written.
        tokio::task::yield_now().await;
        self.store.read(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Entry)>> {
        self.store.scan(scan).await
    }

    async fn commit(&self, commit: &Commit) -> std::result::Result<(), CommitError> {
        let removes = commit.changes().any(|(_, change)| *change == Change::Remove);
        if removes && self.removes_nothing.load(Ordering::SeqCst) {
            return Err(CommitError::Outage("it removes nothing".into()));
        }
        self.store.commit(commit).await?;
        let silent = |left: u64| left.checked_sub(1);
        match self.silent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, silent) {
            Ok(_) => Err(CommitError::Outage("the answer is lost".into())),
            Err(_) => Ok(()),
        }
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn now(&self) -> Result<SystemTime> {
        self.store.now().await
    }

    async fn usage(&self, space: &str) -> Result<Usage> {
        self.store.usage(space).await
    }
}

/// A quarantine, its store, and how many rows it says that it has dropped.
struct Fixture {
    quarantine: Quarantine,
    store: Arc<Faulty>,
    dropped: Arc<AtomicU64>,
}

impl Fixture {
    /// A commit holds so many keys.
    fn new(conf: QuarantineConf, keys: usize) -> Self {
        let limits = Limits { keys, bytes: 1 << 12, key_bytes: 1 << 10 };
        let store = Arc::new(Faulty {
            store: MemoryStore::with_limits(limits),
            removes_nothing: AtomicBool::default(),
            silent: AtomicU64::default(),
        });
        let dropped = Arc::<AtomicU64>::default();
        let mut metrics = QuarantineMetrics::new();
        metrics.dropped = Counter::from_arc(dropped.clone());
        let quarantine = Quarantine::new(store.clone(), conf, BTreeMap::new(), metrics, 120);
        Self { quarantine, store, dropped }
    }

    async fn keep(&self, rows: Vec<Quarantined>) -> Result<(), QuarantineError> {
        self.quarantine.keeping(rows).keep().await
    }

    /// Keeps the rows of a delivery that is acknowledged.
    async fn deliver(&self, rows: Vec<Quarantined>) {
        let mut keeping = self.quarantine.keeping(rows);
        keeping.keep().await.unwrap();
        keeping.acknowledged().await.unwrap();
    }

    async fn ids(&self) -> Vec<String> {
        self.audit().await;
        self.quarantine.ids(&QuarantineFilter::new()).await.unwrap()
    }

    async fn entries(&self, space: &str) -> Vec<(Bytes, Entry)> {
        self.store.store.scan(&Scan::of(space).limit(usize::MAX)).await.unwrap()
    }

    /// Fails unless places and counters are those of the rows that are there.
    async fn audit(&self) {
        for spaces in [KEPT, DISCARDED] {
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
    Quarantined {
        id: id.to_owned(),
        flow: flow.to_owned(),
        source: String::new(),
        position: String::new(),
        function: String::new(),
        at: 0,
        attempt: 1,
        since: since_epoch::time(since_ms),
        tried: since_epoch::time(since_ms),
        field: None,
        cause: String::new(),
        row: "{}".into(),
        origin: None,
        unreadable: false,
        csv: None,
        discarded: None,
    }
}

fn limited(rows: u64, when_full: WhenFull) -> QuarantineConf {
    QuarantineConf::default().limit(rows, 1 << 20).when_full(when_full)
}

#[tokio::test]
async fn a_row_of_a_delivery_that_comes_again_is_the_same_one_and_stays_as_an_operator_left_it() {
    let it = Fixture::new(QuarantineConf::default(), 100);
    it.keep(vec![row("A", "1", 1), row("A", "2", 1)]).await.unwrap();
    let stored = it.quarantine.stored("1").await.unwrap();
    let edited = Quarantined { row: "edited".into(), ..stored.row.clone() };
    let edit = Draft::default().set(KEPT, Some(&stored), Some(&edited));
    it.quarantine.commit(&edit.commit(None)).await.unwrap();
    it.deliver(vec![row("A", "0", 9), row("A", "1", 9), row("A", "2", 9)]).await;
    assert_eq!(it.ids().await, ["0", "1", "2"]);
    assert_eq!(it.quarantine.show("1").await.unwrap(), edited);
    assert_eq!(it.entries(OPEN).await.len(), 0);
}

#[tokio::test]
async fn the_same_row_in_another_delivery_is_another_row() {
    let it = Fixture::new(QuarantineConf::default(), 100);
    it.deliver(vec![row("A", "1", 1)]).await;
    it.keep(vec![row("A", "1", 2)]).await.unwrap();
    let ids = it.ids().await;
    assert_eq!((ids.len(), ids.contains(&"1".to_owned())), (2, true));
    // The other one comes again.
    it.deliver(vec![row("A", "1", 3)]).await;
    assert_eq!(it.ids().await, ids);
    it.deliver(vec![row("A", "1", 4), row("A", "1", 4)]).await;
    assert_eq!(it.ids().await.len(), 4);
}

#[tokio::test]
async fn a_row_that_an_operator_took_out_before_its_delivery_comes_again_is_not_lost() {
    let it = Fixture::new(QuarantineConf::default(), 100);
    it.keep(vec![row("A", "1", 1)]).await.unwrap();
    it.quarantine.discard("1", "a test").await.unwrap();
    assert!(it.ids().await.is_empty());
    it.deliver(vec![row("A", "1", 2)]).await;
    assert_eq!(it.ids().await, ["1"]);
    it.quarantine.discard("1", "twice").await.unwrap();
    let discarded = it.quarantine.discarded(&QuarantineFilter::new(), 9).await.unwrap();
    assert_eq!(discarded.len(), 1);
    assert_eq!(discarded[0].discarded.as_deref(), Some("twice"));
    it.audit().await;
}

#[tokio::test]
async fn of_more_rows_than_there_is_room_for_those_that_fit_are_kept() {
    let it = Fixture::new(limited(5, WhenFull::Stop), 20);
    let ids: Vec<String> = (10..23).map(|id| id.to_string()).collect();
    let mut keeping = it.quarantine.keeping(ids.iter().map(|id| row("A", id, 1)).collect());
    let mut out = Vec::new();
    for left in [8, 3] {
        let error = keeping.keep().await.unwrap_err();
        let told = format!("the quarantine is full (5 of 5 rows of this flow, ");
        assert!(error.is_full() && error.to_string().starts_with(&told), "{error}");
        assert!(error.to_string().contains(&format!("and {left} rows of ")), "{error}");
        // Another flow has a quota of its own.
        it.deliver(vec![row("B", &format!("other {left}"), 1)]).await;
        for id in it.quarantine.ids(&QuarantineFilter::new().flow("A")).await.unwrap() {
            it.quarantine.discard(&id, "room").await.unwrap();
            out.push(id);
        }
    }
    keeping.keep().await.unwrap();
    out.extend(it.quarantine.ids(&QuarantineFilter::new().flow("A")).await.unwrap());
    assert_eq!(out, ids);
    it.audit().await;
}

#[tokio::test]
async fn the_oldest_rows_of_a_flow_make_room_for_its_own_alone() {
    let it = Fixture::new(limited(4, WhenFull::DropOldest), 20);
    it.deliver(vec![row("B", "b", 0)]).await;
    for first in [10, 20] {
        let ids = first..first + 7;
        it.deliver(ids.map(|id| row("A", &id.to_string(), id)).collect()).await;
    }
    assert_eq!(it.ids().await, ["23", "24", "25", "26", "b"]);
    assert_eq!(it.dropped.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn a_row_that_is_larger_than_the_whole_quarantine_is_kept_in_an_empty_one() {
    for when_full in [WhenFull::Stop, WhenFull::DropOldest] {
        let it = Fixture::new(QuarantineConf::default().limit(9, 100).when_full(when_full), 20);
        let large = Quarantined { row: vec![b'x'; 1 << 14].into(), ..row("A", "1", 1) };
        it.deliver(vec![large.clone()]).await;
        let next = it.keep(vec![Quarantined { id: "2".to_owned(), ..large }]).await;
        match when_full {
            WhenFull::Stop => assert!(next.unwrap_err().is_full()),
            WhenFull::DropOldest => assert_eq!(it.ids().await, ["2"]),
        }
    }
}

#[tokio::test]
async fn commits_whose_answers_are_lost_keep_each_row_once() {
    let it = Fixture::new(QuarantineConf::default(), 20);
    let rows: Vec<_> = (10..30).map(|id| row("A", &id.to_string(), id)).collect();
    let mut keeping = it.quarantine.keeping(rows.clone());
    for _ in 0..3 {
        it.store.silent.store(1, Ordering::SeqCst);
        keeping.keep().await.unwrap_err();
    }
    // The process dies, and the delivery comes again.
    drop(keeping);
    it.deliver(rows).await;
    assert_eq!(it.ids().await.len(), 20);
    assert_eq!(it.quarantine.list(&QuarantineFilter::new(), 99).await.unwrap().len(), 20);
}

/// Rows that have to go cannot be removed at first.
async fn drops_one_row(conf: QuarantineConf) {
    let it = Fixture::new(conf, 20);
    it.keep(vec![row("A", "a", 1)]).await.unwrap();
    it.store.removes_nothing.store(true, Ordering::SeqCst);
    // The search for old rows runs again.
    *it.quarantine.inner.expired.lock().unwrap() = None;
    let mut keeping = it.quarantine.keeping(vec![row("A", "b", 2)]);
    keeping.keep().await.unwrap_err();
    assert_eq!((it.ids().await, it.dropped.load(Ordering::SeqCst)), (vec!["a".to_owned()], 0));
    it.store.removes_nothing.store(false, Ordering::SeqCst);
    keeping.keep().await.unwrap();
    assert_eq!((it.ids().await, it.dropped.load(Ordering::SeqCst)), (vec!["b".to_owned()], 1));
}

#[tokio::test]
async fn a_row_that_could_not_be_dropped_is_not_counted() {
    drops_one_row(limited(1, WhenFull::DropOldest)).await;
    drops_one_row(QuarantineConf::default().max_age(Duration::from_millis(1))).await;
}

#[tokio::test]
async fn rows_of_several_flows_are_listed_by_time_page_by_page() {
    let it = Fixture::new(QuarantineConf::default(), 1_000);
    let mut times: Vec<u64> = (0..1_700).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut times);
    for (flow, times) in ["A", "B", "C"].into_iter().zip(times.chunks(600)) {
        let id = |time: &u64| format!("{:04}", 9_999 - time);
        it.deliver(times.iter().map(|time| row(flow, &id(time), *time)).collect()).await;
    }
    let all = QuarantineFilter::new();
    let list = async |filter: &QuarantineFilter, cursor: &str, limit: usize| {
        let rows = it.quarantine.list_after(filter, cursor, limit).await.unwrap();
        let cursor = rows.last().map(Quarantined::cursor).unwrap_or_default();
        (rows.iter().map(|row| since_epoch::of(row.since)).collect::<Vec<_>>(), cursor)
    };
    let (first, cursor) = list(&all, "", 650).await;
    assert_eq!(first, (0..650).collect::<Vec<_>>());
    assert_eq!(list(&all, &cursor, 9_999).await.0, (650..1_700).collect::<Vec<_>>());
    assert_eq!(it.quarantine.count_after(&all, &cursor).await.unwrap(), 1_050);
    let some = all.since(since_epoch::time(10)).until(since_epoch::time(20));
    assert_eq!(list(&some, "", 9_999).await.0, (10..20).collect::<Vec<_>>());
    let of_b = list(&some.flow("B"), "", 9_999).await.0;
    assert!(of_b.is_sorted() && of_b.len() < 10, "{of_b:?}");
}

#[tokio::test]
async fn large_rows_are_read_few_at_a_time() {
    let it = Fixture::new(QuarantineConf::default(), 1_000);
    for id in 0..9 {
        let large = vec![b'x'; 3 << 20].into();
        it.deliver(vec![Quarantined { row: large, ..row("A", &id.to_string(), id) }]).await;
    }
    let mut order = ByTime::open(&*it.store, KEPT, &QuarantineFilter::new(), None).await.unwrap();
    assert_eq!(order.next().await.unwrap(), ["0", "1"]);
    assert_eq!(it.quarantine.list(&QuarantineFilter::new(), 9).await.unwrap().len(), 9);
}

#[tokio::test]
async fn what_is_there_now_may_be_dated_later_than_what_comes() {
    let it = Fixture::new(QuarantineConf::default(), 100);
    it.deliver(vec![row("A", "1", 5), row("A", "2", u64::MAX / 2)]).await;
    let all = QuarantineFilter::new();
    let order = ByTime::open(&*it.store, KEPT, &all, None).await.unwrap();
    let mut order = order.up_to_now().await.unwrap();
    it.deliver(vec![row("A", "3", u64::MAX / 2 + 1)]).await;
    assert_eq!(order.next().await.unwrap(), ["1", "2"]);
    assert!(order.next().await.unwrap().is_empty());
}

/// Deliveries, operators, and rows that make room, all at once.
async fn act(it: Arc<Fixture>, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..120 {
        let flow = ["A", "B", "C"][rng.usize(..3)];
        let ids: Vec<_> = (0..rng.usize(1..6)).map(|_| format!("{flow}{}", rng.u8(..30))).collect();
        let rows = ids.iter().map(|id| row(flow, id, rng.u64(..50))).collect();
        match rng.u8(..4) {
            0 => it.deliver(rows).await,
            1 => it.keep(rows).await.unwrap(),
            _ => {
                let there = it.quarantine.list(&QuarantineFilter::new().flow(flow), 5).await;
                let there = there.unwrap();
                let Some(row) = rng.choice(&there) else { continue };
                // Somebody else may have been faster.
                it.quarantine.discard(&row.id, "a test").await.ok();
            }
        }
    }
}

#[tokio::test]
async fn counters_and_places_are_right_whoever_works_at_the_same_time() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let it = Arc::new(Fixture::new(limited(20, WhenFull::DropOldest), 30));
    let tasks = (0..4).map(|task| tokio::spawn(act(it.clone(), seed.wrapping_add(task))));
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    it.audit().await;
    let places = it.entries(KEPT.by_time).await;
    let of_a = places.iter().filter(|(key, _)| flow_and_place(key).unwrap().0 == "A").count();
    assert!((1..=20).contains(&of_a), "{of_a}");
}
