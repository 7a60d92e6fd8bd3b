//! What the commands of `positions` are told.

use clap::{Args as ClapArgs, Subcommand};
use kisflow_core::StoredPosition;
use kisflow_file::ResetTo;

#[derive(ClapArgs)]
pub(crate) struct PositionsArgs {
    #[command(subcommand)]
    pub(super) command: PositionsCommand,
}

#[derive(Subcommand)]
pub(super) enum PositionsCommand {
    /// List where each source stands, and what is behind it
    #[command(after_help = "Example: {program} positions list --output json")]
    List(Which),
    /// Show positions as their sources have kept them
    #[command(after_help = "Example: {program} positions show --flow Invoices")]
    Show(Which),
    /// Let a source go on elsewhere; stop the service before
    #[command(after_help = "Example: {program} positions reset Invoices --to start")]
    Reset(ResetArgs),
    /// Give positions to a flow, source or file of another name, with the states of the flow; stop the
    /// service before
    #[command(after_help = "Example: {program} positions move --flow Invoices --to-flow Bills")]
    Move(MoveArgs),
    /// Write positions, states and quarantine of one store to another; stop the service before
    #[command(after_help = "Example: {program} positions copy --from cache --to kisflow")]
    Copy(CopyArgs),
}

/// Which positions are meant.
#[derive(ClapArgs, Clone)]
pub(super) struct Which {
    /// Only those of this flow
    #[arg(long)]
    pub(super) flow: Option<String>,
    /// Only those of this source
    #[arg(long)]
    pub(super) source: Option<String>,
    /// Only that of this part: the path of a file
    #[arg(long)]
    pub(super) part: Option<String>,
}

impl Which {
    pub(super) fn takes(&self, position: &StoredPosition) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        is(&self.flow, &position.flow)
            && is(&self.source, &position.source)
            && is(&self.part, &position.part)
    }
}

#[derive(ClapArgs)]
pub(super) struct ResetArgs {
    /// The flow
    pub(super) flow: String,
    /// Only this part: the path of a file
    #[arg(long)]
    pub(super) part: Option<String>,
    /// Where to go on: start, end, or the byte of a file at which a row begins
    #[arg(long, value_name = "start|end|OFFSET", value_parser = to)]
    pub(super) to: ResetTo,
    /// Remove the states that functions of the flow keep: all rows from there on count anew
    #[arg(long, conflicts_with_all = ["keep_states", "part"])]
    pub(super) drop_states: bool,
    /// Leave the states as they are: rows that are read again count again
    #[arg(long)]
    pub(super) keep_states: bool,
    /// Also where a position was kept just now, by a service that may be running
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(ClapArgs)]
pub(super) struct MoveArgs {
    #[command(flatten)]
    pub(super) which: Which,
    /// The new name of the flow
    #[arg(long, value_name = "FLOW")]
    pub(super) to_flow: Option<String>,
    /// The new name of the source
    #[arg(long, value_name = "SOURCE")]
    pub(super) to_source: Option<String>,
    /// The new name of the part
    #[arg(long, value_name = "PART", requires = "part")]
    pub(super) to_part: Option<String>,
    /// Also where a position was kept just now, by a service that may be running
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(ClapArgs)]
pub(super) struct CopyArgs {
    /// The connector whose positions, states and quarantine are read
    #[arg(long, value_name = "CNAME")]
    pub(super) from: String,
    /// The connector that they are written to
    #[arg(long, value_name = "CNAME")]
    pub(super) to: String,
    /// Replace what the other store has otherwise
    #[arg(long)]
    pub(super) replace: bool,
}

fn to(text: &str) -> Result<ResetTo, &'static str> {
    match text {
        "start" => Ok(ResetTo::Start),
        "end" => Ok(ResetTo::End),
        offset => offset
            .parse()
            .map(ResetTo::Offset)
            .map_err(|_| "expected start, end, or a number of bytes"),
    }
}
