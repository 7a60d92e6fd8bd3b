//! Functions that keep state, when rows fail, wait, jump, have no key, or states do not fit.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use kisflow::{
    Durable, Ledger, Ordered, QuarantineFilter, Result, RetryFrom,
    durable::{Scan, key_parts},
    prelude::*,
};
use tokio::time::sleep;

use super::{Order, Scene, Serving, World, flaky::FlakyStore, tape::Tape};

/// How many rows of a shelf came, and whether one came out of its order.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Shelf {
    rows: u64,
    last: u64,
    out_of_order: u64,
}

/// Counts the rows of each shelf.
#[faas("Shelve")]
fn shelve(row: &Item, shelf: &mut Shelf, scene: State<'_, Scene>) -> Result<Order> {
    scene.0.calls.fetch_add(1, Ordering::SeqCst);
    shelf.rows += 1;
    shelf.out_of_order += u64::from(shelf.rows > 1 && shelf.last >= row.id);
    shelf.last = row.id;
    match scene.is_poison(row.id) {
        true => Err(kisflow::Unavailable::new("the shelf is locked").into()),
        false => Ok(Order { id: row.id }),
    }
}

/// A row of a tape: its shelf is its id modulo 7.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Item {
    id: u64,
    shelf: u64,
}

/// Jumps back where it may not.
#[faas("Bounce")]
fn bounce(rows: &[Order]) -> Action {
    if rows.iter().any(|row| row.id == 42) { Action::Jump("Shelve".into()) } else { Action::Reuse }
}

fn world(scene: &Scene, tape: &str, functions: &[&str]) -> World {
    let source = |source: SourceConf| source.batch(10, Duration::from_millis(1));
    let world = World::new(scene, tape, functions, source);
    let world = world
        .with(|conf| conf.function(FunctionConf::new("Shelve", Mode::Calculate).key(["shelf"])));
    world.flaky(tape)
}

async fn shelves(store: &str) -> BTreeMap<u64, Shelf> {
    let entries = FlakyStore::of(store).store.scan(&Scan::of("state").limit(100)).await.unwrap();
    let shelf = |(key, entry): (bytes::Bytes, kisflow::durable::Entry)| {
        let parts: Vec<_> = key_parts(&key).collect::<Result<_, _>>().unwrap();
        (parts[2].as_number().unwrap(), serde_json::from_slice(&entry.value).unwrap())
    };
    entries.into_iter().map(shelf).collect()
}

/// The shelves of so many rows.
fn shelved(rows: u64) -> BTreeMap<u64, Shelf> {
    let mut shelves = BTreeMap::<u64, Shelf>::new();
    for id in 0..rows {
        let shelf = shelves.entry(id % 7).or_default();
        (shelf.rows, shelf.last) = (shelf.rows + 1, id);
    }
    shelves
}

#[tokio::test]
async fn rows_wait_for_an_outage_in_their_order_and_count_once() {
    Tape::new("keyed outage", 200);
    let scene = Scene::poisoned([42]);
    let world = world(&scene, "keyed outage", &["Shelve", "Deliver"]);
    let serving = world.start().await;
    scene.called(60).await;
    assert!(shelves("keyed outage").await.values().map(|shelf| shelf.rows).sum::<u64>() <= 40);
    scene.0.poison.lock().unwrap().clear();
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.unaccounted()), (200, 0), "{ledger}");
    assert_eq!(shelves("keyed outage").await, shelved(200));
    assert_eq!(scene.seen(), (0..200).map(|row| (row, 1)).collect());
}

/// Says of poisoned rows that something is away, before the states.
#[faas("Dam")]
fn dam(row: &Item, scene: State<'_, Scene>) -> Result<Item> {
    scene.0.calls.fetch_add(1, Ordering::SeqCst);
    match scene.is_poison(row.id) {
        true => Err(kisflow::Unavailable::new("the gate is shut").into()),
        false => Ok(row.clone()),
    }
}

#[tokio::test]
async fn rows_that_wait_before_the_states_are_not_overtaken() {
    Tape::new("keyed dam", 200);
    let scene = Scene::poisoned([42]);
    // Without states, the row would leave its batch at once.
    let world = world(&scene, "keyed dam", &["Dam", "Shelve", "Deliver"]).with(|conf| {
        let waiting = kisflow::WaitingConf::default().hold(Duration::ZERO);
        let global = conf.global.clone().waiting(waiting);
        conf.global(global)
    });
    let serving = world.start().await;
    // Each batch in flight, and that of row 42 again and again.
    scene.called(150).await;
    let rows: u64 = shelves("keyed dam").await.values().map(|shelf| shelf.rows).sum();
    assert!(rows <= 40, "{rows} rows are in the states");
    scene.0.poison.lock().unwrap().clear();
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.waiting), (200, 0), "{ledger}");
    assert_eq!(shelves("keyed dam").await, shelved(200));
}

#[tokio::test]
async fn an_ordered_flow_keeps_the_order_behind_the_states_as_well() {
    Tape::new("keyed order", 300);
    let scene = Scene::default();
    let world = world(&scene, "keyed order", &["Shelve", "Dawdle"]);
    let world = world.with(|mut conf| {
        let source = conf.sources.remove("orders").unwrap();
        conf.source(source.in_flight(8).ordered(Ordered::Partition))
    });
    let (_, ledger) = world.serve().await;
    assert_eq!(ledger.delivered, 300, "{ledger}");
    let order = scene.0.order.lock().unwrap().clone();
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_outside_of_a_call_does_not_count_rows_twice() {
    Tape::new("keyed mine", 20);
    let scene = Scene::poisoned([7]);
    // A future that panics when its timeout drops it, before the delivery has left.
    let world = world(&scene, "keyed mine", &["Glance", "Mined"]).with(|mut conf| {
        let source = conf.sources.remove("orders").unwrap();
        let mined = FunctionConf::new("Mined", Mode::Calculate).timeout(Duration::from_secs(1));
        let glance = FunctionConf::new("Glance", Mode::Calculate).key(["shelf"]);
        conf.source(source.ordered(Ordered::Partition)).function(mined).function(glance)
    });
    let (_, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (19, 1), "{ledger}");
    let entries = FlakyStore::of("keyed mine").store.scan(&Scan::of("state").limit(9)).await;
    let counts: Vec<_> = entries.unwrap().into_iter().map(|(_, entry)| entry.value).collect();
    // Of the rows 0, 7 and 14 one is not in the state.
    assert_eq!(counts, ["2", "3", "3", "3", "3", "3", "2"]);
}

/// Counts the rows of each shelf.
#[faas("Glance")]
fn glance(row: &Item, seen: &mut u64) -> Order {
    *seen += 1;
    Order { id: row.id }
}

#[tokio::test]
async fn a_jump_is_refused_because_its_rows_would_count_twice() {
    Tape::new("keyed jump", 100);
    let scene = Scene::default();
    let world = world(&scene, "keyed jump", &["Shelve", "Bounce", "Deliver"]);
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (99, 1), "{ledger}");
    let bad = flows.quarantine().unwrap().list(&QuarantineFilter::new(), 10).await.unwrap();
    assert_eq!(bad[0].function, "Bounce");
    assert!(bad[0].cause.contains("in a flow whose functions keep state none may jump"), "{bad:?}");
    assert_eq!(shelves("keyed jump").await, shelved(100));
}

#[tokio::test]
async fn a_state_that_does_not_fit_makes_the_flow_wait_and_say_where_it_is() {
    Tape::new("keyed unfit", 50);
    let scene = Scene::default();
    let store = FlakyStore::of("keyed unfit");
    let key = kisflow::durable::Key::new("state").text("Orders").text("Shelve").number(3);
    let put = kisflow::durable::Commit::new().put(key.clone(), r#"{"rows":"many"}"#);
    store.store.commit(&put).await.unwrap();
    let world = world(&scene, "keyed unfit", &["Shelve", "Deliver"]);
    let serving = world.start().await;
    let told = async {
        loop {
            let problems = serving.flows.health().problems().join("\n");
            if problems.contains(r#"state: "Orders", "Shelve", 3"#) {
                return problems;
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(20), told).await.expect("nothing is said");
    assert!(told.contains("is not the state that the function keeps: invalid type"), "{told}");
    store.store.commit(&kisflow::durable::Commit::new().remove(key)).await.unwrap();
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (50, 0), "{ledger}");
    assert_eq!(shelves("keyed unfit").await, shelved(50));
}

/// Waits until the flow says that its quarantine is full.
async fn is_full(serving: &Serving) {
    let told = async {
        while !serving.flows.health().problems().join("\n").contains("the quarantine is full") {
            sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("nothing is said");
}

#[tokio::test]
async fn rows_without_a_key_go_to_quarantine_and_a_full_one_holds_up_the_round() {
    Tape::new("keyed full", 100).bare([3, 4, 5, 16, 17, 28]);
    let scene = Scene::default();
    let world = world(&scene, "keyed full", &["Shelve", "Deliver"]).with(|conf| {
        let (mut conf, mut global) = (conf.clone(), conf.global.clone());
        global.quarantine.max_rows = 2;
        // Each delivery is a round.
        let source = conf.sources.remove("orders").unwrap();
        conf.source(source.in_flight(1)).global(global)
    });
    let serving = world.start().await;
    let kept = serving.flows.quarantine().unwrap();
    let mut bad = Vec::new();
    // An empty quarantine takes all of a batch, however many.
    for rows in [vec![3, 4, 5], vec![16, 17], vec![28]] {
        let list = async {
            loop {
                let list = kept.list(&QuarantineFilter::new(), 10).await.unwrap();
                if list.len() == rows.len() {
                    return list;
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        let list = tokio::time::timeout(Duration::from_secs(20), list).await.expect("no rows");
        if rows.len() > 1 {
            is_full(&serving).await;
        }
        for row in list {
            bad.push(row.position.parse::<u64>().unwrap());
            assert!(row.cause.contains("`shelf`"), "{}", row.cause);
            kept.discard(&row.id, "seen").await.unwrap();
        }
    }
    bad.sort_unstable();
    assert_eq!(bad, [3, 4, 5, 16, 17, 28]);
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (94, 6), "{ledger}");
}

/// Rejects rows, and hands on nothing, so that the next function is called by force.
#[faas("Spare")]
fn spare(rows: &[Order], scene: State<'_, Scene>, cx: Cx<'_>) -> Action {
    for (at, _) in rows.iter().enumerate().filter(|(_, row)| scene.is_poison(row.id)) {
        cx.reject(at, "it is refused");
    }
    Action::Force
}

/// Fails whatever it gets.
#[faas("Ring")]
async fn ring(_: &[Order], scene: State<'_, Scene>) -> Result<()> {
    scene.0.calls.fetch_add(1, Ordering::SeqCst);
    Err("the bell is broken".into())
}

/// Serves ten rows of which one is rejected, before a function that fails without rows.
async fn ring_in_vain(name: &str, ordered: Ordered) -> (Ledger, Vec<(String, String)>, usize) {
    Tape::new(name, 10);
    let scene = Scene::poisoned([3]);
    let world = world(&scene, name, &["Glance", "Spare", "Ring"]).with(|mut conf| {
        let source = conf.sources.remove("orders").unwrap().ordered(ordered).isolate(false);
        let glance = FunctionConf::new("Glance", Mode::Calculate).key(["shelf"]);
        conf.source(source.retry(2, Duration::from_millis(1))).function(glance)
    });
    let (flows, ledger) = world.serve().await;
    let bad = flows.quarantine().unwrap().list(&QuarantineFilter::new(), 20).await.unwrap();
    let places = bad.into_iter().map(|row| (row.function, row.position)).collect();
    (ledger, places, scene.calls())
}

#[tokio::test]
async fn a_function_that_fails_without_rows_costs_none_that_was_rejected_before() {
    // Where states have changed, the rows are not run again: nothing was handed on of nine.
    let (ledger, bad, calls) = ring_in_vain("keyed force", Ordered::Partition).await;
    assert_eq!((ledger.folded, ledger.quarantined), (9, 1), "{ledger}");
    assert_eq!(bad, [("Spare".to_owned(), "3".to_owned())]);
    assert_eq!(calls, 3, "once, and two more times");
    // Behind the states they are, and go to quarantine as in any other flow.
    let (ledger, bad, _) = ring_in_vain("keyed force behind", Ordered::No).await;
    assert_eq!((ledger.delivered, ledger.quarantined), (0, 10), "{ledger}");
    assert!(bad.iter().all(|(function, _)| function == "Spare"), "{bad:?}");
}

#[tokio::test]
async fn a_row_that_is_sent_on_from_quarantine_counts_once() {
    Tape::new("keyed retry", 10).bare([3]);
    let scene = Scene::default();
    let world = world(&scene, "keyed retry", &["Glance", "Deliver"])
        .with(|conf| conf.function(FunctionConf::new("Glance", Mode::Calculate).key(["shelf"])));
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (9, 1), "{ledger}");
    let kept = flows.quarantine().unwrap();
    let id = kept.list(&QuarantineFilter::new(), 10).await.unwrap().remove(0).id;
    let key = kisflow::durable::Key::new("state").text("Orders").text("Glance").number(3);
    let count = async || {
        let found = FlakyStore::of("keyed retry").store.read(std::slice::from_ref(&key)).await;
        found.unwrap().remove(0).map(|entry| entry.value)
    };
    // It fails behind the state, which is undone: the row is where it was.
    scene.0.poison.lock().unwrap().push(3);
    let report = kept.edit(&id, r#"{"id":3,"shelf":3}"#, RetryFrom::Function).await.unwrap();
    assert_eq!(report.failed, 1);
    let row = kept.show(&id).await.unwrap();
    assert_eq!((&*row.function, row.at), ("Glance", 0), "{}", row.cause);
    assert_eq!(count().await, None);
    scene.0.poison.lock().unwrap().clear();
    assert_eq!(kept.retry(&id, RetryFrom::Function).await.unwrap().delivered, 1);
    assert_eq!(count().await, Some("1".into()));
}

#[tokio::test]
async fn a_row_that_is_in_a_state_is_not_sent_from_the_start() {
    Tape::new("keyed start", 10);
    let scene = Scene::default();
    scene.0.refused.lock().unwrap().push(3);
    let world = world(&scene, "keyed start", &["Shelve", "Refusal"]);
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (9, 1), "{ledger}");
    let kept = flows.quarantine().unwrap();
    let id = kept.list(&QuarantineFilter::new(), 10).await.unwrap().remove(0).id;
    let said = kept.retry(&id, RetryFrom::Start).await.unwrap_err().to_string();
    assert!(said.contains("it would count twice; send it on from its function"), "{said}");
    scene.0.refused.lock().unwrap().clear();
    assert_eq!(kept.retry(&id, RetryFrom::Function).await.unwrap().delivered, 1);
    assert_eq!(shelves("keyed start").await, shelved(10));
}

/// Rejects rows behind the state.
#[faas("Refusal")]
fn refusal(row: &Order, scene: State<'_, Scene>) -> Result<()> {
    match scene.0.refused.lock().unwrap().contains(&row.id) {
        true => Err("it is refused".into()),
        false => Ok(()),
    }
}

#[tokio::test]
async fn rows_of_a_delivery_keep_their_order_whatever_keys_the_flow_is_ordered_by() {
    Tape::new("keyed lanes", 300);
    let scene = Scene::default();
    let world = world(&scene, "keyed lanes", &["Shelve", "Dawdle"]).with(|mut conf| {
        let source = conf.sources.remove("orders").unwrap();
        // The rows of a shelf have different ids.
        conf.source(source.in_flight(8).ordered(Ordered::Key("id".to_owned())))
    });
    let (_, ledger) = world.serve().await;
    assert_eq!(ledger.delivered, 300, "{ledger}");
    assert_eq!(shelves("keyed lanes").await, shelved(300));
}

#[tokio::test]
async fn more_bad_rows_than_a_commit_takes_are_kept_before_it() {
    Tape::new("keyed many bad", 30).bare(0..20);
    let scene = Scene::default();
    // A batch of ten rows has twenty entries in quarantine.
    FlakyStore::limited("keyed many bad", 16);
    let (flows, ledger) = world(&scene, "keyed many bad", &["Shelve", "Deliver"]).serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (10, 20), "{ledger}");
    let bad = flows.quarantine().unwrap().list(&QuarantineFilter::new(), 99).await.unwrap();
    let mut positions: Vec<u64> = bad.iter().map(|row| row.position.parse().unwrap()).collect();
    positions.sort_unstable();
    assert_eq!(positions, (0..20).collect::<Vec<_>>());
}
