//! `then` names a function that has no `#[faas]`.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

fn id(order: &Order) -> u32 {
    order.id
}

fn main() {
    let _ = FlowConf::new("Orders").then::<id>();
}
