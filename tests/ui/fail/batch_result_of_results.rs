//! A batch function returns a `Result` for each row.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Small")]
fn small(orders: &[Order]) -> Vec<Result<u32>> {
    orders.iter().map(|order| Ok(order.id)).collect()
}

fn main() {}
