//! The error type is no error.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct TooLarge;

#[faas("Small")]
fn small(orders: &[Order]) -> Result<Vec<u32>, TooLarge> {
    orders.iter().map(|order| if order.id < 100 { Ok(order.id) } else { Err(TooLarge) }).collect()
}

fn main() {}
