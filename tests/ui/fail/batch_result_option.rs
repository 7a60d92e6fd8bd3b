//! A batch function returns an `Option`.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("First")]
fn first(orders: &[Order]) -> Option<u32> {
    orders.first().map(|order| order.id)
}

fn main() {}
