//! A number is no parameter that a link can find.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Large")]
fn large(orders: &[Order], limit: u32) -> Action {
    if orders.iter().all(|order| order.id <= limit) { Action::Reuse } else { Action::Abort }
}

fn main() {}
