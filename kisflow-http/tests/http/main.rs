//! The source over real sockets: what it answers, delivers, and refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod answers;
mod bodies;
mod conformance;
mod deliveries;
mod exactly_once;
mod keys;
mod listeners;
mod support;
mod tls;
