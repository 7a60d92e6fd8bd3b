//! Every command and option, with its help. In examples `{program}` stands for the program's name.

use std::{path::PathBuf, slice};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::{
    feed::{self, FeedArgs},
    log,
    positions::PositionsArgs,
    quarantine::QuarantineArgs,
    run::RunArgs,
};

/// Where the conf is unless somebody says.
pub(crate) const CONF: &str = "conf";

#[derive(Parser)]
#[command(
    about = "Checks, draws, feeds, runs, tests and repairs the flows of this program",
    after_help = "Exit status: 0 fine; 1 the flow's answer is no; 2 wrong usage or conf.",
    max_term_width = 100
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(ClapArgs)]
pub(crate) struct Common {
    /// The directory of the flows' conf; several are read as one
    #[arg(long, global = true, value_name = "DIR", default_value = CONF)]
    pub(crate) conf: Vec<PathBuf>,
    /// How results are printed: for people, or for programs
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// What is logged: off, error, warn, info, debug, trace, or such as info,kisflow_redis=debug
    /// [default: RUST_LOG, or else info for `run` and off for all others]
    #[arg(long, global = true, value_name = "LEVEL", value_parser = log::level)]
    pub(crate) log_level: Option<String>,
    /// How log lines are written: for people, or one JSON object a line
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
}

impl Common {
    /// The directory that stands behind a command goes before `--conf`.
    pub(crate) fn dir<'a>(&'a self, dir: &'a Option<PathBuf>) -> &'a [PathBuf] {
        dir.as_ref().map_or(&self.conf, slice::from_ref)
    }
}

#[cfg(test)]
impl Common {
    /// What holds where no option is given, for a conf in this directory.
    pub(crate) fn of(conf: PathBuf) -> Self {
        let (output, log_format) = (Output::Table, LogFormat::Text);
        Self { conf: vec![conf], output, log_level: None, log_format }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Find every mistake in the conf, before anything connects
    #[command(after_help = "Example: {program} check conf/ && echo ready")]
    Check(CheckArgs),
    /// Draw the flows of the conf, or one of them
    #[command(after_help = "Example: {program} graph Invoices --format svg --out invoices.svg")]
    Graph(GraphArgs),
    /// List the functions of this program, with what they read and hand on
    #[command(after_help = "Example: {program} functions --output json")]
    Functions,
    /// List the flows of the conf
    #[command(after_help = "Example: {program} flows --conf /etc/shop/flows")]
    Flows,
    /// List the connectors of the conf, and who uses them
    #[command(after_help = "Example: {program} connectors --ping")]
    Connectors(ConnectorsArgs),
    /// Run the rows of files, or of standard input, through a flow
    #[command(after_help = feed::AFTER_HELP, after_long_help = feed::AFTER_LONG_HELP)]
    Feed(FeedArgs),
    /// Run the tests of the conf (`kistype: test`), each on empty memories or private engines
    #[command(after_help = "Example: {program} test conf/ --only refund")]
    Test(TestArgs),
    /// Print the JSON Schema of the conf, for editors
    #[command(after_help = "Example: {program} schema > conf/kisflow.schema.json")]
    Schema,
    /// Serve every flow that has a source, until they end or are told to stop
    #[command(after_help = "Example: {program} run conf/ --log-level warn --log-format json")]
    Run(RunArgs),
    /// Look at the rows that could not be processed, send them on, or take them out
    #[command(
        after_help = "Example: {program} quarantine stats && {program} quarantine retry --all"
    )]
    Quarantine(QuarantineArgs),
    /// Look at where each source stands, let it go on elsewhere, or carry a store over to another
    #[command(after_help = "Example: {program} positions list")]
    Positions(PositionsArgs),
    /// Print completions for a shell
    #[command(
        after_help = "Example: {program} completions bash > /etc/bash_completion.d/{program}"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page, or write one for each command
    #[command(after_help = "Example: {program} man | man -l -")]
    Man {
        /// Write the page of every command into this directory instead
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(ClapArgs)]
pub(crate) struct CheckArgs {
    /// The directory of the conf
    pub(crate) dir: Option<PathBuf>,
    /// Connect every connector as well
    #[arg(long)]
    pub(crate) connect: bool,
}

#[derive(ClapArgs)]
pub(crate) struct GraphArgs {
    /// The flow to draw instead of all
    pub(crate) flow: Option<String>,
    /// What to draw it as [default: what the name of FILE says, or mermaid]
    #[arg(long, value_enum)]
    pub(crate) format: Option<GraphFormat>,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
    /// A picture
    Svg,
}

#[derive(ClapArgs)]
pub(crate) struct ConnectorsArgs {
    /// Connect to each, and say whether it answers
    #[arg(long)]
    pub(crate) ping: bool,
}

#[derive(ClapArgs)]
pub(crate) struct TestArgs {
    /// The directory of the conf
    pub(crate) dir: Option<PathBuf>,
    /// Run only the tests with this text in their name, or in that of their flow or function
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
}
