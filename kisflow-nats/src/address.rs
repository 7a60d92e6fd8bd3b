//! `addrs` of a source.

use kisflow_core::Address;

use crate::error::NatsError;

/// Where NATS listens unless it is told otherwise.
const DEFAULT: &str = "127.0.0.1:4222";

/// The addresses in the order of the conf; at least one.
pub(crate) fn addresses(addrs: &str) -> Result<Vec<Address>, NatsError> {
    let addrs = if addrs.is_empty() { DEFAULT } else { addrs };
    Address::list(addrs, DEFAULT).map_err(|error| NatsError::conf(error.to_string()))
}
