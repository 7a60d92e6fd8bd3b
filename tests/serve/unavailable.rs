//! Rows that wait for what is away, while others of their batch go on.

use std::{
    future::pending,
    sync::atomic::{AtomicBool, Ordering},
};

use kisflow::{ConnConf, FunctionConf, Mode, Result};

use super::{Scene, World, outages::Moody, tape::Tape};

/// A one-row function that says of a row that something is away.
#[kisflow::faas("Phone")]
fn phone(row: &super::Order, scene: kisflow::State<'_, Scene>) -> Result<super::Order> {
    scene.0.calls.fetch_add(1, Ordering::SeqCst);
    match scene.0.away.load(Ordering::SeqCst) && row.id == 42 {
        true => Err(kisflow::Unavailable::new("nobody answers the phone").into()),
        false => Ok(row.clone()),
    }
}

/// Notes the rows, whatever is away.
#[kisflow::faas("Jot")]
fn jot(rows: &[super::Order], scene: kisflow::State<'_, Scene>) {
    scene.see(rows);
}

#[tokio::test]
async fn a_row_that_is_rejected_because_something_is_unavailable_waits_and_no_other_comes_again() {
    let tape = Tape::new("phone", 100);
    let scene = Scene::default();
    scene.0.away.store(true, Ordering::SeqCst);
    let world = World::new(&scene, "phone", &["Phone", "Jot"], |source| source);
    let serving = world.start().await;
    // For each row, and for one of them again and again.
    scene.called(105).await;
    assert_eq!(
        serving.flows.health().problems(),
        ["flow `Orders`: what the function depends on is unavailable: nobody answers the phone"]
    );
    let seen = scene.seen();
    assert_eq!((seen.len(), seen.contains_key(&42)), (99, false));
    assert!(tape.done().is_empty());
    scene.0.away.store(false, Ordering::SeqCst);
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (100, 0), "{ledger}");
    assert_eq!(ledger.unaccounted(), 0, "{ledger}");
    assert_eq!(scene.seen(), (0..100).map(|row| (row, 1)).collect());
}

#[tokio::test]
async fn in_an_ordered_flow_no_row_passes_one_that_waits() {
    Tape::new("queue", 100);
    let scene = Scene::default();
    scene.0.away.store(true, Ordering::SeqCst);
    let world = World::new(&scene, "queue", &["Phone", "Jot"], |source| {
        source.ordered(kisflow::Ordered::Partition)
    });
    let serving = world.start().await;
    scene.called(300).await;
    assert!(scene.seen().is_empty());
    scene.0.away.store(false, Ordering::SeqCst);
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (100, 0), "{ledger}");
}

/// Sends the rows back to the first function, once.
#[kisflow::faas("Once")]
fn once(_: &[super::Order]) -> kisflow::Action {
    static IS_SENT: AtomicBool = AtomicBool::new(false);
    match IS_SENT.swap(true, Ordering::SeqCst) {
        false => kisflow::Action::Jump("Phone".into()),
        true => kisflow::Action::Reuse,
    }
}

#[tokio::test]
async fn a_row_that_waits_and_comes_again_by_a_jump_is_not_done_twice() {
    Tape::new("jump", 100);
    let scene = Scene::default();
    scene.0.away.store(true, Ordering::SeqCst);
    let world = World::new(&scene, "jump", &["Phone", "Once", "Jot"], |source| source);
    let serving = world.start().await;
    scene.called(205).await;
    assert_eq!(scene.seen().len(), 99);
    scene.0.away.store(false, Ordering::SeqCst);
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.unaccounted()), (100, 0), "{ledger}");
    assert_eq!(scene.seen(), (0..100).map(|row| (row, 1)).collect());
}

/// Rejects the rows that its connector does not take, as a function may that writes one at a time.
#[kisflow::faas("PickMoody")]
async fn pick_moody(
    rows: &[super::Order],
    moody: kisflow::Conn<'_, Moody>,
    cx: kisflow::Cx<'_>,
) -> kisflow::Action {
    let left = moody.left.load(Ordering::SeqCst);
    for position in (0..rows.len()).filter(|position| left > 0 && position % 2 == 0) {
        cx.reject(position, "the connection is lost");
    }
    kisflow::Action::Reuse
}

#[tokio::test]
async fn rows_that_are_rejected_while_the_connector_does_not_answer_wait() {
    Tape::new("moody-picks", 200);
    let scene = Scene::default();
    let conf = |conf: kisflow::Conf| {
        conf.connector(ConnConf::new("mood", "moody").addrs("6"))
            .function(FunctionConf::new("PickMoody", Mode::Save).connector("mood"))
    };
    let world =
        World::new(&scene, "moody-picks", &["PickMoody"], |source| source.in_flight(1)).with(conf);
    let flows = world.flows_with(kisflow::Registry::connector::<Moody>).await;
    let ledger = flows.serve(pending()).await.unwrap().flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (200, 0), "{ledger}");
}

#[tokio::test(start_paused = true)]
async fn a_connector_of_a_function_that_was_appended_is_watched_as_well() {
    Tape::new("appended", 0);
    let world = World::new(&Scene::default(), "appended", &["Deliver"], |source| source);
    let world = world.in_memory().with(|conf| {
        conf.connector(ConnConf::new("mood", "moody").addrs("1000000"))
            .function(FunctionConf::new("AskMoody", Mode::Save).connector("mood"))
    });
    let flows = world.flows_with(kisflow::Registry::connector::<Moody>).await;
    assert_eq!(flows.health().problems(), ["flow `Orders` is not served yet"]);
    flows.get("Orders").unwrap().append("AskMoody").await.unwrap();
    while !flows.health().problems().iter().any(|problem| problem.contains("`mood`")) {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
