//! Rows are read as a type that does not deserialize, from a batch.

use kisflow::prelude::*;

struct Order {
    id: u32,
}

#[faas("Ids")]
fn ids(orders: &[Order]) -> Vec<u32> {
    orders.iter().map(|order| order.id).collect()
}

fn main() {}
