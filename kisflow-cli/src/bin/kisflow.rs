//! The command `kisflow`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kisflow_cli::kisflow()
}
