//! Orders become invoices: one function, and the command line that checks, tests and runs its flow.

use std::process::ExitCode;

use kisflow::{File, Result, prelude::*};

/// A row that comes in.
#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
    article: String,
    count: u32,
    price: f64,
}

/// A row that goes on.
#[derive(Serialize, Deserialize)]
struct Invoice {
    id: u32,
    text: String,
    total: f64,
}

/// One row in, one row out; an `Err` rejects the row alone.
#[faas("Total")]
fn total(row: &Order) -> Result<Invoice> {
    if row.count == 0 {
        return Err("an order of nothing".into());
    }
    let text = format!("{} × {}", row.count, row.article);
    Ok(Invoice {
        id: row.id,
        text,
        total: f64::from(row.count) * row.price,
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    kisflow::cli(Registry::linked().connector::<Redb>().source::<File>()).await
}
