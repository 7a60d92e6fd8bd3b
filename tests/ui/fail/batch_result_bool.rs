//! A batch function cannot say `bool` for all its rows.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Small")]
fn small(orders: &[Order]) -> bool {
    orders.iter().all(|order| order.id < 100)
}

fn main() {}
