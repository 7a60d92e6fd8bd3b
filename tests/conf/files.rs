//! Conf: KisFlow's files load unchanged, mistakes are explained all at once and where they stand,
//! and what is written loads back to the same.

use std::time::Duration;
use std::{fs, path::Path};

use kisflow::{Result, prelude::*};
use tempfile::TempDir;

#[derive(Serialize, Deserialize)]
struct Row {
    stu_id: u32,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its shape is read")]
struct Limits {
    max_id: u32,
    note: Option<String>,
}

#[faas("VerifyStu")]
fn verify_stu(_: &Row, _: Params<'_, Limits>) -> bool {
    true
}

#[faas("AvgStuScore")]
fn avg_stu_score(_: &Row) {}

#[faas("SaveScore")]
async fn save_score(_: &[Row], _: Store<'_>) -> Result<()> {
    Ok(())
}

#[faas("PrintStuAvgScore")]
fn print_stu_avg_score(_: &Row) {}

/// A directory with these files.
fn dir(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// Every problem of a directory, with the directory's own path cut off.
fn problems(dir: &Path) -> Vec<String> {
    let error = Registry::linked().check(dir).unwrap_err();
    let prefix = format!("{}/", dir.display());
    error.problems().iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

const FLOW: (&str, &str) =
    ("flow.yml", "kistype: flow\nstatus: 1\nflow_name: F\nflows:\n  - fname: AvgStuScore\n");
const AVG: (&str, &str) = ("avg.yml", "kistype: func\nfname: AvgStuScore\nfmode: Calculate\n");

/// One file beside a flow that is in order gives one problem.
#[track_caller]
fn check(file: &str, expected: &str) {
    check_all(&[FLOW, AVG, ("x.yml", file)], &[expected]);
}

#[track_caller]
fn check_all(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(problems(dir(files).path()), expected);
}

#[test]
fn a_conf_in_order_has_no_problem() {
    let conf = Registry::linked().check(dir(&[FLOW, AVG]).path()).unwrap();
    assert_eq!(conf.flows["F"].flows[0].fname, "AvgStuScore");
}

#[test]
fn an_empty_directory_and_a_missing_one_are_problems() {
    let empty = dir(&[]);
    let message = Registry::new().check(empty.path()).unwrap_err().to_string();
    assert_eq!(
        message,
        format!("{}: there is no .yml or .yaml file in this directory", empty.path().display())
    );
    let missing = empty.path().join("nowhere");
    let message = Registry::new().check(&missing).unwrap_err().to_string();
    let start = format!("{}: the directory cannot be read: ", missing.display());
    assert!(message.starts_with(&start), "{message}");
}

#[test]
fn yaml_that_does_not_parse_is_a_problem_with_its_line() {
    let found =
        problems(dir(&[FLOW, AVG, ("x.yml", "kistype: func\nfname: [a\nfmode: Verify\n")]).path());
    assert!(
        found.len() == 1
            && found[0].starts_with("x.yml:")
            && found[0].contains("the YAML does not parse: "),
        "{found:?}"
    );
}

#[test]
fn an_empty_file_is_a_problem() {
    check("", "x.yml: the file is empty; a conf file is a map with a `kistype`");
    check("# only a comment\n", "x.yml: the file is empty; a conf file is a map with a `kistype`");
}

#[test]
fn a_key_twice_is_a_problem() {
    check(
        "kistype: flow\nflow_name: a\nflow_name: b\nflows: [{fname: AvgStuScore}]\n",
        "x.yml:3: the YAML does not parse: duplicate mapping key: flow_name",
    );
}

#[test]
fn a_file_that_is_no_map_is_a_problem() {
    check("- a\n", "x.yml:1: a conf file is a map with a `kistype`, not a list");
}

#[test]
fn a_file_without_a_kistype_is_a_problem() {
    check(
        "fname: x\n",
        "x.yml:1: kistype: this key is required: one of flow, func, conn, source, test, global",
    );
}

#[test]
fn an_unknown_kistype_is_a_problem_with_a_suggestion() {
    check(
        "\nkistype: flwo\n",
        "x.yml:2: kistype: unknown kistype the text \"flwo\"; did you mean \"flow\"?",
    );
}

#[test]
fn an_unknown_key_is_a_problem_with_a_suggestion_wherever_it_stands() {
    check(
        "kistype: func\nfname: X\nfmode: Verify\nsource:\n  name: s\n  mst: [a]\n",
        "x.yml:6: source.mst: unknown key; did you mean \"must\"?",
    );
    check(
        "kistype: flow\nflow_name: X\nflows:\n  - fname: AvgStuScore\n    parms: {a: 1}\n",
        "x.yml:5: flows[0].parms: unknown key; did you mean \"params\"?",
    );
}

#[test]
fn an_unknown_mode_is_a_problem_with_a_suggestion() {
    check(
        "kistype: func\nfname: X\nfmode: Calculat\n",
        "x.yml:3: fmode: found the text \"Calculat\"; did you mean \"Calculate\"?",
    );
    check(
        "kistype: func\nfname: X\nfmode: Filter\n",
        "x.yml:3: fmode: found the text \"Filter\"; known: Verify, Save, Load, Calculate, Expand",
    );
    check("kistype: func\nfname: X\n", "x.yml:1: fmode: this key is required");
}

#[test]
fn an_unknown_function_is_a_problem_with_a_suggestion() {
    check(
        "kistype: flow\nflow_name: X\nflows:\n  - fname: AvgStuScore\n  - fname: AvgStuScor\n",
        "x.yml:5: flows[1].fname: no function is named \"AvgStuScor\"; did you mean \"AvgStuScore\"?",
    );
    check(
        "kistype: flow\nflow_name: X\nflows: [{fname: Elsewhere}]\n",
        "x.yml:3: flows[0].fname: no function is named \"Elsewhere\"; annotate one with `#[faas]`, and if that is done in another crate, name the crate in this program: `use that_crate as _;`",
    );
}

#[test]
fn a_function_of_a_file_without_a_conf_of_its_own_is_a_problem() {
    check_all(
        &[FLOW],
        &[
            "flow.yml:5: flows[0].fname: function \"AvgStuScore\" is in the code, and no file has its conf; write one with `kistype: func`, `fname: AvgStuScore` and its `fmode`",
        ],
    );
}

#[test]
fn an_unknown_connector_and_an_unknown_type_are_problems() {
    check(
        "kistype: func\nfname: X\nfmode: Save\noption:\n  cname: Score\n",
        "x.yml:5: option.cname: no connector is named \"Score\"",
    );
    check_all(
        &[
            FLOW,
            AVG,
            (
                "x.yml",
                "kistype: conn\ncname: C\ntype: memry\n---\nkistype: func\nfname: SaveScore\nfmode: Save\noption: {cname: C}\n",
            ),
        ],
        &[
            "x.yml:3: type: no connector of type \"memry\" is registered; did you mean \"memory\"?; register it with `.connector::<…>()`",
        ],
    );
}

#[test]
fn a_name_twice_is_a_problem_that_cites_both_places() {
    let found = problems(dir(&[FLOW, AVG, ("z.yml", AVG.1), ("zz.yml", FLOW.1)]).path());
    assert_eq!(found[0], "z.yml:2: fname: there is a function `AvgStuScore` already, in avg.yml:2");
    assert_eq!(found[1], "zz.yml:3: flow_name: there is a flow `F` already, in flow.yml:3");
}

#[test]
fn a_map_key_twice_is_a_problem_with_its_line() {
    let found = problems(
        dir(&[FLOW, AVG, ("x.yml", "kistype: func\nfname: X\nfmode: Verify\nfname: Y\n")]).path(),
    );
    assert!(
        found.len() == 1 && found[0].starts_with("x.yml:4:") && found[0].contains("fname"),
        "{found:?}"
    );
}

#[test]
fn a_flow_without_functions_is_a_problem() {
    check(
        "kistype: flow\nflow_name: X\n",
        "x.yml:1: flows: a flow has at least one function; add one, or set `status: 0` until there is one",
    );
    check(
        "kistype: flow\nflow_name: X\nflows: []\n",
        "x.yml:3: flows: a flow has at least one function; add one, or set `status: 0` until there is one",
    );
}

#[test]
fn a_load_or_save_function_without_a_connector_is_a_problem() {
    for (mode, list) in [("Load", "load"), ("Save", "save")] {
        check(
            &format!("kistype: func\nfname: X\nfmode: {mode}\noption:\n  retry_times: 1\n"),
            &format!(
                "x.yml:4: option.cname: a function with `fmode: {mode}` needs a connector: set `option.cname`, or name the function in the connector's `{list}` list"
            ),
        );
    }
}

#[test]
fn a_save_or_load_without_code_that_was_meant_to_have_some_is_a_problem() {
    let conn = "kistype: conn\ncname: C\ntype: memory\n";
    let check = |fname: &str, mode: &str, params: &str, expected: &[&str]| {
        let func = format!(
            "kistype: func\nfname: {fname}\nfmode: {mode}\noption:\n  cname: C\n  default_params: {params}\n"
        );
        let flow = format!("kistype: flow\nflow_name: X\nflows:\n  - fname: {fname}\n");
        let files = [("c.yml", conn), ("f.yml", &*func), ("x.yml", &*flow)];
        let inspected = Registry::linked().inspect(dir(&files).path());
        let found: Vec<String> = inspected.problems.iter().map(|p| p.message.clone()).collect();
        assert_eq!(found, expected, "{fname} {mode} {params}");
    };
    let without = "(Without code the connector's own storage would run; it needs the param `id`.)";
    let slip = |fname: &str| {
        format!("no function is named \"{fname}\"; did you mean \"SaveScore\"? {without}")
    };
    check("SaveScor", "Save", "{}", &[&slip("SaveScor")]);
    check("Save_Score", "Save", "{wait_ms: 5}", &[&slip("Save_Score")]);
    check("savescore", "Load", "{}", &[&slip("savescore")]);
    let unwritten = format!(
        "no function is named \"KeepOrders\"; write it and annotate it with `#[faas(\"KeepOrders\")]`. {without}"
    );
    check("KeepOrders", "Save", "{}", &[&unwritten]);
    check(
        "KeepOrders",
        "Save",
        "{fields: [a]}",
        &["function `KeepOrders`: the param `id` is required"],
    );
    check("KeepOrders", "Save", "{id: order_id}", &[]);
    check(
        "SaveScor",
        "Load",
        "{id: stu_id}",
        &[
            "no function is named \"SaveScor\", so the connector's own storage runs; did you mean \"SaveScore\", which the conf does not use? If not, choose a name that differs more",
        ],
    );
}

#[tokio::test]
async fn a_name_that_is_near_to_a_function_is_no_problem_where_the_conf_uses_that_or_the_flow_only_runs()
 {
    let conn = "kistype: conn\ncname: C\ntype: memory\n";
    let func = |fname: &str| {
        format!(
            "kistype: func\nfname: {fname}\nfmode: Save\noption: {{cname: C, default_params: {{id: stu_id}}}}\n"
        )
    };
    let flow = "kistype: flow\nflow_name: X\nflows: [{fname: SaveScores}]\n";
    let (near, used) = (func("SaveScores"), func("SaveScore"));
    let files = dir(&[("c.yml", conn), ("f.yml", &near), ("u.yml", &used), ("x.yml", flow)]);
    Registry::linked().check(files.path()).unwrap();
    let files = dir(&[("c.yml", conn), ("f.yml", &near), ("x.yml", flow)]);
    assert_eq!(problems(files.path()).len(), 1);
    Registry::linked().load(files.path()).await.unwrap();
}

#[test]
fn params_of_the_wrong_type_are_a_problem_at_the_line_that_sets_them() {
    let verify = "kistype: func\nfname: VerifyStu\nfmode: Verify\noption:\n  default_params:\n    max_id: ten\n";
    let flow = "kistype: flow\nflow_name: X\nflows:\n  - fname: VerifyStu\n";
    let expected = "v.yml:6: option.default_params.max_id: function `VerifyStu`: the params do not fit `conf::files::Limits`: invalid type: string \"ten\", expected u32";
    check_all(&[FLOW, AVG, ("v.yml", verify), ("x.yml", flow)], &[expected]);
    let flow = format!("{flow}    params:\n      max_id: -1\n");
    let expected = "x.yml:6: flows[0].params.max_id: function `VerifyStu`: the params do not fit `conf::files::Limits`: invalid value: integer `-1`, expected u32";
    check_all(&[FLOW, AVG, ("v.yml", verify), ("x.yml", &flow)], &[expected]);
}

#[test]
fn a_missing_param_and_a_slip_of_one_are_both_explained() {
    let verify = "kistype: func\nfname: VerifyStu\nfmode: Verify\noption:\n  default_params:\n    max_idd: 1\n";
    let flow = "kistype: flow\nflow_name: X\nflows: [{fname: VerifyStu}]\n";
    let expected = [
        "v.yml:5: option.default_params: function `VerifyStu`: the params do not fit `conf::files::Limits`: missing field `max_id`; known: max_id, note",
        "v.yml:6: option.default_params.max_idd: function `VerifyStu`: unknown param; did you mean \"max_id\"?; known: max_id, note",
    ];
    check_all(&[FLOW, AVG, ("v.yml", verify), ("x.yml", flow)], &expected);
}

#[test]
fn params_that_no_type_asks_for_are_let_through() {
    let avg = "kistype: func\nfname: AvgStuScore\nfmode: Calculate\noption:\n  default_params: {anything: [1, {at: all}]}\n";
    let conf = Registry::linked().check(dir(&[FLOW, ("avg.yml", avg)]).path()).unwrap();
    assert_eq!(
        conf.functions["AvgStuScore"].option.default_params["anything"],
        serde_json::json!([1, {"at": "all"}])
    );
}

#[test]
fn a_connector_param_that_does_not_fit_is_a_problem_and_an_unknown_one_is_let_through() {
    check(
        "kistype: conn\ncname: C\ntype: memory\nparams:\n  args1: value1\n  max_records: many\n",
        "x.yml:6: params.max_records: the params do not fit `kisflow_core::connector::memory::MemoryParams`: invalid type: string \"many\", expected usize",
    );
    check(
        "kistype: conn\ncname: C\ntype: memory\nparams:\n  ttl_m: 5\n",
        "x.yml:5: params.ttl_m: unknown param; did you mean \"ttl_ms\"?; known: max_records, ttl_ms",
    );
}

#[test]
fn the_lists_of_a_connector_are_checked_against_the_functions() {
    let conn =
        "kistype: conn\ncname: C\ntype: memory\nload:\n  - AvgStuScore\nsave:\n  - SaveScor\n";
    let save = "kistype: func\nfname: SaveScore\nfmode: Save\noption: {cname: C}\n";
    let expected = [
        "c.yml:5: load[0]: function `AvgStuScore` has `fmode: Calculate` (avg.yml:3) and stands in the `load` list",
        "c.yml:7: save[0]: no function is named \"SaveScor\"; did you mean \"SaveScore\"?",
    ];
    let files = dir(&[FLOW, AVG, ("c.yml", conn), ("s.yml", save)]);
    let found: Vec<String> = problems(files.path())
        .into_iter()
        .map(|problem| problem.replace(&format!("{}/", files.path().display()), ""))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_function_that_a_connector_lists_uses_it_without_naming_it() {
    let conn = "kistype: conn\ncname: C\ntype: memory\nsave: [SaveScore]\nload: null\n";
    let save = "kistype: func\nfname: SaveScore\nfmode: Save\n";
    let flow = "kistype: flow\nflow_name: X\nflows: [{fname: SaveScore}]\n";
    Registry::linked()
        .check(dir(&[("c.yml", conn), ("s.yml", save), ("x.yml", flow)]).path())
        .unwrap();
}

#[test]
fn values_of_the_wrong_kind_are_problems() {
    check_all(
        &[
            FLOW,
            AVG,
            (
                "a.yml",
                "kistype: flow\nstatus: yes please\nflow_name: A\njump_limit: -1\non_reject: drop\nflows:\n  - AvgStuScore\n",
            ),
            ("g.yml", "kistype: global\nprometheus_enable: 1\n"),
        ],
        &[
            "a.yml:2: status: expected 1 (runs) or 0 (does not), found the text \"yes please\"",
            "a.yml:4: jump_limit: expected a whole number from 0, found `-1`",
            "a.yml:5: on_reject: found the text \"drop\"; known: fail, quarantine",
            "a.yml:7: flows[0]: expected a map, found the text \"AvgStuScore\"",
            "g.yml:2: prometheus_enable: expected true or false, found `1`",
        ],
    );
}

#[test]
fn all_problems_of_all_files_come_at_once() {
    let files = dir(&[
        AVG,
        (
            "a.yml",
            "kistype: flow\nflow_name: A\nflows:\n  - fname: Nobody\n  - fname: AvgStuScore\n",
        ),
        ("b/c.yaml", "kistype: func\nfname: Q\nfmode: Loda\n"),
        ("d.yml", "kistype: conn\ntype: kafka\n"),
    ]);
    let error = Registry::linked().check(files.path()).unwrap_err();
    assert_eq!(error.problems().len(), 3, "{error}");
    assert!(error.to_string().starts_with("3 problems in the conf:\n  "));
}

/// KisFlow's two spellings of one thing, and its test conf, as they are in its repository.
#[test]
fn kisflows_own_files_load_as_they_are() {
    let files = dir(&[
        (
            "kis-flow.yml",
            "#kistype Global为kisflow的全局配置\nkistype: global\nprometheus_enable: false\nprometheus_listen: true\nprometheus_serve: 0.0.0.0:20004",
        ),
        (
            "conn/conn-ConnName1.yml",
            "kistype: conn\ncname: ConnName1\naddrs: '0.0.0.0:9988,0.0.0.0:9999,0.0.0.0:9990'\ntype: memory\nkey: redis-key\nparams:\n  args1: value1\n  args2: value2\nload: null\nsave:\n  - SaveScore",
        ),
        (
            "flow/flow-F.yml",
            "kistype: flow\nstatus: 1\nflow_name: flowName1\nflows:\n  - fname: VerifyStu\n    params:\n      myKey1: flowValue1-1\n      max_id: 999\n  - fname: SaveScore\n  - fname: AvgStuScore\n",
        ),
        (
            "func/func-1.yml",
            "kistype: func\nfname: VerifyStu\nfmode: Verify\nsource:\n  name: 公司抖音户订单数据\n  must:\n    - order_id\n    - user_id\noption:\n  default_params:\n    default1: funcName1_param1\n",
        ),
        (
            "func/func-2.yml",
            "kistype: func\nfname: SaveScore\nfmode: Save\nsource:\n  name: UserOrderErrorRate\n  must:\n    - order_id\noption:\n  cname: ConnName1\n  retry_times: 3\n  return_duration: 500\n  default_params: {}\n",
        ),
        ("func/func-3.yml", "kistype: func\nfname: AvgStuScore\nfmode: Calculate\n"),
    ]);
    let conf = Registry::linked().check(files.path()).unwrap();
    assert_eq!(conf.functions["SaveScore"].option.retry_duration, Some(Duration::from_millis(500)));
    assert_eq!(conf.functions["VerifyStu"].source.must, ["order_id", "user_id"]);
    assert_eq!(conf.connectors["ConnName1"].params["args2"], "value2");
}

#[test]
fn the_better_name_of_return_duration_is_known_and_both_at_once_are_a_problem() {
    let function = |option: &str| {
        format!("kistype: func\nfname: X\nfmode: Verify\noption:\n  retry_duration: 7\n{option}")
    };
    let conf =
        Registry::linked().check(dir(&[FLOW, AVG, ("x.yml", &function(""))]).path()).unwrap();
    assert_eq!(conf.functions["X"].option.retry_duration, Some(Duration::from_millis(7)));
    check(
        &function("  return_duration: 8\n"),
        "x.yml:6: option.return_duration: this is KisFlow's name of `retry_duration`; keep one of the two",
    );
}

#[tokio::test]
async fn what_is_exported_loads_back_to_the_same() {
    let out = tempfile::tempdir().unwrap();
    let mut conf = Conf::new()
        .connector(
            ConnConf::new("Ünï/cöde", "memory").key("k_").param("max_records", 5).save("SaveScore"),
        )
        .function(
            FunctionConf::new("SaveScore", Mode::Save)
                .must("a b")
                .connector("Ünï/cöde")
                .retry(3, Duration::from_millis(7))
                .timeout(Duration::from_millis(9))
                .jump("AvgStuScore"),
        )
        .function(
            FunctionConf::new("VerifyStu", Mode::Verify)
                .source("yes")
                .param("max_id", 999)
                .param("note", "no: it's \"quoted\"\n"),
        )
        .flow(
            FlowConf::new("true")
                .then_named(StepConf::of::<verify_stu>().param("max_id", 5))
                .then::<save_score>()
                .then::<avg_stu_score>()
                .on_reject(OnReject::Quarantine)
                .jump_limit(3),
        )
        .flow(FlowConf::new("007").then::<avg_stu_score>());
    conf.global = GlobalConf::default();
    let flows = Registry::linked().link(conf.clone()).await.unwrap();
    flows.get("007").unwrap().append("PrintStuAvgScore").await.unwrap();
    flows.export(out.path()).unwrap();
    let read = Conf::read(out.path()).unwrap();
    assert_eq!(read, flows.conf());
    assert_ne!(read, conf, "what was appended is exported too");
    let again = Registry::linked().load(out.path()).await.unwrap();
    assert_eq!(again.conf(), flows.conf());
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_that_names_the_file() {
    let file = dir(&[("taken", "")]);
    let conf = Conf::new().flow(FlowConf::new("F").then::<avg_stu_score>());
    let error = conf.write(file.path().join("taken")).unwrap_err();
    assert!(error.to_string().contains("taken/flow"), "{error}");
}

#[tokio::test]
async fn an_unknown_flow_is_an_error_with_a_suggestion() {
    let flows = Registry::linked()
        .link(FlowConf::new("CalStuAvgScore").then::<avg_stu_score>())
        .await
        .unwrap();
    let error = flows.get("CalStuAvgScor").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no flow is named \"CalStuAvgScor\"; did you mean \"CalStuAvgScore\"?"
    );
}

#[test]
fn more_must_fields_than_the_limit_are_a_problem_in_files_and_in_code() {
    let fields: Vec<String> = (0..65).map(|field| format!("f{field}")).collect();
    check(
        &format!(
            "kistype: func\nfname: X\nfmode: Verify\nsource:\n  must: [{}]\n",
            fields.join(", ")
        ),
        "x.yml:5: source.must: 65 fields; the limit is 64",
    );
}

#[test]
fn hidden_files_are_no_conf() {
    let files = dir(&[FLOW, AVG, ("..2026_11_20/flow.yml", FLOW.1), (".flow.yml", "no: conf")]);
    Registry::linked().check(files.path()).unwrap();
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text =
        "kistype: func\nfname: X\nfmode: Verify\na0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let before = level - 1;
        text.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{before}"); 9].join(",")
        ));
    }
    let found = problems(dir(&[FLOW, AVG, ("x.yml", &text)]).path());
    assert!(found.len() == 1 && found[0].contains("the YAML does not parse"), "{found:?}");
}
