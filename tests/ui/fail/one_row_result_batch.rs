//! A one-row function returns a whole batch.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Split")]
fn split(order: &Order) -> Batch {
    Batch::typed(vec![order.id])
}

fn main() {}
