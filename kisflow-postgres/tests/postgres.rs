//! Postgres as a connector, against real servers, each started for its test alone.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

#[allow(dead_code, reason = "shared with the tests of the whole")]
#[path = "../../tests/support/postgres_server.rs"]
mod postgres_server;
#[path = "../../tests/support/server.rs"]
mod server;

#[path = "postgres/access.rs"]
mod access;
#[path = "postgres/crashes.rs"]
mod crashes;
#[path = "postgres/deadlocks.rs"]
mod deadlocks;
#[path = "postgres/refusals.rs"]
mod refusals;
#[path = "postgres/rules.rs"]
mod rules;
#[path = "postgres/setup.rs"]
mod setup;
#[path = "postgres/world.rs"]
mod world;
