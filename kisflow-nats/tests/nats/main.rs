//! The source against servers of its own: the rules, what it opens and refuses, what it reads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it stands"
)]

mod conformance;
mod exactly_once;
#[path = "../../../tests/support/nats_server.rs"]
mod nats_server;
mod opening;
mod order;
mod outage;
mod reader;
mod reading;
#[path = "../../../tests/support/server.rs"]
mod server;
