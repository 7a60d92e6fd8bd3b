//! A row that cannot be processed waits, with its cause, until it is corrected; the rest flow on.
//!
//! Run it: `cargo run --features file,redb --example quarantine`
//!
//! ```text
//! invoice 1: 12.50
//! invoice 2: 30.00
//! invoice 4: 7.00
//! flow Invoices: 4 rows read, 3 delivered, 1 quarantined
//!
//! orders.ndjson, byte [..]: function `Price` could not process `{"id":3,"article":"tae","count":2}`
//!   no article is named "tae"
//! mended and sent on:
//! invoice 3: 9.00
//! 0 rows in quarantine
//! ```

use std::{fs, future::pending};

use kisflow::{File, QuarantineConf, QuarantineFilter, Result, RetryFrom, prelude::*};

#[derive(Deserialize)]
struct Order {
    id: u32,
    article: String,
    count: u32,
}

#[derive(Serialize, Deserialize)]
struct Invoice {
    id: u32,
    cents: u32,
}

/// An `Err` of a one-row function rejects that row, and no other.
#[faas("Price")]
fn price(order: &Order) -> Result<Invoice> {
    let cents = match order.article.as_str() {
        "coffee" => 250,
        "tea" => 450,
        "cake" => 700,
        other => return Err(format!("no article is named {other:?}").into()),
    };
    Ok(Invoice { id: order.id, cents: cents * order.count })
}

#[faas("Send")]
fn send(invoice: &Invoice) {
    println!("invoice {}: {}.{:02}", invoice.id, invoice.cents / 100, invoice.cents % 100);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (orders, kept) = (dir.path().join("orders.ndjson"), dir.path().join("kept.redb"));
    fs::write(
        &orders,
        r#"{"id":1,"article":"coffee","count":5}
{"id":2,"article":"coffee","count":12}
{"id":3,"article":"tae","count":2}
{"id":4,"article":"cake","count":1}
"#,
    )?;
    let conf = Conf::new()
        .flow(FlowConf::new("Invoices").source("orders").then::<price>().then::<send>())
        .source(SourceConf::new("orders", "file").key(orders.display().to_string()))
        .connector(ConnConf::new("kept", "redb").addrs(kept.display().to_string()))
        .global(GlobalConf::default().quarantine(QuarantineConf::on("kept")));
    let flows = Registry::linked().connector::<Redb>().source::<File>().link(conf).await?;

    // A service says `termination()` here; this one ends with its file.
    println!("{}\n", flows.serve(pending()).await?);

    let quarantine = flows.quarantine()?;
    for row in quarantine.list(&QuarantineFilter::new(), 10).await? {
        let place = row.position.rsplit_once('/').map_or(&*row.position, |(_, place)| place);
        let place = place.replace(':', ", byte ");
        println!("{place}: function `{}` could not process `{}`", row.function, row.row);
        println!("  {}\nmended and sent on:", row.cause);
        let mended = row.row.to_string().replace("tae", "tea");
        quarantine.edit(&row.id, mended, RetryFrom::Function).await?;
    }
    println!("{} rows in quarantine", quarantine.usage().await?.entries);
    Ok(())
}
