//! An async batch function returns a number.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Count")]
async fn count(orders: &[Order]) -> usize {
    orders.len()
}

fn main() {}
