//! Every kind of parameter, in sync and async functions of a batch and in those of one row.

use std::sync::atomic::{AtomicUsize, Ordering};

use kisflow::{Link, Parameter, Result, prelude::*};

use super::{output, problem, run_conf};

#[derive(Clone, Deserialize)]
struct Limits {
    max: u32,
}

/// A parameter of the program's own: `flow/function`.
#[derive(Clone, Copy)]
struct Label<'a>(&'a str);

impl Parameter for Label<'static> {
    type Bound = String;
    type Of<'a> = Label<'a>;

    fn bind(link: &mut Link<'_>) -> Option<String> {
        Some(format!("{}/{}", link.flow(), link.function()))
    }

    fn get<'a>(bound: &'a String, _: Cx<'a>) -> Result<Label<'a>> {
        Ok(Label(bound))
    }
}

/// Names the function of a run, with how many rows all runs have seen.
fn describe(
    rows: usize,
    limits: Params<'_, Limits>,
    seen: State<'_, AtomicUsize>,
    label: Label<'_>,
    cx: Cx<'_>,
) -> String {
    let seen = seen.fetch_add(rows, Ordering::Relaxed) + rows;
    format!("{} {} max {} seen {seen} by {:?}", label.0, cx.function(), limits.max, cx.connector())
}

#[faas("Sync")]
fn sync_batch(
    limits: Params<'_, Limits>,
    seen: State<'_, AtomicUsize>,
    rows: &[u32],
    label: Label<'_>,
    _: Conn<'_, Memory>,
    _: Store<'_>,
    cx: Cx<'_>,
) -> Vec<String> {
    vec![describe(rows.len(), limits, seen, label, cx)]
}

#[faas("Async")]
async fn async_batch(
    limits: Params<'_, Limits>,
    seen: State<'_, AtomicUsize>,
    label: Label<'_>,
    store: Store<'_>,
    memory: Conn<'_, Memory>,
    cx: Cx<'_>,
    rows: &[u32],
) -> Result<Vec<String>> {
    use kisflow::Storage as _;

    store
        .put(rows.iter().map(|row| (row, [("row", row)].into_iter().collect::<Fields<'_>>())))
        .await?;
    let keys: Vec<String> = rows.iter().map(|row| format!("key:{row}")).collect();
    assert!(memory.get(&keys).await?.iter().all(Option::is_some));
    Ok(vec![describe(rows.len(), limits, seen, label, cx)])
}

type Fields<'a> = std::collections::BTreeMap<&'a str, &'a u32>;

#[faas("Each")]
fn one_row(
    limits: Params<'_, Limits>,
    _: Store<'_>,
    row: &u32,
    seen: State<'_, AtomicUsize>,
    _: Conn<'_, Memory>,
    label: Label<'_>,
    cx: Cx<'_>,
) -> Option<String> {
    (*row <= limits.max).then(|| describe(1, limits, seen, label, cx))
}

fn conf(fname: &str) -> Conf {
    let function = FunctionConf::new(fname, Mode::Calculate).connector("memory").param("max", 2);
    Conf::new()
        .connector(ConnConf::new("memory", "memory").key("key:"))
        .function(function)
        .flow(FlowConf::new("Flow").then_named(fname))
}

fn registry() -> Registry {
    Registry::new().function::<sync_batch>().function::<async_batch>().function::<one_row>()
}

#[tokio::test]
async fn a_function_has_every_kind_of_parameter_wherever_its_rows_stand() {
    let cases: [(&str, &[&str]); 3] = [
        ("Sync", &[r#""Flow/Sync Sync max 2 seen 2 by Some(\"memory\")""#]),
        ("Async", &[r#""Flow/Async Async max 2 seen 2 by Some(\"memory\")""#]),
        (
            "Each",
            &[
                r#""Flow/Each Each max 2 seen 1 by Some(\"memory\")""#,
                r#""Flow/Each Each max 2 seen 2 by Some(\"memory\")""#,
            ],
        ),
    ];
    for (fname, expected) in cases {
        let registry = registry().state(AtomicUsize::new(0));
        assert_eq!(output(&run_conf(registry, conf(fname), &["1", "2"]).await), expected);
    }
}

#[tokio::test]
async fn a_missing_state_is_a_link_error_that_names_its_type() {
    let problem = problem(registry(), conf("Each")).await;
    assert!(problem.contains("`State` of type `core::sync::atomic::"), "{problem}");
    assert!(problem.contains("function `Each`") && problem.contains(".state("), "{problem}");
}

#[tokio::test]
async fn everything_that_a_function_misses_is_a_problem_at_once() {
    let error = registry().link(FlowConf::new("Flow").then::<one_row>()).await.unwrap_err();
    let text = error.to_string();
    for missing in ["`max`", "a connector", "`State` of type"] {
        assert!(text.contains(missing), "no word of {missing}: {text}");
    }
}

#[faas]
fn counted(row: &u32, limits: Params<'_, Limits>, seen: State<'_, AtomicUsize>) -> bool {
    seen.fetch_add(1, Ordering::Relaxed);
    *row <= limits.max
}

#[test]
fn a_function_is_unit_tested_with_params_and_state_of_its_own() {
    let (limits, seen) = (Limits { max: 5 }, AtomicUsize::new(0));
    let both = [5, 6].map(|row| counted(&row, Params::of(&limits), State::of(&seen)));
    assert_eq!(both, [true, false]);
    assert_eq!(seen.into_inner(), 2);
}
