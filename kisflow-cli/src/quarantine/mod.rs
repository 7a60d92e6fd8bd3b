//! `quarantine`: the rows that could not be processed, looked at, sent on, or taken out.

mod args;
mod discard;
mod edit;
mod editor;
mod ids;
mod json;
mod known;
mod look;
mod retry;
mod set;
mod store;

use kisflow_core::Registry;

pub(crate) use self::args::QuarantineArgs;
use self::{args::QuarantineCommand, store::Store};
use crate::{args::Common, conf, failure::Failure};

pub(crate) async fn run(
    registry: Registry,
    common: &Common,
    args: QuarantineArgs,
) -> Result<(), Failure> {
    let inspection = conf::inspect(registry.clone(), &common.conf)?;
    let store = Store::new(registry, inspection.conf)?;
    match args.command {
        QuarantineCommand::List(args) => look::list(&store, common, args).await,
        QuarantineCommand::Show(args) => look::show(&store, common, &args).await,
        QuarantineCommand::Stats(filters) => look::stats(&store, common, filters).await,
        QuarantineCommand::Retry(args) => retry::run(&store, common, args).await,
        QuarantineCommand::Edit(args) => edit::run(&store, common, args).await,
        QuarantineCommand::Discard(args) => discard::run(&store, common, args).await,
    }
}
