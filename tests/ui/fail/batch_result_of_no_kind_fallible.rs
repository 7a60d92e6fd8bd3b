//! A batch function returns a number, in a `Result`.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Count")]
fn count(orders: &[Order]) -> Result<usize> {
    Ok(orders.len())
}

fn main() {}
