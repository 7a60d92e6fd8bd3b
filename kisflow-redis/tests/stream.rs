//! Redis as a source and as durable storage, against real servers, each started for its test alone.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

#[allow(dead_code, reason = "shared with the tests of the whole")]
#[path = "../../tests/support/redis_server.rs"]
mod redis_server;
#[path = "../../tests/support/server.rs"]
mod server;

#[path = "stream/cluster.rs"]
mod cluster;
#[path = "stream/entries.rs"]
mod entries;
#[path = "stream/exactly_once.rs"]
mod exactly_once;
#[path = "stream/permissions.rs"]
mod permissions;
#[path = "stream/refusals.rs"]
mod refusals;
#[path = "stream/rules.rs"]
mod rules;
#[path = "stream/takeover.rs"]
mod takeover;
#[path = "stream/trouble.rs"]
mod trouble;
#[path = "stream/world.rs"]
mod world;
