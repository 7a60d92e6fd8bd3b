//! Redis for kisflow: `type: redis` in the conf of a connector keeps records, quarantine and
//! positions; `type: redis_stream` in the conf of a source reads a Redis Stream.
//!
//! # The connector
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
//! that needs more than records takes a `Conn<'_, Redis>` and talks to Redis itself, through
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
//! A [`Redis`] can also keep quarantine and positions: name it as `cname` of the `quarantine`. They
//! are as durable as Redis' own persistence: see [`durable`](kisflow_core::Connector::durable) of
//! [`Redis`].
//!
//! # The source
//!
//! ```yaml
//! kistype: source
//! sname: orders
//! type: redis_stream
//! addrs: 127.0.0.1:6379
//! key: orders
//! batch: {rows: 500, wait_ms: 20}
//! params: {lease_ms: 30000}
//! ```
//!
//! A flow with `source: orders` gets the entries of the stream `orders` as its rows, each at least
//! once. See [`RedisStream`] for its behaviour, and [`RedisStreamParams`] for its params.
//!
//! # Modules
//!
//! | module | what it is |
//! |---|---|
//! | `params` | the params of a conf |
//! | `address`, `config`, `tls` | the settings of fred |
//! | `connect` | [`Redis`] |
//! | `connection` | connects within a bounded time, or reports why not |
//! | `private` | a server for one test |
//! | `persistence` | which settings of a server may lose what it has confirmed |
//! | `pipeline`, `script` | many commands, one round trip; Lua that runs as a whole |
//! | `storage`, `durable` | records as hashes; durable entries |
//! | `stream` | [`RedisStream`]: `reader` asks, `entry` reads answers, `group` and `receipt` tell Redis |
//! | `client_name` | the names of connections in `CLIENT LIST` |
//! | `error`, `permission` | [`RedisError`]; missing permissions of a user |

mod address;
mod client_name;
mod config;
mod connect;
mod connection;
mod durable;
mod error;
mod params;
mod permission;
mod persistence;
mod pipeline;
mod private;
mod script;
mod storage;
mod stream;
#[cfg(feature = "tls")]
mod tls;

pub use fred;

pub use crate::{
    connect::Redis,
    error::RedisError,
    params::{RedisMode, RedisParams},
    stream::{RedisStream, RedisStreamParams},
};
