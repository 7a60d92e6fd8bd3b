//! The future of storage logic keeps an `Rc` across an await.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[caas(connector = "Orders", function = "SaveOrders")]
async fn save(orders: &[Order]) -> Result<usize> {
    let count = std::rc::Rc::new(orders.len());
    std::future::ready(()).await;
    Ok(*count)
}

fn main() {}
