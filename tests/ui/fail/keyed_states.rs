//! A row has two states.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Sum")]
fn sum(order: &Order, sum: &mut u32, count: &mut u32) {
    *sum += order.id;
    *count += 1;
}

fn main() {}
