//! `positions`: where each source stands, and letting it go on elsewhere.

mod args;
mod change;
mod look;
mod store;

use kisflow_core::Registry;

pub(crate) use self::args::PositionsArgs;
use self::{args::PositionsCommand, store::Store};
use crate::{args::Common, conf, failure::Failure};

pub(crate) async fn run(
    registry: Registry,
    common: &Common,
    args: PositionsArgs,
) -> Result<(), Failure> {
    let inspection = conf::inspect(registry.clone(), &common.conf)?;
    let store = Store::new(registry, inspection.conf);
    match args.command {
        PositionsCommand::List(which) => look::list(&store, common, &which).await,
        PositionsCommand::Show(which) => look::show(&store, common, &which).await,
        PositionsCommand::Reset(args) => change::reset(&store, common, args).await,
        PositionsCommand::Move(args) => change::rename(&store, common, args).await,
        PositionsCommand::Copy(args) => change::copy(&store, common, &args).await,
    }
}
