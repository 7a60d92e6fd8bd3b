//! A number is no parameter that a link can find.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[caas(connector = "Orders", function = "SaveOrders")]
async fn save(orders: &[Order], limit: u32) -> Result<()> {
    let _ = (orders, limit);
    Ok(())
}

fn main() {}
