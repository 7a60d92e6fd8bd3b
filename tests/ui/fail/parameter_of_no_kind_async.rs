//! A text is no parameter that a link can find.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Large")]
async fn large(orders: &[Order], prefix: String) -> Vec<String> {
    orders.iter().map(|order| format!("{prefix}{}", order.id)).collect()
}

fn main() {}
