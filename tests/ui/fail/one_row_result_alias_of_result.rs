//! An alias hides from the macro that the result is a `Result`.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

type Answer = Result<u32>;

#[faas("Small")]
fn small(order: &Order) -> Answer {
    Ok(order.id)
}

fn main() {}
