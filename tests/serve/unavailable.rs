//! Rows that wait for what is away, while others of their batch go on.

use std::{
    future::pending,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use kisflow::{ConnConf, Connector, FunctionConf, Mode, Result, async_trait};

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

/// `type: jumpy`: so many pings panic.
struct Jumpy {
    left: AtomicUsize,
}

#[async_trait]
impl Connector for Jumpy {
    const TYPE: &'static str = "jumpy";
    type Params = kisflow::RawParams;

    async fn connect(conf: &ConnConf, _: Self::Params) -> Result<Self> {
        Ok(Self { left: conf.addrs.parse::<usize>()?.into() })
    }

    async fn ping(&self) -> Result<()> {
        let left = |left: usize| left.checked_sub(1);
        let is_left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok();
        assert!(!is_left, "a ping of its own");
        Ok(())
    }
}

/// Fails as long as the pings of its connector do.
#[kisflow::faas("AskJumpy")]
async fn ask_jumpy(rows: &[super::Order], jumpy: kisflow::Conn<'_, Jumpy>) -> Result<()> {
    match jumpy.left.load(Ordering::SeqCst) {
        0 => Ok(()),
        left => Err(format!("{} rows, {left} pings", rows.len()).into()),
    }
}

#[tokio::test]
async fn a_connector_whose_ping_panics_does_not_answer_and_ends_nothing() {
    let tape = Tape::new("jumpy", 100);
    let world = World::new(&Scene::default(), "jumpy", &["AskJumpy"], |source| source);
    let world = world.with(|conf| {
        conf.connector(ConnConf::new("nerves", "jumpy").addrs("3"))
            .function(FunctionConf::new("AskJumpy", Mode::Save).connector("nerves"))
    });
    let flows = world.flows_with(kisflow::Registry::connector::<Jumpy>).await;
    let ledger = flows.serve(pending()).await.unwrap().flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (100, 0), "{ledger}");
    assert_eq!(tape.opened(), 1);
}

/// Panics when it is dropped.
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        panic!("a mine");
    }
}

/// Never returns for some rows.
#[kisflow::faas("Mined")]
async fn mined(rows: &[super::Order], scene: kisflow::State<'_, Scene>) -> Result<()> {
    if rows.iter().any(|row| scene.is_poison(row.id)) {
        let _mine = Mine;
        pending::<()>().await;
    }
    scene.see(rows);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_future_that_panics_when_its_timeout_drops_it_costs_its_row() {
    let tape = Tape::new("mined", 20);
    let scene = Scene::poisoned([7]);
    let world = World::new(&scene, "mined", &["Mined"], |source| source).in_memory();
    let timeout = Duration::from_secs(1);
    let world = world
        .with(|conf| conf.function(FunctionConf::new("Mined", Mode::Calculate).timeout(timeout)));
    let (_, ledger) = world.serve().await;
    assert_eq!((ledger.delivered, ledger.quarantined), (19, 1), "{ledger}");
    assert_eq!((scene.seen().len(), tape.opened()), (19, 1));
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
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
