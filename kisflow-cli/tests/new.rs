//! `kisflow new`: what it makes, builds and runs.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Runs `kisflow` in a directory.
fn kisflow(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kisflow")).args(args).current_dir(dir).output().unwrap()
}

/// What a command that ends with this code prints.
#[track_caller]
fn printed(output: Output, code: i32) -> String {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    if code == 0 { stdout } else { stderr }
}

/// Made, built, and run: in one test, because building takes its time.
#[test]
fn a_new_project_builds_checks_tests_and_feeds() {
    let dir = TempDir::new().unwrap();
    let made = printed(kisflow(dir.path(), &["new", "web-shop", "--kisflow-path", WORKSPACE]), 0);
    assert_eq!(made, MADE);
    let project = dir.path().join("web-shop");
    let program = build(&project);
    let run = |args: &[&str]| {
        let run = Command::new(&program).args(args).current_dir(&project).output().unwrap();
        printed(run, 0)
    };
    assert!(run(&["check"]).starts_with("no problems: 1 flow, 1 function,"));
    assert_eq!(
        run(&["test"]),
        "ok      an order becomes an invoice, and one of nothing is rejected\n\n1 test: ok\n"
    );
    let fed = run(&["feed", "Invoices", "orders.ndjson"]);
    assert!(fed.starts_with("flow Invoices: 3 rows in, 3 out"), "{fed}");
    assert_eq!(
        run(&["schema"]),
        fs::read_to_string(project.join("conf/kisflow.schema.json")).unwrap()
    );
}

const MADE: &str = "made web-shop in web-shop:
  Cargo.toml
  README.md
  .gitignore
  src/main.rs
  conf/flow.yml
  conf/func.yml
  conf/test.yml
  conf/kisflow.schema.json
  orders.ndjson

next:
  cd web-shop
  cargo run -- check
  cargo run -- test
  cargo run -- feed Invoices orders.ndjson
";

/// Builds the project with the versions of this workspace, so that nothing is fetched, and without
/// debug information, so that the second set of dependencies stays small.
fn build(project: &Path) -> PathBuf {
    let lock = Path::new(WORKSPACE).join("Cargo.lock");
    fs::copy(lock, project.join("Cargo.lock")).unwrap();
    // One for all runs of this test: only the first builds the dependencies.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new");
    let build = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("CARGO_INCREMENTAL", "0")
        .output()
        .unwrap();
    let warnings = String::from_utf8_lossy(&build.stderr).into_owned();
    assert!(!warnings.contains("src/main.rs"), "{warnings}");
    printed(build, 0);
    target.join("debug").join(format!("web-shop{}", std::env::consts::EXE_SUFFIX))
}

#[test]
fn every_yaml_file_names_the_schema_and_has_one_document() {
    let dir = TempDir::new().unwrap();
    printed(kisflow(dir.path(), &["new", "shop"]), 0);
    let conf = dir.path().join("shop/conf");
    let mut seen = 0;
    for entry in fs::read_dir(&conf).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yml") {
            let text = fs::read_to_string(&path).unwrap();
            let schema = text.strip_prefix("# yaml-language-server: $schema=").unwrap();
            let schema = schema.lines().next().unwrap();
            assert!(conf.join(schema).is_file(), "{text}");
            assert!(!text.contains("---"), "{text}");
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn without_a_checkout_the_published_crate_is_what_it_depends_on() {
    let dir = TempDir::new().unwrap();
    printed(kisflow(dir.path(), &["new", "shop", "--path", "services/shop"]), 0);
    let manifest = fs::read_to_string(dir.path().join("services/shop/Cargo.toml")).unwrap();
    assert!(
        manifest.contains("kisflow = { version = \"0.1\", features = [\"cli\"] }"),
        "{manifest}"
    );
    assert!(manifest.contains("name = \"shop\""), "{manifest}");
}

/// Refused with exit code 2 and this message, and nothing is made.
#[track_caller]
fn check_refused(args: &[&str], message: &str) {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("there")).unwrap();
    let said = printed(kisflow(dir.path(), &[&["new"], args].concat()), 2);
    assert_eq!(said, format!("kisflow: {message}\n"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(dir.path().join("there")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_made_is_refused_before_anything_is_written() {
    check_refused(&["there"], "there is there already; choose another place with `--path`");
    check_refused(
        &["shop", "--path", "there"],
        "there is there already; choose another place with `--path`",
    );
    check_refused(
        &["my shop"],
        "\"my shop\" cannot be the name of a program: only letters, digits, `-` and `_` may be in it",
    );
    check_refused(
        &["shop", "--kisflow-path", "there"],
        "there is no checkout of kisflow: it has no Cargo.toml",
    );
}

#[test]
fn the_command_prints_its_completions_man_page_and_schema() {
    let dir = TempDir::new().unwrap();
    for (args, part) in [
        (&["completions", "bash"][..], "kisflow"),
        (&["man"], ".TH kisflow"),
        (&["schema"], "https://json-schema.org/draft/2020-12/schema"),
        (&["new", "--help"], "--kisflow-path"),
    ] {
        let text = printed(kisflow(dir.path(), args), 0);
        assert!(text.contains(part), "{args:?}: {text}");
    }
}
