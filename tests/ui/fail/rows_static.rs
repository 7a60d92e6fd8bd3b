//! Rows are lent for one call, not for ever.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Ids")]
fn ids(orders: &'static [Order]) -> Vec<u32> {
    orders.iter().map(|order| order.id).collect()
}

fn main() {}
