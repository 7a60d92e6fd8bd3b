//! Linking: from conf and registry to flows that can run, or to every reason why they cannot.

mod binder;
mod check;
mod connectors;
mod elsewhere;
mod error;
mod keyed;
mod plan;
mod sources;
mod unported;
mod weak_store;

pub use self::binder::Link;
pub(crate) use self::binder::{Misfit, connector_params, source_params};
pub(crate) use self::check::check;
pub(crate) use self::connectors::{ConnectorNames, Connectors};
pub use self::error::LoadError;
pub(crate) use self::error::NotConnected;
pub(crate) use self::keyed::check_batch;
pub(crate) use self::plan::{LeftOut, Linker, Prepared};
pub(crate) use self::sources::is_keyed;
