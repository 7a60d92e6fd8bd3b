//! Tests of tests: each a `kistype: test`, and what is said of it.

mod numbers;
mod private;

use std::{fs, thread, time::Duration};

use kisflow_core::{
    Action, Answer, Call, Conf, Conn, ConnConf, Connector, Function, Link, Parameter, Place,
    Registry, Result, async_trait,
};
use serde_json::{Map, Value};

/// A flow that counts, one that saves, one that loads, one that talks to its engine.
const CONF: &str = "
{kistype: flow, flow_name: Count, source: rows, flows: [{fname: Double}, {fname: Skip}, {fname: Double}, {fname: Last}]}
---
{kistype: flow, flow_name: Keep, flows: [{fname: Save}]}
---
{kistype: flow, flow_name: Find, flows: [{fname: Load}]}
---
{kistype: flow, flow_name: Ask, status: 0, flows: [{fname: Ask}]}
---
{kistype: flow, flow_name: Break, flows: [{fname: Break}]}
---
{kistype: source, sname: rows, type: none}
---
{kistype: conn, cname: Numbers, type: own, key: n}
---
{kistype: conn, cname: Held, type: held, key: n}
---
{kistype: conn, cname: Fresh, type: held, key: n, test: {held: private}}
---
{kistype: flow, flow_name: Hold, status: 0, flows: [{fname: Hold}]}
---
{kistype: func, fname: Hold, fmode: Expand, option: {cname: Held}}
---
{kistype: flow, flow_name: Renew, status: 0, flows: [{fname: SaveFresh}, {fname: Renew}]}
---
{kistype: func, fname: Renew, fmode: Expand, option: {cname: Fresh}}
---
{kistype: func, fname: SaveFresh, fmode: Save, option: {cname: Fresh, default_params: {id: id, fields: [n]}}}
---
{kistype: func, fname: Double, fmode: Calculate}
---
{kistype: func, fname: Skip, fmode: Verify, option: {jump: [Last]}}
---
{kistype: func, fname: Last, fmode: Verify, source: {must: [n]}}
---
{kistype: func, fname: Ask, fmode: Expand, option: {cname: Numbers}}
---
{kistype: func, fname: Break, fmode: Expand, option: {retry_times: 1, retry_duration: 60000}}
---
{kistype: func, fname: Hang, fmode: Expand}
---
{kistype: func, fname: Save, fmode: Save, option: {cname: Numbers, default_params: {id: id, fields: [n]}}}
---
{kistype: func, fname: Load, fmode: Load, option: {cname: Numbers, default_params: {id: id, fields: [n]}}}
";

/// Declares functions by what they do with a call.
macro_rules! functions {
    ($($name:ident: |$call:ident| $answer:expr;)*) => {$(
        struct $name;

        impl Function for $name {
            const NAME: &'static str = stringify!($name);
            const PLACE: Place = Place { file: file!(), line: line!() };
            type Bound = ();

            fn bind(_: &mut Link<'_>) -> Option<()> {
                Some(())
            }

            fn call<'a>(_: &'a (), $call: Call<'a>) -> Answer<'a> {
                $answer
            }
        }
    )*};
}

type Row = Map<String, Value>;

functions! {
    Double: |call| call.batch(|rows: &[Row]| -> Vec<Row> {
        let double = |(position, row): (usize, &Row)| match row.get("n").and_then(Value::as_f64) {
            Some(n) => Some([("n".to_owned(), Value::from(2.0 * n))].into_iter().collect()),
            None => {
                call.cx().reject(position, "n is no number");
                None
            }
        };
        rows.iter().enumerate().filter_map(double).collect()
    });
    Skip: |call| Answer::action(call, Action::Reuse | Action::Jump("Last".into()));
    Last: |call| Answer::action(call, Action::Reuse | Action::Abort);
    Break: |call| call.batch(|_: &[Row]| -> Result<Vec<Row>> { Err("out of order".into()) });
    Hang: |_call| loop {
        thread::park();
    };
}

/// An engine that no test can have.
struct Own;

#[async_trait]
impl Connector for Own {
    const TYPE: &'static str = "own";
    type Params = Row;

    async fn connect(_: &ConnConf, _: Row) -> Result<Self> {
        Err("a test connects to nothing".into())
    }
}

struct Ask;

impl Function for Ask {
    const NAME: &'static str = "Ask";
    const PLACE: Place = Place { file: file!(), line: line!() };
    type Bound = <Conn<'static, Own> as Parameter>::Bound;

    fn bind(link: &mut Link<'_>) -> Option<Self::Bound> {
        <Conn<'static, Own> as Parameter>::bind(link)
    }

    fn call<'a>(_: &'a Self::Bound, call: Call<'a>) -> Answer<'a> {
        Answer::action(call, Action::Reuse)
    }
}

fn registry() -> Registry {
    let registry = private::register(Registry::new().connector::<Own>());
    let registry = registry.function::<Double>().function::<Skip>().function::<Last>();
    registry.function::<Break>().function::<Hang>().function::<Ask>()
}

/// What is said of a test, its own file called `:`.
#[track_caller]
fn check(test: &str, said: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("conf.yml"), CONF).unwrap();
    let file = dir.path().join("test.yml");
    fs::write(&file, format!("kistype: test\ntname: T\n{test}")).unwrap();
    let conf = Conf::read(dir.path()).unwrap();
    let limit = Duration::from_secs(if test.contains("Hang") { 1 } else { 60 });
    let runtime = super::runtime().unwrap();
    let tested = runtime.block_on(super::one(&registry(), &conf, &conf.tests["T"], limit));
    assert_eq!(tested.passed, tested.differences.is_empty());
    let place = format!("{}:", file.display());
    let lines = tested.differences.iter().flat_map(|difference| {
        let head = format!("{}: {}", difference.place.replace(&place, ":"), difference.message);
        [head].into_iter().chain(difference.lines.iter().map(ToString::to_string))
    });
    assert_eq!(lines.collect::<Vec<_>>(), said);
}

#[test]
fn a_flow_that_does_what_is_expected_passes() {
    check(
        "flow: Count
given: {rows: [{n: 1}, {n: 2.5}]}
expect:
  rows: [{n: 2}, {n: 5}]
  calls: [Double, Skip, Last]
  outcome: aborted
",
        &[],
    );
}

#[test]
fn each_expectation_that_is_not_met_is_told_with_its_line() {
    check(
        "flow: Count
given: {rows: [{n: 1}, {n: 2.5}]}
expect:
  rows: [{n: 2}, {n: 6}]
  calls: [Double]
  outcome: completed
",
        &[
            ":8: the run is to be completed, and is aborted",
            ":7: other functions are called",
            "- Double",
            "+ Double → Skip → Last",
            ":6: other rows come out",
            "  {\"n\":2.0}",
            "- {\"n\":6}",
            "+ {\"n\":5.0}",
            "    n: expected 6, got 5.0",
        ],
    );
}

#[test]
fn rows_that_are_rejected_have_to_be_expected() {
    let given = "flow: Count\ngiven: {rows: [{n: x}, {n: 1}], raw: ['{']}\n";
    check(
        &format!("{given}expect:\n  rows: [{{n: 2}}]\n"),
        &[
            ":5: rows are rejected, and no row is expected to be",
            "+ {\"row\":0,\"function\":\"Double\",\"cause\":\"n is no number\"}",
            "+ {\"row\":2,\"function\":\"Double\",\"cause\":\"EOF while parsing an object at line 1 column 1\"}",
        ],
    );
    check(
        &format!(
            "{given}expect:\n  rejected: [{{row: 0, cause: no number}}, {{function: Double}}]\n"
        ),
        &[],
    );
    check(
        &format!("{given}expect:\n  rejected: [{{row: 1}}, {{cause: EOF}}]\n"),
        &[
            ":6: other rows are rejected than expected",
            "- {\"row\":1}",
            "+ {\"row\":0,\"function\":\"Double\",\"cause\":\"n is no number\"}",
            "  {\"row\":2,\"function\":\"Double\",\"cause\":\"EOF while parsing an object at line 1 column 1\"}",
        ],
    );
}

#[test]
fn a_function_alone_tells_its_action_and_jumps_nowhere() {
    let given = "function: Skip\ngiven: {rows: [{n: 1}]}\n";
    check(
        &format!(
            "{given}expect: {{action: 'Jump(Last) | Reuse', rows: [{{n: 1}}], calls: [Skip]}}\n"
        ),
        &[],
    );
    check(
        &format!("{given}expect:\n  action: Reuse\n  outcome: failed\n"),
        &[
            ":7: the run is to be failed, and is completed",
            ":6: the function asks for another action",
            "- Reuse",
            "+ Reuse | Jump(Last)",
        ],
    );
}

#[test]
fn a_run_that_fails_has_to_be_expected() {
    let given = "flow: Break\ngiven: {rows: [{n: 1}]}\n";
    check(&format!("{given}expect: {{error: out of order}}\n"), &[]);
    check(&format!("{given}expect: {{outcome: failed}}\n"), &[]);
    check(
        &format!("{given}expect: {{rows: []}}\n"),
        &[":5: the run fails: flow `Break`, function `Break`, attempt 2 failed: out of order"],
    );
    check(
        &format!("{given}expect:\n  error: paper jam\n"),
        &[
            ":6: the run fails with another error",
            "- paper jam",
            "+ flow `Break`, function `Break`, attempt 2 failed: out of order",
        ],
    );
    check(
        "flow: Keep\ngiven: {rows: [{id: 1, n: 1}]}\nexpect: {error: out of order}\n",
        &[":5: the run is to fail with \"out of order\", and is completed"],
    );
}

#[test]
fn the_global_conf_says_in_tests_too_how_rows_are_read() {
    let test = "function: Last\ngiven: {rows: [{N: 1}]}\nexpect: {rows: [{N: 1}]}\n";
    for global in ["must: off", "row_defaults: go"] {
        check(&format!("{test}---\n{{kistype: global, {global}}}\n"), &[]);
    }
    check(
        &format!("{test}---\n{{kistype: global, must: reject}}\n"),
        &[
            ":5: rows are rejected, and no row is expected to be",
            "+ {\"row\":0,\"function\":\"Last\",\"cause\":\"field `n`: the row has no field `n`, which `must` demands\"}",
            ":5: other rows come out",
            "- {\"N\":1}",
        ],
    );
}

#[test]
fn records_are_there_before_and_looked_at_afterwards() {
    check(
        "flow: Find
given: {records: {Numbers: {7: {n: 1.5}}}, rows: [{id: 7}]}
expect: {rows: [{id: 7, n: 1.5}], records: {Numbers: {7: {n: 1.5, m: null}}}}
",
        &[],
    );
    check(
        "flow: Keep
given: {rows: [{id: 1, n: 2}]}
expect:
  records:
    Numbers:
      1: {n: 3}
      2: {n: 2}
",
        &[
            ":8: record `1` of connector `Numbers` is another",
            "- {\"n\":3}",
            "+ {\"n\":2}",
            "    n: expected 3, got 2",
            ":9: connector `Numbers` has no record `2`",
            "- {\"n\":2}",
        ],
    );
}

#[test]
fn mistakes_of_a_test_are_told_all_at_once_with_suggestions() {
    check(
        "flow: Cuont
params: {a: 1}
given: {records: {Number: {1: {n: 1}}}}
expect:
  action: Reus
  outcome: complete
",
        &[
            ":3: no flow is named \"Cuont\"; did you mean \"Count\"?",
            ":4: only a test of one function has params; a flow has its own",
            ":5: no connector is named \"Number\"; did you mean \"Numbers\"?",
            ":8: \"complete\" is no outcome; did you mean \"completed\"?",
            ":7: only a test of one function has an `action`; for a flow say which functions it calls (`calls`)",
            ":7: \"Reus\" is no action; did you mean \"Reuse\"?",
        ],
    );
    check(
        "function: Doubel\n",
        &[
            ":1: the test expects nothing; write what has to come of it: `expect.rows`, `outcome`, `rejected`, `action`, `calls`, `error` or `records`",
            ":3: no function is named \"Doubel\"; did you mean \"Double\"?",
        ],
    );
    check(
        "flow: Count\ngiven: {records: {Numbers: {1: {n: 1}}}}\nexpect: {rows: []}\n",
        &[":4: no function of this test uses connector `Numbers`, or its engine keeps no records"],
    );
}

#[test]
fn what_a_test_cannot_run_fails_and_says_why() {
    check(
        "flow: Ask\nexpect: {rows: []}\n",
        &[
            ":3: function `Ask` talks to its engine itself, and a memory is in the engine's place; connectors of `type: own` start no private engine, so test it in Rust",
        ],
    );
    check(
        "flow: Hold\nexpect: {rows: []}\n",
        &[
            ":3: function `Hold` talks to its engine itself, and a memory is in the engine's place; write `test: {held: private}` into connector `Held`, which starts an engine for each test, or test it in Rust",
        ],
    );
    check(
        "function: Hang\ngiven: {rows: [{n: 1}]}\nexpect: {rows: []}\n",
        &[
            ":2: the test takes longer than 1s; a function of it does not end, or waits for what a test does not have",
        ],
    );
}
