//! A method is no function: it has a `self`.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Shop;

impl Shop {
    #[faas("Total")]
    fn total(&self, order: &Order) -> u32 {
        order.id
    }
}

fn main() {}
