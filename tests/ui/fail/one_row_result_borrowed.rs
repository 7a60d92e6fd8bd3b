//! A one-row function hands on its own row.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Same")]
fn same(order: &Order) -> &Order {
    order
}

fn main() {}
