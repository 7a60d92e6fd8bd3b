//! Two names for one function.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Id", "Number")]
fn id(order: &Order) -> u32 {
    order.id
}

fn main() {}
