//! What the caller gives is borrowed, not changed.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[caas(connector = "Orders", function = "SaveOrders")]
async fn save(orders: &mut [Order]) -> Result<()> {
    let _ = orders;
    Ok(())
}

fn main() {}
