//! The type of the params does not deserialize.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Limits {
    max_id: u32,
}

#[faas("Small")]
fn small(order: &Order, limits: Params<'_, Limits>) -> bool {
    order.id <= limits.max_id
}

fn main() {}
