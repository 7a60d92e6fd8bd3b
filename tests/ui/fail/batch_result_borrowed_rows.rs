//! A batch function hands on references to its own rows.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Small")]
fn small(orders: &[Order]) -> Vec<&Order> {
    orders.iter().filter(|order| order.id < 100).collect()
}

fn main() {}
