//! A one-row function returns a type without a name.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Id")]
fn id(order: &Order) -> impl Serialize {
    order.id
}

fn main() {}
