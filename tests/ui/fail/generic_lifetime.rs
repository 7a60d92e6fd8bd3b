//! A lifetime has a name.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Count")]
fn count<'a>(rows: &'a [Order]) -> Vec<usize> {
    vec![rows.len()]
}

fn main() {}
