//! The command `kisflow`: what needs no program with flows, and how one begins.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::{args::LogFormat, failure::Failure, generate, new, schema};

const NAME: &str = "kisflow";

#[derive(Parser)]
#[command(
    name = NAME,
    about = "Starts programs with kisflow flows",
    long_about = "Starts programs with kisflow flows. Such a program has a command line of its own, which checks, draws, feeds, runs, tests and repairs its flows: `cargo run -- --help`.",
    version,
    after_help = "Examples:\n  kisflow new shop && cd shop && cargo run -- test\n  kisflow schema > conf/kisflow.schema.json\n\nExit status: 0 fine; 1 it could not be done; 2 wrong usage.",
    max_term_width = 100
)]
struct KisflowArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new service with one flow, its function and tests, some rows, and what deploys it
    #[command(
        after_help = "Examples:\n  kisflow new shop\n  kisflow new shop --path services/shop --kisflow-path ../kisflow"
    )]
    New(new::NewArgs),
    /// Print the JSON Schema of the conf, for editors
    #[command(after_help = "Example: kisflow schema > conf/kisflow.schema.json")]
    Schema,
    /// Print completions for a shell
    #[command(after_help = "Example: kisflow completions bash > /etc/bash_completion.d/kisflow")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page, or write one for each command
    #[command(after_help = "Example: kisflow man | man -l -")]
    Man {
        /// Write the page of every command into this directory instead
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// The `main` of the command `kisflow`.
#[must_use]
pub fn kisflow() -> ExitCode {
    let done: Result<(), Failure> = match KisflowArgs::parse().command {
        Command::New(args) => new::run(&args),
        Command::Schema => schema::print(),
        Command::Completions { shell } => generate::completions(KisflowArgs::command(), shell),
        Command::Man { dir } => generate::man(KisflowArgs::command(), dir.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(NAME, LogFormat::Text),
    }
}
