//! Rows: how they are read and written, and what becomes of those that cannot be read.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod codecs;
mod reading;
mod row_defaults;
mod unreadable;
