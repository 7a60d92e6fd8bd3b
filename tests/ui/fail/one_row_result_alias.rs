//! An alias hides from the macro that the result is an `Option`.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

type Kept = Option<u32>;

#[faas("Small")]
fn small(order: &Order) -> Kept {
    (order.id < 100).then_some(order.id)
}

fn main() {}
