//! A whole program: its `main` is one line, and it checks, draws, feeds, runs, tests and repairs the
//! flows of `conf/shop`.
//!
//! `cargo run --features cli --example shop -- --help` lists its commands; docs/cli.md shows what
//! each prints.
//!
//! Args: feed Invoices examples/data/orders.ndjson --conf conf/shop --dry-run --trace 1
//!
//! ```text
//! dry run: connectors are empty memories, functions without one run as they are
//! row 1, examples/data/orders.ndjson:0
//!
//! CheckOrder  examples/shop.rs:[..]
//!   given     {"id":1,"article":"tea","count":2}
//!   hands on  {"id":1,"article":"tea","count":2}
//!
//! Price  examples/shop.rs:[..]
//!   given     {"id":1,"article":"tea","count":2}
//!   hands on  {"id":1,"count":2,"price":6.25}
//!
//! LargeOrders  examples/shop.rs:[..]
//!   given     {"id":1,"count":2,"price":6.25}
//!   action    Reuse | Jump(Total)
//!   hands on  {"id":1,"count":2,"price":6.25}
//!
//! Total  examples/shop.rs:[..]
//!   given     {"id":1,"count":2,"price":6.25}
//!   hands on  {"id":1,"total":12.5}
//!
//! SaveInvoice
//!   given     {"id":1,"total":12.5}
//!   action    Reuse
//!   hands on  {"id":1,"total":12.5}
//!
//! Send  examples/shop.rs:[..]
//!   given     {"id":1,"total":12.5}
//!   hands on  {"id":1,"total":12.5}
//!
//! flow Invoices: 1 row in, 1 out
//! ```

use std::{collections::BTreeMap, process::ExitCode};

use kisflow::{File, Result, prelude::*};

/// An order, as the shop writes it.
#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
    article: String,
    count: u32,
}

/// An order with the price of one piece.
#[derive(Clone, Serialize, Deserialize)]
struct Priced {
    id: u32,
    count: u32,
    price: f64,
}

/// What is to be paid.
#[derive(Serialize, Deserialize)]
struct Invoice {
    id: u32,
    total: f64,
}

#[faas("CheckOrder")]
fn check_order(row: &Order) -> bool {
    row.count > 0
}

#[derive(Deserialize)]
struct PriceList {
    prices: BTreeMap<String, f64>,
}

#[faas("Price")]
fn price(row: &Order, list: Params<'_, PriceList>) -> Result<Priced> {
    match list.prices.get(&row.article) {
        Some(price) => Ok(Priced { id: row.id, count: row.count, price: *price }),
        None => Err(format!("no article is named \"{}\"", row.article).into()),
    }
}

#[derive(Deserialize)]
struct Large {
    from: u32,
}

#[faas("LargeOrders")]
fn large_orders(rows: &[Priced], large: Params<'_, Large>) -> Action {
    match rows.iter().any(|row| row.count >= large.from) {
        true => Action::Reuse,
        false => Action::Reuse | Action::Jump("Total".into()),
    }
}

#[derive(Deserialize)]
struct Rebate {
    from: u32,
    percent: f64,
}

#[faas("Discount")]
fn discount(row: &Priced, rebate: Params<'_, Rebate>) -> Priced {
    let factor = if row.count >= rebate.from { 1.0 - rebate.percent / 100.0 } else { 1.0 };
    Priced { price: row.price * factor, ..row.clone() }
}

#[faas("Total")]
fn total(row: &Priced) -> Invoice {
    Invoice { id: row.id, total: f64::from(row.count) * row.price }
}

#[faas("Send")]
fn send(row: &Invoice) -> bool {
    tracing::info!("invoice {}: {:.2}", row.id, row.total);
    true
}

#[faas("Refund")]
fn refund(row: &Invoice) -> Invoice {
    Invoice { id: row.id, total: -row.total }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    kisflow::cli(Registry::linked().connector::<Redb>().source::<File>()).await
}
