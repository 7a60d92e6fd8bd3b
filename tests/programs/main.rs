//! Programs that cargo has built, as their users meet them.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

#[path = "../support/nats_server.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod nats_server;
#[path = "../support/redis_server.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod redis_server;
#[path = "../support/server.rs"]
mod server;

#[cfg(unix)]
mod cli;
mod cli_docs;
mod flights_live;
#[cfg(unix)]
mod terminal;
