//! Runs of a flow: which function is next, and calls that fail, hang or panic.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod actions;
mod keyed;
mod runs;
