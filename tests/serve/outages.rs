//! What is away comes back, and nothing is lost or put into quarantine meanwhile.

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use kisflow::{ConnConf, Connector, FlowConf, Result, SourceConf, async_trait};

use super::{Scene, World, tape::Tape};

#[tokio::test]
async fn a_function_that_says_it_is_unavailable_is_asked_until_it_is_back() {
    let tape = Tape::new("closed", 300);
    let scene = Scene::default();
    scene.0.away.store(true, Ordering::SeqCst);
    let world = World::new(&scene, "closed", &["Deliver"], |source| source);
    let serving = world.start().await;
    let flows = serving.flows.clone();
    // More often than a row is tried that is at fault itself.
    scene.called(10).await;
    let problems = flows.health().problems();
    assert_eq!(
        problems,
        ["flow `Orders`: what the function depends on is unavailable: the warehouse is closed"]
    );
    assert!(tape.done().is_empty());
    scene.0.away.store(false, Ordering::SeqCst);
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (300, 0), "{ledger}");
    assert!(flows.health().problems().is_empty());
}

/// `type: moody`: its ping, and with it the function, fail as often as its address says.
pub(super) struct Moody {
    pub(super) left: AtomicUsize,
}

#[async_trait]
impl Connector for Moody {
    const TYPE: &'static str = "moody";
    type Params = kisflow::RawParams;

    async fn connect(conf: &ConnConf, _: Self::Params) -> Result<Self> {
        Ok(Self { left: conf.addrs.parse::<usize>()?.into() })
    }

    async fn ping(&self) -> Result<()> {
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
        {
            Ok(_) => Err("not now".into()),
            Err(_) => Ok(()),
        }
    }
}

#[kisflow::faas("AskMoody")]
async fn ask_moody(
    rows: &[super::Order],
    moody: kisflow::Conn<'_, Moody>,
    scene: kisflow::State<'_, Scene>,
) -> Result<()> {
    if moody.left.load(Ordering::SeqCst) > 0 {
        return Err("the connection is lost".into());
    }
    scene.see(rows);
    Ok(())
}

#[tokio::test]
async fn while_a_connector_does_not_answer_its_batches_wait() {
    Tape::new("moody", 200);
    let scene = Scene::default();
    let conf = |conf: kisflow::Conf| {
        conf.connector(ConnConf::new("mood", "moody").addrs("6"))
            .function(kisflow::FunctionConf::new("AskMoody", kisflow::Mode::Save).connector("mood"))
    };
    let world = World::new(&scene, "moody", &["AskMoody"], |source| source).with(conf);
    let flows = world.flows_with(kisflow::Registry::connector::<Moody>).await;
    let ledger = flows.serve(pending()).await.unwrap().flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (200, 0), "{ledger}");
    assert_eq!(scene.seen().len(), 200);
}

/// `type: polite`: always answers.
struct Polite;

/// How often all connectors of this type were asked.
static ASKED: AtomicUsize = AtomicUsize::new(0);

#[async_trait]
impl Connector for Polite {
    const TYPE: &'static str = "polite";
    type Params = kisflow::RawParams;

    async fn connect(_: &ConnConf, _: Self::Params) -> Result<Self> {
        Ok(Self)
    }

    async fn ping(&self) -> Result<()> {
        ASKED.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[kisflow::faas("Greet")]
async fn greet(_: &[super::Order], _: kisflow::Conn<'_, Polite>) -> kisflow::Action {
    kisflow::Action::Reuse
}

#[kisflow::faas("Nod")]
async fn nod(_: &[super::Order], _: kisflow::Conn<'_, Polite>) -> kisflow::Action {
    kisflow::Action::Reuse
}

#[tokio::test]
async fn a_connector_that_several_functions_use_is_asked_once() {
    Tape::new("polite", 1);
    let save = |name: &str, connector: &str| {
        kisflow::FunctionConf::new(name, kisflow::Mode::Save).connector(connector)
    };
    let scene = Scene::poisoned([0]);
    let world =
        World::new(&scene, "polite", &["Greet", "Nod", "Greet", "Deliver"], |source| source).with(
            |conf| {
                conf.connector(ConnConf::new("one", "polite"))
                    .connector(ConnConf::new("two", "polite"))
                    .function(save("Greet", "one"))
                    .function(save("Nod", "two"))
            },
        );
    let flows = world.flows_with(kisflow::Registry::connector::<Polite>).await;
    let ledger = flows.serve(pending()).await.unwrap().flows["Orders"].ledger;
    assert_eq!((ledger.delivered, ledger.quarantined), (0, 1), "{ledger}");
    assert_eq!(ASKED.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_source_that_stumbles_is_asked_again() {
    let tape = Tape::new("stumbles", 300).broken(3, 2, 3, 0);
    let scene = Scene::default();
    let world = World::new(&scene, "stumbles", &["Deliver"], |source| source);
    let (_, ledger) = world.serve().await;
    assert_eq!((ledger.read, ledger.delivered), (300, 300), "{ledger}");
    assert_eq!(tape.done().len(), 300);
    assert_eq!(tape.opened(), 3);
    assert!(
        scene.seen().values().all(|times| *times == 1),
        "an acknowledgement is repeated, not the work"
    );
}

#[tokio::test]
async fn the_task_of_a_flow_that_dies_is_started_again() {
    let tape = Tape::new("tears", 300).broken(0, 0, 0, 2);
    let scene = Scene::default();
    let world = World::new(&scene, "tears", &["Deliver"], |source| source);
    let (_, ledger) = world.serve().await;
    assert_eq!(ledger.delivered, 300, "{ledger}");
    assert_eq!(tape.opened(), 3);
}

#[tokio::test]
async fn a_source_that_is_read_again_is_no_problem_any_more() {
    let tape = Tape::new("mended", 300).broken(1, 1, 0, 0).endless();
    let world = World::new(&Scene::default(), "mended", &["Deliver"], |source| source);
    let serving = world.start().await;
    let flows = serving.flows.clone();
    tape.until(|tape| tape.done().len() == 300).await;
    assert!(flows.health().problems().is_empty());
    serving.stopped().await;
    assert_eq!(flows.health().problems(), ["flow `Orders` has been stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_answers_again_is_no_problem_though_no_row_comes() {
    let tape = Tape::new("quiet", 0).broken(2, 0, 0, 0).endless().mute(true);
    let world = World::new(&Scene::default(), "quiet", &["Deliver"], |source| source).in_memory();
    let serving = world.start().await;
    let flows = serving.flows.clone();
    let jammed = ["flow `Orders`: source `orders` cannot be read: the tape is jammed"];
    // The clock stands still but for these: what the flow does meanwhile comes in order.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(flows.health().problems(), jammed, "nobody knows whether it is mended");
    tape.mute(false);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(flows.health().problems().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_only_fails_stays_a_problem_and_is_asked_less_and_less_often() {
    let tape = Tape::new("jammed", 0).broken(u32::MAX, 0, 0, 0).endless();
    let world = World::new(&Scene::default(), "jammed", &["Deliver"], |source| source).in_memory();
    let serving = world.start().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        serving.flows.health().problems(),
        ["flow `Orders`: source `orders` cannot be read: the tape is jammed"]
    );
    let reads = u32::MAX - tape.broken_reads();
    assert!((5..40).contains(&reads), "{reads} reads");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_takes_long_to_say_how_much_waits_is_read_all_the_same() {
    Tape::new("ponders", 300).ponders(Duration::from_secs(2));
    let world = World::new(&Scene::default(), "ponders", &["Deliver"], |source| source).in_memory();
    let served = tokio::time::timeout(Duration::from_secs(600), world.serve()).await;
    let (_, ledger) = served.expect("it is never read");
    assert_eq!(ledger.delivered, 300, "{ledger}");
}

#[tokio::test]
async fn a_source_that_panics_when_it_is_opened_is_opened_again() {
    let tape = Tape::new("torn open", 300).torn(0, 2);
    let world = World::new(&Scene::default(), "torn open", &["Deliver"], |source| source);
    let (_, ledger) = world.serve().await;
    assert_eq!((ledger.read, ledger.delivered), (300, 300), "{ledger}");
    assert_eq!(tape.opened(), 3);
}

#[tokio::test]
async fn a_receipt_that_panics_costs_its_delivery_and_no_other() {
    let tape = Tape::new("torn slips", 300).torn(2, 0);
    let scene = Scene::default();
    let world = World::new(&scene, "torn slips", &["Deliver"], |source| source.in_flight(3));
    let gate = scene.0.gate.write().await;
    let serving = world.start().await;
    tape.until(|tape| tape.most_held() == 300).await;
    drop(gate);
    let served = serving.served().await;
    let ledger = served.flows["Orders"].ledger;
    assert_eq!((ledger.read, ledger.returned, ledger.delivered), (500, 200, 300), "{ledger}");
    assert_eq!(ledger.unaccounted(), 0, "{ledger}");
    assert_eq!((tape.opened(), tape.done().len()), (2, 300));
}

#[tokio::test]
async fn a_flow_whose_source_cannot_start_keeps_no_other_from_running() {
    let tape = Tape::new("others", 300);
    let scene = Scene::default();
    let world = World::new(&scene, "others", &["Deliver"], |source| source).with(|conf| {
        conf.source(SourceConf::new("nowhere", "tape").key("no such tape"))
            .flow(FlowConf::new("Stuck").source("nowhere").then_named("Deliver"))
    });
    let serving = world.start().await;
    tape.until(|tape| tape.done().len() == 300).await;
    let problems = loop {
        let problems = serving.flows.health().problems();
        if problems.iter().any(|problem| problem.contains("no such tape")) {
            break problems;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(problems, ["flow `Stuck`: source `nowhere` cannot be opened: no such tape"]);
    let served = serving.stopped().await;
    assert!(served.is_complete(), "{served}");
}

#[tokio::test]
async fn a_lease_of_no_time_is_no_reason_not_to_work() {
    Tape::new("no lease", 300).lease(Duration::ZERO);
    let world = World::new(&Scene::default(), "no lease", &["Deliver"], |source| source);
    let (_, ledger) = world.serve().await;
    assert_eq!(ledger.delivered, 300, "{ledger}");
}

#[tokio::test]
async fn a_lease_is_renewed_while_its_rows_are_worked_on() {
    let tape = Tape::new("lease", 10).lease(Duration::from_millis(3));
    let scene = Scene::default();
    let world = World::new(&scene, "lease", &["Deliver"], |source| source);
    let gate = scene.0.gate.write().await;
    let serving = world.start().await;
    tape.until(|tape| tape.renewed() >= 3).await;
    drop(gate);
    assert!(serving.served().await.is_complete());
}

/// Holds its thread until the lease was renewed.
#[kisflow::faas("Hog")]
fn hog(rows: &[super::Order]) -> Result<kisflow::Action> {
    let since = std::time::Instant::now();
    let tape = Tape::of("hogged");
    while tape.renewed() < 3 {
        if since.elapsed() > Duration::from_secs(30) {
            return Err(format!("the lease of {} rows is not renewed", rows.len()).into());
        }
        std::thread::yield_now();
    }
    Ok(kisflow::Action::Reuse)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_while_a_function_holds_its_thread() {
    Tape::new("hogged", 10).lease(Duration::from_millis(3));
    let world = World::new(&Scene::default(), "hogged", &["Hog"], |source| source);
    let (_, ledger) = world.serve().await;
    assert_eq!(ledger.delivered, 10, "{ledger}");
}
