//! A batch function returns an iterator.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Ids")]
fn ids(orders: &[Order]) -> impl Iterator<Item = u32> {
    orders.iter().map(|order| order.id)
}

fn main() {}
