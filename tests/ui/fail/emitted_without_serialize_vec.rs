//! A one-row function expands to rows that do not serialize.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Double {
    id: u32,
}

#[faas("Double")]
fn double(order: &Order) -> Vec<Double> {
    vec![Double { id: order.id * 2 }]
}

fn main() {}
