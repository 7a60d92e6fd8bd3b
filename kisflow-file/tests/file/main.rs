//! The sources against real files and pipes: what they hand out, report, and refuse.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod broken;
mod changes;
mod check;
mod conformance;
mod follow;
mod generations;
mod losses;
mod memory;
mod patterns;
mod random;
mod stdin;
mod support;
mod whole;
