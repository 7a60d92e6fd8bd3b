//! `Conn` of a type that is no connector.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

struct InfluxDb;

#[faas("Save")]
async fn save(orders: &[Order], influxdb: Conn<'_, InfluxDb>) {
    let _ = (orders, influxdb);
}

fn main() {}
