//! Storage logic has no `self`.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Shop;

impl Shop {
    #[caas(connector = "Orders", function = "SaveOrders")]
    async fn save(&self, orders: &[Order]) -> Result<()> {
        let _ = orders;
        Ok(())
    }
}

fn main() {}
