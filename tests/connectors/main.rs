//! Connectors: Save and Load, several at once, stubs, Redis, and PostgreSQL.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

#[path = "../support/postgres_server.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod postgres_server;
#[path = "../support/redis_server.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod redis_server;
#[path = "../support/server.rs"]
mod server;

mod positions;
mod postgres;
mod redis;
mod several;
mod storage;
mod stubs;
mod weak_stores;
