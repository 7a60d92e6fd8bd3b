//! A state cannot be kept.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[derive(Default)]
struct Sum(u32);

#[faas("Sum")]
fn sum(order: &Order, sum: &mut Sum) {
    sum.0 += order.id;
}

fn main() {}
