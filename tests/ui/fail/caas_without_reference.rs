//! Storage logic takes what the caller gives by reference.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[caas(connector = "Orders", function = "SaveOrders")]
async fn save(cx: Cx<'_>) -> Result<()> {
    let _ = cx;
    Ok(())
}

fn main() {}
