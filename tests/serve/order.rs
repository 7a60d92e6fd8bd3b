//! The order of rows, where the conf asks for one.

use std::collections::BTreeMap;
use std::time::Duration;

use kisflow::{Ordered, Result, prelude::*};

use super::{Order, Scene, World, tape::Tape};

/// Gives every batch a different time to take, so that batches overtake each other where they may.
#[faas("Dawdle")]
async fn dawdle(rows: &[Order], scene: State<'_, Scene>) -> Result<()> {
    for _ in 0..(rows[0].id * 7) % 11 {
        tokio::task::yield_now().await;
    }
    if let Some(row) = rows.iter().find(|row| scene.is_poison(row.id)) {
        return Err(format!("order {} cannot be delivered", row.id).into());
    }
    scene.see(rows);
    Ok(())
}

async fn order(name: &str, ordered: Ordered) -> Vec<u64> {
    Tape::new(name, 1_000);
    let scene = Scene::poisoned([123, 700]);
    let world = World::new(&scene, name, &["Dawdle"], |source| {
        source.batch(10, Duration::from_millis(10)).in_flight(8).ordered(ordered)
    });
    let (_, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (998, 2), "{ledger}");
    scene.0.order.lock().unwrap().clone()
}

#[tokio::test]
async fn without_order_batches_overtake_each_other() {
    let order = order("unordered", Ordered::No).await;
    assert!(!order.is_sorted(), "or the other tests here prove nothing");
}

#[tokio::test]
async fn an_ordered_source_keeps_the_order_of_its_rows() {
    let order = order("ordered", Ordered::Partition).await;
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn equal_keys_never_overtake_each_other_and_different_ones_may() {
    let order = order("keyed", Ordered::Key("shelf".to_owned())).await;
    assert!(!order.is_sorted(), "different shelves overtake each other");
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for id in order {
        let before = last.insert(id % 7, id);
        assert!(before.is_none_or(|before| before < id), "{id} came after {before:?}");
    }
}

#[tokio::test]
async fn rows_behind_a_delivery_that_dies_do_not_overtake_it() {
    let tape = Tape::new("dies first", 300).torn_positions(1);
    let scene = Scene::poisoned([0]);
    let world =
        World::new(&scene, "dies first", &["Deliver"], |source| source.ordered(Ordered::Partition));
    let (_, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (299, 1), "{ledger}");
    assert_eq!(tape.opened(), 2);
    let order = scene.0.order.lock().unwrap().clone();
    assert_eq!(order, (1..300).collect::<Vec<u64>>());
}

/// The rows in the order in which they were acknowledged; the first acknowledgements fail.
async fn acknowledged(name: &str, ordered: Ordered) -> Vec<u64> {
    let tape = Tape::new(name, 400).broken(0, 0, 5, 0);
    let scene = Scene::default();
    let world = World::new(&scene, name, &["Dawdle"], |source| {
        source.batch(10, Duration::from_millis(10)).in_flight(8).ordered(ordered)
    });
    let (_, ledger) = world.serve().await;
    assert_eq!(ledger.delivered, 400, "{ledger}");
    tape.done()
}

#[tokio::test]
async fn no_row_is_acknowledged_before_one_that_it_must_not_pass() {
    let done = acknowledged("acknowledged", Ordered::No).await;
    assert!(!done.is_sorted(), "or the rest proves nothing");
    let done = acknowledged("acknowledged in order", Ordered::Partition).await;
    assert!(done.is_sorted(), "{done:?}");
    let done = acknowledged("acknowledged by key", Ordered::Key("shelf".to_owned())).await;
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for id in done {
        let before = last.insert(id % 7, id);
        assert!(before.is_none_or(|before| before < id), "{id} was done after {before:?}");
    }
}
