//! The action comes after the rows.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Ids")]
fn ids(orders: &[Order]) -> (Action, Vec<u32>) {
    (Action::Force, orders.iter().map(|order| order.id).collect())
}

fn main() {}
