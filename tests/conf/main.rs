//! Conf: how it is read and written, and every finding about one before anything connects.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod files;
mod inspect;
mod round_trip;
mod sources;
