//! A batch has any number of rows.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Ids")]
fn ids(orders: &[Order; 3]) -> Vec<u32> {
    orders.iter().map(|order| order.id).collect()
}

fn main() {}
