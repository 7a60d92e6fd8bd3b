//! A lookup in two tables without a line of Rust: `conf/flights_lookup` keeps planes and weather, and
//! adds to each flight what they say of it. The weather's records are named by two fields.
//!
//! Run it from the root of the repository: `cargo run --example flights_lookup`
//!
//! ```text
//! 60 flights, 10 with a plane that nobody knows
//! UA 1545 from EWR at 2013-01-01T10:00:00Z: 737-824 of 1999, 39.02 F, 10 miles
//! DL 2119 from LGA at 2013-01-02T13:00:00Z: A320-212 of 1998, 24.98 F, 10 miles
//! UA 430 from EWR at 2013-01-03T14:00:00Z: A320-232 of 1996, 28.04 F, 10 miles
//! DL 1573 from LGA at 2013-01-04T15:00:00Z: A319-114 of 2002, 35.96 F, 10 miles
//! EV 4126 from EWR at 2013-01-05T19:00:00Z: EMB-145XR of 2003, 44.06 F, 10 miles
//! EV 4437 from EWR at 2013-01-06T23:00:00Z: EMB-145LR of 2001, 44.06 F, 10 miles
//! AA 1709 from LGA at 2013-01-08T00:00:00Z: ? of ?, 41 F, 10 miles
//! US 1117 from EWR at 2013-01-09T10:00:00Z: A321-231 of 2012, 35.06 F, 9 miles
//! ```

use std::fs;

use kisflow::{Result, prelude::*};

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
        println!(
            "{carrier} {flight} from {origin} at {time_hour}: {plane} of {built}, {temp} F, {visib} miles"
        );
    }
    for reject in report.rejected() {
        println!("{reject}\n  {}", reject.cause());
    }
    Ok(())
}
