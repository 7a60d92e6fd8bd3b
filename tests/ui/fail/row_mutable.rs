//! A row is shared: nobody changes it in place.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Renumber")]
fn renumber(order: &mut Order) {
    order.id += 1;
}

fn main() {}
