//! `docs/reference.md`, and what the schema says of the params of each type: both are made of the
//! types that read the conf and of their doc comments. `cargo xtask reference` writes them anew; the
//! tests compare.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop where it stands"
)]

mod json;
mod names;
mod page;
mod param;
mod schema;
mod types;
mod written;

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use kisflow_core::Registry;

use self::types::{Kind, UNATTENDED_PARAMS, all};

/// Set to `write` by `cargo xtask reference`.
const MODE: &str = "KISFLOW_REFERENCE";

const PAGE: &str = "docs/reference.md";
const SCHEMA: &str = "kisflow-cli/src/schema/kisflow.schema.json";

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_default()
}

/// Compares a file with what it has to be, or writes it.
#[track_caller]
fn check(file: &str, made: &str) {
    let is = read(file);
    if is == made {
        return;
    }
    if env::var(MODE).is_ok_and(|mode| mode == "write") {
        fs::write(path(file), made).unwrap();
        return;
    }
    let line = is.lines().zip(made.lines()).position(|(is, made)| is != made);
    let line = line.unwrap_or(is.lines().count().min(made.lines().count()));
    panic!(
        "{file} is out of date from line {}: run `cargo xtask reference`\n- {}\n+ {}",
        line + 1,
        is.lines().nth(line).unwrap_or_default(),
        made.lines().nth(line).unwrap_or_default()
    );
}

/// Both in one test: the page is made of the schema.
#[test]
fn the_page_and_the_schema_are_what_the_types_say() {
    let made = schema::with_params(&read(SCHEMA), &all());
    check(SCHEMA, &made);
    check(PAGE, &page::page(&made, &all()));
}

#[test]
fn every_param_that_a_type_reads_is_written_down_and_the_other_way_round() {
    for described in all() {
        let written: Vec<&str> = described.params.iter().map(|param| &*param.name).collect();
        assert_eq!(written, described.read, "`type: {}`", described.word);
        assert!(!written.is_empty(), "`type: {}`", described.word);
    }
}

#[test]
fn the_defaults_that_are_written_down_are_those_of_the_types() {
    for described in all() {
        for param in &described.params {
            let real = described.default_of(&param.field);
            if let Err(problem) = param.agrees(real.as_deref()) {
                panic!("`type: {}`, `{}`: {problem}", described.word, param.name);
            }
        }
    }
}

/// What is said of a Load without code that has these params.
fn told(params: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let conf = format!(
        "{{kistype: conn, cname: C, type: memory}}\n---\n{{kistype: func, fname: F, fmode: Load, option: {{cname: C, default_params: {params}}}}}\n---\n{{kistype: flow, flow_name: X, flows: [{{fname: F}}]}}\n"
    );
    fs::write(dir.path().join("conf.yml"), conf).unwrap();
    let problems = Registry::new().inspect(dir.path()).problems;
    problems.into_iter().map(|problem| problem.message).collect()
}

#[test]
fn a_load_without_code_reads_every_param_that_is_written_down_and_no_other() {
    for (name, ..) in UNATTENDED_PARAMS {
        let id = if name == "id" { "" } else { "id: a, " };
        let told = told(&format!("{{{id}{name}: [[1]]}}"));
        let [told] = told.as_slice() else { panic!("`{name}`: {told:?}") };
        assert!(told.contains(&format!("the param `{name}` does not fit")), "{told}");
    }
    let known = UNATTENDED_PARAMS.map(|(name, ..)| name).join(", ");
    let unknown = format!("function `F`: unknown param; known: {known}");
    assert_eq!(told("{id: a, colour: red}"), [unknown]);
    assert_eq!(told("{id: a}"), Vec::<String>::new());
}

#[test]
fn every_type_of_the_crates_is_described() {
    let described: BTreeSet<String> = all().into_iter().map(|described| described.word).collect();
    let mut found = BTreeSet::new();
    for file in written::sources(&path("")) {
        let text = fs::read_to_string(&file).unwrap();
        let words = text.lines().filter_map(|line| {
            line.strip_prefix("    const TYPE: &'static str = \"")?.strip_suffix("\";")
        });
        found.extend(words.map(str::to_owned));
    }
    // The engine that the core's own tests have.
    found.remove("shelf");
    assert_eq!(found, described);
    assert_eq!(all().iter().filter(|described| described.kind == Kind::Connector).count(), 4);
}
