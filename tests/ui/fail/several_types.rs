//! Every type of a function that does not fit is shown at once.

use kisflow::prelude::*;

struct Order {
    id: u32,
}

struct Total {
    sum: u32,
}

#[faas("Sum")]
fn sum(orders: &[Order], limit: u32, prefix: String) -> Vec<Total> {
    let _ = prefix;
    vec![Total { sum: orders.iter().map(|order| order.id).sum::<u32>().min(limit) }]
}

fn main() {}
