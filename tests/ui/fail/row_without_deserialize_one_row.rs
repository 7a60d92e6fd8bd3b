//! Rows are read as a type that does not deserialize, one by one.

use kisflow::prelude::*;

struct Order {
    id: u32,
}

#[faas("Ids")]
fn ids(order: &Order) -> u32 {
    order.id
}

fn main() {}
