//! Flows that run by themselves: what becomes of rows that fail, of outages, of being told to stop.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail loudly"
)]
#![allow(clippy::indexing_slicing, reason = "tests fail loudly")]

mod aborts;
mod bad_rows;
mod flaky;
mod keyed;
mod odd_functions;
mod order;
mod outages;
mod positions;
mod quarantine;
mod shelves;
mod stopping;
mod tape;
mod unavailable;
mod waiting;

use std::time::Duration;
use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use kisflow::{
    CancellationToken, Ledger, Result, Served, SourceConf, durable::MemoryStore, prelude::*,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use self::tape::TapeSource;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
}

/// What the functions of a test see and are told.
#[derive(Clone, Default)]
struct Scene(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// The ids that came to the end, with how often.
    seen: std::sync::Mutex<BTreeMap<u64, usize>>,
    /// The ids in the order in which they came to the end.
    order: std::sync::Mutex<Vec<u64>>,
    calls: AtomicUsize,
    /// Ids that a batch function cannot bear.
    poison: std::sync::Mutex<Vec<u64>>,
    away: AtomicBool,
    /// Ids that a function rejects, one by one.
    refused: std::sync::Mutex<Vec<u64>>,
    /// Held by a test while functions are not to come to their end.
    gate: tokio::sync::RwLock<()>,
}

impl Scene {
    fn poisoned(ids: impl IntoIterator<Item = u64>) -> Self {
        let scene = Self::default();
        *scene.0.poison.lock().unwrap() = ids.into_iter().collect();
        scene
    }

    fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Waits until the functions were called so often.
    async fn called(&self, times: usize) {
        while self.calls() < times {
            tokio::task::yield_now().await;
        }
    }

    fn is_poison(&self, id: u64) -> bool {
        self.0.poison.lock().unwrap().contains(&id)
    }

    fn see(&self, rows: &[Order]) {
        let mut seen = self.0.seen.lock().unwrap();
        rows.iter().for_each(|row| *seen.entry(row.id).or_default() += 1);
        self.0.order.lock().unwrap().extend(rows.iter().map(|row| row.id));
    }

    /// Each id that came to the end, and how often.
    fn seen(&self) -> BTreeMap<u64, usize> {
        self.0.seen.lock().unwrap().clone()
    }
}

/// A batch function that fails as a whole where one row is poison.
#[faas("Deliver")]
async fn deliver(rows: &[Order], scene: State<'_, Scene>) -> Result<()> {
    scene.0.calls.fetch_add(1, Ordering::SeqCst);
    let _gate = scene.0.gate.read().await;
    if scene.0.away.load(Ordering::SeqCst) {
        return Err(kisflow::Unavailable::new("the warehouse is closed").into());
    }
    if let Some(row) = rows.iter().find(|row| scene.is_poison(row.id)) {
        return Err(format!("order {} cannot be delivered", row.id).into());
    }
    scene.see(rows);
    Ok(())
}

/// Leaves out every third row.
#[faas("Sift")]
fn sift(row: &Order) -> Option<Order> {
    (!row.id.is_multiple_of(3)).then(|| row.clone())
}

/// Rejects rows by itself, one at a time.
#[faas("Judge")]
fn judge(row: &Order, scene: State<'_, Scene>) -> Result<Order> {
    match scene.is_poison(row.id) {
        true => Err(format!("order {} is refused", row.id).into()),
        false => Ok(row.clone()),
    }
}

/// A registry, and a directory for its store.
struct World {
    scene: Scene,
    dir: TempDir,
    conf: Conf,
}

impl World {
    /// One flow `Orders` of these functions, fed by the tape of this name.
    fn new(
        scene: &Scene,
        tape: &str,
        functions: &[&str],
        source: impl FnOnce(SourceConf) -> SourceConf,
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("kept.redb");
        let flow = functions
            .iter()
            .fold(FlowConf::new("Orders").source("orders"), |flow, name| flow.then_named(*name));
        let source = source(
            SourceConf::new("orders", "tape")
                .key(tape)
                .batch(100, Duration::from_millis(10))
                .retry(0, Duration::from_millis(1)),
        );
        let conf = Conf::new()
            .flow(flow)
            .source(source)
            .connector(ConnConf::new("kept", "redb").addrs(path.display().to_string()))
            .global(GlobalConf::default().quarantine(kisflow::QuarantineConf::on("kept")));
        Self { scene: scene.clone(), dir, conf }
    }

    /// Keeps what is to outlive the process in memory: the clock of a test that stands still does not
    /// wait for a thread of the embedded store.
    fn in_memory(self) -> Self {
        self.with(|mut conf| {
            let global = conf.global.clone().quarantine(kisflow::QuarantineConf::on("memory"));
            conf.connectors.clear();
            conf.connector(ConnConf::new("memory", Kept::TYPE)).global(global)
        })
    }

    fn with(mut self, change: impl FnOnce(Conf) -> Conf) -> Self {
        self.conf = change(self.conf);
        self
    }

    async fn flows(&self) -> Flows {
        self.flows_with(|registry| registry).await
    }

    /// The flows of a registry that knows more.
    async fn flows_with(&self, more: impl FnOnce(Registry) -> Registry) -> Flows {
        let registry = Registry::linked()
            .source::<TapeSource>()
            .connector::<kisflow::Redb>()
            .connector::<Kept>()
            .connector::<flaky::Flaky>()
            .state(self.scene.clone());
        more(registry).link(self.conf.clone()).await.unwrap()
    }

    /// Serves in a task of its own.
    async fn start(&self) -> Serving {
        Serving::of(self.flows().await)
    }

    /// Serves until the source ends.
    async fn serve(&self) -> (Flows, Ledger) {
        let flows = self.flows().await;
        let served = flows.serve(pending()).await.unwrap();
        let ledger = served.flows["Orders"].ledger;
        assert_eq!(ledger.unaccounted(), 0, "{ledger}");
        assert_eq!(ledger.in_flight, 0, "{ledger}");
        (flows, ledger)
    }
}

/// `type: kept`: a store that ends with the test.
struct Kept(Arc<MemoryStore>);

#[kisflow::async_trait]
impl Connector for Kept {
    const TYPE: &'static str = "kept";
    type Params = kisflow::RawParams;

    async fn connect(_: &ConnConf, _: Self::Params) -> Result<Self> {
        Ok(Self(Arc::default()))
    }

    fn durable() -> Option<kisflow::AsDurable<Self>> {
        Some(|kept| kept.0.clone())
    }
}

/// Flows that are served in a task of their own.
struct Serving {
    flows: Flows,
    stop: CancellationToken,
    task: JoinHandle<Served>,
}

impl Serving {
    fn of(flows: Flows) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (flows, stop) = (flows.clone(), stop.clone());
            async move { flows.serve(stop.cancelled()).await.unwrap() }
        });
        Self { flows, stop, task }
    }

    /// Tells it to stop.
    fn stop(&self) {
        self.stop.cancel();
    }

    /// What became of the rows, when it has ended.
    async fn served(self) -> Served {
        self.task.await.unwrap()
    }

    /// Tells it to stop, and what became of the rows.
    async fn stopped(self) -> Served {
        self.stop();
        self.served().await
    }
}
