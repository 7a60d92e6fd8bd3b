//! A constant parameter is a generic one.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Total")]
fn total<const N: u32>(order: &Order) -> u32 {
    order.id + N
}

fn main() {}
