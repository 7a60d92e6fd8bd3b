//! The four actions, alone and combined, on chains of three functions, with and without rows.

use std::sync::Mutex;

use kisflow::{Result, prelude::*};

/// Which functions ran, and with how many rows: `A2 B2`.
#[derive(Default)]
struct Trace(Mutex<Vec<String>>);

#[derive(Deserialize)]
#[serde(default)]
struct Plan {
    /// How many rows it emits; as many as it got if it does not say.
    emit: Option<usize>,
    /// Whether it emits at all.
    silent: bool,
    /// `reuse`, `force`, `abort`, `jump A`, with `|` between them.
    ask: String,
    /// How often it asks; afterwards it only hands rows on.
    times: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self { emit: None, silent: false, ask: String::new(), times: usize::MAX }
    }
}

fn step(rows: &[u32], plan: &Plan, cx: Cx<'_>, trace: &Trace) -> (Batch, Action) {
    let mut seen = trace.0.lock().unwrap();
    let before = seen.iter().filter(|entry| entry.starts_with(cx.function())).count();
    seen.push(format!("{}{}", cx.function(), rows.len()));
    if before >= plan.times {
        return (Batch::typed(rows.to_vec()), Action::Next);
    }
    let ask = |word: &str| match word.trim().split_once(' ') {
        Some(("jump", target)) => Action::Jump(target.to_owned().into()),
        _ => match word.trim() {
            "reuse" => Action::Reuse,
            "force" => Action::Force,
            "abort" => Action::Abort,
            "" => Action::Next,
            other => unreachable!("no action is named {other}"),
        },
    };
    let action = plan.ask.split('|').map(ask).fold(Action::Next, |all, one| all | one);
    let emit = if plan.silent { 0 } else { plan.emit.unwrap_or(rows.len()) };
    (Batch::typed(vec![7_u32; emit]), action)
}

#[faas("A")]
fn a(
    rows: &[u32],
    plan: Params<'_, Plan>,
    cx: Cx<'_>,
    trace: State<'_, std::sync::Arc<Trace>>,
) -> (Batch, Action) {
    step(rows, &plan, cx, &trace)
}

#[faas("B")]
fn b(
    rows: &[u32],
    plan: Params<'_, Plan>,
    cx: Cx<'_>,
    trace: State<'_, std::sync::Arc<Trace>>,
) -> (Batch, Action) {
    step(rows, &plan, cx, &trace)
}

#[faas("C")]
fn c(
    rows: &[u32],
    plan: Params<'_, Plan>,
    cx: Cx<'_>,
    trace: State<'_, std::sync::Arc<Trace>>,
) -> (Batch, Action) {
    step(rows, &plan, cx, &trace)
}

struct Ran {
    trace: String,
    result: Result<Report, RunError>,
}

/// Runs A → B → C on so many rows; `plans` are the params of each as JSON.
async fn run(rows: u32, plans: [serde_json::Value; 3]) -> Ran {
    let trace = std::sync::Arc::new(Trace::default());
    let mut flow = FlowConf::new("Chain").jump_limit(10);
    for (name, plan) in ["A", "B", "C"].into_iter().zip(plans) {
        let params = plan.as_object().unwrap().clone();
        flow = flow.then_named(
            params
                .into_iter()
                .fold(StepConf::from(name), |step, (key, value)| step.param(key, value)),
        );
    }
    let registry =
        Registry::new().function::<a>().function::<b>().function::<c>().state(trace.clone());
    let flows = registry.link(flow).await.unwrap();
    let result = flows.get("Chain").unwrap().run((0..rows).collect::<Vec<_>>()).await;
    let report = result.as_ref().unwrap_or_else(|error| error.report());
    report.assert_balanced();
    let trace = trace.0.lock().unwrap().join(" ");
    Ran { trace, result }
}

macro_rules! plan {
    ($($json:tt)*) => { serde_json::json!({$($json)*}) };
}

/// The functions that ran, how the run ended, and the rows that came out.
#[track_caller]
fn check(ran: &Ran, trace: &str, outcome: RunOutcome, out: usize) {
    let report = ran.result.as_ref().unwrap();
    assert_eq!(
        (ran.trace.as_str(), report.outcome(), report.output().len()),
        (trace, outcome, out)
    );
}

#[tokio::test]
async fn without_actions_rows_go_from_function_to_function() {
    check(
        &run(2, [plan! {}, plan! {"emit": 5}, plan! {}]).await,
        "A2 B2 C5",
        RunOutcome::Completed,
        5,
    );
}

#[tokio::test]
async fn without_rows_the_flow_ends_and_later_functions_do_not_run() {
    check(
        &run(2, [plan! {}, plan! {"silent": true}, plan! {}]).await,
        "A2 B2",
        RunOutcome::Completed,
        0,
    );
    check(&run(0, [plan! {}, plan! {}, plan! {}]).await, "A0", RunOutcome::Completed, 0);
}

#[tokio::test]
async fn reuse_hands_the_functions_own_input_on_and_drops_what_it_emitted() {
    let ran = run(2, [plan! {"ask": "reuse", "emit": 9}, plan! {}, plan! {"ask": "reuse"}]).await;
    check(&ran, "A2 B2 C2", RunOutcome::Completed, 2);
    let ran =
        run(3, [plan! {"ask": "reuse"}, plan! {"ask": "reuse"}, plan! {"ask": "reuse"}]).await;
    assert_eq!(
        *ran.result.unwrap().output().rows::<u32>().unwrap(),
        [0, 1, 2],
        "the rows themselves came through"
    );
}

#[tokio::test]
async fn reuse_of_no_rows_ends_the_flow() {
    check(
        &run(0, [plan! {"ask": "reuse"}, plan! {}, plan! {}]).await,
        "A0",
        RunOutcome::Completed,
        0,
    );
}

#[tokio::test]
async fn force_enters_the_next_function_even_with_no_rows() {
    check(
        &run(2, [plan! {"ask": "force", "silent": true}, plan! {}, plan! {}]).await,
        "A2 B0",
        RunOutcome::Completed,
        0,
    );
    let forced = || plan! {"ask": "force", "silent": true};
    check(
        &run(0, [forced(), forced(), plan! {"emit": 1}]).await,
        "A0 B0 C0",
        RunOutcome::Completed,
        1,
    );
    check(
        &run(2, [plan! {"ask": "force"}, plan! {}, plan! {}]).await,
        "A2 B2 C2",
        RunOutcome::Completed,
        2,
    );
}

#[tokio::test]
async fn abort_ends_the_flow_after_this_function_and_keeps_what_it_emitted() {
    check(
        &run(2, [plan! {}, plan! {"ask": "abort", "emit": 1}, plan! {}]).await,
        "A2 B2",
        RunOutcome::Aborted,
        1,
    );
    check(
        &run(2, [plan! {"ask": "abort", "silent": true}, plan! {}, plan! {}]).await,
        "A2",
        RunOutcome::Aborted,
        0,
    );
    check(
        &run(0, [plan! {"ask": "abort"}, plan! {}, plan! {}]).await,
        "A0",
        RunOutcome::Aborted,
        0,
    );
}

#[tokio::test]
async fn jump_forward_takes_what_the_targets_predecessor_produced_or_else_the_jumpers_own_rows() {
    // B, before C, has not run: C gets what A emitted.
    check(
        &run(2, [plan! {"ask": "jump C", "emit": 4}, plan! {}, plan! {}]).await,
        "A2 C4",
        RunOutcome::Completed,
        4,
    );
}

#[tokio::test]
async fn jump_back_takes_what_the_targets_predecessor_produced() {
    let ran = run(
        2,
        [plan! {"emit": 3}, plan! {"emit": 4}, plan! {"ask": "jump B", "emit": 9, "times": 2}],
    )
    .await;
    check(&ran, "A2 B3 C4 B3 C4 B3 C4", RunOutcome::Completed, 4);
    // The first function has no predecessor: it gets the flow's input.
    let ran = run(2, [plan! {"emit": 3}, plan! {"ask": "jump A", "times": 1}, plan! {}]).await;
    check(&ran, "A2 B3 A2 B3 C3", RunOutcome::Completed, 3);
}

#[tokio::test]
async fn jump_works_without_rows() {
    check(
        &run(0, [plan! {"ask": "jump C"}, plan! {}, plan! {}]).await,
        "A0 C0",
        RunOutcome::Completed,
        0,
    );
    check(
        &run(2, [plan! {"ask": "jump C", "silent": true}, plan! {}, plan! {}]).await,
        "A2 C0",
        RunOutcome::Completed,
        0,
    );
}

#[tokio::test]
async fn abort_beats_jump_in_any_order() {
    for ask in ["abort | jump A", "jump A | abort", "jump A | force | abort"] {
        check(
            &run(2, [plan! {}, plan! {"ask": ask}, plan! {}]).await,
            "A2 B2",
            RunOutcome::Aborted,
            2,
        );
    }
}

#[tokio::test]
async fn combined_actions_do_what_each_does() {
    for ask in ["reuse | force", "force | reuse"] {
        check(
            &run(0, [plan! {"ask": ask}, plan! {}, plan! {}]).await,
            "A0 B0",
            RunOutcome::Completed,
            0,
        );
        check(
            &run(2, [plan! {"ask": ask, "emit": 9}, plan! {}, plan! {}]).await,
            "A2 B2 C2",
            RunOutcome::Completed,
            2,
        );
    }
    check(
        &run(2, [plan! {"ask": "reuse | abort", "emit": 9}, plan! {}, plan! {}]).await,
        "A2",
        RunOutcome::Aborted,
        2,
    );
    check(
        &run(2, [plan! {"ask": "reuse | jump C", "emit": 9}, plan! {}, plan! {}]).await,
        "A2 C2",
        RunOutcome::Completed,
        2,
    );
    check(
        &run(2, [plan! {"ask": "force | jump C", "silent": true}, plan! {}, plan! {}]).await,
        "A2 C0",
        RunOutcome::Completed,
        0,
    );
}

#[tokio::test]
async fn a_jump_to_a_name_that_stands_twice_goes_to_the_last_place() {
    let check = async |places: &[(&str, serde_json::Value)], trace: &str| {
        let mut flow = FlowConf::new("Chain").jump_limit(10);
        for (name, plan) in places {
            let params = plan.as_object().unwrap().clone();
            let step = params
                .into_iter()
                .fold(StepConf::from(*name), |step, (key, value)| step.param(key, value));
            flow = flow.then_named(step);
        }
        let seen = std::sync::Arc::new(Trace::default());
        let registry =
            Registry::new().function::<a>().function::<b>().function::<c>().state(seen.clone());
        let flows = registry.link(flow).await.unwrap();
        flows.get("Chain").unwrap().run(vec![1_u32]).await.unwrap().assert_balanced();
        assert_eq!(seen.0.lock().unwrap().join(" "), trace);
    };
    let back = || plan! {"ask": "jump A", "times": 1};
    let twice = plan! {"emit": 2};
    // Back, with what the function before the last place produced.
    let places = [("A", plan! {}), ("B", twice.clone()), ("A", plan! {}), ("C", back())];
    check(&places, "A1 B1 A2 C2 A2 C2").await;
    // Ahead, over the first place.
    let places = [("C", back()), ("A", plan! {}), ("B", twice), ("A", plan! {})];
    check(&places, "C1 A1").await;
}

#[tokio::test]
async fn a_jump_to_nowhere_is_an_error_that_suggests_a_name() {
    let error =
        run(2, [plan! {}, plan! {"ask": "jump a", "emit": 5}, plan! {}]).await.result.unwrap_err();
    assert!(error.is_jump());
    assert_eq!(error.input().len(), 2, "the batch that the function was given");
    assert_eq!(
        error.to_string(),
        "flow `Chain`, function `B` jumps to \"a\", which is not in the flow; did you mean \"A\"?"
    );
}

#[tokio::test]
async fn two_jumps_at_once_are_an_error() {
    let error =
        run(2, [plan! {"ask": "jump C | jump B"}, plan! {}, plan! {}]).await.result.unwrap_err();
    assert_eq!(
        error.to_string(),
        "flow `Chain`, function `A` jumps to several places at once: B, C"
    );
}

#[tokio::test]
async fn an_endless_jump_is_an_error_that_shows_the_cycle() {
    let ran = run(2, [plan! {}, plan! {}, plan! {"ask": "jump B"}]).await;
    let error = ran.result.unwrap_err();
    assert_eq!(
        error.to_string(),
        "flow `Chain`, function `C` jumped more often than the flow's `jump_limit` of 10 allows: B → C → B"
    );
    assert_eq!(error.report().function("B").unwrap().calls, 11);
    // A cycle of two jumps.
    let error = run(2, [plan! {"ask": "jump C"}, plan! {}, plan! {"ask": "jump A"}])
        .await
        .result
        .unwrap_err();
    assert!(error.to_string().ends_with(" of 10 allows: C → A → C"), "{error}");
}

#[tokio::test]
async fn a_jump_that_the_conf_declares_is_checked_at_link() {
    let conf = Conf::new()
        .flow(FlowConf::new("Chain").then_named("A").then_named("B"))
        .function(FunctionConf::new("A", Mode::Verify).jump("Bee"));
    let registry = Registry::new()
        .function::<a>()
        .function::<b>()
        .state(std::sync::Arc::new(Trace::default()));
    let error = registry.link(conf).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "function `A`: option.jump[0]: flow `Chain` has no function \"Bee\" to jump to; known: A, B"
    );
}
