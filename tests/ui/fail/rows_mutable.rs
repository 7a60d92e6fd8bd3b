//! Rows are shared: nobody changes them in place.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Renumber")]
fn renumber(orders: &mut [Order]) {
    orders.iter_mut().for_each(|order| order.id += 1);
}

fn main() {}
