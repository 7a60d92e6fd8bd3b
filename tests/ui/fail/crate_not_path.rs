//! `crate` is a path, not a text.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Id", crate = "kisflow")]
fn id(order: &Order) -> u32 {
    order.id
}

fn main() {}
