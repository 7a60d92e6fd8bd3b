//! A batch function emits rows that do not serialize, behind an alias.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Total {
    sum: u32,
}

type Totals = Vec<Total>;

#[faas("Sum")]
fn sum(orders: &[Order]) -> Totals {
    vec![Total { sum: orders.iter().map(|order| order.id).sum() }]
}

fn main() {}
