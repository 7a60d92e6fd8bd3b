//! A one-row function puts a `Result` into an `Option`.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Id")]
fn id(order: &Order) -> Option<Result<u32>> {
    Some(Ok(order.id))
}

fn main() {}
