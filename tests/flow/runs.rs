//! Runs: retries, panics, timeouts, cancellation, forks, and functions added while a flow runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kisflow::{Result, RunId, prelude::*};
use tokio::sync::{Barrier, Notify, Semaphore};

/// What the functions of a test share.
#[derive(Default)]
struct Bench {
    calls: AtomicUsize,
    entered: Notify,
    let_go: Notify,
    dropped: Notify,
}

type Shared = Arc<Bench>;

#[faas("Pass")]
fn pass(_: &u32) -> bool {
    true
}

#[derive(Deserialize)]
struct Failures {
    /// How many attempts fail.
    failures: usize,
}

#[faas("Flaky")]
async fn flaky(
    _: &[u32],
    params: Params<'_, Failures>,
    cx: Cx<'_>,
    shared: State<'_, Shared>,
) -> Result<Action> {
    let calls = shared.calls.fetch_add(1, Ordering::Relaxed) + 1;
    assert_eq!(cx.attempt() as usize, calls);
    if calls <= params.failures {
        cx.reject(0, "only this attempt rejects it");
        return Err(std::io::Error::other("the server is away").into());
    }
    Ok(Action::Reuse)
}

#[faas("Panics")]
fn panics(_: &[u32]) {
    panic!("the sky is falling");
}

#[faas("PanicsLater")]
async fn panics_later(_: &[u32]) {
    tokio::task::yield_now().await;
    panic!("later too");
}

#[faas("PanicsOnARow")]
fn panics_on_a_row(row: &u32) -> u32 {
    100 / (row - 1)
}

/// Waits until it is let go; says when it is dropped before.
#[faas("Hangs")]
async fn hangs(_: &[u32], shared: State<'_, Shared>) -> Action {
    struct OnDrop<'a>(&'a Bench);
    impl Drop for OnDrop<'_> {
        fn drop(&mut self) {
            self.0.dropped.notify_one();
        }
    }
    let _guard = OnDrop(&shared);
    shared.entered.notify_one();
    shared.let_go.notified().await;
    Action::Reuse
}

/// Never returns, and does not even await.
#[faas("Blocks")]
fn blocks(_: &[u32], shared: State<'_, Shared>) {
    shared.entered.notify_one();
    let (sender, never) = std::sync::mpsc::channel::<()>();
    // It ends with the test, when the process does.
    assert!(never.recv_timeout(Duration::from_secs(3_600)).is_err());
    drop(sender);
}

#[faas("Remembers")]
fn remembers(rows: &[u32], cx: Cx<'_>) -> Vec<u32> {
    let before = cx.cache().get::<u32>("sum").map_or(0, |sum| *sum);
    let sum = before + rows.iter().sum::<u32>();
    cx.cache().set("sum", sum, Duration::from_secs(600));
    cx.metadata().set("last", rows.to_vec());
    vec![sum]
}

#[faas("Times")]
fn times(row: &u32, params: Params<'_, Factor>) -> u32 {
    row * params.factor
}

#[derive(Deserialize)]
struct Factor {
    factor: u32,
}

#[faas("NoNines")]
fn no_nines(row: &u32) -> Result<u32> {
    if *row == 9 { Err("it is nine".into()) } else { Ok(row + 1) }
}

async fn link(conf: impl Into<Conf>, shared: &Shared) -> Flow {
    let conf = conf.into();
    let name = conf.flows.keys().next().unwrap().clone();
    Registry::linked().state(shared.clone()).link(conf).await.unwrap().get(&name).unwrap()
}

fn one(function: FunctionConf) -> Conf {
    let step = function.fname.clone();
    Conf::new().flow(FlowConf::new("F").then_named(step).then::<pass>()).function(function)
}

fn flaky_conf(failures: u32, retries: u32) -> Conf {
    one(FunctionConf::of::<flaky>(Mode::Expand)
        .param("failures", failures)
        .retry(retries, Duration::from_secs(1)))
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_repeated_as_often_as_its_conf_says_with_growing_pauses() {
    let shared = Shared::default();
    let flow = link(flaky_conf(3, 3), &shared).await;
    let start = tokio::time::Instant::now();
    let report = flow.run(vec![1_u32, 2]).await.unwrap();
    report.assert_balanced();
    assert_eq!((report.rows_out(), shared.calls.load(Ordering::Relaxed)), (2, 4));
    // 1 + 2 + 4 seconds, each between a half and the whole of it.
    let waited = start.elapsed();
    assert!(
        (Duration::from_millis(3_500)..=Duration::from_millis(7_010)).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_too_often_fails_the_run_with_flow_function_attempt_and_cause() {
    let flow = link(flaky_conf(9, 2), &Shared::default()).await;
    let error = flow.run(vec![1_u32, 2]).await.unwrap_err();
    error.report().assert_balanced();
    assert_eq!(
        format!("{error:?}"),
        "flow `F`, function `Flaky`, attempt 3 failed: the server is away"
    );
    assert_eq!(
        (error.attempt(), error.function(), error.report().rows().failed),
        (3, Some("Flaky"), 2)
    );
    assert_eq!(*error.input().rows::<u32>().unwrap(), [1, 2]);
    assert_eq!(error.report().outcome(), RunOutcome::Failed);
}

#[tokio::test]
async fn a_panic_is_an_error_like_any_other_and_the_process_lives() {
    for (function, message) in [
        ("Panics", "the sky is falling"),
        ("PanicsLater", "later too"),
        ("PanicsOnARow", "attempt to divide by zero"),
    ] {
        let flow =
            link(FlowConf::new("F").then::<pass>().then_named(function), &Shared::default()).await;
        let error = flow.run(vec![1_u32]).await.unwrap_err();
        error.report().assert_balanced();
        assert!(error.is_panic());
        assert_eq!(
            error.to_string(),
            format!("flow `F`, function `{function}` panicked: {message}")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_async_function_that_never_returns_is_dropped_at_its_timeout() {
    let shared = Shared::default();
    let flow = link(
        one(FunctionConf::of::<hangs>(Mode::Expand).timeout(Duration::from_millis(250))),
        &shared,
    )
    .await;
    let error = flow.run(vec![1_u32]).await.unwrap_err();
    error.report().assert_balanced();
    assert!(error.is_timeout());
    assert_eq!(
        error.to_string(),
        "flow `F`, function `Hangs` took longer than its timeout of 250ms"
    );
    shared.dropped.notified().await;
}

#[test]
fn a_sync_function_that_never_returns_is_left_behind_at_its_timeout() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let flow = link(
            one(FunctionConf::of::<blocks>(Mode::Expand).timeout(Duration::from_millis(20))),
            &Shared::default(),
        )
        .await;
        let error = flow.run(vec![1_u32]).await.unwrap_err();
        error.report().assert_balanced();
        assert!(error.is_timeout(), "{error}");
        let other = link(
            one(FunctionConf::of::<panics>(Mode::Expand).timeout(Duration::from_secs(60))),
            &Shared::default(),
        )
        .await;
        assert!(
            other.run(vec![1_u32]).await.unwrap_err().is_panic(),
            "a panic on its thread is a panic here"
        );
    });
    runtime.shutdown_background();
}

#[tokio::test]
async fn a_cancelled_token_stops_a_run_where_it_awaits() {
    let shared = Shared::default();
    let flow =
        link(FlowConf::new("F").then::<pass>().then::<hangs>().then::<pass>(), &shared).await;
    let token = CancellationToken::new();
    let run = tokio::spawn(flow.run_until(vec![1_u32, 2, 3], token.clone()));
    shared.entered.notified().await;
    token.cancel();
    let error = run.await.unwrap().unwrap_err();
    error.report().assert_balanced();
    assert!(error.is_cancelled());
    assert_eq!((error.report().rows().failed, error.input().len()), (3, 3));
    shared.dropped.notified().await;
    let error = flow.run_until(vec![1_u32], token).await.unwrap_err();
    error.report().assert_balanced();
    assert_eq!((error.to_string().as_str(), error.function()), ("flow `F` was cancelled", None));
}

#[tokio::test]
async fn dropping_the_future_stops_the_run() {
    let shared = Shared::default();
    let flow = link(FlowConf::new("F").then::<hangs>(), &shared).await;
    let run = tokio::spawn(flow.run(vec![1_u32]));
    shared.entered.notified().await;
    run.abort();
    shared.dropped.notified().await;
    assert!(run.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_flow_with_status_0_does_not_run_and_hands_its_rows_back() {
    let flow = link(
        FlowConf::new("F").then::<panics>().status(kisflow::Status::Disabled),
        &Shared::default(),
    )
    .await;
    let report = flow.run(vec![1_u32, 2]).await.unwrap();
    report.assert_balanced();
    assert_eq!(report.outcome(), RunOutcome::Disabled);
    assert_eq!(*report.output().rows::<u32>().unwrap(), [1, 2]);
    assert_eq!(report.to_string(), "flow F: disabled, 2 rows in, 2 out");
}

#[tokio::test]
async fn a_row_that_is_fed_is_known_again_where_it_is_rejected() {
    let flow = FlowConf::new("F").then::<no_nines>().then::<no_nines>();
    let flow = link(flow, &Shared::default()).await;
    let report = flow.feed(Batch::json(["1", "9", "x", "8"])).await.unwrap();
    report.assert_balanced();
    let rejected: Vec<_> =
        report.rejected().iter().map(|row| (row.index(), row.origin())).collect();
    assert_eq!(rejected, [(1, Some(1)), (2, Some(2)), (1, Some(3))]);
    assert_eq!(report.rows_out(), 1);
}

#[tokio::test]
async fn a_trace_has_what_each_call_was_given_handed_on_and_rejected() {
    let flow = FlowConf::new("F").then::<no_nines>().then::<no_nines>();
    let flow = link(flow.on_reject(kisflow::OnReject::Quarantine), &Shared::default()).await;
    let report = flow.trace(vec![1_u32, 8]).await.unwrap();
    let [first, second] = report.visits() else { panic!("{:?}", report.visits()) };
    assert_eq!(first.handed_on.as_ref().unwrap().to_ndjson().unwrap(), "2\n9\n");
    assert_eq!((first.rejected.len(), second.rejected.len()), (0, 1));
    assert_eq!(second.given.to_ndjson().unwrap(), "2\n9\n");
    assert_eq!(second.handed_on.as_ref().unwrap().to_ndjson().unwrap(), "3\n");
}

#[tokio::test]
async fn forks_run_at_once_on_different_rows_with_cache_and_metadata_of_their_own() {
    let flow = link(FlowConf::new("F").then::<remembers>(), &Shared::default()).await;
    let fork = flow.fork();
    let (one, two) =
        (tokio::spawn(flow.run(vec![1_u32, 2])), tokio::spawn(fork.run(vec![10_u32, 20])));
    let (one, two) = (one.await.unwrap().unwrap(), two.await.unwrap().unwrap());
    assert_eq!(
        (one.output().rows::<u32>().unwrap()[0], two.output().rows::<u32>().unwrap()[0]),
        (3, 30)
    );
    assert_eq!(*fork.metadata().get::<Vec<u32>>("last").unwrap(), [10, 20]);
    assert_eq!(*flow.metadata().get::<Vec<u32>>("last").unwrap(), [1, 2]);
    let again = flow.run(vec![5_u32]).await.unwrap();
    assert_eq!(
        again.output().rows::<u32>().unwrap()[0],
        8,
        "a flow remembers what its own runs cached"
    );
    flow.cache().remove("sum");
    assert!(flow.cache().get::<u32>("sum").is_none());
    assert!(fork.cache().get::<String>("sum").is_none(), "a value of another type is none");
}

#[tokio::test]
async fn the_same_flow_runs_a_thousand_times_at_once_without_a_fork() {
    let flow = link(
        one(FunctionConf::of::<times>(Mode::Calculate).param("factor", 2)),
        &Shared::default(),
    )
    .await;
    let runs: Vec<_> =
        (0..1_000_u32).map(|row| tokio::spawn(flow.run(vec![row, row + 1]))).collect();
    let mut ids = std::collections::HashSet::<RunId>::new();
    for (row, run) in (0..1_000_u32).zip(runs) {
        let report = run.await.unwrap().unwrap();
        report.assert_balanced();
        assert_eq!(*report.output().rows::<u32>().unwrap(), [row * 2, row * 2 + 2]);
        assert!(ids.insert(report.run()), "every run has an id of its own");
    }
}

#[tokio::test]
async fn a_fork_with_other_params_leaves_the_flow_as_it_was() {
    let flow = link(
        one(FunctionConf::of::<times>(Mode::Calculate).param("factor", 2)),
        &Shared::default(),
    )
    .await;
    let fork = flow.with_params(StepConf::of::<times>().param("factor", 5)).unwrap();
    assert_eq!(*fork.run(vec![1_u32]).await.unwrap().output().rows::<u32>().unwrap(), [5]);
    assert_eq!(*flow.run(vec![1_u32]).await.unwrap().output().rows::<u32>().unwrap(), [2]);
    let error =
        flow.with_params(StepConf::of::<times>().param("factor", "x")).unwrap_err().to_string();
    assert!(
        error.contains("flow `F`: flows[0].params.factor: ") && error.contains("expected u32"),
        "{error}"
    );
    let error = flow.with_params("Time").unwrap_err().to_string();
    assert_eq!(
        error,
        "flow `F`: flows: the flow has no function \"Time\"; did you mean \"Times\"?"
    );
}

#[tokio::test]
async fn a_function_added_to_a_running_flow_is_for_runs_that_begin_afterwards() {
    let shared = Shared::default();
    let flow = link(FlowConf::new("F").then::<hangs>(), &shared).await;
    let before = tokio::spawn(flow.run(vec![1_u32]));
    shared.entered.notified().await;
    // The run that has begun is not waited for.
    flow.append(StepConf::of::<times>().param("factor", 7)).await.unwrap();
    shared.let_go.notify_one();
    let report = before.await.unwrap().unwrap();
    report.assert_balanced();
    assert_eq!((report.functions().count(), report.output().rows::<u32>().unwrap()[0]), (1, 1));
    shared.let_go.notify_one();
    let report = flow.run(vec![1_u32]).await.unwrap();
    assert_eq!((report.functions().count(), report.output().rows::<u32>().unwrap()[0]), (2, 7));
}

#[tokio::test]
async fn what_cannot_be_linked_is_not_added() {
    let flow = link(FlowConf::new("F").then::<pass>(), &Shared::default()).await;
    let error = flow.append("Tims").await.unwrap_err();
    assert!(error.is_conf());
    assert_eq!(
        error.to_string(),
        "flow `F`: flows[1].fname: no function is named \"Tims\"; did you mean \"Times\"?"
    );
    assert!(
        flow.append(StepConf::of::<times>())
            .await
            .unwrap_err()
            .to_string()
            .contains("missing field `factor`")
    );
    assert_eq!(flow.conf().flows.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_add_to_one_flow_at_once_and_nothing_is_lost() {
    let flow = link(FlowConf::new("F").then::<pass>(), &Shared::default()).await;
    let barrier = Arc::new(Barrier::new(8));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (flow, barrier) = (flow.clone(), barrier.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                for _ in 0..25 {
                    flow.append(StepConf::of::<times>().param("factor", 1)).await.unwrap();
                    flow.run(vec![3_u32]).await.unwrap().assert_balanced();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(flow.conf().flows.len(), 201);
}

#[faas("Counts")]
async fn counts(
    _: &[u32],
    running: State<'_, Arc<Semaphore>>,
    shared: State<'_, Shared>,
) -> Result<()> {
    running.add_permits(1);
    shared.let_go.notified().await;
    Ok(())
}

#[tokio::test]
async fn runs_of_one_flow_go_on_at_once() {
    let (shared, running) = (Shared::default(), Arc::new(Semaphore::new(0)));
    let registry = Registry::linked().state(shared.clone()).state(running.clone());
    let flow = registry.link(FlowConf::new("F").then::<counts>()).await.unwrap().get("F").unwrap();
    let runs: Vec<_> = (0..50_u32).map(|row| tokio::spawn(flow.run(vec![row]))).collect();
    // All fifty are within the function before any of them may go on.
    drop(running.acquire_many(50).await.unwrap());
    shared.let_go.notify_waiters();
    for run in runs {
        run.await.unwrap().unwrap().assert_balanced();
    }
}
