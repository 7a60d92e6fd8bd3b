//! The schema that editors get, held against what the core reads.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop where it stands"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use boon::{Compiler, SchemaIndex, Schemas};
use kisflow_core::{Conf, SourceConf};
use serde_json::{Map, Value, json};

const KINDS: [&str; 6] = ["flow", "func", "conn", "source", "test", "global"];

fn schema() -> Value {
    serde_json::from_str(include_str!("../src/schema/kisflow.schema.json")).unwrap()
}

/// The schema, ready to look at documents.
struct Validator {
    schemas: Schemas,
    root: SchemaIndex,
}

fn validator() -> Validator {
    let mut compiler = Compiler::new();
    compiler.add_resource("kisflow.schema.json", schema()).unwrap();
    let mut schemas = Schemas::new();
    let root = compiler.compile("kisflow.schema.json", &mut schemas).unwrap();
    Validator { schemas, root }
}

impl Validator {
    fn is_valid(&self, document: &Value) -> bool {
        self.schemas.validate(document, self.root).is_ok()
    }

    #[track_caller]
    fn assert_valid(&self, document: &Value, origin: &Path) {
        let validated = self.schemas.validate(document, self.root);
        validated.unwrap_or_else(|error| panic!("{}: {error}\n{document}", origin.display()));
    }
}

fn documents(yaml: &str) -> Vec<Value> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_multiple_with_options(yaml, options).unwrap()
}

/// A map of the conf that has keys of its own: where it stands in a document of its kind, and the
/// keys that the schema knows.
struct Place {
    kind: &'static str,
    path: Vec<String>,
    keys: BTreeSet<String>,
}

fn places() -> Vec<Place> {
    let schema = schema();
    let mut places = Vec::new();
    for kind in KINDS {
        collect(&schema, &schema["$defs"][kind], kind, &[], &mut places);
    }
    places
}

fn collect(root: &Value, at: &Value, kind: &'static str, path: &[String], found: &mut Vec<Place>) {
    let at = match at["$ref"].as_str() {
        Some(target) => root.pointer(target.trim_start_matches('#')).unwrap(),
        None => at,
    };
    let below = |step: &str| path.iter().cloned().chain([step.to_owned()]).collect::<Vec<_>>();
    for choice in at["oneOf"].as_array().into_iter().flatten() {
        collect(root, choice, kind, path, found);
    }
    if at["items"].is_object() {
        collect(root, &at["items"], kind, &below("[]"), found);
    }
    let Some(properties) = at["properties"].as_object() else { return };
    assert_eq!(at["additionalProperties"], false, "{kind} {path:?} takes any key");
    for (key, value) in properties {
        collect(root, value, kind, &below(key), found);
    }
    found.push(Place { kind, path: path.to_vec(), keys: properties.keys().cloned().collect() });
}

impl Place {
    /// A document of its kind with only these keys at this place, each without a value.
    fn document(&self, keys: impl IntoIterator<Item = String>) -> Value {
        let fields: Map<String, Value> = keys.into_iter().map(|key| (key, Value::Null)).collect();
        let wrap = |inner, step: &String| match step.as_str() {
            "[]" => json!([inner]),
            key => json!({ key: inner }),
        };
        let mut document = self.path.iter().rev().fold(Value::Object(fields), wrap);
        document["kistype"] = self.kind.into();
        document
    }
}

/// What the core says of a document. Unknown keys are all that is looked at: names that are missing
/// are missing on purpose.
fn unknown_keys(document: &Value) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("conf.yml"), document.to_string()).unwrap();
    let problems = Conf::read(dir.path()).err().map(|error| error.problems().to_vec());
    let messages = problems.into_iter().flatten().map(|problem| problem.message);
    messages.filter(|message| message.starts_with("unknown key")).collect()
}

#[test]
fn the_core_reads_every_key_of_the_schema() {
    let places = places();
    assert!(places.len() > 12, "{} places", places.len());
    for place in places {
        let document = place.document(place.keys.clone());
        assert_eq!(unknown_keys(&document), Vec::<String>::new(), "{document}");
    }
}

#[test]
fn the_schema_has_every_key_that_the_core_reads() {
    for place in places() {
        let told = unknown_keys(&place.document(["_".repeat(30)]));
        let told = told.first().unwrap_or_else(|| panic!("{} {:?}", place.kind, place.path));
        let read: BTreeSet<String> = match told.strip_prefix("unknown key; known: ") {
            Some(known) => known.split(", ").map(str::to_owned).collect(),
            // The core does not list so many.
            None if place.kind == "source" => keys_of_a_source(),
            None => panic!("{} {:?}: {told}", place.kind, place.path),
        };
        assert_eq!(read, place.keys, "{} {:?}", place.kind, place.path);
    }
}

fn keys_of_a_source() -> BTreeSet<String> {
    let source = SourceConf::new("orders", "file").addrs("a").key("k").group("g").param("p", 1);
    let Value::Object(fields) = serde_json::to_value(source).unwrap() else { panic!("no map") };
    fields.into_iter().map(|(key, _)| key).chain(["kistype".to_owned()]).collect()
}

#[test]
fn each_example_of_the_schema_is_read_and_written_as_the_schema_says() {
    let (schema, validator) = (schema(), validator());
    for kind in KINDS {
        let examples = schema["$defs"][kind]["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{kind}");
        for example in examples {
            assert!(validator.is_valid(example), "{example}");
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("conf.yml"), example.to_string()).unwrap();
            let conf = Conf::read(dir.path()).unwrap();
            let written = dir.path().join("written");
            conf.write(&written).unwrap();
            check_files(&written, &validator, 1);
            assert_eq!(Conf::read(&written).unwrap(), conf);
        }
    }
}

#[test]
fn every_conf_file_of_the_repository_is_valid() {
    check_files(Path::new("../conf"), &validator(), 20);
}

#[track_caller]
fn check_files(dir: &Path, validator: &Validator, at_least: usize) {
    let mut files = Vec::new();
    find(dir, &mut files);
    assert!(files.len() >= at_least, "{} files in {}", files.len(), dir.display());
    for file in files {
        for document in documents(&fs::read_to_string(&file).unwrap()) {
            validator.assert_valid(&document, &file);
        }
    }
}

fn find(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "yml") {
            files.push(path);
        }
    }
}

/// Both the schema and the core refuse what is wrong, and take it mended.
#[track_caller]
fn check(mended: &str, wrong: &str) {
    let validator = validator();
    let answers = |yaml: &str| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("conf.yml"), yaml).unwrap();
        let read = Conf::read(dir.path()).is_ok();
        (documents(yaml).iter().all(|document| validator.is_valid(document)), read)
    };
    assert_eq!(answers(mended), (true, true), "{mended}");
    assert_eq!(answers(wrong), (false, false), "{wrong}");
}

#[test]
fn params_are_those_of_the_type() {
    let validator = validator();
    let check = |yaml: &str, valid: bool| {
        let [document] = documents(yaml).try_into().unwrap();
        assert_eq!(validator.is_valid(&document), valid, "{yaml}");
    };
    let source = |kind: &str, params: &str| {
        format!("{{kistype: source, sname: S, type: {kind}, params: {params}}}")
    };
    check(&source("file", "{follow: true, poll_ms: 10, format: csv, text: [a]}"), true);
    check(&source("file", "{folow: true}"), false);
    check(&source("file", "{poll_ms: fast}"), false);
    check(&source("file", "{format: xml}"), false);
    check(&source("file", "{stream: ORDERS}"), false);
    check(&source("nats", "{stream: ORDERS}"), true);
    check(&source("redis_stream", "{mode: cluster, tls: true}"), true);
    check(&source("http", "{queue: [1]}"), false);
    check(&source("stdin", ""), true);
    check(&source("own", "{whatever: [1]}"), true);
    let conn = |kind: &str, params: &str| {
        format!("{{kistype: conn, cname: C, type: {kind}, params: {params}}}")
    };
    check(&conn("redis", "{pool: 4, of_storage_logic: [1]}"), true);
    check(&conn("redis", "{pool: many}"), false);
    check(&conn("redis", "{mode: alone}"), false);
    check(&conn("redb", "{cache_mb: 8}"), true);
    check(&conn("memory", "{max_records: []}"), false);
    check(&conn("own", "{pool: many}"), true);
}

#[test]
fn typical_mistakes_are_not_valid() {
    let flow = "{kistype: flow, flow_name: A, flows: [{fname: F}]}";
    check(flow, "{kistype: flw, flow_name: A, flows: [{fname: F}]}");
    check(flow, "{flow_name: A, flows: [{fname: F}]}");
    check(flow, "{kistype: flow, flow_nme: A, flows: [{fname: F}]}");
    check(flow, "{kistype: flow, flow_name: '', flows: [{fname: F}]}");
    check(flow, "{kistype: flow, flow_name: A, status: 2, flows: [{fname: F}]}");
    check(flow, "{kistype: flow, flow_name: A, on_reject: drop, flows: [{fname: F}]}");
    check(flow, "{kistype: flow, flow_name: A, row_defaults: rust, flows: [{fname: F}]}");
    check(flow, "{kistype: flow, flow_name: A, flows: [F]}");
    check(flow, "{kistype: flow, flow_name: A, flows: [{name: F}]}");
    check(flow, "{kistype: flow, flow_name: A, jump_limit: -1, flows: [{fname: F}]}");
    let func = "{kistype: func, fname: F, fmode: Save, option: {cname: C, timeout: 10}}";
    check(func, "{kistype: func, fname: F, fmode: save}");
    check(func, "{kistype: func, fname: F}");
    check(
        "{kistype: func, fname: F, fmode: Save, option: {cname: {a: C, b: 7}}}",
        "{kistype: func, fname: F, fmode: Save, option: {cname: {a: [C]}}}",
    );
    check(func, "{kistype: func, fname: F, fmode: Save, option: {cname: {}}}");
    check(func, "{kistype: func, fname: F, fmode: Save, options: {cname: C}}");
    check(func, "{kistype: func, fname: F, fmode: Save, option: {timeout: 10 sec}}");
    check(func, "{kistype: func, fname: F, fmode: Save, source: {must: id}}");
    check(
        "{kistype: func, fname: F, fmode: Save, option: {must: off}}",
        "{kistype: func, fname: F, fmode: Save, option: {must: [id]}}",
    );
    check("{kistype: global, must: warn}", "{kistype: global, must: never}");
    check(
        "{kistype: func, fname: F, fmode: Save, option: {return_duration: 1}}",
        "{kistype: func, fname: F, fmode: Save, option: {return_duration: 1, retry_duration: 1}}",
    );
    check(
        "{kistype: conn, cname: C, type: redis, load:, key: 1.10}",
        "{kistype: conn, type: redis}",
    );
    // Of any type, or of none, while nobody uses it.
    check("{kistype: conn, cname: C}", "{kistype: conn, cname: 'C '}");
    check(
        "{kistype: conn, cname: C, type: redis}",
        "{kistype: conn, cname: C, type: redis, params: [1]}",
    );
    let source = "{kistype: source, sname: S, type: file, ordered: {key: id}, batch: {rows: 1}}";
    check(source, "{kistype: source, sname: S, type: file, ordered: id}");
    check(source, "{kistype: source, sname: S, type: file, batch: {rows: 0}}");
    check(source, "{kistype: source, sname: S, type: file, batch: 100}");
    check(
        "{kistype: source, sname: S, type: file, in_flight: '${N:-4}', isolate: 'no', retry_duration: 1m30s}",
        "{kistype: source, sname: S, type: file, retry_duration: 1h30}",
    );
    check(source, "{kistype: source, sname: S, type: file, isolate: 'ja'}");
    let test = "{kistype: test, tname: T, flow: A, expect: {rows: []}}";
    check(test, "{kistype: test, tname: T, expect: {rows: []}}");
    check(test, "{kistype: test, tname: T, flow: A, function: F, expect: {rows: []}}");
    check(test, "{kistype: test, tname: T, flow: A, expect: {row: []}}");
    check(test, "{kistype: test, tname: T, flow: A, expect: {rejected: [0]}}");
    check(
        test,
        "{kistype: test, tname: T, flow: A, given: {records: {C: {1: 2}}}, expect: {rows: []}}",
    );
    let global = "{kistype: global, quarantine: {when_full: drop_oldest}}";
    check(global, "{kistype: global, quarantine: {when_full: drop}}");
    check(global, "{kistype: global, prometheus_enable: 1}");
    check(global, "{kistype: global, quarantine: Q}");
}
