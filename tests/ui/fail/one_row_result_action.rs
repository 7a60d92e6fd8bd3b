//! A one-row function asks for an action.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Small")]
fn small(order: &Order) -> Action {
    if order.id < 100 { Action::Reuse } else { Action::Abort }
}

fn main() {}
