//! `cargo xtask bench`: runs the benchmarks, or with `--smoke` only sees that they work.

use crate::failure::Failure;
use crate::process;
use crate::repo;

const SMOKE: &str = "--smoke";

/// Runs the named benchmarks, or all.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (options, names): (Vec<String>, Vec<String>) =
        args.iter().cloned().partition(|arg| arg.starts_with('-'));
    if let Some(unknown) = options.iter().find(|option| *option != SMOKE) {
        return Err(Failure::Usage(format!("unknown option `{unknown}`")));
    }
    let mut failed = Vec::new();
    for bench in repo::targets("benches", &names)? {
        println!("bench {}", bench.name);
        let mut cargo = process::cargo();
        if options.is_empty() {
            cargo.args(["bench", "--package", "kisflow-benches", "--bench", &bench.name]);
        } else {
            // As the tests are built: no second build of everything for a run that measures nothing.
            cargo.args(["test", "--workspace", "--all-features", "--bench", &bench.name]);
            cargo.args(["--", SMOKE]);
        }
        if let Err(failure) = process::run(&mut cargo) {
            eprintln!("error: {failure}");
            failed.push(bench.name);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Check(format!("benchmarks failed: {}", failed.join(", "))))
}
