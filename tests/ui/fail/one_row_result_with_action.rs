//! A one-row function asks for an action beside its row.

use kisflow::{Result, prelude::*};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Id")]
fn id(order: &Order) -> Result<(u32, Action)> {
    Ok((order.id, Action::Force))
}

fn main() {}
