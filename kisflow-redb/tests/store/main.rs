//! The embedded store against real files: what it keeps, whatever happens to its process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod conformance;
mod full;
mod kill;
mod open;
mod socket;
