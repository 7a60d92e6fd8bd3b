//! Two parameters are references, and only the rows are.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Join")]
fn join(left: &[Order], right: &[Order]) -> Vec<u32> {
    left.iter().chain(right).map(|order| order.id).collect()
}

fn main() {}
