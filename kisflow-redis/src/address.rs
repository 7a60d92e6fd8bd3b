//! `addrs` of a connector or a stream.

use kisflow_core::Address;

use crate::error::RedisError;

/// The addresses in the order of the conf; at least one.
pub(crate) fn addresses(addrs: &str) -> Result<Vec<Address>, RedisError> {
    Address::list(addrs, "127.0.0.1:6379").map_err(|error| RedisError::conf(error.to_string()))
}
