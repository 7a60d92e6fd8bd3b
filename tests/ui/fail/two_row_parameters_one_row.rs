//! A second row parameter stands before the batch.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Join")]
fn join(first: &Order, orders: &[Order]) -> Vec<u32> {
    orders.iter().map(|order| order.id + first.id).collect()
}

fn main() {}
