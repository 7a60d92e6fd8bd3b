//! Processes are killed, servers die, connections break, disks are full: no row is lost.
//!
//! Each test prints how many rows came twice, as far as its source promises no more than that.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

#[path = "../support/nats_server.rs"]
#[allow(dead_code, reason = "the tests of the source use more of it")]
mod nats_server;
#[path = "../support/postgres_server.rs"]
#[allow(dead_code, reason = "the tests of the connector use more of it")]
mod postgres_server;
#[path = "../support/redis_server.rs"]
#[allow(dead_code, reason = "the tests of the connector use more of it")]
mod redis_server;
#[path = "../support/server.rs"]
mod server;

mod commits;
mod disk;
mod exactly_once;
mod feed;
mod kill;
mod memory;
mod process;
mod share;
mod state;
