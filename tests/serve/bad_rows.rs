//! Rows that cannot be processed stand alone, and nothing else suffers.

use kisflow::QuarantineFilter;
use std::time::Duration;

use super::{
    Scene, World,
    tape::{Tape, text},
};

/// Each poison row costs at most 2·log2(n) extra calls, and only it goes to quarantine.
async fn check(rows: u64, batch: u32, poison: Vec<u64>) {
    let tape = Tape::new(&format!("poison-{rows}-{batch}-{poison:?}"), rows);
    let scene = Scene::poisoned(poison.clone());
    let name = format!("poison-{rows}-{batch}-{poison:?}");
    let world = World::new(&scene, &name, &["Deliver"], |source| {
        source.batch(batch, Duration::from_millis(10)).retry(2, Duration::from_millis(1))
    });
    let (flows, ledger) = world.serve().await;

    assert_eq!(ledger.read, rows);
    assert_eq!(ledger.delivered, rows - poison.len() as u64, "{ledger}");
    assert_eq!(ledger.quarantined, poison.len() as u64, "{ledger}");
    let expected: Vec<u64> = (0..rows).filter(|id| !poison.contains(id)).collect();
    assert_eq!(
        scene.seen().into_keys().collect::<Vec<_>>(),
        expected,
        "every good row is delivered"
    );
    assert!(scene.seen().values().all(|times| *times == 1), "and none of them twice");

    let kept = flows.quarantine().unwrap().list(&QuarantineFilter::new(), 1_000).await.unwrap();
    let mut positions: Vec<u64> = kept.iter().map(|row| row.position.parse().unwrap()).collect();
    positions.sort_unstable();
    assert_eq!(positions, poison, "each poison row is kept, by its position in the source");
    for row in &kept {
        let id = &row.position;
        assert_eq!(row.row.to_string(), text(id.parse().unwrap()));
        assert_eq!((&*row.flow, &*row.source, &*row.function), ("Orders", "orders", "Deliver"));
        assert_eq!(row.attempt, 3, "a row that fails alone is tried as often as the conf says");
        assert!(row.cause.ends_with(&format!("order {id} cannot be delivered")), "{}", row.cause);
    }

    let batches = rows.div_ceil(u64::from(batch)) as usize;
    let extra = scene.calls() - batches;
    let bound = 2.0 * f64::from(batch.min(rows as u32)).log2() * poison.len() as f64;
    assert!(extra as f64 <= bound, "{extra} extra calls, and {bound} are allowed");
    assert_eq!(tape.done().len() as u64, rows, "every row is acknowledged");
    assert_eq!(tape.settled().quarantined, poison.len());
}

#[tokio::test]
async fn one_poison_row_in_ten_thousand_stands_alone_wherever_it_is() {
    for poison in [0, 1, 3_819, 3_820, 5_000, 9_998, 9_999] {
        check(10_000, 10_000, vec![poison]).await;
    }
    for poison in [0, 499, 500, 7_777] {
        check(10_000, 500, vec![poison]).await;
    }
}

#[tokio::test]
async fn several_poison_rows_each_stand_alone() {
    check(10_000, 10_000, vec![17, 18, 4_000, 9_999]).await;
    check(1_000, 100, vec![0, 99, 100, 555]).await;
}

#[tokio::test]
async fn a_batch_that_is_not_to_be_isolated_goes_to_quarantine_whole() {
    let tape = Tape::new("whole", 300);
    let scene = Scene::poisoned([150]);
    let world = World::new(&scene, "whole", &["Deliver"], |source| source.isolate(false));
    let (_, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (200, 100), "{ledger}");
    assert_eq!(tape.done().len(), 300);
}

#[tokio::test]
async fn a_row_that_a_later_function_refuses_is_known_by_its_place_in_the_source() {
    Tape::new("later", 250);
    let scene = Scene::poisoned([100, 200]);
    let world = World::new(&scene, "later", &["Sift", "Judge", "Deliver"], |source| source);
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.read, ledger.filtered, ledger.quarantined), (250, 84, 2), "{ledger}");
    let kept = flows.quarantine().unwrap().list(&QuarantineFilter::new(), 10).await.unwrap();
    let mut found: Vec<_> = kept
        .iter()
        .map(|row| (&*row.position, &*row.function, row.at, row.source_row().unwrap().to_string()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("100", "Judge", 1, text(100)), ("200", "Judge", 1, text(200)),]);
}

#[tokio::test]
async fn what_functions_before_the_failed_one_did_is_not_done_again() {
    Tape::new("once", 100);
    let scene = Scene::poisoned([41]);
    let world = World::new(&scene, "once", &["Note", "Deliver"], |source| source);
    let (_, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (99, 1), "{ledger}");
    assert_eq!(*NOTED.lock().unwrap(), (0..100).collect::<Vec<u64>>());
}

static NOTED: std::sync::Mutex<Vec<u64>> = std::sync::Mutex::new(Vec::new());

#[kisflow::faas("Note")]
fn note(rows: &[super::Order]) -> kisflow::Action {
    NOTED.lock().unwrap().extend(rows.iter().map(|row| row.id));
    kisflow::Action::Reuse
}

#[tokio::test]
async fn a_flow_that_may_jump_begins_anew_for_what_failed() {
    Tape::new("jumps", 64);
    let scene = Scene::poisoned([9]);
    let world = World::new(&scene, "jumps", &["Note2", "Deliver"], |source| {
        source.batch(64, Duration::from_millis(10))
    })
    .with(|conf| {
        conf.function(kisflow::FunctionConf::new("Deliver", kisflow::Mode::Calculate).jump("Note2"))
    });
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (63, 1), "{ledger}");
    let kept = flows.quarantine().unwrap().list(&QuarantineFilter::new(), 10).await.unwrap();
    assert_eq!((&*kept[0].position, &*kept[0].function, kept[0].at), ("9", "Note2", 0));
    assert!(kept[0].cause.contains("function `Deliver`"), "{}", kept[0].cause);
}

#[kisflow::faas("Note2")]
fn note_2(_: &[super::Order]) -> kisflow::Action {
    kisflow::Action::Reuse
}

#[tokio::test]
async fn a_function_that_panics_costs_its_row_and_nothing_else() {
    Tape::new("panics", 50);
    let scene = Scene::poisoned([30]);
    let world = World::new(&scene, "panics", &["Burst", "Deliver"], |source| source);
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (49, 1), "{ledger}");
    let kept = flows.quarantine().unwrap().list(&QuarantineFilter::new(), 10).await.unwrap();
    assert!(kept[0].cause.contains("panicked: burst"), "{}", kept[0].cause);
}

#[kisflow::faas("Burst")]
fn burst(rows: &[super::Order], scene: kisflow::State<'_, Scene>) -> kisflow::Action {
    assert!(!rows.iter().any(|row| scene.is_poison(row.id)), "burst");
    kisflow::Action::Reuse
}

/// One row in, three out.
#[kisflow::faas("Triple")]
fn triple(row: &super::Order) -> Vec<super::Order> {
    (0..3).map(|part| super::Order { id: row.id * 10 + part }).collect()
}

#[tokio::test]
async fn parts_of_one_row_that_are_refused_are_each_kept() {
    let tape = Tape::new("parts", 20);
    let scene = Scene::poisoned([70, 72, 131]);
    let world = World::new(&scene, "parts", &["Triple", "Judge", "Deliver"], |source| source);
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.read, ledger.added), (20, 40), "{ledger}");
    assert_eq!((ledger.delivered, ledger.quarantined), (57, 3), "{ledger}");
    let kept = flows.quarantine().unwrap().list(&QuarantineFilter::new(), 10).await.unwrap();
    let mut found: Vec<_> = kept
        .iter()
        .map(|row| (&*row.position, row.row.to_string(), row.source_row().unwrap().to_string()))
        .collect();
    found.sort_unstable();
    let part = |id| format!("{{\"id\":{id}}}");
    assert_eq!(
        found,
        [("13", part(131), text(13)), ("7", part(70), text(7)), ("7", part(72), text(7))]
    );
    assert_eq!(tape.settled().bad_rows, Some(vec![7, 13]));
}
