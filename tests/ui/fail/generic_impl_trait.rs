//! `impl Trait` is a generic type without a name.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Count")]
fn count(rows: &[Order], log: impl Fn(&str)) -> Vec<usize> {
    log("counting");
    vec![rows.len()]
}

fn main() {}
