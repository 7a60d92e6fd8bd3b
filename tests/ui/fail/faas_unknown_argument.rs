//! `#[faas]` knows no such argument.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Id", mode = "Calculate")]
fn id(order: &Order) -> u32 {
    order.id
}

fn main() {}
