//! Which of the two is the connector?

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[caas("Orders", "SaveOrders")]
async fn save(orders: &[Order]) -> Result<()> {
    let _ = orders;
    Ok(())
}

fn main() {}
