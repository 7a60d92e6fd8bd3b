//! A parameter is a small borrow of its own: no `&` before it.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Name")]
fn name(orders: &[Order], cx: &Cx<'_>) -> Vec<String> {
    orders.iter().map(|order| format!("{}{}", cx.flow(), order.id)).collect()
}

fn main() {}
