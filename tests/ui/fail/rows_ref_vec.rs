//! A batch is a slice, not a `&Vec`.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Ids")]
fn ids(orders: &Vec<Order>) -> Vec<u32> {
    orders.iter().map(|order| order.id).collect()
}

fn main() {}
