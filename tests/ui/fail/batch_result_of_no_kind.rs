//! A batch function returns a number.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Count")]
fn count(orders: &[Order]) -> usize {
    orders.len()
}

fn main() {}
