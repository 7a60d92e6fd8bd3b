//! `Conn` of a type that is no connector.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct Postgres;

#[faas("Save")]
async fn save(orders: &[Order], postgres: Conn<'_, Postgres>) {
    let _ = (orders, postgres);
}

fn main() {}
