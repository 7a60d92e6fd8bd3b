//! An async function takes one row.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Send")]
async fn send(order: &Order) -> u32 {
    order.id
}

fn main() {}
