//! Functions that abort: which rows of a batch end with it.

use kisflow::{AbortScope, Action, FunctionConf, Ledger, Mode, RunOutcome, prelude::*};

use super::{Order, Scene, World, tape::Tape};

/// Aborts for any of these rows.
#[faas("Bar")]
fn bar(rows: &[Order], scene: State<'_, Scene>) -> Action {
    match rows.iter().any(|row| scene.is_poison(row.id)) {
        true => Action::Abort,
        false => Action::Reuse,
    }
}

/// What becomes of 300 rows in batches of 100, three of which are barred, and of the rows that the
/// next function sees.
async fn served(
    name: &str,
    mode: Mode,
    scope: Option<AbortScope>,
    isolate: bool,
) -> (Ledger, usize) {
    let tape = Tape::new(name, 300);
    let scene = Scene::poisoned([7, 8, 250]);
    let world = World::new(&scene, name, &["Bar", "Deliver"], |source| source.isolate(isolate));
    let world = world.with(|mut conf| {
        conf.flows.get_mut("Orders").unwrap().abort = scope;
        conf.function(FunctionConf::new("Bar", mode))
    });
    let (flows, ledger) = world.serve().await;
    assert_eq!(tape.done().len(), 300);
    assert_eq!(ledger.unaccounted(), 0, "{ledger}");
    assert!(scene.seen().values().all(|times| *times == 1));
    assert!(flows.quarantine().unwrap().usage().await.unwrap() == kisflow::Usage::default());
    (ledger, scene.seen().len())
}

async fn ends(name: &str, mode: Mode, scope: Option<AbortScope>, isolate: bool, aborted: u64) {
    let (ledger, seen) = served(name, mode, scope, isolate).await;
    assert_eq!((ledger.aborted, ledger.delivered, ledger.filtered), (aborted, 300 - aborted, 0));
    assert_eq!(seen as u64, 300 - aborted);
}

#[tokio::test]
async fn a_verify_function_ends_only_the_rows_for_which_it_aborts() {
    ends("bar rows", Mode::Verify, None, true, 3).await;
}

#[tokio::test]
async fn another_function_ends_all_rows_of_its_batch() {
    ends("bar batches", Mode::Calculate, None, true, 200).await;
}

#[tokio::test]
async fn the_conf_of_the_flow_decides_otherwise() {
    ends("bar all", Mode::Verify, Some(AbortScope::WholeBatch), true, 200).await;
    ends("bar each", Mode::Calculate, Some(AbortScope::EachRow), true, 3).await;
}

#[tokio::test]
async fn a_source_whose_batches_are_not_split_loses_all_rows_of_one() {
    ends("bar whole", Mode::Verify, None, false, 200).await;
}

#[tokio::test]
async fn without_a_source_a_run_ends_as_a_whole() {
    let world = World::new(&Scene::poisoned([2]), "unused", &["Bar", "Deliver"], |source| source);
    let world = world.with(|conf| conf.function(FunctionConf::new("Bar", Mode::Verify)));
    let flows = world.flows().await;
    let rows: Vec<_> = (0..5).map(|id| Order { id }).collect();
    let report = flows.get("Orders").unwrap().run(rows).await.unwrap();
    assert_eq!((report.outcome(), report.rows().aborted), (RunOutcome::Aborted, 5));
}

#[tokio::test]
async fn a_row_of_a_flow_that_jumps_ends_whatever_it_became() {
    let tape = Tape::new("bar jumps", 20);
    // The second of the three that row 1 becomes.
    let scene = Scene::poisoned([11]);
    let world = World::new(&scene, "bar jumps", &["Thrice", "Bar", "Jot"], |source| source);
    let world = world.with(|conf| {
        conf.function(FunctionConf::new("Bar", Mode::Verify))
            .function(FunctionConf::new("Jot", Mode::Calculate).jump("Thrice"))
    });
    let (_, ledger) = world.serve().await;
    assert_eq!((ledger.aborted, ledger.delivered, ledger.added), (3, 57, 40), "{ledger}");
    assert_eq!(ledger.unaccounted(), 0, "{ledger}");
    assert_eq!(tape.done().len(), 20);
}
