//! An async batch function emits rows that do not serialize.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Total {
    sum: u32,
}

#[faas("Sum")]
async fn sum(orders: &[Order]) -> Result<Vec<Total>> {
    Ok(vec![Total { sum: orders.iter().map(|order| order.id).sum() }])
}

fn main() {}
