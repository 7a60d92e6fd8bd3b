//! The flow of `flights`, running by itself: its rows come from a file, a Redis stream, NATS or HTTP,
//! and those that cannot be used are kept until somebody mends them.
//!
//! `cargo run --all-features --example flights_live` reads an excerpt of the real rows from a file. With
//! `--from redis_stream`, `nats` or `http` it runs until ctrl-c; conf/flights_live has the sources.
//!
//! ```text
//! carrier  departures  cancelled  mean delay  worst delay
//! 9E               22          1       15.41          109
//! AA               25          2        2.68           53
//! AS                1          0       -7.00           -7
//! B6               59          0       11.71          174
//! DL               27          0        3.30           60
//! EV               59          5       19.59          173
//! F9                2          0       -3.00            5
//! FL                1          0        6.00            6
//! HA                1          0       48.00           48
//! MQ               28          1        1.07           50
//! UA               61          0       10.80          208
//! US               23          2        1.70           26
//! VX                4          0        0.00           13
//! WN               12          0        3.67           14
//! YV                1          0       -6.00           -6
//!
//! flow DelaysByCarrier: 344 rows read, 337 delivered, 7 quarantined
//!
//! 7 rows in quarantine
//!   CheckFlight: EOF while parsing a string at line # column #
//!   CheckFlight: due at #, left at #: that is not # minutes
//!   CheckFlight: invalid type: string "…", expected i32 at line # column #
//!   CheckFlight: left at #, but has no delay
//!   CheckFlight: missing field `carrier` at line # column #
//!   CheckFlight: the row has no field `dep_time`, which `must` demands
//!   CheckFlight: the row is no JSON object, and `must` of `CheckFlight` (conf/flights/flights.yml:#) demands `dep_time`: invalid type: sequence, expected an object
//! ```

#[path = "support/flights.rs"]
mod support;

use std::{fs, path::Path, process::ExitCode, sync::PoisonError};

use clap::{Parser, ValueEnum};
use kisflow::{
    File, Http, Nats, QuarantineConf, QuarantineFilter, RedisStream, Result, error_chain,
    prelude::*,
};

use crate::support::{CONF, Carriers, EXCERPT, relative, table};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/flights_live");

/// Departure delays of flights, by carrier, from wherever the flights come.
#[derive(Parser)]
struct Args {
    /// Where the flights come from
    #[arg(long, value_enum, default_value_t = Feed::File)]
    from: Feed,
    /// Where that is, instead of what the conf says: `host:port`
    #[arg(long)]
    addrs: Option<String>,
    /// The directory that rows are kept in that cannot be used (default: one that is removed at the
    /// end)
    #[arg(long)]
    kept: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Feed {
    File,
    RedisStream,
    Nats,
    Http,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter("error").init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flights_live: {}", error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let kept = args.kept.as_deref().unwrap_or(scratch.path());
    let carriers = Carriers::default();
    let flows = Registry::linked()
        .connector::<Redb>()
        .source::<File>()
        .source::<RedisStream>()
        .source::<Nats>()
        .source::<Http>()
        .state(carriers.clone())
        .link(conf(&args, scratch.path(), kept)?)
        .await?;

    let served = flows.serve(termination()).await?;

    let table = table(&carriers.lock().unwrap_or_else(PoisonError::into_inner));
    println!("{table}\n{served}\n");
    let quarantine = flows.quarantine()?;
    println!("{} rows in quarantine", quarantine.usage().await?.entries);
    for count in quarantine.stats(&QuarantineFilter::new()).await? {
        println!("  {}: {}", count.function, relative(&count.cause));
    }
    Ok(())
}

/// The conf of the example `flights` as it is, and the source that the arguments ask for.
fn conf(args: &Args, scratch: &Path, kept: &Path) -> Result<Conf> {
    let file = match args.from {
        Feed::File => "file.yml",
        Feed::RedisStream => "redis_stream.yml",
        Feed::Nats => "nats.yml",
        Feed::Http => "http.yml",
    };
    let mut conf = Conf::read(CONF)?;
    conf.sources = Conf::read(Path::new(SOURCES).join(file))?.sources;
    for source in conf.sources.values_mut() {
        if let Some(addrs) = &args.addrs {
            source.addrs.clone_from(addrs);
        }
        if let Feed::File = args.from {
            let path = scratch.join(&source.key);
            let excerpt: Result<Vec<String>, _> = EXCERPT.iter().map(fs::read_to_string).collect();
            fs::write(&path, excerpt?.concat())?;
            source.key = path.display().to_string();
        }
    }
    for flow in conf.flows.values_mut() {
        flow.source = Some("flights".to_owned());
    }
    let store = kept.join("flights.redb").display().to_string();
    Ok(conf
        .connector(ConnConf::new("kept", "redb").addrs(store))
        .global(GlobalConf::default().quarantine(QuarantineConf::on("kept"))))
}
