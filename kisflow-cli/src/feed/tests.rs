//! What `feed` says, of flows of a few functions.

use std::{fs, time::Duration};

use clap::Parser;
use kisflow_core::{Action, Answer, Call, Function, Link, Place, Result};
use serde_json::{Map, Value};

use super::*;

const CONF: &str = "
{kistype: flow, flow_name: Halves, flows: [{fname: Pass}, {fname: Halve}]}
---
{kistype: flow, flow_name: Breaks, flows: [{fname: Pass}, {fname: Break}]}
---
{kistype: flow, flow_name: Off, status: 0, flows: [{fname: Pass}]}
---
{kistype: func, fname: Pass, fmode: Verify, source: {must: [n]}}
---
{kistype: func, fname: Halve, fmode: Calculate}
---
{kistype: func, fname: Break, fmode: Calculate}
";

type Row = Map<String, Value>;

/// Declares functions by what they do with a call.
macro_rules! functions {
    ($($name:ident at $line:literal: |$call:ident| $answer:expr;)*) => {$(
        struct $name;

        impl Function for $name {
            const NAME: &'static str = stringify!($name);
            const PLACE: Place = Place { file: "flow.rs", line: $line };
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

functions! {
    Pass at 1: |call| Answer::action(call, Action::Reuse);
    Halve at 2: |call| call.batch(|rows: &[Row]| -> Vec<Row> {
        let half = |(position, row): (usize, &Row)| match row.get("n").and_then(Value::as_u64) {
            Some(0) => None,
            Some(n) if n % 2 == 0 => Some([("half".to_owned(), (n / 2).into())].into_iter().collect()),
            _ => {
                call.cx().reject(position, "it is\nodd");
                None
            }
        };
        rows.iter().enumerate().filter_map(half).collect()
    });
    Break at 3: |call| call.batch(|rows: &[Row]| -> Result<Vec<Row>> {
        match rows.iter().any(|row| row.get("n") == Some(&0.into())) {
            true => Err("it is zero".into()),
            false => Ok(rows.to_vec()),
        }
    });
}

fn registry() -> Registry {
    Registry::new().function::<Pass>().function::<Halve>().function::<Break>()
}

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    feed: FeedArgs,
}

/// What a feed says and writes, with `DIR` for the directory of the rows.
struct Said {
    report: String,
    json: Value,
    stopped: Option<String>,
    dir: tempfile::TempDir,
}

/// Feeds rows of a file; `args` are those behind the file's name.
async fn feed(file: &str, rows: &str, flow: &str, args: &[&str]) -> Result<Said, Failure> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("conf.yml"), CONF).unwrap();
    let path = dir.path().join(file);
    fs::write(&path, rows).unwrap();
    let there = dir.path().to_str().unwrap();
    let args: Vec<String> = args.iter().map(|arg| arg.replace("DIR", there)).collect();
    let args = [flow.to_owned(), path.to_str().unwrap().to_owned()].into_iter().chain(args);
    let args = Args::try_parse_from(["feed".to_owned()].into_iter().chain(args)).unwrap().feed;
    let mut input = Input::new(&args)?;
    let linked = link(registry(), &[dir.path().join("conf.yml")], &args, None).await?;
    input.skip(args.skip).await?;
    let sinks = Sinks::open(&args)?;
    let fed = Feed { linked: &linked, args: &args, fed: Fed::new(&linked, &args), sinks };
    let mut fed = fed.feed(&mut input).await;
    // The time is another each time.
    fed.end(Duration::ZERO);
    let report = fed.render(None).replace(there, "DIR");
    let json = serde_json::to_string(&fed).unwrap().replace(there, "DIR");
    let stopped = fed.why_stopped().map(|why| why.replace(there, "DIR"));
    Ok(Said { report, json: serde_json::from_str(&json).unwrap(), stopped, dir })
}

const ROWS: &str = "{\"n\":2}\n{\"n\":3}\n\n{\"n\":0}\n{\"m\":1}\n{\"n\":8}\n";

#[tokio::test]
async fn the_report_has_totals_functions_and_rejected_rows_in_the_order_of_the_input() {
    let said = feed("rows.ndjson", ROWS, "Halves", &["--batch", "3"]).await.unwrap();
    let expect = "\
flow Halves: 5 rows in, 2 out, 2 rejected, 1 folded in 0.0ns, 0/s

FUNCTION  CALLS  ROWS IN  ROWS OUT  FILTERED  REJECTED  FAILED
Pass          2        5         4         0         1       0
Halve         2        4         2         0         1       0

rejected:
  row 2, DIR/rows.ndjson:8: Halve: it is odd
  row 4, DIR/rows.ndjson:25: Pass, field `n`: the row has no field `n`, which `must` demands
";
    assert_eq!(said.report, expect);
    assert_eq!(said.stopped, None);
    assert_eq!(said.json["rows"]["rejected"], 2);
    assert_eq!(said.json["rejected"][0]["number"], 2);
    assert_eq!(said.json["stopped"], Value::Null);
}

#[tokio::test]
async fn csv_is_read_as_the_file_source_reads_it() {
    let args = ["--delimiter", ";", "--text", "id", "--out", "DIR/out", "--rejected", "DIR/bad"];
    let said = feed("rows.csv", "id;n\n007;4\n008;x\n", "Halves", &args).await.unwrap();
    let read = |name| fs::read_to_string(said.dir.path().join(name)).unwrap();
    assert_eq!(read("out"), "{\"half\":2}\n");
    let bad: Value = serde_json::from_str(&read("bad")).unwrap();
    assert_eq!(bad["row"], r#"{"id":"008","n":"x"}"#);
    assert_eq!(bad["number"], 2);
    assert_eq!(bad["cause"], "it is\nodd");
}

#[tokio::test]
async fn a_run_that_fails_is_the_last_one_and_says_how_to_go_on() {
    let rows = "{\"n\":1}\n{\"n\":1}\n{\"n\":0}\n{\"n\":0}\n{\"n\":1}\n";
    let said = feed("rows", rows, "Breaks", &["--batch", "2"]).await.unwrap();
    assert!(said.report.starts_with("flow Breaks: 4 rows in, 2 out, 2 failed in"));
    assert!(said.report.ends_with(
        "\nfailed:\n  rows 3 to 4, DIR/rows:16 to DIR/rows:24: flow `Breaks`, function `Break` failed: it is zero\n"
    ));
    assert_eq!(
        said.stopped.unwrap(),
        format!("stopped after row 2: {WHY_FAILED}; `--skip 2` feeds the rest")
    );
    let said = feed("rows", rows, "Breaks", &["--batch", "2", "--skip", "4"]).await.unwrap();
    assert!(said.report.starts_with("flow Breaks: 1 row in, 1 out in"));
}

#[tokio::test]
async fn a_run_that_fails_is_passed_if_somebody_says_so() {
    let rows = "{\"n\":0}\n{\"n\":1}\n".repeat(12);
    let said = feed("rows", &rows, "Breaks", &["--batch", "1", "--keep-going"]).await.unwrap();
    assert!(said.report.starts_with("flow Breaks: 24 rows in, 12 out, 12 failed in"));
    assert!(said.report.contains("\n  row 1, DIR/rows:0: flow `Breaks`"));
    assert!(said.report.ends_with("\n  and 2 more runs\n"));
    assert_eq!(said.stopped, None);
}

#[tokio::test]
async fn ten_rejected_rows_are_shown_and_all_are_counted_and_written() {
    let args = ["--rejected", "DIR/bad", "--batch", "5"];
    let said = feed("rows", &"{\"n\":1}\n".repeat(12), "Halves", &args).await.unwrap();
    assert!(said.report.contains("row 10, DIR/rows:72: Halve"));
    assert!(said.report.ends_with("  and 2 more; `--rejected FILE` writes them all\n"));
    let bad = fs::read_to_string(said.dir.path().join("bad")).unwrap();
    assert_eq!(bad.lines().count(), 12);
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_disk_that_is_full_stops_the_feed() {
    let args = ["--out", "/dev/full", "--batch", "1"];
    let said = feed("rows", ROWS, "Halves", &args).await.unwrap();
    assert_eq!(
        said.stopped.unwrap(),
        "stopped before row 1: cannot write /dev/full: No space left on device (os error 28)"
    );
}

async fn check_refused(flow: &str, args: &[&str], why: &str) {
    match feed("rows", ROWS, flow, args).await {
        Err(Failure::Usage(message)) => assert!(message.contains(why), "{message}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{why}"),
    }
}

#[tokio::test]
async fn wrong_usage_is_told_before_a_row_runs() {
    let known = "no flow is named \"Halvs\"; did you mean \"Halves\"?";
    check_refused("Halvs", &[], known).await;
    check_refused("Off", &[], "flow `Off` is disabled; set its `status` to 1").await;
    check_refused("Halves", &["--skip", "6"], "the input has only 5 rows").await;
    let csv = "`--text` is for CSV, and no file is; say `--format csv`";
    check_refused("Halves", &["--text", "n"], csv).await;
    let csv = "`--trim` and `--comment` are for CSV, and no file is; say `--format csv`";
    check_refused("Halves", &["--comment", "#", "--trim", "all"], csv).await;
    let same = "`--out` and `--rejected` name the same file";
    check_refused("Halves", &["--out", "-", "--rejected", "-"], same).await;
    check_refused("Halves", &["--out", "DIR/a", "--rejected", "DIR/./a"], same).await;
    check_refused("Halves", &["--out", "DIR/./rows"], "/rows, which is fed").await;
}
