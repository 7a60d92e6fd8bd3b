//! Conf names a function, and a name has no types.

use kisflow::prelude::*;

#[faas("Count")]
fn count<T>(rows: &[T]) -> Vec<usize> {
    vec![rows.len()]
}

fn main() {}
