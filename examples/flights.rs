//! Real input: flights that left New York in 2013, as a table of departure delays by carrier.
//!
//! `cargo run --release --features terminal --example flights -- FILE…` reads newline-delimited JSON, `-` reads stdin.
//! Without arguments it reads an excerpt of the real rows, and seven rows that are damaged.
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
//! 7 of 344 rows refused
//!   flights-damaged.ndjson, row 1: EOF while parsing a string at line 1 column 124
//!   flights-damaged.ndjson, row 2: `carrier`: missing field `carrier` at line 1 column 112
//!   flights-damaged.ndjson, row 3: `dep_time`: the row has no field `dep_time`, which `must` demands
//!   flights-damaged.ndjson, row 4: `dep_delay`: invalid type: string "one minute early", expected i32 at line 1 column 67
//!   flights-damaged.ndjson, row 5: due at 600, left at 554: that is not 54 minutes
//!   flights-damaged.ndjson, row 6: left at 558, but has no delay
//!   flights-damaged.ndjson, row 7: the row is no JSON object, and `must` of `CheckFlight` (conf/flights/flights.yml:14) demands `dep_time`: invalid type: sequence, expected an object
//! ```

#[path = "support/flights.rs"]
mod support;

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::PoisonError,
    time::{Duration, Instant},
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kisflow::{Batch, Registry, Report, Result, error_chain};

use crate::support::{CONF, Carriers, EXCERPT, relative, table};

/// Rows that go through the flow at a time.
const BATCH: usize = 10_000;
/// Refused rows that are shown; all are counted.
const SHOWN: usize = 10;

/// Departure delays of flights, by carrier.
#[derive(Parser)]
struct Args {
    /// Files of newline-delimited JSON, `-` for stdin; without any, an excerpt of the real rows and
    /// some that are damaged
    #[arg(value_name = "FILE", default_values = EXCERPT, hide_default_value = true)]
    files: Vec<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Args::parse().files).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flights: {}", error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(files: &[PathBuf]) -> Result<()> {
    let carriers = Carriers::default();
    let flows = Registry::linked().state(carriers.clone()).load(CONF).await?;
    let flow = flows.get("DelaysByCarrier")?;

    let progress = Progress::new(files);
    let (mut rows, mut refused) = (0, Refused::default());
    for path in files {
        let mut file = open(path)?;
        let mut row = 1;
        while let Some(lines) = read_lines(&mut file, path)? {
            let bytes = lines.len();
            let report = flow.run(Batch::ndjson(lines)).await?;
            refused.add(path, row, &report);
            row += report.rows_in();
            progress.add(bytes);
        }
        rows += row - 1;
    }
    progress.bar.finish_and_clear();

    if rows == 0 {
        return Err("there are no rows to read".into());
    }
    let carriers = carriers.lock().unwrap_or_else(PoisonError::into_inner);
    let page = format!("{}\n{}", table(&carriers), refused.page(rows));
    let printed = io::stdout().write_all(page.as_bytes());
    printed.map_err(|error| format!("cannot print the table: {error}").into())
}

fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}

/// The next lines in one buffer; none at the end of the file.
fn read_lines(file: &mut dyn BufRead, path: &Path) -> Result<Option<Vec<u8>>> {
    let mut lines = Vec::new();
    for _ in 0..BATCH {
        if file.read_until(b'\n', &mut lines).map_err(|error| cannot_read(path, &error))? == 0 {
            break;
        }
    }
    Ok(Some(lines).filter(|lines| !lines.is_empty()))
}

fn cannot_read(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

/// Rows that the flow refused: how many, and the first of them with their causes.
#[derive(Default)]
struct Refused {
    rows: usize,
    shown: Vec<String>,
}

impl Refused {
    /// `row` is the number, in the file, of the first row that the report tells of.
    fn add(&mut self, path: &Path, row: usize, report: &Report) {
        self.rows += report.rejected().len();
        let file = path.file_name().unwrap_or_default().display();
        for reject in report.rejected().iter().take(SHOWN - self.shown.len()) {
            let row = row + reject.index();
            let field = reject.field().map(|field| format!("`{field}`: ")).unwrap_or_default();
            self.shown.push(format!(
                "  {file}, row {row}: {field}{}\n",
                relative(&reject.cause().to_string())
            ));
        }
    }

    fn page(&self, rows: usize) -> String {
        let Self { rows: refused, shown } = self;
        let more = match refused - shown.len() {
            0 => String::new(),
            more => format!("  and {more} more\n"),
        };
        format!("{refused} of {rows} rows refused\n{}{more}", shown.concat())
    }
}

/// A bar on stderr, if that is a terminal and the run takes longer than a second.
struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    fn new(files: &[PathBuf]) -> Self {
        let size = |path: &PathBuf| fs::metadata(path).ok().map(|file| file.len());
        let bytes: Option<u64> = files.iter().map(size).sum();
        let template = match bytes {
            Some(_) => "{wide_bar} {bytes} of {total_bytes}, {eta} left",
            None => "{spinner} {bytes}, {bytes_per_sec}",
        };
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now() }
    }

    fn add(&self, bytes: usize) {
        self.bar.inc(bytes as u64);
        if self.bar.is_hidden() && self.started.elapsed() > Duration::from_secs(1) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}
