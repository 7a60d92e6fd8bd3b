//! `#[caas]` names neither a connector nor a function.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[caas]
async fn save(orders: &[Order]) -> Result<()> {
    let _ = orders;
    Ok(())
}

fn main() {}
