//! `#[caas]` names no function.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[caas(connector = "Orders")]
async fn save(orders: &[Order]) -> Result<()> {
    let _ = orders;
    Ok(())
}

fn main() {}
