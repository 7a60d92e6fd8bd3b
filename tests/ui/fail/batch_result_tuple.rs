//! A batch function returns a number beside its action.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Count")]
fn count(orders: &[Order]) -> (usize, Action) {
    (orders.len(), Action::Reuse)
}

fn main() {}
