//! `function` takes the type of a function, and this is a row.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

fn main() {
    let _ = Registry::new().function::<Order>();
}
