//! Being told to stop, back pressure, and flows that do not wait for each other.

use std::{
    future::pending,
    time::{Duration, SystemTime},
};

use kisflow::{
    CancellationToken, FlowConf, Ledger, ServedOutcome, Shutdown, SourceConf,
    durable::{Commit, CommitError, Entry, Key, Limits, Scan},
};

use super::{Scene, Serving, World, tape::Tape};

#[tokio::test]
async fn told_to_stop_a_flow_works_on_what_it_has_read_and_reads_no_more() {
    let tape = Tape::new("drains", 1_000).endless();
    let scene = Scene::default();
    let world = World::new(&scene, "drains", &["Deliver"], |source| source.in_flight(2));
    let gate = scene.0.gate.write().await;
    let serving = world.start().await;
    tape.until(|tape| tape.most_held() == 200).await;
    scene.called(2).await;
    serving.stop();
    // It says so as soon as it reads no more, while it still works.
    while serving.flows.health().problems() != ["flow `Orders` has been stopped"] {
        tokio::task::yield_now().await;
    }
    drop(gate);
    let served = serving.served().await;
    assert!(served.is_complete(), "{served}");
    let ledger = served.flows["Orders"].ledger;
    assert_eq!((ledger.read, ledger.delivered), (200, 200), "{ledger}");
    assert_eq!(tape.most_held(), 200, "no more than `in_flight` batches are read");
}

#[tokio::test]
async fn while_the_rows_in_progress_have_so_many_bytes_no_more_are_read() {
    let tape = Tape::new("heavy", 1_000);
    let scene = Scene::default();
    // A batch has more than 1,500 bytes.
    let bounded = |source: SourceConf| source.in_flight(9).in_flight_bytes(3_000);
    let world = World::new(&scene, "heavy", &["Deliver"], bounded);
    let gate = scene.0.gate.write().await;
    let serving = world.start().await;
    scene.called(2).await;
    // That no more comes can only be seen by waiting.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((scene.calls(), tape.most_held()), (2, 200));
    drop(gate);
    let ledger = serving.served().await.flows["Orders"].ledger;
    assert_eq!(ledger.delivered, 1_000, "{ledger}");
    assert_eq!(tape.most_held(), 200);
}

#[tokio::test]
async fn what_is_not_done_when_the_grace_time_is_over_is_given_back() {
    let tape = Tape::new("grace", 1_000).endless();
    let scene = Scene::default();
    let world =
        World::new(&scene, "grace", &["Deliver"], |source| source.in_flight(3)).with(|conf| {
            let global = conf.global.clone().grace(Duration::from_millis(1));
            conf.global(global)
        });
    let _gate = scene.0.gate.write().await;
    let serving = world.start().await;
    scene.called(3).await;
    let served = serving.stopped().await;
    assert!(!served.is_complete());
    let Ledger { read, delivered, returned, .. } = served.flows["Orders"].ledger;
    assert_eq!((read, delivered, returned), (300, 0, 300));
    assert_eq!(tape.released().len(), 300, "the source is told");
    assert!(tape.done().is_empty());
}

#[tokio::test]
async fn a_second_request_to_stop_ends_the_grace_time() {
    let tape = Tape::new("twice", 1_000).endless();
    let scene = Scene::default();
    // The functions never come through the gate, and the grace time outlasts the test.
    let world =
        World::new(&scene, "twice", &["Deliver"], |source| source.in_flight(3)).with(|conf| {
            let global = conf.global.clone().grace(Duration::from_secs(3600));
            conf.global(global)
        });
    let _gate = scene.0.gate.write().await;
    let flows = world.flows().await;
    let (drain, at_once) = (CancellationToken::new(), CancellationToken::new());
    let shutdown = Shutdown::when(drain.clone().cancelled_owned())
        .at_once_when(at_once.clone().cancelled_owned());
    let serving = tokio::spawn(async move { flows.serve(shutdown).await.unwrap() });
    scene.called(3).await;
    // The order does not matter: the second step is looked at after the first.
    at_once.cancel();
    drain.cancel();
    let served = serving.await.unwrap();
    assert_eq!(served.flows["Orders"].outcome, ServedOutcome::GaveBack);
    assert_eq!(tape.released().len(), 300, "{served}");
}

#[tokio::test]
async fn how_each_flow_ended_is_said() {
    let _tape = Tape::new("ends", 10);
    let endless = Tape::new("endless", 10).endless();
    let scene = Scene::default();
    let world = World::new(&scene, "ends", &["Deliver"], |source| source).with(|conf| {
        conf.source(SourceConf::new("endless", "tape").key("endless"))
            .flow(FlowConf::new("Endless").source("endless").then_named("Sift"))
    });
    let serving = world.start().await;
    endless.until(|tape| tape.done().len() == 10).await;
    while serving.flows.ledgers()["Orders"].delivered < 10 {
        tokio::task::yield_now().await;
    }
    let served = serving.stopped().await;
    assert_eq!(served.flows["Endless"].outcome, ServedOutcome::Stopped);
    assert_eq!(served.flows["Orders"].outcome, ServedOutcome::Ended);
}

#[tokio::test]
async fn a_slow_flow_slows_no_other() {
    let slow = Tape::new("slow", 1_000);
    let quick = Tape::new("quick", 10_000);
    let scene = Scene::default();
    let world = World::new(&scene, "slow", &["Deliver"], |source| source).with(|conf| {
        conf.source(SourceConf::new("quick", "tape").key("quick"))
            .flow(FlowConf::new("Quick").source("quick").then_named("Sift"))
    });
    let gate = scene.0.gate.write().await;
    let serving = world.start().await;
    quick.until(|tape| tape.done().len() == 10_000).await;
    assert!(slow.done().is_empty());
    assert_eq!(slow.most_held(), 400, "the slow flow's source is not read on");
    drop(gate);
    let served = serving.served().await;
    assert!(served.is_complete(), "{served}");
    assert_eq!(served.flows["Quick"].ledger.filtered, 3_334);
}

#[tokio::test]
async fn without_a_source_there_is_nothing_to_serve() {
    let world = World::new(&Scene::default(), "none", &["Deliver"], |source| source).with(|conf| {
        let mut conf = conf;
        conf.flows.values_mut().for_each(|flow| flow.source = None);
        conf
    });
    let error = world.flows().await.serve(pending()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no flow has a source to be served from; set `source:` in a flow's conf, and `status: 1`"
    );
}

#[tokio::test]
async fn told_to_stop_before_it_begins_it_reads_nothing() {
    let tape = Tape::new("never", 100);
    let world = World::new(&Scene::default(), "never", &["Deliver"], |source| source);
    let served = world.flows().await.serve(std::future::ready(())).await.unwrap();
    assert_eq!(served.flows["Orders"].ledger, Ledger::default());
    assert!(served.is_complete(), "{served}");
    assert_eq!((tape.most_held(), tape.done().len()), (0, 0));
}

#[tokio::test]
async fn a_source_that_never_opens_does_not_keep_it_from_stopping() {
    let tape = Tape::new("stuck", 100).stuck();
    let world = World::new(&Scene::default(), "stuck", &["Deliver"], |source| source);
    let serving = world.start().await;
    tape.until(|tape| tape.opened() == 1).await;
    assert!(serving.stopped().await.is_complete());
}

/// Stops while three batches are held up, without any patience.
async fn stop_at_once(name: &str, tape: impl FnOnce(std::sync::Arc<Tape>) -> std::sync::Arc<Tape>) {
    let tape = tape(Tape::new(name, 1_000).endless());
    let scene = Scene::default();
    let world = World::new(&scene, name, &["Deliver"], |source| source.in_flight(3)).with(|conf| {
        let global = conf.global.clone().grace(Duration::ZERO);
        conf.global(global)
    });
    let _gate = scene.0.gate.write().await;
    let serving = world.start().await;
    scene.called(3).await;
    let ledger = serving.stopped().await.flows["Orders"].ledger;
    assert_eq!((ledger.read, ledger.returned, ledger.unaccounted()), (300, 300, 0), "{ledger}");
    assert!(tape.done().is_empty());
}

#[tokio::test]
async fn without_a_grace_time_what_is_held_is_given_back_at_once() {
    stop_at_once("no grace", |tape| tape).await;
}

#[tokio::test]
async fn rows_that_cannot_be_given_back_count_as_returned() {
    stop_at_once("deaf", Tape::deaf_to_releases).await;
}

#[tokio::test]
async fn flows_are_served_once_at_a_time_and_again_afterwards() {
    let tape = Tape::new("twice", 300);
    let scene = Scene::default();
    let world = World::new(&scene, "twice", &["Deliver"], |source| source);
    let gate = scene.0.gate.write().await;
    let serving = world.start().await;
    let flows = serving.flows.clone();
    scene.called(1).await;
    let error = flows.serve(pending()).await.unwrap_err();
    assert!(error.is_already(), "{error}");
    drop(gate);
    assert!(serving.served().await.is_complete());
    assert_eq!(tape.opened(), 1);

    Tape::new("twice", 50);
    let ledger = flows.serve(pending()).await.unwrap().flows["Orders"].ledger;
    assert_eq!((ledger.read, ledger.delivered), (50, 50), "{ledger}");
}

#[tokio::test]
async fn dropped_it_ends_its_tasks_and_acknowledges_nothing() {
    let tape = Tape::new("dropped", 300);
    let scene = Scene::default();
    let world = World::new(&scene, "dropped", &["Deliver"], |source| source);
    let gate = scene.0.gate.write().await;
    let flows = world.flows().await;
    {
        let mut serving = std::pin::pin!(flows.serve(pending()));
        while scene.calls() < 3 {
            tokio::select! {
                biased;
                _ = &mut serving => unreachable!("the gate is shut"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    // A task that still lived would hold the tape.
    while std::sync::Arc::strong_count(&tape) > 2 {
        tokio::task::yield_now().await;
    }
    drop(gate);
    assert!(tape.done().is_empty());
    assert!(scene.seen().is_empty());
    let ledger = flows.ledgers()["Orders"];
    assert_eq!((ledger.read, ledger.returned, ledger.in_flight), (300, 300, 0), "{ledger}");
    // What was held comes again.
    let ledger = flows.serve(pending()).await.unwrap().flows["Orders"].ledger;
    assert_eq!((ledger.read, ledger.delivered), (300, 300), "{ledger}");
}

#[tokio::test]
async fn a_row_that_waits_for_its_next_attempt_is_given_back() {
    let tape = Tape::new("patient", 1).endless();
    let scene = Scene::poisoned([0]);
    let world = World::new(&scene, "patient", &["Deliver"], |source| {
        source.retry(5, Duration::from_secs(60))
    })
    .with(|conf| {
        let global = conf.global.clone().grace(Duration::ZERO);
        conf.global(global)
    });
    let serving = world.start().await;
    scene.called(1).await;
    assert_eq!(serving.stopped().await.flows["Orders"].ledger.returned, 1);
    assert_eq!(tape.released(), [0], "and not after its lease");
}

#[tokio::test]
async fn when_the_source_ends_what_was_read_may_take_as_long_as_it_takes() {
    let tape = Tape::new("hasty", 300).hasty();
    let scene = Scene::default();
    let world = World::new(&scene, "hasty", &["Deliver"], |source| source).with(|conf| {
        let global = conf.global.clone().grace(Duration::ZERO);
        conf.global(global)
    });
    let gate = scene.0.gate.write().await;
    let serving = world.start().await;
    scene.called(3).await;
    // Long enough for the reader to see the end, and for a grace time to be over.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    drop(gate);
    let served = serving.served().await;
    assert!(served.is_complete(), "{served}");
    assert_eq!(tape.done().len(), 300);
}

/// `type: deaf`: keeps nothing, and answers nobody.
struct Deaf;

#[kisflow::async_trait]
impl kisflow::Connector for Deaf {
    const TYPE: &'static str = "deaf";
    type Params = kisflow::RawParams;

    async fn connect(_: &kisflow::ConnConf, _: Self::Params) -> kisflow::Result<Self> {
        Ok(Self)
    }

    fn durable() -> Option<kisflow_core::AsDurable<Self>> {
        Some(|_| std::sync::Arc::new(Self))
    }
}

#[kisflow::async_trait]
impl kisflow_core::Durable for Deaf {
    async fn read(&self, _: &[Key]) -> kisflow::Result<Vec<Option<Entry>>> {
        pending().await
    }

    async fn scan(&self, _: &Scan) -> kisflow::Result<Vec<(bytes::Bytes, Entry)>> {
        pending().await
    }

    async fn commit(&self, _: &Commit) -> Result<(), CommitError> {
        pending().await
    }

    fn limits(&self) -> Limits {
        Limits { keys: 1_000, bytes: 1 << 20, key_bytes: 1 << 10 }
    }

    async fn now(&self) -> kisflow::Result<SystemTime> {
        pending().await
    }

    async fn usage(&self, _: &str) -> kisflow::Result<kisflow_core::Usage> {
        pending().await
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_keeps_it_neither_from_working_nor_from_stopping() {
    let tape = Tape::new("unheard", 300).endless();
    let world =
        World::new(&Scene::default(), "unheard", &["Deliver"], |source| source).with(|conf| {
            let global = conf.global.clone().quarantine(kisflow::QuarantineConf::on("deaf"));
            conf.connector(kisflow::ConnConf::new("deaf", "deaf")).global(global)
        });
    let serving = Serving::of(world.flows_with(kisflow::Registry::connector::<Deaf>).await);
    tape.until(|tape| tape.done().len() == 300).await;
    let served = serving.stopped().await;
    assert!(served.is_complete(), "{served}");
}
