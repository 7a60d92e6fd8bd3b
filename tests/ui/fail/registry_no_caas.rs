//! `caas` takes the type of storage logic, and this is a row.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

fn main() {
    let _ = Registry::new().caas::<Order>();
}
