//! `#[caas]` names nothing.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[caas(connector = "", function = "SaveOrders")]
async fn save(orders: &[Order]) -> Result<()> {
    let _ = orders;
    Ok(())
}

fn main() {}
