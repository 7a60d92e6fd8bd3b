//! The Redis connector of kisflow: `type: redis` in a connector's conf.
//!
//! ```yaml
//! kistype: conn
//! cname: scores
//! type: redis
//! addrs: 127.0.0.1:6379
//! key: stu_
//! params:
//!   password_env: SCORES_PASSWORD
//!   ttl_ms: 86400000
//! ```
//!
//! Give the registry the type, and functions with a `Store` keep their records in Redis. A record
//! is a hash at the connector's `key` + id, so other programs can read and write it too. A function
//! that needs more than records takes a `Conn<'_, Redis>` and speaks to Redis itself, through
//! [`fred`]: see [`Redis::client`].
//!
//! ```no_run
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use kisflow_core::Registry;
//! use kisflow_redis::Redis;
//!
//! let flows = Registry::new().connector::<Redis>().load("conf").await?;
//! # Ok::<(), kisflow_core::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `params` | what a conf can say |
//! | `address`, `config`, `tls` | what fred is told of it |
//! | `connect` | [`Redis`]: connects within a bounded time, or says why not |
//! | `pipeline` | many commands, one round trip |
//! | `storage` | records as hashes |
//! | `error` | [`RedisError`] |

mod address;
mod config;
mod connect;
mod error;
mod params;
mod pipeline;
mod storage;
#[cfg(feature = "tls")]
mod tls;

pub use fred;

pub use crate::{
    connect::Redis,
    error::RedisError,
    params::{RedisMode, RedisParams, Secret},
};
