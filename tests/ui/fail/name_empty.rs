//! The name is empty.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("")]
fn id(order: &Order) -> u32 {
    order.id
}

fn main() {}
