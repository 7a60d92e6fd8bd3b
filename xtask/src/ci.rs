//! `cargo xtask ci`: every check, one after the other, with a summary.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::{bench, deny, examples, process, readme, reference, test};

type Step = (&'static str, fn() -> Result<(), Failure>);

/// The cheap ones first.
const STEPS: [Step; 8] = [
    ("fmt", || process::run(process::cargo().args(["fmt", "--all", "--check"]))),
    ("clippy", clippy),
    ("docs", docs),
    ("readme", readme::run),
    ("reference", || reference::run(&["--check".to_owned()])),
    ("deny", deny::run),
    ("examples", || examples::run(&[])),
    ("bench --smoke", || bench::run(&["--smoke".to_owned()])),
];

/// Runs all steps, also after one has failed.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let mut steps: Vec<Step> = STEPS.to_vec();
    for arg in args {
        if arg != "--with-tests" {
            return Err(Failure::Usage(format!("`ci` knows only --with-tests, got `{arg}`")));
        }
        steps.insert(0, ("test", || test::run(&[])));
    }
    let results: Vec<(&str, bool, Duration)> = steps.into_iter().map(timed).collect();

    println!("\nstep           result  seconds");
    for (name, ok, time) in &results {
        println!("{name:<13}  {:<6}  {:>7.1}", verdict(*ok), time.as_secs_f64());
    }
    match results.iter().filter(|(_, ok, _)| !ok).count() {
        0 => Ok(()),
        failed => Err(Failure::Check(format!("{failed} of {} steps failed", results.len()))),
    }
}

fn timed((name, step): Step) -> (&'static str, bool, Duration) {
    println!("\n=== {name}");
    let start = Instant::now();
    let result = step();
    let time = start.elapsed();
    if let Err(failure) = &result {
        failure.report();
    }
    println!("=== {name}: {}, {:.1} s", verdict(result.is_ok()), time.as_secs_f64());
    (name, result.is_ok(), time)
}

fn verdict(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}

fn clippy() -> Result<(), Failure> {
    let scope = ["--workspace", "--all-targets", "--all-features"];
    process::run(process::cargo().arg("clippy").args(scope).args(["--", "-D", "warnings"]))
}

fn docs() -> Result<(), Failure> {
    let mut cargo = process::cargo();
    cargo.env("RUSTDOCFLAGS", "-D warnings");
    process::run(cargo.args(["doc", "--workspace", "--all-features", "--no-deps"]))
}
