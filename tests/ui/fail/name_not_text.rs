//! The name is no text.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas(5)]
fn id(order: &Order) -> u32 {
    order.id
}

fn main() {}
