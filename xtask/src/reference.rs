//! `cargo xtask reference`: writes `docs/reference.md` and the schema's params anew, from the types
//! that read the conf; or only compares them. A test of `kisflow-cli` knows all of the types.

use crate::failure::Failure;
use crate::process;

/// What tells the test to write.
const MODE: (&str, &str) = ("KISFLOW_REFERENCE", "write");

/// Runs the test that makes both.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let mut cargo = process::cargo();
    // The workspace's features, because the tests are built so: no second build of everything.
    cargo.args(["test", "--quiet", "--workspace", "--all-features", "--test", "reference"]);
    match args {
        [] => cargo.env(MODE.0, MODE.1),
        [check] if check == "--check" => cargo.env_remove(MODE.0),
        [arg, ..] => {
            return Err(Failure::Usage(format!("`reference` knows only --check, got `{arg}`")));
        }
    };
    process::run(&mut cargo)
}
