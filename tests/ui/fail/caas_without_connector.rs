//! `#[caas]` names no connector.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[caas(function = "SaveOrders")]
async fn save(orders: &[Order]) -> Result<()> {
    let _ = orders;
    Ok(())
}

fn main() {}
