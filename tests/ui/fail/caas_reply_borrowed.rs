//! Storage logic replies a borrow.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[caas(connector = "Orders", function = "SaveOrders")]
async fn first(orders: &[Order]) -> Result<&Order> {
    orders.first().ok_or_else(|| "no orders".into())
}

fn main() {}
