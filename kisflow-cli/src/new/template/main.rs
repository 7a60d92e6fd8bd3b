//! Orders become invoices: one function, its test, and the command line of the service.

use std::process::ExitCode;

use kisflow::{Result, prelude::*};

/// A row that comes in.
#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
    article: String,
    count: u32,
    price: f64,
}

/// A row that goes on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
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
    let registry = Registry::linked()
        .connector::<Redb>()
        .source::<Http>()
        .exporter(Prometheus::new())
        .version(env!("CARGO_PKG_VERSION"));
    kisflow::cli(registry).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(count: u32) -> Order {
        Order {
            id: 1,
            article: "tea".to_owned(),
            count,
            price: 6.25,
        }
    }

    #[test]
    fn an_order_costs_its_price_for_each_piece() {
        let invoice = total(&order(3)).unwrap();
        let expected = Invoice {
            id: 1,
            text: "3 × tea".to_owned(),
            total: 18.75,
        };
        assert_eq!(invoice, expected);
    }

    #[test]
    fn an_order_of_nothing_is_rejected() {
        let error = total(&order(0)).unwrap_err();
        assert_eq!(error.to_string(), "an order of nothing");
    }
}
