//! A batch function hands on a slice of its own rows.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Rest")]
fn rest(orders: &[Order]) -> &[Order] {
    &orders[1..]
}

fn main() {}
