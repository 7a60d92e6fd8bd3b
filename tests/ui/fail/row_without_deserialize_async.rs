//! Rows are read as a type that does not deserialize, async.

use kisflow::prelude::*;

struct Order {
    id: u32,
}

#[faas("Ids")]
async fn ids(orders: &[Order]) -> Vec<u32> {
    orders.iter().map(|order| order.id).collect()
}

fn main() {}
