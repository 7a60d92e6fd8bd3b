//! State is shared between threads, and this one cannot be.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Count")]
fn count(orders: &[Order], seen: State<'_, std::cell::Cell<usize>>) {
    seen.set(seen.get() + orders.len());
}

fn main() {}
