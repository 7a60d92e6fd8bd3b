//! The error type of a one-row function is no error.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct TooLarge;

#[faas("Small")]
fn small(order: &Order) -> Result<u32, TooLarge> {
    if order.id < 100 { Ok(order.id) } else { Err(TooLarge) }
}

fn main() {}
