//! The memory connector's bounds, and Save and Load without a line of Rust.

use std::time::Duration;

use kisflow::{Result, prelude::*};

fn conf(connector: ConnConf, wait_ms: u64) -> Conf {
    let save = FunctionConf::new("SaveAvg", Mode::Save)
        .connector("Scores")
        .param("id", "stu_id")
        .param("fields", "avg_score, name");
    let load = FunctionConf::new("LoadAvg", Mode::Load)
        .connector("Scores")
        .param("id", "stu_id")
        .param("wait_ms", wait_ms.to_string())
        .param("fields", serde_json::json!({"avg_score": "before"}));
    Conf::new()
        .connector(connector)
        .function(save)
        .function(load)
        .flow(FlowConf::new("Save").then_named("SaveAvg").on_reject(OnReject::Quarantine))
        .flow(FlowConf::new("Load").then_named("LoadAvg").on_reject(OnReject::Quarantine))
}

fn memory() -> ConnConf {
    ConnConf::new("Scores", "memory").key("stu_")
}

async fn run(flows: &Flows, flow: &str, rows: &[&str]) -> Result<Report, RunError> {
    let result = flows.get(flow).unwrap().run(Batch::json(rows.iter().copied())).await;
    result.as_ref().unwrap_or_else(|error| error.report()).assert_balanced();
    result
}

#[tokio::test]
async fn rows_are_saved_and_loaded_by_conf_alone() {
    let flows = Registry::new().link(conf(memory(), 0)).await.unwrap();
    let rows = [
        r#"{"stu_id":101,"avg_score":95.5,"name":"007","more":1}"#,
        r#"{"stu_id":102,"avg_score":90,"name":null}"#,
    ];
    let saved = run(&flows, "Save", &rows).await.unwrap();
    assert_eq!(
        saved.output().to_ndjson().unwrap(),
        format!("{}\n{}\n", rows[0], rows[1]),
        "rows go on as they came"
    );
    let loaded =
        run(&flows, "Load", &[r#"{"stu_id":102,"today":1}"#, r#"{"stu_id":"101"}"#]).await.unwrap();
    let expected =
        "{\"before\":90,\"stu_id\":102,\"today\":1}\n{\"before\":95.5,\"stu_id\":\"101\"}\n";
    assert_eq!(loaded.output().to_ndjson().unwrap(), expected);
}

#[tokio::test]
async fn a_row_without_its_id_its_field_or_its_record_is_rejected_alone() {
    let flows = Registry::new().link(conf(memory(), 0)).await.unwrap();
    let rows = [
        r#"{"stu_id":1,"avg_score":1,"name":"a"}"#,
        r#"{"avg_score":1,"name":"b"}"#,
        r#"{"stu_id":[2],"avg_score":1}"#,
        r#"{"stu_id":3}"#,
    ];
    let causes = |report: &Report| {
        report
            .rejected()
            .iter()
            .map(|reject| (reject.index(), reject.cause().to_string()))
            .collect::<Vec<_>>()
    };
    let saved = run(&flows, "Save", &rows).await.unwrap();
    assert_eq!(saved.rows_out(), 1);
    let expected = [
        (1, "the row has no field `stu_id`, which is its id"),
        (2, "field `stu_id` is [2], which is no id"),
        (3, "the row has no field `avg_score`, which is to be saved"),
    ];
    assert_eq!(causes(&saved), expected.map(|(index, cause)| (index, cause.to_owned())));
    let loaded = run(&flows, "Load", &[r#"{"stu_id":9}"#, r#"{"stu_id":1}"#]).await.unwrap();
    assert_eq!(
        causes(&loaded),
        [(0, "there is no record `stu_9`; the param `wait_ms` would wait for it".to_owned())]
    );
    assert_eq!(loaded.output().to_ndjson().unwrap(), "{\"before\":1,\"stu_id\":1}\n");
}

#[tokio::test]
async fn what_conf_alone_needs_is_a_problem_when_it_is_missing() {
    let conf = Conf::new()
        .connector(memory())
        .function(
            FunctionConf::new("SaveAvg", Mode::Save)
                .connector("Scores")
                .param("wait_m", 5)
                .param("fields", serde_json::json!([[7]])),
        )
        .flow(FlowConf::new("Save").then_named("SaveAvg"));
    let error = Registry::new().link(conf).await.unwrap_err().to_string();
    for part in [
        "option.default_params.wait_m: function `SaveAvg`: unknown param; did you mean \"wait_ms\"?",
        "option.default_params.id: function `SaveAvg`: the param `id` is required",
        "option.default_params.fields: function `SaveAvg`: the param `fields` does not fit: `fields` is a list of names",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_full_memory_refuses_new_records_and_keeps_the_old() {
    let flows = Registry::new().link(conf(memory().param("max_records", 2), 0)).await.unwrap();
    let row = |id: u32| format!(r#"{{"stu_id":{id},"avg_score":{id},"name":"x"}}"#);
    run(&flows, "Save", &[&row(1), &row(2)]).await.unwrap();
    run(&flows, "Save", &[&row(2), &row(2)]).await.unwrap();
    let error = run(&flows, "Save", &[&row(1), &row(3)]).await.unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        "flow `Save`, function `SaveAvg` failed: connector `Scores` is full: 2 records, and 1 more do not fit; raise its `max_records` (2) or give records a `ttl_ms`"
    );
    let loaded = run(&flows, "Load", &[r#"{"stu_id":1}"#, r#"{"stu_id":2}"#, r#"{"stu_id":3}"#])
        .await
        .unwrap();
    assert_eq!((loaded.rows_out(), loaded.rejected().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_record_past_its_time_to_live_is_gone_and_makes_room() {
    let flows = Registry::new()
        .link(conf(memory().param("ttl_ms", 1_000).param("max_records", 1), 0))
        .await
        .unwrap();
    run(&flows, "Save", &[r#"{"stu_id":1,"avg_score":1,"name":"a"}"#]).await.unwrap();
    tokio::time::advance(Duration::from_millis(999)).await;
    assert_eq!(run(&flows, "Load", &[r#"{"stu_id":1}"#]).await.unwrap().rows_out(), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(run(&flows, "Load", &[r#"{"stu_id":1}"#]).await.unwrap().rows_out(), 0);
    assert_eq!(
        run(&flows, "Save", &[r#"{"stu_id":2,"avg_score":1,"name":"a"}"#])
            .await
            .unwrap()
            .rows_out(),
        1
    );
}

#[faas("Caches")]
fn caches(rows: &[u32], cx: Cx<'_>) -> Vec<bool> {
    cx.cache().set("gone", 1, Duration::from_nanos(1));
    cx.cache().set("kept", 2, None);
    cx.cache().set("kept, as in KisFlow", 3, Duration::ZERO);
    let found = |key: &str| cx.cache().get::<i32>(key).is_some();
    rows.iter().map(|_| !found("gone") && found("kept") && found("kept, as in KisFlow")).collect()
}

#[tokio::test]
async fn a_cached_value_is_gone_past_its_time_to_live() {
    let flows = Registry::linked().link(FlowConf::new("F").then::<caches>()).await.unwrap();
    let report = flows.get("F").unwrap().run(vec![1_u32]).await.unwrap();
    assert!(report.output().rows::<bool>().unwrap()[0]);
}

/// What a Save of these params keeps and a Load of them adds to rows: the rows that come out, and
/// why others do not.
async fn kept(
    params: &[(&str, serde_json::Value)],
    save: &[&str],
    load: &[&str],
) -> (String, Vec<String>) {
    let function = |name: &str, mode, skip: &str| {
        let function = FunctionConf::new(name, mode).connector("K");
        let params = params.iter().filter(|(name, _)| *name != skip);
        params.fold(function, |function, (name, value)| function.param(*name, value.clone()))
    };
    let conf = Conf::new()
        .connector(ConnConf::new("K", "memory").key("k:"))
        .function(function("Keep", Mode::Save, "missing"))
        .function(function("Find", Mode::Load, ""))
        .flow(FlowConf::new("Save").then_named("Keep").on_reject(OnReject::Quarantine))
        .flow(FlowConf::new("Load").then_named("Find").on_reject(OnReject::Quarantine));
    let flows = Registry::new().link(conf).await.unwrap();
    let saved = run(&flows, "Save", save).await.unwrap();
    let loaded = run(&flows, "Load", load).await.unwrap();
    let rejects = saved.rejected().iter().chain(loaded.rejected());
    let causes = rejects.map(|reject| reject.cause().to_string()).collect();
    (loaded.output().to_ndjson().unwrap(), causes)
}

#[tokio::test]
async fn numbers_that_no_type_holds_are_kept_and_found_as_they_were_written() {
    let id = [("id", serde_json::json!("id"))];
    let numbers = [
        "18446744073709551616",
        "18446744073709551617",
        "12345678901234567.89",
        "0.10",
        "-0",
        "0",
        "1e400",
        "1E5",
        "1e5",
        "100000",
        "0.1000000000000000055511151231257827",
        "340282366920938463463374607431768211456",
    ];
    let save: Vec<String> = numbers.iter().map(|n| format!("{{\"id\":{n},\"v\":{n}}}")).collect();
    let load: Vec<String> = numbers.iter().map(|n| format!("{{\"id\":{n},\"w\":{n}}}")).collect();
    let expected: Vec<String> =
        numbers.iter().map(|n| format!("{{\"id\":{n},\"v\":{n},\"w\":{n}}}\n")).collect();
    let texts = |rows: &[String]| rows.to_vec();
    let (save, load) = (texts(&save), texts(&load));
    let (save, load): (Vec<&str>, Vec<&str>) =
        (save.iter().map(String::as_str).collect(), load.iter().map(String::as_str).collect());
    let (found, causes) = kept(&id, &save, &load).await;
    assert_eq!((found, causes), (expected.concat(), vec![]));
}

#[tokio::test]
async fn a_field_that_stands_twice_is_refused_by_save_and_by_load() {
    let id = [("id", serde_json::json!("id"))];
    let (found, causes) = kept(
        &id,
        &[r#"{"id":6,"id":7,"v":1}"#, r#"{"id":6,"v":1,"v":2}"#, r#"{"id":7,"v":3}"#],
        &[r#"{"id":7,"a":1,"a":1}"#, r#"{"id":7}"#],
    )
    .await;
    assert_eq!(found, "{\"id\":7,\"v\":3}\n");
    assert_eq!(causes, ["duplicate field `id`", "duplicate field `v`", "duplicate field `a`"]);
}

#[tokio::test]
async fn several_fields_are_an_id_together() {
    let id = [("id", serde_json::json!(["origin", "hour"])), ("fields", serde_json::json!(["t"]))];
    let (found, causes) = kept(
        &id,
        &[
            r#"{"origin":"EWR","hour":1,"t":1}"#,
            r#"{"origin":"EWR|1","hour":"","t":2}"#,
            r#"{"origin":"EWR","hour":"|1","t":3}"#,
            r#"{"origin":"EWR","hour":null,"t":4}"#,
        ],
        &[
            r#"{"origin":"EWR","hour":"1"}"#,
            r#"{"origin":"EWR|1","hour":""}"#,
            r#"{"origin":"EWR","hour":"|1"}"#,
            r#"{"origin":"JFK","hour":1}"#,
            r#"{"origin":"JFK"}"#,
        ],
    )
    .await;
    assert_eq!(
        found,
        r#"{"hour":"1","origin":"EWR","t":1}
{"hour":"","origin":"EWR|1","t":2}
{"hour":"|1","origin":"EWR","t":3}
"#
    );
    assert_eq!(
        causes,
        [
            "field `hour` is null, which is no id",
            "there is no record `k:JFK|1`; the param `wait_ms` would wait for it",
            "the row has no field `hour`, which is its id",
        ]
    );
}

#[tokio::test]
async fn a_row_without_a_record_may_pass() {
    let params = [
        ("id", serde_json::json!("id")),
        ("fields", serde_json::json!(["a", "b"])),
        ("missing", serde_json::json!("pass")),
    ];
    let (found, causes) = kept(
        &params,
        &[r#"{"id":1,"a":1,"b":null}"#],
        &[r#"{"id":1}"#, r#"{"id":2,"z":1.10}"#, r#"{"id":null}"#, r#"{"no":1}"#],
    )
    .await;
    assert_eq!(found, "{\"a\":1,\"id\":1}\n{\"id\":2,\"z\":1.10}\n{\"id\":null}\n");
    assert_eq!(causes, ["the row has no field `id`, which is its id"]);
}

#[tokio::test]
async fn params_of_save_and_load_that_do_not_fit_are_problems() {
    for (mode, name, value, part) in [
        (Mode::Load, "missing", serde_json::json!("skip"), "the param `missing` does not fit"),
        (Mode::Save, "missing", serde_json::json!("pass"), "the param `missing` is for Load"),
        (Mode::Load, "id", serde_json::json!([]), "the param `id` names no field"),
        (Mode::Save, "id", serde_json::json!({"a": 1}), "`id` is the name of a field, or a list"),
    ] {
        let function = FunctionConf::new("F", mode).connector("K").param("id", "id");
        let conf = Conf::new()
            .connector(ConnConf::new("K", "memory"))
            .function(function.param(name, value))
            .flow(FlowConf::new("X").then_named("F"));
        let error = Registry::new().link(conf).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
