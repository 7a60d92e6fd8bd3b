//! A program that denies every warning may have kisflow functions.

#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications, elided_lifetimes_in_paths)]
#![deny(rust_2018_idioms, unused_results, single_use_lifetimes, trivial_casts, unsafe_code)]

use kisflow::{Result, prelude::*};

/// Doubles.
#[faas]
pub fn double(row: &u32) -> Result<Option<u32>> {
    Ok(row.checked_mul(2))
}

/// Sums.
#[faas("Sum")]
pub async fn sum(rows: &[u32], cx: Cx<'_>) -> Vec<String> {
    vec![format!("{}: {}", cx.flow(), rows.iter().sum::<u32>())]
}

/// Saves.
#[caas(connector = "Sums", function = "Sum")]
pub async fn save(_: &[u32]) -> Result<()> {
    Ok(())
}

fn main() {}
