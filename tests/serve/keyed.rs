//! Functions that keep state for the keys of their rows.

use std::{
    collections::BTreeMap, fmt::Write, fs, path::PathBuf, sync::atomic::Ordering, time::Duration,
};

use kisflow::{
    Durable, Ledger, QuarantineConf, QuarantineFilter, Result,
    durable::{MemoryStore, Scan, key_parts},
    prelude::*,
};
use tempfile::TempDir;
use tokio::time::sleep;

use super::{
    Scene, Serving,
    flaky::{Flaky, FlakyStore},
};

/// A sale: the `number`-th of its shop in its file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sale {
    file: String,
    shop: u32,
    number: u64,
    amount: u64,
}

/// What is known of a shop.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Shop {
    sum: u64,
    /// The number of the next sale of each file.
    next: BTreeMap<String, u64>,
    /// How often another came.
    out_of_order: u64,
}

impl Sale {
    /// The function that keeps state rejects it.
    fn is_refused(&self) -> bool {
        self.amount % 17 == 3
    }

    /// A function behind it does.
    fn is_odd(&self) -> bool {
        self.amount % 19 == 5
    }
}

/// Adds a sale to its shop.
#[faas("Add")]
fn add(sale: &Sale, shop: &mut Shop) -> Result<Sale> {
    let next = shop.next.entry(sale.file.clone()).or_default();
    shop.out_of_order += u64::from(*next != sale.number);
    *next = sale.number + 1;
    shop.sum += sale.amount;
    match sale.is_refused() {
        true => {
            // Whatever it did is undone, but that it came.
            Err(format!("amount {} is refused", sale.amount).into())
        }
        false => Ok(sale.clone()),
    }
}

/// Is behind the state.
#[faas("Inspect")]
fn inspect(sale: &Sale) -> Result<Sale> {
    match sale.is_odd() {
        true => Err(format!("amount {} is odd", sale.amount).into()),
        false => Ok(sale.clone()),
    }
}

/// Fails as a whole, now and then.
#[faas("Ship")]
async fn ship(sales: &[Sale], scene: State<'_, Scene>) -> Result<()> {
    scene.0.calls.fetch_add(sales.len(), Ordering::SeqCst);
    match fastrand::u32(0..20) {
        0 => Err("the ship sinks".into()),
        1 => Err(kisflow::Unavailable::new("the sea is rough").into()),
        _ => Ok(()),
    }
}

/// Some hundred sales of a file, and what they come to.
struct Sales {
    dir: TempDir,
    file: &'static str,
    rows: Vec<Sale>,
}

impl Sales {
    fn new(file: &'static str, rows: usize) -> Self {
        let mut numbers = [0_u64; 7];
        let sale = |_| {
            let shop = fastrand::usize(0..numbers.len());
            let amount = fastrand::u64(0..1_000);
            let sale =
                Sale { file: file.to_owned(), shop: shop as u32, number: numbers[shop], amount };
            // A refused one leaves no trace in the state.
            numbers[shop] += u64::from(!sale.is_refused());
            sale
        };
        let rows: Vec<Sale> = (0..rows).map(sale).collect();
        let dir = TempDir::new().unwrap();
        let mut text = String::new();
        for row in &rows {
            writeln!(text, "{}", serde_json::to_string(row).unwrap()).unwrap();
        }
        fs::write(dir.path().join("sales.ndjson"), text).unwrap();
        Self { dir, file, rows }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("sales.ndjson")
    }

    /// A service that reads the file.
    async fn start(&self, store: &str, scene: &Scene) -> Serving {
        let source = SourceConf::new(self.file, "file")
            .key(self.path().display().to_string())
            .batch(20, Duration::from_millis(1))
            .retry(3, Duration::from_millis(1));
        let conf = Conf::new()
            .flow(
                FlowConf::new("Sales")
                    .source(self.file)
                    .then_named("Add")
                    .then_named("Inspect")
                    .then_named("Ship"),
            )
            .function(FunctionConf::new("Add", Mode::Calculate).key(["shop"]))
            .source(source)
            .connector(ConnConf::new("flaky", Flaky::TYPE).addrs(store))
            .global(GlobalConf::default().quarantine(QuarantineConf::on("flaky")));
        let registry =
            Registry::linked().source::<kisflow::File>().connector::<Flaky>().state(scene.clone());
        Serving::of(registry.link(conf).await.unwrap())
    }

    /// Serves until the end, killed at random.
    async fn serve(&self, store: &str, scene: &Scene, kills: usize) -> Ledger {
        for _ in 0..kills {
            let serving = self.start(store, scene).await;
            sleep(Duration::from_millis(fastrand::u64(0..60))).await;
            // What it has sent to the store may still come to effect.
            serving.task.abort();
        }
        let served = self.start(store, scene).await.served().await;
        served.flows["Sales"].ledger
    }
}

/// The states of a store, by the shop.
async fn shops(store: &MemoryStore) -> BTreeMap<u32, Shop> {
    let entries = store.scan(&Scan::of("state").limit(10_000)).await.unwrap();
    let shop = |(key, entry): (bytes::Bytes, kisflow::durable::Entry)| {
        let parts: Vec<_> = key_parts(&key).collect::<Result<_, _>>().unwrap();
        assert_eq!((parts[0].as_text(), parts[1].as_text()), (Some("Sales"), Some("Add")));
        let shop = u32::try_from(parts[2].as_number().unwrap()).unwrap();
        (shop, serde_json::from_slice(&entry.value).unwrap())
    };
    entries.into_iter().map(shop).collect()
}

/// What the states have to be.
fn expected(files: &[&Sales]) -> BTreeMap<u32, Shop> {
    let mut shops = BTreeMap::<u32, Shop>::new();
    for row in files.iter().flat_map(|sales| &sales.rows).filter(|row| !row.is_refused()) {
        let shop = shops.entry(row.shop).or_default();
        shop.sum += row.amount;
        *shop.next.entry(row.file.clone()).or_default() += 1;
    }
    shops
}

fn seeded() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
}

#[tokio::test]
async fn states_are_exact_and_bad_rows_are_kept() {
    seeded();
    let sales = Sales::new("plain", 1_000);
    let scene = Scene::default();
    let ledger = sales.serve("keyed plain", &scene, 0).await;
    let store = &FlakyStore::of("keyed plain").store;
    assert_eq!(shops(store).await, expected(&[&sales]));
    let bad = sales.rows.iter().filter(|row| row.is_refused() || row.is_odd()).count() as u64;
    assert_eq!((ledger.read, ledger.quarantined), (1_000, bad), "{ledger}");
    assert_eq!((ledger.delivered, ledger.unaccounted()), (1_000 - bad, 0), "{ledger}");
}

#[tokio::test]
async fn states_are_exact_with_two_services_that_are_killed_over_a_store_that_loses_answers() {
    for round in 0..4 {
        seeded();
        let name = format!("keyed moody {round}");
        FlakyStore::of(&name).fails.store(4, Ordering::SeqCst);
        let (one, other) = (Sales::new("one", 600), Sales::new("other", 600));
        let scene = Scene::default();
        let both =
            async { tokio::join!(one.serve(&name, &scene, 4), other.serve(&name, &scene, 4)) };
        let both = tokio::time::timeout(Duration::from_secs(120), both).await;
        both.expect("the services do not come to their end");
        let store = FlakyStore::of(&name);
        assert_eq!(shops(&store.store).await, expected(&[&one, &other]));
        store.fails.store(0, Ordering::SeqCst);
        // Each bad row is there, once.
        let flows = one.start(&name, &scene).await;
        let kept = flows.flows.quarantine().unwrap();
        let kept = kept.list(&QuarantineFilter::new(), 10_000).await.unwrap();
        let mut kept: Vec<String> = kept.iter().map(|row| row.row.to_string()).collect();
        let rows = one.rows.iter().chain(&other.rows);
        let bad = rows.filter(|row| row.is_refused() || row.is_odd());
        let mut bad: Vec<String> = bad.map(|row| serde_json::to_string(row).unwrap()).collect();
        kept.sort_unstable();
        bad.sort_unstable();
        assert_eq!(kept, bad);
    }
}
