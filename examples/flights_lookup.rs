//! A lookup in two tables without a line of Rust: `conf/flights_lookup` keeps planes and weather, and
//! adds to each flight what they say of it. The weather's records are named by two fields.
//!
//! Run it from the root of the repository: `cargo run --example flights_lookup`
//!
//! ```text
//! ```

use std::fs;

use kisflow::prelude::*;

/// What is shown of a flight, with what was found.
#[derive(Deserialize)]
struct Found {
    carrier: String,
    flight: u32,
    origin: String,
    time_hour: String,
    plane: Option<String>,
    built: Option<u16>,
    temp: f64,
    visib: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let flows = Registry::new().load("conf/flights_lookup").await?;
    let table = |name: &str| fs::read(format!("examples/data/{name}.ndjson"));
    flows.get("Planes")?.run(Batch::ndjson(table("planes")?)).await?;
    flows.get("Weather")?.run(Batch::ndjson(table("weather")?)).await?;

    let flights = String::from_utf8(table("flights")?)?;
    let report = flows.get("Lookup")?.run(Batch::json(flights.lines().take(60))).await?;
    let found = report.output().rows::<Found>()?;
    let unknown = found.iter().filter(|row| row.plane.is_none()).count();
    println!("{} flights, {unknown} with a plane that nobody knows", found.len());
    for row in found.iter().take(8) {
        let Found { carrier, flight, origin, time_hour, temp, visib, .. } = row;
        let plane = row.plane.as_deref().unwrap_or("?");
        let built = row.built.map_or("?".to_owned(), |year| year.to_string());
        println!("{carrier} {flight} from {origin} at {time_hour}: {plane} of {built}, {temp} F, {visib} miles");
    }
    for reject in report.rejected() {
        println!("{reject}\n  {}", reject.cause());
    }
    Ok(())
}
