//! All tests, in two lanes at once: most tests wait for servers, others compile programs.

use std::io::{self, Read};
use std::process::Command;
use std::thread;

use crate::failure::Failure;
use crate::process;

/// The whole workspace: another choice of packages would build with other features.
pub(crate) const SCOPE: [&str; 2] = ["--workspace", "--all-features"];

/// The examples that tests run as programs.
const EXAMPLES: [&str; 4] = ["chaos_committer", "chaos_worker", "flights_live", "shop"];

/// The test programs that compile programs. `new` builds in this build's directory and locks it, so
/// it is the last: cargo has started the other lane by then.
const COMPILING: [&str; 2] = ["ui", "new"];

/// Builds and runs all tests. A test that fails stops neither its lane nor the other one.
pub(crate) fn run() -> Result<(), Failure> {
    let examples = EXAMPLES.iter().flat_map(|name| ["--example", name]);
    process::run(process::cargo().arg("build").args(SCOPE).arg("--tests").args(examples))?;
    let waiting = waiting()?;
    println!("the tests that compile programs run at the same time, their output comes last");
    let (waited, compiled) = thread::scope(|scope| {
        let compiled = scope.spawn(compiling);
        let targets = waiting.iter().flat_map(|name| ["--test", name]);
        let mut tests = process::cargo();
        tests.arg("test").args(SCOPE).args(["--no-fail-fast", "--lib", "--bins"]).args(targets);
        let waited = tests.status();
        (waited, compiled.join())
    });
    let (output, compiled) = compiled.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    print!("{output}");
    let waited = waited.map_err(|e| Failure::io("run cargo", e))?.success();
    if waited && compiled {
        return Ok(());
    }
    Err(Failure::Check("tests failed; their names are above".to_owned()))
}

/// Runs the tests that compile programs, and the doc tests: what they print, and whether all passed.
fn compiling() -> Result<(String, bool), Failure> {
    let [ui, new] = COMPILING;
    let mut output = String::new();
    let mut passed = true;
    for targets in [&["--test", ui][..], &["--doc"], &["--test", new]] {
        let mut tests = process::cargo();
        tests.arg("test").args(SCOPE).arg("--no-fail-fast").args(targets);
        passed &= captured(tests, &mut output).map_err(|e| Failure::io("run cargo", e))?;
    }
    Ok((output, passed))
}

/// Runs a program, and keeps what it prints in the order in which it prints it.
fn captured(mut command: Command, output: &mut String) -> io::Result<bool> {
    let (mut reader, writer) = io::pipe()?;
    let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The pipe ends when its last writer is closed.
    drop(command);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    output.push_str(&String::from_utf8_lossy(&bytes));
    Ok(child.wait()?.success())
}

/// The test programs of the workspace without those that compile.
fn waiting() -> Result<Vec<String>, Failure> {
    let mut metadata = process::cargo();
    metadata.args(["metadata", "--no-deps", "--format-version=1"]);
    let output = process::capture(&mut metadata)?;
    process::succeeded(&metadata, output.status)?;
    let mut names = test_programs(&String::from_utf8_lossy(&output.stdout));
    for compiling in COMPILING {
        if !names.iter().any(|name| name == compiling) {
            return Err(Failure::Check(format!("no test program is named `{compiling}`")));
        }
        names.retain(|name| name != compiling);
    }
    Ok(names)
}

/// The names of test programs in what `cargo metadata` prints.
fn test_programs(metadata: &str) -> Vec<String> {
    let targets = metadata.split(r#""kind":["test"],"#).skip(1);
    let name = |target: &str| {
        let (_, name) = target.split_once(r#""name":""#)?;
        name.split('"').next().map(str::to_owned)
    };
    targets.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_program_is_in_one_of_the_lanes() {
        let waiting = waiting().unwrap();
        for name in ["chaos", "nats", "serve"] {
            assert!(waiting.iter().any(|found| found == name), "{waiting:?}");
        }
        for name in COMPILING {
            assert!(waiting.iter().all(|found| found != name), "{waiting:?}");
        }
    }

    #[test]
    fn a_library_is_no_test_program() {
        let metadata = r#"{"targets":[{"kind":["lib"],"crate_types":["lib"],"name":"shop"},{"kind":["test"],"crate_types":["bin"],"name":"orders","src_path":"tests/orders.rs"}]}"#;
        assert_eq!(test_programs(metadata), ["orders"]);
    }

    #[test]
    fn what_is_captured_is_in_the_order_in_which_it_was_printed() {
        let script = |text: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", text]);
            let mut output = String::new();
            (captured(shell, &mut output).unwrap(), output)
        };
        assert_eq!(script("echo a; echo b >&2; echo c"), (true, "a\nb\nc\n".to_owned()));
        assert_eq!(script("echo a; exit 3"), (false, "a\n".to_owned()));
    }
}
