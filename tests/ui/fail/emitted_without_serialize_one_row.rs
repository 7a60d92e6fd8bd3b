//! A one-row function emits rows that do not serialize.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Double {
    id: u32,
}

#[faas("Double")]
fn double(order: &Order) -> Double {
    Double { id: order.id * 2 }
}

fn main() {}
