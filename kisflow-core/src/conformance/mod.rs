//! The rules that engines keep, as tests for those who write one: [`storage`], [`durable`],
//! [`source`], [`exactly_once`]. They need the feature `conformance`,
//! and a tokio runtime with time.
//!
//! Each panics with the rule that is broken.

#![allow(clippy::panic, reason = "a broken rule is a panic: these are tests that others call")]

mod durable;
mod exactly_once;
mod kept;
mod reading;
#[cfg(test)]
mod shelf;
mod source;
#[cfg(test)]
mod source_tests;
mod storage;
#[cfg(test)]
mod storage_tests;

pub use self::{
    durable::{durable, durable_random},
    exactly_once::{ExactlyOnceWorld, exactly_once},
    kept::Kept,
    source::{Lease, SourceWorld, World, source},
    storage::storage,
};
use crate::error::{Result, error_chain};

/// What a call gave that the rules allow.
#[track_caller]
fn done<T>(what: &str, result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!(
            "broken rule: {what} that the rules allow succeeds; it failed: {}",
            error_chain(&*error)
        ),
    }
}
