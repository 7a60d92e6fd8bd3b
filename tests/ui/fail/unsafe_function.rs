//! A flow cannot promise what an unsafe function asks for.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Total")]
unsafe fn total(order: &Order) -> u32 {
    order.id
}

fn main() {}
