//! Other programs: finding and running them.

use std::env;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use crate::failure::Failure;
use crate::repo;

/// The cargo that runs us, at the root of the repository.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(repo::root());
    cargo
}

/// A built example, at the root of the repository. Cargo puts examples beside the program that
/// this is, whatever folder its target is.
pub(crate) fn example(name: &str) -> Result<Command, Failure> {
    let me =
        env::current_exe().map_err(|e| Failure::io("find this program's folder".to_owned(), e))?;
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let mut program = Command::new(me.with_file_name("examples").join(file));
    program.current_dir(repo::root());
    Ok(program)
}

/// Runs a program that talks to the user itself.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status =
        command.status().map_err(|e| Failure::io(format!("run `{}`", told(command)), e))?;
    succeeded(command, status)
}

/// Runs a program and keeps what it prints; how it ended is in the output's status.
pub(crate) fn capture(command: &mut Command) -> Result<Output, Failure> {
    let output = command.stdin(Stdio::null()).output();
    output.map_err(|e| Failure::io(format!("run `{}`", told(command)), e))
}

/// Turns a bad end into a failure that names the program.
pub(crate) fn succeeded(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    // No code: a signal ended it.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failure::Program { what: told(command), code })
}

/// Whether a program of this name is on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    let file = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(&file).is_file()))
}

/// The command as one would type it; the program by its name, not by its path.
fn told(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
