//! The name has no quotes.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas(AvgStuScore)]
fn id(order: &Order) -> u32 {
    order.id
}

fn main() {}
