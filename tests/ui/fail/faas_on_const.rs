//! A constant is no function, not even one with a closure.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Total")]
const TOTAL: fn(&Order) -> u32 = |order| order.id;

fn main() {}
