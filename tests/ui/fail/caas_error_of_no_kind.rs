//! The error of storage logic is no error.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Full;

#[caas(connector = "Orders", function = "SaveOrders")]
async fn save(orders: &[Order]) -> Result<(), Full> {
    let _ = orders;
    Err(Full)
}

fn main() {}
