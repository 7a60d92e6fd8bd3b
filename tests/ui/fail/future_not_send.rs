//! A future keeps an `Rc` across an await.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Wait")]
async fn wait(orders: &[Order]) -> Vec<usize> {
    let count = std::rc::Rc::new(orders.len());
    std::future::ready(()).await;
    vec![*count]
}

fn main() {}
