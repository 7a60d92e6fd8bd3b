//! Rows are read as a type, not as a `Batch`.

use kisflow::prelude::*;

#[faas("Count")]
fn count(rows: &Batch) -> Vec<usize> {
    vec![rows.len()]
}

fn main() {}
