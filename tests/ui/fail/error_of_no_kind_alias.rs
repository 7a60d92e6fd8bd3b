//! An alias of `Result` hides an error type that is no error.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct TooLarge;

type Result<T> = std::result::Result<T, TooLarge>;

#[faas("Small")]
fn small(order: &Order) -> Result<u32> {
    if order.id < 100 { Ok(order.id) } else { Err(TooLarge) }
}

fn main() {}
