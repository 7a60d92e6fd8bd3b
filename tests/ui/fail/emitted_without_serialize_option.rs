//! A one-row function emits rows that do not serialize, or filters them.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Double {
    id: u32,
}

#[faas("Double")]
fn double(order: &Order) -> Result<Option<Double>> {
    Ok(Some(Double { id: order.id * 2 }))
}

fn main() {}
