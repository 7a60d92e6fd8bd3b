//! Every mistake of a function is shown at once.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("", "Twice", mode = "Save")]
async fn ids<T>(order: &mut Order, one: &mut Order, rest: Vec<Order>) -> u32 {
    order.id + one.id + rest.len() as u32
}

fn main() {}
