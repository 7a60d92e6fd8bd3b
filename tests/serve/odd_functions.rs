//! Functions that reject, jump, fold, force, or are given nothing: every row is accounted for all the
//! same.

use kisflow::{Action, FunctionConf, Mode, QuarantineFilter, Quarantined, Result, prelude::*};
use std::time::Duration;

use super::{
    Order, Scene, World,
    tape::{Tape, text},
};

/// What is in quarantine, by position: the function, the row's text and the cause.
async fn kept(flows: &Flows) -> Vec<Quarantined> {
    let mut kept = flows.quarantine().unwrap().list(&QuarantineFilter::new(), 1_000).await.unwrap();
    kept.sort_by_key(|row| row.position.parse::<u64>().unwrap_or(u64::MAX));
    kept
}

/// Rejects single rows of a batch.
#[faas("Pick")]
fn pick(rows: &[Order], cx: Cx<'_>, scene: State<'_, Scene>) -> Action {
    for (position, row) in rows.iter().enumerate().filter(|(_, row)| scene.is_poison(row.id)) {
        cx.reject(position, format!("order {} is picked out", row.id));
    }
    Action::Reuse
}

#[tokio::test]
async fn a_batch_function_that_rejects_rows_is_known_by_their_places_in_the_source() {
    let tape = Tape::new("pick", 100);
    let scene = Scene::poisoned([20, 50, 98]);
    let world = World::new(&scene, "pick", &["Sift", "Pick", "Deliver"], |source| source);
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.filtered, ledger.quarantined, ledger.delivered), (34, 3, 63), "{ledger}");
    let kept = kept(&flows).await;
    let found: Vec<_> = kept.iter().map(|row| (&*row.position, &*row.cause)).collect();
    assert_eq!(
        found,
        [
            ("20", "order 20 is picked out"),
            ("50", "order 50 is picked out"),
            ("98", "order 98 is picked out"),
        ]
    );
    let source_rows: Vec<_> =
        kept.iter().map(|row| row.source_row().unwrap().to_string()).collect();
    assert_eq!(source_rows, [text(20), text(50), text(98)]);
    assert_eq!(tape.settled().bad_rows, Some(vec![20, 50, 98]));
}

#[derive(Serialize, Deserialize)]
struct Priced {
    id: u64,
    price: u64,
}

/// Cannot bear to be called for nothing.
#[faas("First")]
fn first(rows: &[Priced]) -> Vec<Order> {
    vec![Order { id: rows[0].price }]
}

#[tokio::test]
async fn a_delivery_of_which_no_row_can_be_read_is_in_quarantine_and_calls_nothing() {
    let tape = Tape::new("unpriced", 10);
    let world = World::new(&Scene::default(), "unpriced", &["First", "Deliver"], |source| source);
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined, ledger.added), (0, 10, 0), "{ledger}");
    for row in kept(&flows).await {
        assert_eq!((&*row.function, row.field.as_deref()), ("First", Some("price")), "{row:?}");
    }
    assert_eq!(tape.done().len(), 10);
}

#[tokio::test]
async fn a_delivery_of_which_no_row_has_what_must_demands_is_in_quarantine_and_calls_nothing() {
    let tape = Tape::new("must", 10);
    let world = World::new(&Scene::default(), "must", &["Deliver"], |source| source)
        .with(|conf| conf.function(FunctionConf::new("Deliver", Mode::Calculate).must("colour")));
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (0, 10), "{ledger}");
    assert_eq!(world.scene.calls(), 0);
    assert!(kept(&flows).await.iter().all(|row| row.field.as_deref() == Some("colour")));
    assert_eq!(tape.done().len(), 10);
}

#[tokio::test]
async fn a_delivery_without_rows_is_settled_and_calls_nothing() {
    for (name, ordered) in [
        ("blank", kisflow::Ordered::No),
        ("blank-ordered", kisflow::Ordered::Partition),
        ("blank-keyed", kisflow::Ordered::Key("shelf".to_owned())),
    ] {
        let tape = Tape::new(name, 10).blanks(3);
        let scene = Scene::default();
        let world =
            World::new(&scene, name, &["Deliver"], |source| source.ordered(ordered.clone()));
        let (_, ledger) = world.serve().await;
        assert_eq!((ledger.read, ledger.delivered), (10, 10), "{ledger}");
        assert_eq!(tape.settlements(), 4, "{name}");
        if ordered != kisflow::Ordered::Key("shelf".to_owned()) {
            assert_eq!(scene.calls(), 1, "{name}");
        }
    }
}

/// Takes the rows, and enters the next function without any.
#[faas("Gather")]
fn gather(rows: &[Order], scene: State<'_, Scene>) -> (Vec<Order>, Action) {
    let open = rows.iter().filter(|row| scene.is_poison(row.id));
    *GATHERED.lock().unwrap() = open.map(|row| row.id).collect();
    (Vec::new(), Action::Force)
}

static GATHERED: std::sync::Mutex<Vec<u64>> = std::sync::Mutex::new(Vec::new());

/// Fails for what was gathered.
#[faas("Close")]
fn close(_: &[Order]) -> Result<()> {
    match GATHERED.lock().unwrap().is_empty() {
        true => Ok(()),
        false => Err("the books do not close".into()),
    }
}

#[tokio::test]
async fn rows_whose_way_ends_in_a_function_that_fails_without_any_are_not_acknowledged_as_done() {
    let tape = Tape::new("forced", 50);
    let world = World::new(&Scene::poisoned([30]), "forced", &["Gather", "Close"], |source| source);
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.folded, ledger.quarantined), (49, 1), "{ledger}");
    let kept = kept(&flows).await;
    assert_eq!((&*kept[0].position, &*kept[0].function), ("30", "Gather"));
    assert!(kept[0].cause.ends_with("the books do not close"), "{}", kept[0].cause);
    assert_eq!(tape.done().len(), 50);
}

/// Sends rows round once more, without saying so in its conf.
#[faas("Again")]
fn again(rows: &[Order], scene: State<'_, Scene>) -> Result<(Vec<Order>, Action)> {
    if let Some(row) = rows.iter().find(|row| scene.is_poison(row.id)) {
        return Err(format!("order {} cannot go round", row.id).into());
    }
    let next: Vec<Order> = rows.iter().filter(|row| row.id < 1_000).cloned().collect();
    let action = match next.is_empty() {
        true => Action::Reuse,
        false => Action::Jump("Bump".into()),
    };
    Ok((next, action))
}

static BUMPED: std::sync::Mutex<std::collections::BTreeMap<u64, u64>> =
    std::sync::Mutex::new(std::collections::BTreeMap::new());

/// The second time that a row comes, it is large enough.
#[faas("Bump")]
fn bump(row: &Order) -> Order {
    let mut bumped = BUMPED.lock().unwrap();
    let times = bumped.entry(row.id).or_default();
    *times += 1;
    Order { id: if *times > 1 { row.id + 1_000 } else { row.id } }
}

#[tokio::test]
async fn rows_that_jump_without_saying_so_do_not_suffer_from_one_that_fails() {
    Tape::new("undeclared", 20);
    let scene = Scene::poisoned([7]);
    let world = World::new(&scene, "undeclared", &["Bump", "Again", "Deliver"], |source| {
        source.retry(0, Duration::from_millis(1))
    });
    let (flows, ledger) = world.serve().await;
    let kept = kept(&flows).await;
    let positions: Vec<_> = kept.iter().map(|row| &*row.position).collect();
    assert_eq!(positions, ["7"], "{kept:?}");
    assert_eq!(ledger.quarantined, 1, "{ledger}");
}

/// One row of many.
#[faas("Sum")]
fn sum(rows: &[Order]) -> Vec<Order> {
    vec![Order { id: rows.iter().map(|row| row.id).sum() }]
}

#[tokio::test]
async fn what_was_made_of_many_rows_is_kept_with_the_places_of_all_of_them() {
    let tape = Tape::new("sum", 20);
    let scene = Scene::poisoned([(10..20).sum::<u64>()]);
    let world = World::new(&scene, "sum", &["Sum", "Judge", "Deliver"], |source| {
        source.batch(10, Duration::from_millis(10))
    });
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.folded, ledger.delivered, ledger.quarantined), (18, 1, 1), "{ledger}");
    let kept = kept(&flows).await;
    assert_eq!((&*kept[0].position, kept[0].source_row()), ("10..19", None));
    assert_eq!(tape.settled().bad_rows, None);
}

/// Turns every row into the same one.
#[faas("Level")]
fn level(rows: &[Order]) -> Vec<Order> {
    rows.iter().map(|_| Order { id: 1 }).collect()
}

#[tokio::test]
async fn equal_rows_of_unknown_places_in_different_lanes_are_each_kept() {
    Tape::new("level", 70);
    let world = World::new(&Scene::poisoned([1]), "level", &["Level", "Judge"], |source| {
        source.ordered(kisflow::Ordered::Key("shelf".to_owned()))
    });
    let (flows, ledger) = world.serve().await;
    assert_eq!(ledger.quarantined, 70, "{ledger}");
    assert_eq!(kept(&flows).await.len(), 70);
}

/// Cannot bear row 77.
#[faas("Trip")]
fn trip(rows: &[Order]) -> Result<Action> {
    match rows.iter().any(|row| row.id == 77) {
        true => Err("stumbled".into()),
        false => Ok(Action::Reuse),
    }
}

/// Leaves out odd rows.
#[faas("Halve")]
fn halve(row: &Order) -> bool {
    row.id.is_multiple_of(2)
}

/// Which rows of a hundred are in quarantine, and what each was in the source.
async fn places(name: &str, functions: &[&str], must: Option<&str>, expected: &[&str]) {
    Tape::new(name, 100).bare([10, 13]);
    let scene = Scene::poisoned([50]);
    let world = World::new(&scene, name, functions, |source| source).with(|conf| match must {
        Some(function) => conf.function(FunctionConf::new(function, Mode::Calculate).must("shelf")),
        None => conf,
    });
    let (flows, _) = world.serve().await;
    let kept = kept(&flows).await;
    let found: Vec<_> =
        kept.iter().map(|row| format!("{} {}", row.position, row.function)).collect();
    assert_eq!(found, expected);
    for row in &kept {
        let text = row.source_row().unwrap().to_string();
        assert!(text.starts_with(&format!("{{\"id\":{}", row.position)), "{row:?} was {text}");
    }
}

#[tokio::test]
async fn a_row_is_known_by_its_place_behind_rows_that_are_left_out_again_and_again() {
    places("left out", &["Sift", "Trip", "Halve", "Deliver"], None, &["50 Deliver", "77 Trip"])
        .await;
}

#[tokio::test]
async fn a_row_is_known_by_its_place_behind_rows_that_are_refused() {
    places("refused", &["Judge", "Trip"], None, &["50 Judge", "77 Trip"]).await;
}

#[tokio::test]
async fn a_row_is_known_by_its_place_behind_rows_that_lack_a_field() {
    let expected = ["10 Judge", "13 Judge", "50 Judge", "77 Trip"];
    places("lacking", &["Judge", "Trip"], Some("Judge"), &expected).await;
    let expected = ["10 Sift", "13 Sift", "50 Judge", "77 Trip"];
    places("lacking-sift", &["Sift", "Judge", "Trip"], Some("Sift"), &expected).await;
}

/// Makes three rows of one.
#[faas("Thrice")]
fn thrice(row: &Order) -> Vec<Order> {
    (0..3).map(|more| Order { id: row.id * 10 + more }).collect()
}

/// Cannot take several rows at once.
#[faas("Narrow")]
fn narrow(rows: &[Order]) -> Result<Action> {
    match rows {
        [_] => Ok(Action::Reuse),
        _ => Err(format!("{} rows at once", rows.len()).into()),
    }
}

/// Sends each row back to the start, without saying so in its conf.
#[faas("Back")]
fn back(_: &[Order]) -> Action {
    Action::Jump("Thrice".into())
}

#[tokio::test]
async fn rows_that_go_back_to_the_start_again_and_again_come_to_quarantine() {
    let tape = Tape::new("endless", 2);
    let functions = ["Thrice", "Narrow", "Back"];
    let world = World::new(&Scene::default(), "endless", &functions, |source| source);
    let (flows, ledger) = world.serve().await;
    assert_eq!((ledger.read, ledger.delivered, ledger.returned), (2, 0, 0), "{ledger}");
    let kept = kept(&flows).await;
    assert!((2..200).contains(&kept.len()), "{}", kept.len());
    assert!(kept.iter().all(|row| row.cause.contains("began behind it")), "{:?}", kept[0]);
    assert_eq!(tape.done(), [0, 1]);
}

/// An error that panics when it is printed.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("it cannot be said")
    }
}

impl std::error::Error for Unspeakable {}

#[faas("Curse")]
fn curse(row: &Order, scene: State<'_, Scene>) -> Result<Order> {
    match scene.is_poison(row.id) {
        true => Err(Unspeakable.into()),
        false => Ok(row.clone()),
    }
}

#[faas("CurseAll")]
fn curse_all(rows: &[Order], scene: State<'_, Scene>) -> Result<Action> {
    match rows.iter().any(|row| scene.is_poison(row.id)) {
        true => Err(Unspeakable.into()),
        false => Ok(Action::Reuse),
    }
}

#[tokio::test]
async fn an_error_that_panics_when_it_is_printed_costs_its_row_and_nothing_else() {
    for (name, function) in [("curse", "Curse"), ("curse all", "CurseAll")] {
        let tape = Tape::new(name, 100);
        let scene = Scene::poisoned([42]);
        let world = World::new(&scene, name, &[function, "Deliver"], |source| source);
        let (flows, ledger) = world.serve().await;
        assert_eq!((ledger.delivered, ledger.quarantined), (99, 1), "{ledger}");
        let kept = kept(&flows).await;
        assert!(kept[0].cause.ends_with("(an error whose own message panics)"), "{:?}", kept[0]);
        assert_eq!((&*kept[0].position, tape.opened()), ("42", 1));
    }
}

/// A row of which some panic when they are dropped.
#[derive(Serialize, Deserialize)]
struct Brittle {
    id: u64,
}

impl Drop for Brittle {
    fn drop(&mut self) {
        assert!(!(42..45).contains(&self.id), "it breaks");
    }
}

#[faas("Fire")]
fn fire(rows: &[Order]) -> Vec<Brittle> {
    rows.iter().map(|row| Brittle { id: row.id }).collect()
}

#[faas("Stack")]
fn stack(rows: &[Brittle]) -> Vec<Order> {
    rows.iter().map(|row| Order { id: row.id }).collect()
}

#[tokio::test]
async fn a_row_that_panics_when_it_is_dropped_ends_nothing() {
    for (name, functions) in
        [("brittle", &["Fire", "Stack", "Deliver"][..]), ("brittle at the end", &["Fire"])]
    {
        let tape = Tape::new(name, 100);
        let scene = Scene::default();
        let world = World::new(&scene, name, functions, |source| source);
        let (_, ledger) = world.serve().await;
        assert_eq!((ledger.delivered, ledger.quarantined), (100, 0), "{ledger}");
        assert!(scene.seen().values().all(|times| *times == 1));
        assert_eq!((tape.opened(), tape.done().len()), (1, 100), "{name}");
    }
}
