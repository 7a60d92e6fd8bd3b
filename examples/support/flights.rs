//! What is computed of flights, for the examples that differ in where the flights come from.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use kisflow::{Result, State, faas};
use serde::Deserialize;

/// The flow `DelaysByCarrier`.
pub(crate) const CONF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/flights");
/// Some of the real rows, and seven that are damaged.
pub(crate) const EXCERPT: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/data/flights.ndjson"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/data/flights-damaged.ndjson"),
];

/// A message that names the conf file, the same on every machine: the conf is read by its full path.
pub(crate) fn relative(message: &str) -> String {
    let Some((before, behind)) = message.split_once("/conf/flights/") else {
        return message.to_owned();
    };
    let start = before.rfind('(').map_or(0, |at| at + 1);
    format!("{}conf/flights/{behind}", before.get(..start).unwrap_or_default())
}

/// What is read of a row; the other fields are skipped.
#[derive(Deserialize)]
struct Flight {
    carrier: String,
    /// As on a clock: 1405 is 14:05.
    sched_dep_time: u16,
    /// None when the flight was cancelled.
    dep_time: Option<u16>,
    /// In minutes.
    dep_delay: Option<i32>,
}

/// Refuses a row that contradicts itself; all others go on as they came.
#[faas("CheckFlight")]
fn check_flight(row: &Flight) -> Result<bool> {
    let (departed, delay) = match (row.dep_time, row.dep_delay) {
        (None, None) => return Ok(true),
        (Some(departed), Some(delay)) => (departed, delay),
        (Some(departed), None) => {
            return Err(format!("left at {departed}, but has no delay").into());
        }
        (None, Some(delay)) => return Err(format!("{delay} minutes late, but never left").into()),
    };
    let minutes = |clock: u16| i32::from(clock / 100 * 60 + clock % 100);
    let off = minutes(departed) - minutes(row.sched_dep_time) - delay;
    // A flight may leave on another day than it was to.
    if off % (24 * 60) != 0 {
        let due = row.sched_dep_time;
        return Err(format!("due at {due}, left at {departed}: that is not {delay} minutes").into());
    }
    Ok(true)
}

/// What is known of a carrier so far.
#[derive(Default)]
pub(crate) struct Tally {
    departures: u32,
    cancelled: u32,
    minutes: i64,
    worst: Option<i32>,
}

pub(crate) type Carriers = Arc<Mutex<BTreeMap<String, Tally>>>;

/// Adds a batch to the tallies; nothing is handed on.
#[faas("TallyByCarrier")]
fn tally_by_carrier(rows: &[Flight], carriers: State<'_, Carriers>) {
    let mut carriers = carriers.lock().unwrap_or_else(PoisonError::into_inner);
    for row in rows {
        let tally = carriers.entry(row.carrier.clone()).or_default();
        let Some(delay) = row.dep_delay else {
            tally.cancelled += 1;
            continue;
        };
        tally.departures += 1;
        tally.minutes += i64::from(delay);
        tally.worst = tally.worst.max(Some(delay));
    }
}

/// The table of all carriers.
pub(crate) fn table(carriers: &BTreeMap<String, Tally>) -> String {
    let head = "carrier  departures  cancelled  mean delay  worst delay\n".to_owned();
    carriers.iter().fold(head, |table, (carrier, tally)| {
        let Tally { departures, cancelled, minutes, worst } = tally;
        let mean = *minutes as f64 / f64::from(*departures);
        let (mean, worst) = match worst {
            Some(worst) => (format!("{mean:.2}"), worst.to_string()),
            None => ("-".to_owned(), "-".to_owned()),
        };
        format!("{table}{carrier:<7} {departures:>11} {cancelled:>10} {mean:>11} {worst:>12}\n")
    })
}
