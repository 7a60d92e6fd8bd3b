//! Positions of a source that the engine keeps, when others change them and when the store fails.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::PathBuf,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use kisflow::{
    Durable, Result, SourceConf, StoredPosition, async_trait,
    durable::{Commit, CommitError, Entry, Key, Limits, MemoryStore, Scan},
    prelude::*,
};
use kisflow_file::{ResetTo, reset_position};
use tempfile::TempDir;
use tokio::{
    sync::RwLock,
    time::{sleep, timeout},
};

use super::{Scene, Serving};

/// Stores by name: a test and several services have the same one.
static VAULTS: LazyLock<Mutex<BTreeMap<String, Arc<Vault>>>> = LazyLock::new(Mutex::default);

/// A store with a gate.
#[derive(Default)]
struct Vault {
    store: MemoryStore,
    /// Held by a test while commits are not to come to their end.
    gate: RwLock<()>,
    /// The next commit of a row to the quarantine panics.
    breaks: AtomicBool,
}

impl Vault {
    fn new(name: &str) -> Arc<Self> {
        let vault = Arc::<Self>::default();
        VAULTS.lock().unwrap().insert(name.to_owned(), vault.clone());
        vault
    }

    async fn offsets(&self) -> Vec<Option<u64>> {
        let all = StoredPosition::all(&self.store).await.unwrap();
        all.iter().map(StoredPosition::offset).collect()
    }

    /// Waits until the only position is there.
    async fn reaches(&self, offset: u64) {
        let reached = async {
            while self.offsets().await != [Some(offset)] {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(60), reached).await.expect("it never got there");
    }
}

#[async_trait]
impl Durable for Vault {
    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>> {
        self.store.read(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(bytes::Bytes, Entry)>> {
        self.store.scan(scan).await
    }

    async fn commit(&self, commit: &Commit) -> std::result::Result<(), CommitError> {
        let _gate = self.gate.read().await;
        let is_row = commit.changes().any(|(key, _)| key.space() == "quarantine");
        assert!(!is_row || !self.breaks.swap(false, Ordering::SeqCst), "the vault breaks");
        self.store.commit(commit).await
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn now(&self) -> Result<SystemTime> {
        self.store.now().await
    }

    async fn usage(&self, space: &str) -> Result<kisflow::Usage> {
        self.store.usage(space).await
    }
}

/// `type: vault`: `addrs` is the name.
struct VaultConnector(Arc<Vault>);

#[async_trait]
impl Connector for VaultConnector {
    const TYPE: &'static str = "vault";
    type Params = kisflow::RawParams;

    async fn connect(conf: &ConnConf, _: Self::Params) -> Result<Self> {
        let vault = VAULTS.lock().unwrap().get(&conf.addrs).cloned();
        Ok(Self(vault.ok_or("no such vault")?))
    }

    fn durable() -> Option<kisflow::AsDurable<Self>> {
        Some(|vault| vault.0.clone())
    }
}

/// A file of numbered orders, and a store for its position.
struct Lines {
    dir: TempDir,
    name: &'static str,
    vault: Arc<Vault>,
    grace: Duration,
}

/// Each line has as many bytes.
const LINE: u64 = 15;

impl Lines {
    fn new(name: &'static str) -> Self {
        let (dir, vault) = (TempDir::new().unwrap(), Vault::new(name));
        Self { dir, name, vault, grace: Duration::from_millis(50) }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("orders.ndjson")
    }

    fn append(&self, ids: std::ops::Range<u64>) {
        let mut file = fs::File::options().create(true).append(true).open(self.path()).unwrap();
        for id in ids {
            writeln!(file, "{{\"id\":{id:7}}}").unwrap();
        }
    }

    /// A service that reads the file.
    async fn start(&self, scene: &Scene, change: impl FnOnce(SourceConf) -> SourceConf) -> Serving {
        self.start_as(scene, "Deliver", change).await
    }

    /// A service with this function.
    async fn start_as(
        &self,
        scene: &Scene,
        function: &str,
        change: impl FnOnce(SourceConf) -> SourceConf,
    ) -> Serving {
        let path = self.path().display().to_string();
        let source = SourceConf::new("lines", "file").key(path);
        let source = change(source.batch(10, Duration::from_millis(1)));
        let conf = Conf::new()
            .flow(FlowConf::new("Orders").source("lines").then_named(function))
            .source(source)
            .connector(ConnConf::new("vault", "vault").addrs(self.name))
            .global(
                GlobalConf::default()
                    .quarantine(kisflow::QuarantineConf::on("vault"))
                    .grace(self.grace),
            );
        let registry = Registry::linked()
            .source::<kisflow::File>()
            .connector::<VaultConnector>()
            .state(scene.clone());
        Serving::of(registry.link(conf).await.unwrap())
    }
}

fn follow(source: SourceConf) -> SourceConf {
    source.param("follow", true).param("poll_ms", 5)
}

/// How often each row of a range was seen.
fn seen(scene: &Scene, ids: std::ops::Range<u64>) -> Vec<usize> {
    let seen = scene.seen();
    ids.map(|id| seen.get(&id).copied().unwrap_or(0)).collect()
}

#[tokio::test]
async fn the_next_delivery_is_worked_on_while_a_position_is_kept() {
    let lines = Lines::new("overlap");
    lines.append(0..10);
    let scene = Scene::default();
    let gate = lines.vault.gate.write().await;
    let serving = lines.start(&scene, |source| source.batch(1, Duration::ZERO).in_flight(1)).await;
    scene.called(10).await;
    let ledger = serving.flows.ledgers()["Orders"];
    assert_eq!((ledger.read, ledger.delivered), (10, 0), "done before it is durable");
    drop(gate);
    let served = serving.served().await;
    assert_eq!(served.flows["Orders"].ledger.delivered, 10);
    lines.vault.reaches(10 * LINE).await;
}

#[tokio::test]
async fn nothing_is_read_before_it_is_durable_where_reading_began() {
    let lines = Lines::new("beginning");
    lines.append(0..10);
    let scene = Scene::default();
    let latest = |source: SourceConf| follow(source).start(kisflow::Start::Latest);
    let gate = lines.vault.gate.write().await;
    let serving = lines.start(&scene, latest).await;
    while !serving.flows.health().problems().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    lines.append(10..20);
    // That no row comes can only be seen by waiting.
    sleep(Duration::from_millis(100)).await;
    assert_eq!(serving.stopped().await.flows["Orders"].ledger.read, 0);
    drop(gate);

    let serving = lines.start(&scene, latest).await;
    lines.vault.reaches(20 * LINE).await;
    serving.stopped().await;
    lines.append(20..25);
    let serving = lines.start(&scene, latest).await;
    lines.vault.reaches(25 * LINE).await;
    serving.stopped().await;
    assert_eq!(seen(&scene, 0..25), [vec![0; 20], vec![1; 5]].concat());
}

#[tokio::test]
async fn a_delivery_that_dies_holds_up_no_other_for_long() {
    // Its end would end the wait of those behind.
    let grace = Duration::from_secs(3_600);
    let lines = Lines { grace, ..Lines::new("dies") };
    lines.append(0..40);
    let scene = Scene::poisoned([7]);
    // To be kept, the poisoned row is named by a store that breaks once.
    lines.vault.breaks.store(true, Ordering::SeqCst);
    let serving = lines.start(&scene, |source| source.retry(0, Duration::ZERO)).await;
    let served = timeout(Duration::from_secs(60), serving.served()).await.unwrap();
    let ledger = served.flows["Orders"].ledger;
    assert_eq!(
        (ledger.delivered, ledger.quarantined, ledger.unaccounted()),
        (39, 1, 0),
        "{ledger}"
    );
    assert_eq!(ledger.returned, ledger.read - 40, "{ledger}");
    assert!(ledger.returned >= 10, "the store did not break: {ledger}");
    lines.vault.reaches(40 * LINE).await;
}

/// Holds the first row as long as the test holds the gate.
#[faas("HoldFirst")]
async fn hold_first(rows: &[super::Order], scene: State<'_, Scene>) {
    let gate = scene.0.gate.read();
    if rows.iter().any(|row| row.id == 0) {
        drop(gate.await);
    }
    scene.see(rows);
}

#[tokio::test]
async fn not_more_than_some_deliveries_are_done_behind_one_that_is_not() {
    let lines = Lines::new("held");
    lines.append(0..5_000);
    let scene = Scene::default();
    let gate = scene.0.gate.write().await;
    let one = |source: SourceConf| source.batch(1, Duration::ZERO).in_flight(2);
    let serving = lines.start_as(&scene, "HoldFirst", one).await;
    while scene.seen().len() < 4_095 {
        sleep(Duration::from_millis(1)).await;
    }
    // That no more comes can only be seen by waiting.
    sleep(Duration::from_millis(100)).await;
    let ledger = serving.flows.ledgers()["Orders"];
    assert_eq!((scene.seen().len(), ledger.read, ledger.delivered), (4_095, 4_096, 0));
    assert!(lines.vault.offsets().await.is_empty());
    drop(gate);
    assert_eq!(serving.served().await.flows["Orders"].ledger.delivered, 5_000);
    lines.vault.reaches(5_000 * LINE).await;
}

#[tokio::test]
async fn rows_whose_position_cannot_be_kept_are_given_back_and_come_again() {
    let lines = Lines::new("given back");
    lines.append(0..0);
    let scene = Scene::default();
    let serving = lines.start(&scene, follow).await;
    lines.vault.reaches(0).await;
    let gate = lines.vault.gate.write().await;
    lines.append(0..25);
    while scene.seen().len() < 25 {
        sleep(Duration::from_millis(1)).await;
    }
    let served = serving.stopped().await;
    let ledger = served.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.returned, ledger.unaccounted()), (0, 25, 0), "{ledger}");
    assert_eq!(served.flows["Orders"].outcome, kisflow::ServedOutcome::GaveBack);
    drop(gate);
    let served = lines.start(&scene, |source| source).await.served().await;
    assert_eq!(served.flows["Orders"].ledger.delivered, 25);
    assert_eq!(seen(&scene, 0..25), [2; 25]);
}

#[tokio::test]
async fn a_position_that_is_set_while_the_source_is_read_is_obeyed() {
    let lines = Lines::new("set");
    lines.append(0..20);
    let scene = Scene::default();
    let serving = lines.start(&scene, follow).await;
    lines.vault.reaches(20 * LINE).await;
    let path = lines.path();
    let value = reset_position(&path, ResetTo::Offset(5 * LINE)).unwrap();
    let set = StoredPosition::new("lines", "Orders", path.display().to_string(), value);
    StoredPosition::replace(&lines.vault.store, &[], &[set]).await.unwrap();
    lines.append(20..21);
    lines.vault.reaches(21 * LINE).await;
    let served = serving.stopped().await;
    let ledger = served.flows["Orders"].ledger;
    // The last row was done, and came again with those from the position on.
    assert_eq!((ledger.delivered, ledger.returned, ledger.unaccounted()), (36, 1, 0), "{ledger}");
    assert_eq!(seen(&scene, 0..5), [1; 5]);
    assert_eq!(seen(&scene, 5..21), [2; 16]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_that_read_one_file_leave_a_position_behind_which_all_is_done() {
    let lines = Lines::new("two readers");
    lines.append(0..100);
    let scenes = [Scene::default(), Scene::default()];
    let [one, other] = [lines.start(&scenes[0], follow), lines.start(&scenes[1], follow)];
    let (one, other) = tokio::join!(one, other);
    for batch in 1..20 {
        lines.vault.reaches(batch * 100 * LINE).await;
        // Whoever has it, each row before the position was done.
        let both: Vec<usize> = (seen(&scenes[0], 0..batch * 100).into_iter())
            .zip(seen(&scenes[1], 0..batch * 100))
            .map(|(one, other)| one + other)
            .collect();
        assert!(both.iter().all(|times| *times > 0), "{batch}: {both:?}");
        lines.append(batch * 100..(batch + 1) * 100);
    }
    lines.vault.reaches(2_000 * LINE).await;
    let (one, other) = tokio::join!(one.stopped(), other.stopped());
    for served in [one, other] {
        assert_eq!(served.flows["Orders"].ledger.unaccounted(), 0, "{served}");
    }
}
