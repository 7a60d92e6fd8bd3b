//! A batch function emits rows that do not serialize, with an action.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Total {
    sum: u32,
}

#[faas("Sum")]
fn sum(orders: &[Order]) -> (Vec<Total>, Action) {
    (vec![Total { sum: orders.iter().map(|order| order.id).sum() }], Action::Force)
}

fn main() {}
