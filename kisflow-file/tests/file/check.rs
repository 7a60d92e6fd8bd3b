//! What is wrong with a conf, told before anything is opened.

use kisflow_core::{Source, SourceConf, Start};
use kisflow_file::{File, FileParams, Stdin, StdinParams};
use serde_json::{Value, json};

fn file(conf: &SourceConf, params: Value) -> Vec<String> {
    let params: FileParams = serde_json::from_value(params).unwrap();
    File::check(conf, &params)
        .into_iter()
        .map(|(key, problem)| format!("{key}: {problem}"))
        .collect()
}

fn check(key: &str, params: Value, expect: &[&str]) {
    assert_eq!(file(&SourceConf::new("rows", "file").key(key), params), expect);
}

#[test]
fn a_conf_that_is_right_has_no_problem() {
    check("rows.ndjson", json!({}), &[]);
    check("rows.csv", json!({"delimiter": ";", "text": ["id"], "follow": true}), &[]);
    check("rows.log", json!({"format": "csv", "header": false, "fields": ["a"]}), &[]);
}

#[test]
fn each_mistake_is_told_with_its_key() {
    check("", json!({}), &["key: expected the path of a file"]);
    check(
        "rows.ndjson",
        json!({"poll_ms": 0, "max_line_bytes": 0}),
        &[
            "params.max_line_bytes: expected a whole number from 1, found `0`",
            "params.poll_ms: expected a duration from 1ms, found `0`",
        ],
    );
    let delimiter =
        "params.delimiter: expected one ASCII character that is no quote and no line end";
    for wrong in ["", ";;", "ä", "\"", "\n"] {
        check("rows.csv", json!({"delimiter": wrong}), &[delimiter]);
    }
    check(
        "rows.csv.gz",
        json!({"comment": "//", "quote_lines": 0}),
        &[
            "params.comment: expected one ASCII character that is no quote and no line end",
            "params.quote_lines: expected a whole number from 1, found `0`",
        ],
    );
    check(
        "rows.csv",
        json!({"comment": ","}),
        &["params.comment: expected another character than `delimiter`"],
    );
    check(
        "rows.csv",
        json!({"fields": ["a"]}),
        &[
            "params.fields: the header has the names of the fields; drop `fields`, or set `header: false`",
        ],
    );
    check(
        "rows.csv",
        json!({"header": false}),
        &["params.fields: without a header the fields need names: list them"],
    );
    check(
        "rows.csv",
        json!({"header": false, "fields": ["a", "a"]}),
        &["params.fields: has the name `a` twice; rename one"],
    );
    check(
        "rows.csv",
        json!({"header": false, "fields": ["a"], "text": ["b"]}),
        &["params.fields: has no name `b`, which `text` demands"],
    );
    check(
        "rows.ndjson",
        json!({
            "delimiter": ";", "header": false, "fields": ["a"], "text": ["a"], "trim": "all",
            "comment": "#", "decimal_comma": true, "quote_lines": 7, "quote_wait_ms": 7,
        }),
        &[
            "delimiter",
            "header",
            "fields",
            "text",
            "trim",
            "comment",
            "decimal_comma",
            "quote_lines",
            "quote_wait_ms",
        ]
        .map(|name| format!("params.{name}: only CSV has this; set `format: csv`"))
        .each_ref()
        .map(String::as_str),
    );
}

#[test]
fn an_unknown_format_names_the_known_ones() {
    let error = serde_json::from_value::<FileParams>(json!({"format": "xml"})).unwrap_err();
    assert_eq!(error.to_string(), "unknown variant `xml`, expected one of `ndjson`, `csv`, `json`");
}

#[test]
fn where_to_start_is_an_offset_of_this_file() {
    let conf = |start: &str| {
        SourceConf::new("rows", "file")
            .key("a:b.log")
            .start(Start::After(start.to_owned()))
            .addrs("host:1")
    };
    let addrs = "addrs: a file has no address; its path is `key`".to_owned();
    for right in ["0", "1024", "a:b.log:1024"] {
        assert_eq!(file(&conf(right), json!({})), std::slice::from_ref(&addrs));
    }
    for wrong in ["b.log:1024", "tomorrow", "-1", "a:b.log:", ""] {
        let start =
            "start: expected earliest, latest, or a row's position, as `a:b.log:1024` or 1024"
                .to_owned();
        assert_eq!(file(&conf(wrong), json!({})), [addrs.clone(), start], "{wrong}");
    }
}

#[test]
fn standard_input_has_no_path_no_address_and_no_start() {
    let conf = SourceConf::new("rows", "stdin").key("x").addrs("y").start(Start::Latest);
    let params: StdinParams = serde_json::from_value(json!({"max_line_bytes": 0})).unwrap();
    let keys: Vec<_> = Stdin::check(&conf, &params).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["params.max_line_bytes", "key", "addrs", "start"]);
    assert_eq!(Stdin::check(&SourceConf::new("rows", "stdin"), &StdinParams::default()), []);
}
