//! `${NAME}` in conf files, the secrets that come that way, and what of a conf is only noted.

use std::{fs, path::Path};

use kisflow_core::{
    AsStorage, ConnConf, Connector, Inspection, Memory, MemoryParams, Problem, Registry, Result,
    async_trait,
};
use serde_json::json;
use tempfile::TempDir;

fn dir(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// `type: shop`: asks for a port, and panics if it is to.
struct Shop(Memory);

#[derive(serde::Deserialize)]
struct ShopParams {
    #[serde(default)]
    port: u16,
    #[serde(default)]
    panics: bool,
}

#[async_trait]
impl Connector for Shop {
    const TYPE: &'static str = "shop";
    type Params = ShopParams;

    async fn connect(conf: &ConnConf, params: ShopParams) -> Result<Self> {
        assert!(!params.panics, "no dsn");
        if params.port == 1 {
            return Err("port 1 is closed".into());
        }
        Ok(Self(Memory::connect(conf, MemoryParams::default()).await?))
    }

    fn storage() -> Option<AsStorage<Self>> {
        Some(|shop| &shop.0)
    }
}

fn registry() -> Registry {
    Registry::new()
        .connector::<Shop>()
        .variable("HOST", "redis.internal")
        .variable("PORT", "6379")
        .variable("EMPTY", "")
        .variable("PW", "hunter2")
        .variable("ODD", "a: [b]\n- c # d")
        .variable("ZIP", "01234")
        .variable("SWITCH", "yes")
}

fn inspect(text: &str) -> (TempDir, Inspection) {
    let dir = dir(&[("x.yml", text)]);
    let inspection = registry().inspect(dir.path());
    (dir, inspection)
}

fn told(dir: &Path, problems: &[Problem]) -> Vec<String> {
    let prefix = format!("{}/", dir.display());
    problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

const FLOW: &str = "---\nkistype: flow\nflow_name: F\nflows: [{fname: Keep}]\n---\nkistype: func\nfname: Keep\nfmode: Save\noption: {cname: C, default_params: {id: id}}\n";

#[test]
fn variables_stand_in_every_value_of_every_kind() {
    let (dir, inspection) = inspect(
        "kistype: conn\ncname: C\ntype: ${TYPE:-memory}\naddrs: ${HOST}:${PORT},${HOST}2:${PORT}\nkey: \"${EMPTY}k_\"\nparams:\n  zip: ${ZIP}\n  port: ${PORT}\n  quoted: \"${PORT}\"\n  list: [a, \"${ODD}\"]\n  price: 5 US$ $$ $${HOST} $HOST\n  ${HOST}: key\n---\nkistype: source\nsname: S\ntype: file\nkey: ${HOST}\nin_flight: ${N:-7}\nisolate: ${SWITCH}\n---\nkistype: func\nfname: Keep\nfmode: ${MODE:-Save}\nsource: {must: [\"${HOST}\"]}\noption: {cname: C, timeout: \"${T:-50}\", return_duration: \"${T:-70}\", default_params: {id: \"${HOST}\"}}\n---\nkistype: flow\nflow_name: ${HOST}\nstatus: ${STATUS:-0}\nflows:\n  - fname: Keep\n    params: {a: \"x${PORT}y\"}\n---\nkistype: global\ngrace_ms: ${PORT}\n---\nkistype: test\ntname: ${HOST}\nfunction: Keep\nparams: {a: \"${PORT}\"}\ngiven: {rows: [{a: \"${HOST} $$\"}], raw: [\"${GONE}\"], records: {C: {\"1\": {a: \"${GONE}\"}}}}\nexpect: {rows: [{a: \"${GONE}\"}]}\n",
    );
    let conf = &inspection.conf;
    let problems: Vec<_> = told(dir.path(), &inspection.problems)
        .into_iter()
        .filter(|problem| !problem.contains("no source of type"))
        .collect();
    assert!(problems.is_empty(), "{problems:?}");
    let conn = &conf.connectors["C"];
    assert_eq!((&*conn.engine, &*conn.key), ("memory", "k_"));
    assert_eq!(conn.addrs, "redis.internal:6379,redis.internal2:6379");
    assert_eq!(conn.params["zip"].as_str(), Some("01234"));
    assert_eq!(conn.params["port"].to_json(), json!(6379));
    assert_eq!(conn.params["quoted"].to_json(), json!("6379"));
    assert_eq!(conn.params["list"].to_json(), json!(["a", "a: [b]\n- c # d"]));
    assert_eq!(conn.params["price"].as_str(), Some("5 US$ $ ${HOST} $HOST"));
    assert_eq!(conn.params["${HOST}"].as_str(), Some("key"), "a key is no value");
    assert_eq!((conf.sources["S"].in_flight, conf.sources["S"].isolate), (7, true));
    assert_eq!(conf.functions["Keep"].source.must, ["redis.internal"]);
    assert_eq!(conf.flows["redis.internal"].flows[0].params["a"].as_str(), Some("x6379y"));
    let test = &conf.tests["redis.internal"];
    assert_eq!(test.params["a"].as_str(), Some("6379"));
    assert_eq!(test.given.rows, [json!({"a": "${HOST} $$"})], "rows have no variables");
    assert_eq!(test.given.raw, ["${GONE}"]);
    assert_eq!(test.given.records["C"]["1"]["a"], "${GONE}");
    let out = tempfile::tempdir().unwrap();
    conf.write(out.path()).unwrap();
    let again = registry().inspect(out.path()).conf;
    assert_eq!(again, *conf);
    let written = |file: &str| fs::read_to_string(out.path().join(file)).unwrap();
    let conn = written("conn/conn-C.yml");
    for line in [
        "type: ${TYPE:-memory}",
        "addrs: ${HOST}:${PORT},${HOST}2:${PORT}",
        "port: ${PORT}",
        "quoted: \"${PORT}\"",
        "zip: ${ZIP}",
        "- \"${ODD}\"",
    ] {
        assert!(conn.contains(line), "{line} in {conn}");
    }
    assert!(written("source/source-S.yml").contains("in_flight: ${N:-7}"));
    let function = written("func/func-Keep.yml");
    assert!(function.contains("timeout: \"${T:-50}\""), "{function}");
    assert!(function.contains("retry_duration: \"${T:-70}\""), "{function}");
    assert!(written("kis-flow.yml").contains("grace_ms: ${PORT}"));
}

#[test]
fn what_is_not_set_is_told_with_its_key_and_together_with_everything_else() {
    let (dir, inspection) = inspect(
        "kistype: conn\ncname: C\ntype: memory\naddrs: a:${GONE},${LOST}\nparams:\n  list: [x, \"${GONE}\"]\n  bad: ${\n  worse: \"${a b}\"\nkeyy: 1\n",
    );
    let unset = |name: &str| {
        format!(
            "the environment variable `{name}` is not set; set it, or give a default: `${{{name}:-…}}`"
        )
    };
    let form = "expected `${NAME}` or `${NAME:-default}`, and `$$` for a dollar";
    assert_eq!(
        told(dir.path(), &inspection.problems),
        [
            format!("x.yml:4: addrs: {}; {}", unset("GONE"), unset("LOST")),
            format!("x.yml:6: params.list[1]: {}", unset("GONE")),
            format!("x.yml:7: params.bad: a `${{` has no `}}`; {form}"),
            format!(
                "x.yml:8: params.worse: a `${{` has \"a b\" in its braces, which is no name of a variable; {form}"
            ),
            "x.yml:9: keyy: unknown key; did you mean \"key\"?".to_owned(),
        ]
    );
    let (dir, inspection) = inspect("kistype: conn\ncname: C\nparams: {a: ${GONE}}\n");
    let found = told(dir.path(), &inspection.problems);
    assert!(
        found[0].contains("within { } and [ ] a `${…}` needs quotes: \"${NAME}\""),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_secret_that_is_not_set_is_noted_and_only_what_connects_needs_it() {
    let text =
        format!("kistype: conn\ncname: C\ntype: memory\nparams:\n  password: ${{GONE}}\n{FLOW}");
    let dir = dir(&[("x.yml", &text)]);
    let inspection = registry().inspect(dir.path());
    let note = "x.yml:5: params.password: the environment variable `GONE` is not set; set it, or give a default: `${GONE:-…}`";
    assert!(inspection.problems.is_empty(), "{:?}", inspection.problems);
    assert_eq!(told(dir.path(), &inspection.notes), [note]);
    let error = registry().load(dir.path()).await.unwrap_err();
    assert!(error.is_conf());
    assert_eq!(told(dir.path(), error.problems()), [note]);
    let error = registry().link(inspection.conf.clone()).await.unwrap_err();
    assert_eq!(told(dir.path(), error.problems()), [note]);
    let error = registry().ping(&inspection.conf.connectors["C"]).await.unwrap_err();
    assert!(error.to_string().contains("`GONE` is not set"), "{error}");
    registry().stub_connectors().load(dir.path()).await.unwrap();
    registry().variable("GONE", "x").load(dir.path()).await.unwrap();
    let out = tempfile::tempdir().unwrap();
    inspection.conf.write(out.path()).unwrap();
    let written = fs::read_to_string(out.path().join("conn/conn-C.yml")).unwrap();
    assert!(written.contains("password: ${GONE}"), "{written}");
}

#[test]
fn a_secret_of_the_environment_shows_nowhere_and_one_in_a_file_is_noted() {
    let (dir, inspection) = inspect(
        "kistype: conn\ncname: C\ntype: memory\nparams:\n  password: ${PW}\n  token: abc\n  token_env: NOT_SET\n",
    );
    assert!(!format!("{:?}", inspection.conf).contains("hunter2"));
    assert_eq!(inspection.conf.connectors["C"].params["password"].as_str(), Some("hunter2"));
    assert_eq!(
        told(dir.path(), &inspection.notes),
        [
            "x.yml:6: params.token: a secret stands in the file; give it by the environment: `${TOKEN}`",
            "x.yml:7: params.token_env: the environment variable `NOT_SET` is not set; what connects needs it",
        ]
    );
    let out = tempfile::tempdir().unwrap();
    inspection.conf.write(out.path()).unwrap();
    let written = fs::read_to_string(out.path().join("conn/conn-C.yml")).unwrap();
    assert!(written.contains("password: ${PW}") && !written.contains("hunter2"), "{written}");
    let (dir, inspection) = inspect(
        "kistype: conn\ncname: C\ntype: shop\nparams: {port: {secret: \"${PW}\"}}\nsave: [X]\n",
    );
    let found = told(dir.path(), &inspection.problems).join("\n");
    assert!(found.contains("params.port") && !found.contains("hunter2"), "{found}");
}

#[test]
fn a_conf_may_lie_in_several_directories_and_its_files_may_end_in_capitals() {
    let one = dir(&[("C.YML", "kistype: conn\ncname: C\ntype: memory\n"), ("x.txt", "no conf")]);
    let two = dir(&[("F.Yaml", FLOW)]);
    let inspection = registry().inspect_all([one.path(), two.path()]);
    assert!(inspection.problems.is_empty(), "{:?}", inspection.problems);
    let inspection = registry().inspect_all([one.path(), one.path()]);
    assert!(inspection.problems.is_empty(), "a file twice is one: {:?}", inspection.problems);
    let empty = tempfile::tempdir().unwrap();
    let inspection = registry().inspect_all([one.path(), empty.path()]);
    assert_eq!(inspection.problems.len(), 1);
    assert!(inspection.problems[0].message.starts_with("there is no .yml or .yaml file"));
}

#[tokio::test]
async fn a_connector_that_panics_or_fails_is_named_with_its_address() {
    for (params, expect) in
        [("{panics: yes}", "panicked: no dsn"), ("{port: 1}", "cannot connect: port 1 is closed")]
    {
        let conn = format!(
            "kistype: conn\ncname: C\ntype: shop\naddrs: 10.0.0.1:3306\nparams: {params}\n"
        );
        let dir = dir(&[("c.yml", &conn), ("f.yml", FLOW)]);
        let error = registry().load(dir.path()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("connector `C` at 10.0.0.1:3306 {expect}"));
    }
}

#[tokio::test]
async fn a_connector_that_nobody_uses_and_a_flow_that_does_not_run_stop_nothing() {
    let text = format!(
        "kistype: conn\ncname: C\ntype: memory\n{FLOW}---\nkistype: conn\ncname: NoType\naddrs: 127.0.0.1:1\nkey: k_\n---\nkistype: conn\ncname: Unknown\ntype: mysql\n---\nkistype: flow\nstatus: 0\nflow_name: NotYet\nflows:\n  - fname: ComesNextWeek\n---\nkistype: flow\nstatus: 0\nflow_name: Empty\nflows:\n"
    );
    let dir = dir(&[("x.yml", &text)]);
    let inspection = registry().inspect(dir.path());
    assert!(inspection.problems.is_empty(), "{:?}", inspection.problems);
    let notes = told(dir.path(), &inspection.notes).join("\n");
    for note in [
        "x.yml:14: type: the connector has no type; no flow that runs uses it",
        "x.yml:21: type: no connector of type \"mysql\" is registered; no flow that runs uses it",
        "flows[0].fname: no function is named \"ComesNextWeek\"",
        "flows: a flow has at least one function",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    let flows = registry().load(dir.path()).await.unwrap();
    assert_eq!(flows.names().collect::<Vec<_>>(), ["Empty", "F", "NotYet"]);
    let rows = || kisflow_core::Batch::json(["{}"]);
    assert_eq!(flows.get("NotYet").unwrap().run(rows()).await.unwrap().rows_out(), 1);
    let out = tempfile::tempdir().unwrap();
    flows.export(out.path()).unwrap();
    assert_eq!(registry().inspect(out.path()).conf.connectors["NoType"].engine, "");
    // Used, each is a problem.
    let used = text.replace("cname: C,", "cname: NoType,").replace("status: 0\n", "");
    let used = self::dir(&[("x.yml", &used)]);
    let problems = told(used.path(), &registry().inspect(used.path()).problems).join("\n");
    for problem in [
        "x.yml:14: type: this key is required: one of memory, shop",
        "no function is named \"ComesNextWeek\"",
        "flows: a flow has at least one function; add one, or set `status: 0` until there is one",
    ] {
        assert!(problems.contains(problem), "{problem} in {problems}");
    }
}

#[tokio::test]
async fn connectors_that_only_a_flow_which_does_not_run_uses_may_be_missing() {
    let idle = "---\nkistype: flow\nstatus: 0\nflow_name: NotYet\nflows: [{fname: Far}, {fname: Gone}, {fname: None}, {fname: Two}]\n---\n{kistype: func, fname: Far, fmode: Save, option: {cname: Mysql, default_params: {id: id}}}\n---\n{kistype: func, fname: Gone, fmode: Load, option: {cname: Nowhere, default_params: {id: id}}}\n---\n{kistype: func, fname: None, fmode: Save}\n---\n{kistype: func, fname: Two, fmode: Save, option: {cname: {a: Sql, b: C}}}\n---\n{kistype: conn, cname: Mysql, type: mysql, addrs: 'h:1'}\n---\n{kistype: conn, cname: Sql, type: mysql, addrs: 'h:1'}\n";
    let text = format!("kistype: conn\ncname: C\ntype: memory\n{FLOW}{idle}");
    let dir = dir(&[("x.yml", &text)]);
    let inspection = registry().inspect(dir.path());
    assert!(inspection.problems.is_empty(), "{:?}", inspection.problems);
    let notes = told(dir.path(), &inspection.notes).join("\n");
    for note in [
        "flows[0].fname: the function uses connector `Mysql`, which is not there or of a type that nobody registered",
        "flows[1].fname: the function uses connector `Nowhere`, which",
        "flows[3].fname: the function uses connector `Sql`, which",
        "type: no connector of type \"mysql\" is registered; no flow that runs uses it",
    ] {
        assert!(notes.contains(note), "{note} in {notes}");
    }
    let flows = registry().load(dir.path()).await.unwrap();
    let rows = kisflow_core::Batch::json(["{}"]);
    assert_eq!(flows.get("NotYet").unwrap().run(rows).await.unwrap().rows_out(), 1);
    // A flow that runs does not take one of them in.
    let refused = flows.get("F").unwrap().append("Far").await.unwrap_err().to_string();
    assert!(refused.contains("the function uses connector `Mysql`"), "{refused}");
    // Of a flow that runs, each is a problem.
    let running = self::dir(&[("x.yml", &text.replace("status: 0\n", ""))]);
    let problems = told(running.path(), &registry().inspect(running.path()).problems).join("\n");
    for problem in [
        "option.cname: no connector is named \"Nowhere\"",
        "option.cname: a function with `fmode: Save` needs a connector",
        "connector of type \"mysql\" is registered; known: memory, shop; register it",
    ] {
        assert!(problems.contains(problem), "{problem} in {problems}");
    }
    assert_eq!(problems.matches("type \"mysql\" is registered; known").count(), 2, "{problems}");
}
