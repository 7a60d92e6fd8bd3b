//! Rows that wait in the store for what a function says is unavailable.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, SystemTime},
};

use kisflow::{QuarantineFilter, Result, ServedOutcome, State, WaitingConf, faas};

use super::{Order, Scene, Serving, World, flaky::FlakyStore, tape::Tape};

/// A one-row function that says of poisoned rows that something is away.
#[faas("Tenant")]
fn tenant(row: &Order, scene: State<'_, Scene>) -> Result<Order> {
    scene.0.calls.fetch_add(1, Ordering::SeqCst);
    match scene.is_poison(row.id) {
        true => Err(kisflow::Unavailable::new("the tenant's server is down").into()),
        false => Ok(row.clone()),
    }
}

/// A batch function that does so of all rows if one is poisoned.
#[faas("Wholesale")]
async fn wholesale(rows: &[Order], scene: State<'_, Scene>) -> Result<()> {
    scene.0.calls.fetch_add(1, Ordering::SeqCst);
    if rows.iter().any(|row| scene.is_poison(row.id)) {
        return Err(kisflow::Unavailable::new("one of the servers is down").into());
    }
    scene.see(rows);
    Ok(())
}

fn all() -> QuarantineFilter {
    QuarantineFilter::new()
}

impl World {
    fn waiting(self, waiting: WaitingConf) -> Self {
        self.with(|conf| {
            let global = conf.global.clone().waiting(waiting);
            conf.global(global)
        })
    }
}

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

impl Scene {
    fn heal(&self) {
        self.0.poison.lock().unwrap().clear();
    }

    async fn has_seen(&self, rows: usize) {
        let seen = async {
            while self.seen().len() < rows {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("the rows do not come to the end");
    }
}

/// Waits until so many rows wait in the store.
async fn until_waiting(serving: &Serving, rows: usize) {
    let waiting = serving.flows.quarantine().unwrap().waiting();
    let so_many = async {
        while waiting.ids(&all()).await.unwrap().len() != rows {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, so_many).await.expect("other rows wait");
}

fn at_once() -> WaitingConf {
    WaitingConf::default().hold(Duration::ZERO)
}

#[tokio::test]
async fn a_row_that_waits_for_long_leaves_its_batch_and_is_delivered_when_it_can_be() {
    let tape = Tape::new("tenant", 100);
    let scene = Scene::poisoned([42]);
    let hold = WaitingConf::default().hold(Duration::from_millis(300));
    let world = World::new(&scene, "tenant", &["Tenant", "Jot"], |source| source).waiting(hold);
    let began = SystemTime::now();
    let serving = world.start().await;
    tape.until(|tape| tape.done().len() == 100).await;
    assert!(began.elapsed().unwrap() >= Duration::from_millis(300), "it waited in its batch");
    let settled = tape.settled();
    assert_eq!((settled.delivered, settled.quarantined), (99, 0));
    until_waiting(&serving, 1).await;
    let rows = serving.flows.quarantine().unwrap().waiting().list(&all(), 9).await.unwrap();
    assert_eq!((&*rows[0].function, &*rows[0].position), ("Tenant", "42"));
    assert_eq!(rows[0].row.to_string(), super::tape::text(42));
    assert_eq!(
        rows[0].cause,
        "what the function depends on is unavailable: the tenant's server is down"
    );
    // The source has ended, and the flow has not.
    assert!(!serving.task.is_finished());
    scene.heal();
    let served = serving.served().await;
    let flow = &served.flows["Orders"];
    let ledger = flow.ledger;
    assert_eq!(flow.outcome, ServedOutcome::Ended);
    assert_eq!((ledger.read, ledger.delivered, ledger.waiting, ledger.resumed), (100, 100, 1, 1));
    assert_eq!((ledger.unaccounted(), ledger.in_flight), (0, 0), "{ledger}");
    assert_eq!(scene.seen(), (0..100).map(|row| (row, 1)).collect());
}

#[tokio::test]
async fn an_outage_for_all_is_no_reason_for_quarantine_however_long_it_is() {
    Tape::new("long", 10);
    let scene = Scene::poisoned(0..10);
    let world = World::new(&scene, "long", &["Tenant", "Jot"], |source| source);
    let world = world.waiting(at_once().max_wait(Duration::ZERO));
    let serving = world.start().await;
    until_waiting(&serving, 10).await;
    // Each row several times.
    scene.called(60).await;
    // They hold up no other: a service that takes posts has to stay ready for them.
    assert!(serving.flows.health().problems().is_empty());
    scene.heal();
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (10, 0), "{ledger}");
}

#[tokio::test]
async fn a_row_that_waits_for_too_long_while_others_get_through_goes_to_quarantine() {
    let tape = Tape::new("overdue", 10);
    let scene = Scene::poisoned([3]);
    let world = World::new(&scene, "overdue", &["Tenant", "Jot"], |source| {
        source.batch(1, Duration::ZERO).in_flight(1)
    });
    let world = world.waiting(at_once().max_wait(Duration::from_millis(1)));
    let serving = world.start().await;
    let flows = serving.flows.clone();
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (9, 1), "{ledger}");
    assert_eq!((ledger.waiting, ledger.resumed, ledger.unaccounted()), (1, 1, 0), "{ledger}");
    assert_eq!(tape.done().len(), 10);
    let quarantine = flows.quarantine().unwrap();
    let row = &quarantine.list(&all(), 9).await.unwrap()[0];
    assert_eq!((&*row.position, row.attempt > 1), ("3", true), "{row:?}");
    assert!(row.cause.contains("the tenant's server is down"), "{}", row.cause);
    assert!(quarantine.waiting().ids(&all()).await.unwrap().is_empty());
    scene.heal();
    let report = quarantine.retry(&row.id, kisflow::RetryFrom::Function).await.unwrap();
    assert_eq!(report.delivered, 1);
}

#[tokio::test]
async fn what_finds_no_room_in_the_store_waits_in_its_batch() {
    let tape = Tape::new("room", 300);
    let scene = Scene::poisoned(0..300);
    let world = World::new(&scene, "room", &["Tenant", "Jot"], |source| source.in_flight(2));
    let serving = world.waiting(at_once().limit(110, 1 << 20)).start().await;
    until_waiting(&serving, 110).await;
    let calls = scene.calls();
    scene.called(calls + 1_000).await;
    until_waiting(&serving, 110).await;
    assert_eq!(tape.done().len(), 100, "one batch is in the store, two are in progress");
    let problems = serving.flows.health().problems().join("\n");
    assert!(problems.contains("waiting.max_rows"), "{problems}");
    scene.heal();
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.unaccounted()), (300, 0), "{ledger}");
    // What was tried while the others were healed may have moved after them.
    assert_eq!(ledger.waiting, ledger.resumed, "{ledger}");
    assert_eq!(scene.seen(), (0..300).map(|row| (row, 1)).collect());
}

#[tokio::test]
async fn without_room_in_the_store_and_in_an_ordered_flow_rows_wait_in_their_batch() {
    for (name, ordered, rows) in
        [("none", kisflow::Ordered::No, 0), ("order", kisflow::Ordered::Partition, 10)]
    {
        let tape = Tape::new(name, 10);
        let scene = Scene::poisoned([4]);
        let world = World::new(&scene, name, &["Tenant", "Jot"], |source| source.ordered(ordered));
        let serving = world.waiting(at_once().limit(rows, 1 << 20)).start().await;
        scene.called(14).await;
        assert!(tape.done().is_empty());
        scene.heal();
        let ledger = serving.served().await.flows["Orders"].ledger;
        assert_eq!((ledger.delivered, ledger.waiting), (10, 0), "{ledger}");
    }
}

#[tokio::test]
async fn a_batch_function_that_says_it_of_its_whole_batch_holds_up_only_the_rows_it_is_about() {
    Tape::new("wholesale", 200);
    let scene = Scene::poisoned([42, 77]);
    let world = World::new(&scene, "wholesale", &["Wholesale"], |source| source.in_flight(2));
    let serving = world.waiting(at_once()).start().await;
    // A batch gets through, so it is not away for all.
    scene.has_seen(198).await;
    until_waiting(&serving, 2).await;
    scene.heal();
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.waiting, ledger.resumed), (200, 100, 100), "{ledger}");
    assert_eq!(scene.seen(), (0..200).map(|row| (row, 1)).collect());
}

#[tokio::test]
async fn rows_wait_over_the_end_of_their_process() {
    let tape = Tape::new("restart", 50);
    let scene = Scene::poisoned([7]);
    let world = World::new(&scene, "restart", &["Tenant", "Jot"], |source| source);
    let world = world.waiting(at_once());
    let serving = world.start().await;
    until_waiting(&serving, 1).await;
    tape.until(|tape| tape.done().len() == 50).await;
    let served = serving.stopped().await;
    assert_eq!(served.flows["Orders"].outcome, ServedOutcome::Stopped);
    assert!(served.is_complete());
    scene.heal();
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.read, ledger.resumed, ledger.delivered), (0, 1, 1), "{ledger}");
    assert_eq!(scene.seen(), (0..50).map(|row| (row, 1)).collect());
    assert!(flows.quarantine().unwrap().waiting().ids(&all()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_row_whose_function_is_gone_goes_to_quarantine() {
    let tape = Tape::new("renamed", 5);
    let scene = Scene::poisoned([2]);
    let world = World::new(&scene, "renamed", &["Tenant", "Jot"], |source| source);
    let world = world.waiting(at_once());
    let serving = world.start().await;
    tape.until(|tape| tape.done().len() == 5).await;
    serving.stopped().await;
    let world = world.with(|mut conf| {
        conf.flows.clear();
        conf.flow(kisflow::FlowConf::new("Orders").source("orders").then_named("Jot"))
    });
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.resumed, ledger.quarantined), (1, 1), "{ledger}");
    let rows = flows.quarantine().unwrap().list(&all(), 9).await.unwrap();
    assert!(rows[0].cause.contains("has no function \"Tenant\" any more"), "{}", rows[0].cause);
}

/// Rejects every fifth row, and says of others that something is away.
#[faas("Picky")]
fn picky(row: &Order, scene: State<'_, Scene>) -> Result<Order> {
    match row.id % 5 {
        0 => Err("it has the wrong colour".into()),
        1 if scene.is_poison(row.id) => Err(kisflow::Unavailable::new("no paint").into()),
        _ => Ok(row.clone()),
    }
}

#[tokio::test]
async fn a_row_that_is_at_fault_does_not_wait_with_those_that_are_not() {
    let tape = Tape::new("picky", 10);
    let scene = Scene::poisoned([1, 6]);
    let world = World::new(&scene, "picky", &["Picky", "Jot"], |source| source);
    let serving = world.waiting(at_once()).start().await;
    tape.until(|tape| tape.done().len() == 10).await;
    let settled = tape.settled();
    assert_eq!((settled.delivered, settled.quarantined, settled.waiting), (6, 2, 2));
    assert_eq!(settled.bad_rows, Some(vec![0, 5]));
    scene.heal();
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined, ledger.waiting), (8, 2, 2), "{ledger}");
}

/// Says of a row at random that something is away, a few times, at one of two functions.
#[faas("Dice")]
fn dice(row: &Order) -> Result<Order> {
    match fastrand::u32(0..3) {
        0 => Err(kisflow::Unavailable::new("the dice say so").into()),
        _ => Ok(row.clone()),
    }
}

/// As `Dice`, for whole batches.
#[faas("Roll")]
async fn roll(rows: &[Order], scene: State<'_, Scene>) -> Result<()> {
    if fastrand::u32(0..3) == 0 {
        return Err(kisflow::Unavailable::new("the dice say so").into());
    }
    scene.see(rows);
    Ok(())
}

#[tokio::test]
async fn whatever_the_store_does_each_row_is_delivered_once() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
    for round in 0..3 {
        let name = format!("moody {round}");
        Tape::new(&name, 500);
        let scene = Scene::default();
        let store = FlakyStore::of(&name);
        store.fails.store(5, Ordering::SeqCst);
        let world = World::new(&scene, &name, &["Dice", "Roll"], |source| {
            source.batch(20, Duration::from_millis(1))
        });
        let world = world.waiting(at_once()).flaky(&name);
        let flows = world.flows().await;
        let ledger = Serving::of(flows.clone()).served().await.flows["Orders"].ledger;
        assert_eq!((ledger.delivered, ledger.quarantined), (500, 0), "{ledger}");
        assert_eq!(ledger.unaccounted(), 0, "{ledger}");
        assert!(ledger.waiting >= 20, "{ledger}");
        assert_eq!(scene.seen(), (0..500).map(|row| (row, 1)).collect::<BTreeMap<_, _>>());
        store.fails.store(0, Ordering::SeqCst);
        assert!(flows.quarantine().unwrap().waiting().ids(&all()).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn of_two_services_one_tries_the_rows_that_wait() {
    let scene = Scene::poisoned(0..20);
    let mut services = Vec::new();
    for name in ["left", "right"] {
        let tape = Tape::new(name, 0).endless();
        let world = World::new(&scene, name, &["Tenant", "Jot"], |source| source);
        let world = world.waiting(at_once()).flaky("shared");
        let flows = world.flows().await;
        services.push((tape, Serving::of(flows), world));
    }
    // Rows with the same numbers are other rows of another edition.
    for (edition, (tape, ..)) in services.iter().enumerate() {
        tape.clone().generation(edition).refill(10 * edition as u64..10 * edition as u64 + 10);
    }
    for (tape, ..) in &services {
        tape.until(|tape| tape.done().len() == 10).await;
    }
    until_waiting(&services[0].1, 20).await;
    scene.heal();
    scene.has_seen(20).await;
    until_waiting(&services[0].1, 0).await;
    let mut resumed = Vec::new();
    for (_, serving, world) in services {
        let ledger = serving.stopped().await.flows["Orders"].ledger;
        assert_eq!((ledger.read, ledger.waiting, ledger.unaccounted()), (10, 10, 0), "{ledger}");
        resumed.push(ledger.resumed);
        drop(world);
    }
    resumed.sort_unstable();
    assert_eq!(resumed, [0, 20]);
    assert_eq!(scene.seen(), (0..20).map(|row| (row, 1)).collect());
}

#[tokio::test]
async fn a_row_goes_to_quarantine_only_while_its_function_works_for_others() {
    let tape = Tape::new("evidence", 10).endless();
    let scene = Scene::poisoned([3]);
    let world = World::new(&scene, "evidence", &["Tenant", "Jot"], |source| source);
    let serving = world.waiting(at_once().max_wait(Duration::from_millis(200))).start().await;
    tape.until(|tape| tape.done().len() == 10).await;
    until_waiting(&serving, 1).await;
    // It worked for others, and not since.
    let waiting = serving.flows.quarantine().unwrap().waiting();
    let row = waiting.list(&all(), 1).await.unwrap().remove(0);
    let last = loop {
        let row = waiting.show(&row.id).await.unwrap();
        if row.tried > row.since + Duration::from_millis(800) {
            break row;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert!(last.attempt > 2, "{last:?}");
    tape.refill(10..11);
    until_waiting(&serving, 0).await;
    let ledger = serving.stopped().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined, ledger.unaccounted()), (10, 1, 0));
}

/// Makes two rows of one.
#[faas("Twins")]
fn twins(row: &Order) -> Vec<Order> {
    vec![row.clone(), Order { id: row.id + 1_000 }]
}

/// Rejects each second twin, and says of poisoned rows that something is away.
#[faas("FirstTwin")]
fn first_twin(row: &Order, scene: State<'_, Scene>) -> Result<Order> {
    match row.id {
        1_000.. => Err("it is the second one".into()),
        _ => tenant(row, scene),
    }
}

#[tokio::test]
async fn rows_of_one_row_that_wait_and_that_are_rejected_are_different_entries() {
    let tape = Tape::new("twins", 5).endless();
    let scene = Scene::poisoned([2]);
    let world = World::new(&scene, "twins", &["Twins", "FirstTwin", "Jot"], |source| source);
    let serving = world.waiting(at_once().max_wait(Duration::ZERO)).start().await;
    tape.until(|tape| tape.done().len() == 5).await;
    tape.refill(5..6);
    until_waiting(&serving, 0).await;
    let rows = serving.flows.quarantine().unwrap().list(&all(), 99).await.unwrap();
    let mut texts: Vec<String> = rows.iter().map(|row| row.row.to_string()).collect();
    texts.sort();
    let expected =
        [1_000, 1_001, 1_002, 1_003, 1_004, 1_005, 2].map(|id| format!("{{\"id\":{id}}}"));
    assert_eq!(texts, expected);
    let ledger = serving.stopped().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined, ledger.unaccounted()), (5, 7, 0), "{ledger}");
}

#[tokio::test]
async fn a_batch_function_that_never_gets_a_batch_without_such_a_row_is_tried_with_one_alone() {
    Tape::new("mixed", 100);
    let scene = Scene::poisoned([42]);
    let world = World::new(&scene, "mixed", &["Wholesale"], |source| source);
    let serving = world.waiting(at_once()).start().await;
    scene.has_seen(99).await;
    until_waiting(&serving, 1).await;
    scene.heal();
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.waiting, ledger.resumed), (100, 100, 100), "{ledger}");
    assert_eq!(scene.seen(), (0..100).map(|row| (row, 1)).collect());
}

/// Rejects rows that the scene refuses.
#[faas("Fussy")]
fn fussy(row: &Order, scene: State<'_, Scene>) -> Result<Order> {
    match scene.0.refused.lock().unwrap().contains(&row.id) {
        true => Err("it is not good enough".into()),
        false => Ok(row.clone()),
    }
}

#[tokio::test]
async fn rows_that_got_through_are_not_tried_again_because_the_quarantine_is_full() {
    let tape = Tape::new("full", 10).endless();
    let scene = Scene::poisoned(0..10);
    let world = World::new(&scene, "full", &["Tenant", "Fussy", "Jot"], |source| source);
    let world = world.waiting(at_once()).with(|mut conf| {
        let quarantine = conf.global.quarantine.clone().limit(1, 1 << 20);
        conf.global = conf.global.clone().quarantine(quarantine).grace(Duration::from_millis(10));
        conf
    });
    let serving = world.start().await;
    tape.until(|tape| tape.done().len() == 10).await;
    *scene.0.refused.lock().unwrap() = vec![3, 4];
    scene.heal();
    // Two are rejected, and there is room for one of them.
    until_waiting(&serving, 2).await;
    serving.stopped().await;
    assert_eq!(scene.seen().len(), 8);
    scene.0.refused.lock().unwrap().clear();
    let serving = world.start().await;
    until_waiting(&serving, 0).await;
    let ledger = serving.stopped().await.flows["Orders"].ledger;
    assert_eq!((ledger.resumed, ledger.delivered, ledger.unaccounted()), (2, 2, 0), "{ledger}");
    assert_eq!(scene.seen(), (0..10).map(|row| (row, 1)).collect());
}
