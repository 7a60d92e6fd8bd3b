//! Each exit status of the command line, as the table of `docs/cli.md` has it.
//!
//! The program under test is this one: it runs itself, with an environment variable set.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail loudly"
)]

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, ExitCode, Output, Stdio},
    time::Duration,
};

use kisflow::{Result, prelude::*};
use tempfile::TempDir;

const PROGRAM: &str = "KISFLOW_STATUS_PROGRAM";

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Pass")]
fn pass(row: &Order) -> bool {
    row.id > 0
}

/// Never ends, and says that it has begun.
#[faas("Hang")]
async fn hang(_: &[Order]) -> Action {
    println!("begun");
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    Action::Reuse
}

/// `type: away`: never connects.
struct Away;

#[kisflow::async_trait]
impl kisflow::Connector for Away {
    const TYPE: &'static str = "away";
    type Params = kisflow::RawParams;

    async fn connect(_: &kisflow::ConnConf, _: kisflow::RawParams) -> Result<Self> {
        Err("nobody is there".into())
    }
}

#[faas("Ask")]
async fn ask(_: &[Order], _: Conn<'_, Away>) -> Action {
    Action::Reuse
}

fn main() -> ExitCode {
    if env::var_os(PROGRAM).is_none() {
        every_status_is_that_of_the_table();
        return ExitCode::SUCCESS;
    }
    let registry = Registry::linked()
        .connector::<Redb>()
        .connector::<Away>()
        .source::<kisflow::File>()
        .source::<kisflow::Stdin>();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(kisflow::cli(registry))
}

const PASS: &str = "
{ kistype: func, fname: Pass, fmode: Verify }
---
{ kistype: flow, flow_name: Orders, source: in, flows: [{ fname: Pass }] }
---
{ kistype: source, sname: in, type: stdin }
";

const HANG: &str = "
{ kistype: func, fname: Hang, fmode: Expand }
---
{ kistype: flow, flow_name: Orders, source: in, flows: [{ fname: Hang }] }
---
{ kistype: source, sname: in, type: stdin }
---
{ kistype: global, grace_ms: 50 }
";

const AWAY: &str = "
{ kistype: func, fname: Ask, fmode: Expand, option: { cname: there } }
---
{ kistype: flow, flow_name: Orders, source: in, flows: [{ fname: Ask }] }
---
{ kistype: source, sname: in, type: stdin }
---
{ kistype: conn, cname: there, type: away }
";

const NO_SOURCE: &str = "
{ kistype: func, fname: Pass, fmode: Verify }
---
{ kistype: flow, flow_name: Orders, flows: [{ fname: Pass }] }
";

const TYPO: &str = "
{ kistype: func, fname: Pass, fmode: Verfy }
---
{ kistype: flow, flow_name: Orders, flows: [{ fname: Pass }] }
";

const TEST_FAILS: &str = "
---
{ kistype: test, tname: zero passes, flow: Orders, given: { rows: [{ id: 0 }] }, expect: { rows: [{ id: 0 }] } }
";

const GOOD: &str = "{\"id\":1}\n";
const BAD: &str = "{\"id\":1}\n{\"id\":\"two\"}\n";

fn every_status_is_that_of_the_table() {
    // 0: fine.
    check(PASS, &["--help"], "", 0, "");
    check(PASS, &["check"], "", 0, "");
    check(PASS, &["feed", "Orders"], GOOD, 0, "");
    check(PASS, &["run"], GOOD, 0, "");
    // What is in quarantine is not lost.
    check(PASS, &["run"], BAD, 0, "");
    // 1: the answer is no.
    check(PASS, &["feed", "Orders"], BAD, 1, "");
    check(&format!("{PASS}{TEST_FAILS}"), &["test"], "", 1, "");
    check(AWAY, &["connectors", "--ping"], "", 1, "");
    check(AWAY, &["run"], GOOD, 1, "nobody is there");
    check(PASS, &["quarantine", "show", "abcdef12"], "", 1, "");
    // 2: wrong usage, or wrong conf.
    check(PASS, &["runn"], "", 2, "unrecognized subcommand");
    check(PASS, &["run", "--no-vew"], "", 2, "--no-vew");
    check(PASS, &["feed", "Oders"], GOOD, 2, "Orders");
    for command in ["check", "run", "test", "flows"] {
        check(TYPO, &[command], "", 2, "Verfy");
    }
    check(NO_SOURCE, &["run"], "", 2, "no flow has a source");
    check("", &["check", "no-such-directory"], "", 2, "no-such-directory");

    // A stop is 0, also when rows are given back; a second one is 1.
    for signal in ["TERM", "INT"] {
        stopped(1, signal, 0, "rows that were not done when it stopped, and come again: 1");
        stopped(2, signal, 1, "stopped at once: 1 rows in flight come again");
    }
}

fn start(dir: &Path, args: &[&str]) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(args)
        .env(PROGRAM, "1")
        .env("NO_COLOR", "1")
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn with_conf(conf: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("conf")).unwrap();
    fs::write(dir.path().join("conf/all.yml"), conf).unwrap();
    dir
}

fn check(conf: &str, args: &[&str], input: &str, status: i32, words: &str) {
    let dir = with_conf(conf);
    let mut child = start(dir.path(), args);
    // A command that reads no input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    ended(&child.wait_with_output().unwrap(), status, words, args);
}

fn ended(output: &Output, status: i32, words: &str, what: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{what:?}: {output:?}");
    assert!(said.contains(words), "{what:?}: {said}");
}

/// Sends the signal so many times while a function hangs.
fn stopped(times: usize, signal: &str, status: i32, words: &str) {
    // With a long grace time nothing but the second signal ends it.
    let conf = if times == 1 { HANG.to_owned() } else { HANG.replace("50", "3600000") };
    let dir = with_conf(&conf);
    let mut child = start(dir.path(), &["run"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(GOOD.as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "begun");
    let id = child.id().to_string();
    let kill = || {
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    };
    kill();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut all = String::new();
    if times == 2 {
        // It has taken the first.
        while !all.contains("stopping: ") {
            assert_ne!(said.read_line(&mut all).unwrap(), 0, "{all}");
        }
        kill();
    }
    while said.read_line(&mut all).unwrap() > 0 {}
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(status), "{all}");
    assert!(all.contains(words), "{all}");
}
