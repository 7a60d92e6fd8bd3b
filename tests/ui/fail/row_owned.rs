//! A row is taken by value.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Id")]
fn id(order: Order) -> u32 {
    order.id
}

fn main() {}
