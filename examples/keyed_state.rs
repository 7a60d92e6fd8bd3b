//! A function that keeps a state for each key of its rows: what was paid with each card.
//!
//! The states are in the store of the flow, and change together with the position in the file. The
//! second service goes on where the first one was, with what it knew.
//!
//! Run it: `cargo run --features file,redb --example keyed_state`
//!
//! ```text
//! flow Payments: 6 rows read, 0 delivered, 6 filtered
//!
//! card 7: payment 4, 95.00 in all
//! card 7: payment 5, 96.00 in all
//! flow Payments: 4 rows read, 2 delivered, 2 filtered
//! ```

use std::{fs, future::pending, io::Write, path::Path};

use kisflow::{File, QuarantineConf, Result, prelude::*};

#[derive(Deserialize)]
struct Payment {
    card: u32,
    cents: u64,
}

// region: velocity
/// What is known of a card. The first payment finds the default.
#[derive(Default, Serialize, Deserialize)]
struct Seen {
    payments: u32,
    cents: u64,
}

#[derive(Serialize, Deserialize)]
struct Alert {
    card: u32,
    payments: u32,
    cents: u64,
}

/// More than three payments with a card are suspicious.
#[faas("Velocity")]
fn velocity(payment: &Payment, seen: &mut Seen) -> Option<Alert> {
    seen.payments += 1;
    seen.cents += payment.cents;
    let Seen { payments, cents } = *seen;
    (payments > 3).then_some(Alert { card: payment.card, payments, cents })
}
// endregion

#[faas("Warn")]
fn warn(alert: &Alert) {
    let Alert { card, payments, cents } = alert;
    println!("card {card}: payment {payments}, {}.{:02} in all", cents / 100, cents % 100);
}

/// Serves the payments of a file, until its end.
async fn serve(dir: &Path) -> Result<()> {
    let conf = Conf::new()
        .flow(FlowConf::new("Payments").source("payments").then::<velocity>().then::<warn>())
        .function(FunctionConf::new("Velocity", Mode::Calculate).key(["card"]))
        .source(
            SourceConf::new("payments", "file")
                .key(dir.join("payments.ndjson").display().to_string()),
        )
        .connector(ConnConf::new("kept", "redb").addrs(dir.join("kept.redb").display().to_string()))
        .global(GlobalConf::default().quarantine(QuarantineConf::on("kept")));
    let flows = Registry::linked().connector::<Redb>().source::<File>().link(conf).await?;
    // A service says `termination()` here.
    println!("{}", flows.serve(pending()).await?);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("payments.ndjson");
    let payment = |card, cents| format!("{{\"card\":{card},\"cents\":{cents}}}\n");
    let first = [(7, 2000), (8, 500), (7, 3000), (9, 700), (7, 2500), (8, 100)];
    fs::write(&path, first.map(|(card, cents)| payment(card, cents)).concat())?;
    serve(dir.path()).await?;
    println!();

    let later = [(7, 2000), (9, 300), (7, 100), (8, 900)];
    let mut file = fs::File::options().append(true).open(&path)?;
    file.write_all(later.map(|(card, cents)| payment(card, cents)).concat().as_bytes())?;
    serve(dir.path()).await
}
