//! The name has a key, and is no text.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas(name = 5)]
fn id(order: &Order) -> u32 {
    order.id
}

fn main() {}
