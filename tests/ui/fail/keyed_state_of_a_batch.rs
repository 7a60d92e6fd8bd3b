//! A state stands beside a batch.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Sum")]
fn sum(orders: &[Order], sum: &mut u32) {
    *sum += orders.iter().map(|order| order.id).sum::<u32>();
}

fn main() {}
