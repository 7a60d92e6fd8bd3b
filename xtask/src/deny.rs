//! `cargo xtask deny`: licences, bans, sources and advisories of all dependencies, by `deny.toml`.

use crate::failure::Failure;
use crate::process;

/// Runs cargo-deny, which is installed first if need be.
pub(crate) fn run() -> Result<(), Failure> {
    if !process::capture(process::cargo().args(["deny", "--version"]))?.status.success() {
        println!("cargo-deny is missing: installing it, this takes minutes");
        let install = ["install", "cargo-deny", "--locked", "--version", "^0.20"];
        process::run(process::cargo().args(install))?;
    }
    let check =
        ["deny", "--workspace", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
    let known = process::run(process::cargo().args(check));
    advisories().and(known)
}

/// Advisories need a database from the network. Where it cannot be fetched, an older copy will do;
/// where there is none, that is no fault of our dependencies.
fn advisories() -> Result<(), Failure> {
    let fetch = process::capture(process::cargo().args(["deny", "fetch", "db"]))?;
    if !fetch.status.success() {
        eprintln!("WARNING: the advisory database could not be fetched:");
        eprintln!("{}", String::from_utf8_lossy(&fetch.stderr).trim_end());
    }
    // Offline: the fetch is done, and its failure must not look like one of the check.
    let check = ["deny", "--color", "never", "--workspace", "--offline", "check", "advisories"];
    let mut cargo = process::cargo();
    let output = process::capture(cargo.args(check))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let checked = stdout.lines().chain(stderr.lines()).any(is_summary);
    if !checked && !fetch.status.success() {
        eprintln!("WARNING: there is no copy of it here either: ADVISORIES WERE NOT CHECKED");
        return Ok(());
    }
    print!("{stdout}");
    eprint!("{stderr}");
    process::succeeded(&cargo, output.status)
}

/// What cargo-deny says when the check came to an end. Its status would not tell: it is the same
/// for an advisory and for a missing database.
fn is_summary(line: &str) -> bool {
    matches!(line.trim(), "advisories ok" | "advisories FAILED")
}
