//! The command line of a program with flows: its `main` passes its registry to [`cli`], and the
//! program checks, draws, feeds, runs, tests and repairs its flows.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use kisflow_core::Registry;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async
//! fn main() -> ExitCode {
//!     kisflow_cli::cli(Registry::new()).await
//! }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `args` | every command and option, with its help |
//! | `terminal`, `table`, `text`, `failure` | output, and how a command ends |
//! | `log` | log lines |
//! | `signal`, `moment` | signals to stop; points in time |
//! | `conf`, `problem` | reading and linking; a problem with the lines around it |
//! | `check`, `graph`, `list`, `feed`, `run`, `quarantine`, `positions`, `test` | the commands of a program |
//! | `generate` | completions and the man page, from the same definitions |
//! | `kisflow`, `new`, `schema` | the command `kisflow`, without a registry |

mod args;
mod check;
mod conf;
mod failure;
mod feed;
mod generate;
mod given;
mod graph;
mod kisflow;
mod list;
mod log;
mod moment;
mod new;
mod positions;
mod problem;
mod quarantine;
mod run;
mod schema;
mod signal;
mod table;
mod terminal;
mod test;
mod text;

use std::{env, ffi::OsString, path::Path, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, builder::StyledStr};
use kisflow_core::Registry;

#[doc(hidden)]
pub use crate::kisflow::kisflow;
use crate::{
    args::{Args, Command},
    failure::Failure,
};

/// Runs the command in the program's arguments, and returns the exit status: `0` fine, `1` the
/// flow's answer is no, `2` wrong usage or conf. `--version` prints the version of the registry.
///
/// # Cancel safety
///
/// Dropping the future stops the command at once, as killing the process would.
pub async fn cli(registry: Registry) -> ExitCode {
    cli_with(registry, env::args_os()).await
}

/// Runs the command in other arguments than the program's own, which begin with the program's name.
/// For a program with its own command line around this one.
///
/// Help, or a mistake in the arguments, is printed and ends the process.
///
/// # Cancel safety
///
/// As [`cli`].
pub async fn cli_with(registry: Registry, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let program = args.first().map(Path::new).and_then(Path::file_stem);
    let program = program.map_or("flows".into(), |name| name.to_string_lossy().into_owned());
    let command = command(&program, registry.program_version());
    let matches = match command.clone().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(help_or_mistake) => help_or_mistake.exit(),
    };
    let args = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(mistake) => mistake.exit(),
    };
    let log_format = args.common.log_format;
    match run(registry, command, args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&program, log_format),
    }
}

/// The command line, for a program of this name.
fn command(program: &str, version: Option<&str>) -> clap::Command {
    let command = Args::command().name(program.to_owned()).bin_name(program);
    let kisflow = env!("CARGO_PKG_VERSION");
    let version = version.map_or(String::new(), |version| format!("{version} "));
    named(command.version(format!("{version}(kisflow {kisflow})")), program)
}

/// Puts the program's name into the examples.
fn named(mut command: clap::Command, program: &str) -> clap::Command {
    let filled = |help: Option<&StyledStr>| {
        help.map(|help| StyledStr::from(help.to_string().replace("{program}", program)))
    };
    let (short, long) = (filled(command.get_after_help()), filled(command.get_after_long_help()));
    command = command.mut_subcommands(|subcommand| named(subcommand, program));
    command = match short {
        Some(help) => command.after_help(help),
        None => command,
    };
    match long {
        Some(help) => command.after_long_help(help),
        None => command,
    }
}

async fn run(registry: Registry, cli: clap::Command, args: Args) -> Result<(), Failure> {
    let Args { common, command } = args;
    if !matches!(command, Command::Run(_)) {
        log::start(&common, None, None)?;
    }
    match command {
        Command::Check(args) => check::run(registry, &common, args).await,
        Command::Graph(args) => graph::run(registry, &common, &args),
        Command::Functions => list::functions(registry, &common),
        Command::Flows => list::flows(registry, &common),
        Command::Connectors(args) => list::connectors(registry, &common, args).await,
        Command::Feed(args) => feed::run(registry, &common, args).await,
        Command::Test(args) => test::run(registry, &common, args).await,
        Command::Schema => schema::print(),
        Command::Run(args) => run::run(registry, &common, &args).await,
        Command::Positions(args) => positions::run(registry, &common, args).await,
        Command::Quarantine(args) => quarantine::run(registry, &common, args).await,
        Command::Completions { shell } => generate::completions(cli, shell),
        Command::Man { dir } => generate::man(cli, dir.as_deref()),
    }
}
