//! `run`: serves every flow that has a source, and shows how it goes.

mod figures;
mod margin;
mod only;
mod resized;
mod view;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::PathBuf,
    process,
    sync::Mutex,
    time::{Duration, Instant},
};

use clap::Args as ClapArgs;
use kisflow_core::{CancellationToken, Flows, Ledger, Registry, Served};
use serde::Serialize;
use tokio::time::{interval, sleep, timeout};
use tracing::{error, info, warn};

use self::{
    figures::{Figures, Lag, Pace},
    resized::Resized,
    view::{State, View},
};
use crate::{
    args::{Common, LogFormat, Output},
    conf,
    failure::Failure,
    log,
    signal::Signals,
    terminal,
};

/// How often the view changes: often enough to be alive, seldom enough to be read.
const LOOK: Duration = Duration::from_millis(500);
/// Over which time a rate on the view is taken.
const WINDOW: Duration = Duration::from_secs(5);
/// How often the log has the figures, where there is no view.
const REPORT: Duration = Duration::from_secs(10);
/// How often it is asked what is wrong.
const CHECK: Duration = Duration::from_secs(1);

#[derive(ClapArgs)]
pub(crate) struct RunArgs {
    /// The directory of the conf
    dir: Option<PathBuf>,
    /// Only log lines, no live view; also for functions that print to the terminal themselves
    #[arg(long)]
    no_view: bool,
    /// The most characters of a row, or of what is said of one, in a log line
    #[arg(long, value_name = "N", default_value_t = 120)]
    log_rows: usize,
    /// Serve only this flow; may be given several times
    #[arg(long, value_name = "NAME")]
    flow: Vec<String>,
}

pub(crate) async fn run(
    registry: Registry,
    common: &Common,
    args: &RunArgs,
) -> Result<(), Failure> {
    let registry = registry.log_rows(args.log_rows);
    let mut inspection = conf::inspect(registry.clone(), common.dir(&args.dir))?;
    only::only(&mut inspection, &args.flow)?;
    let grace = inspection.conf.global.grace;
    // Lines that a program reads have nothing between them.
    let is_for_people = common.log_format == LogFormat::Text;
    let view = View::new(terminal::is_watched() && !args.no_view && is_for_people);
    log::start(common, Some("info"), view.bar())?;
    let flows = conf::link(registry, inspection.conf).await?;
    let served = serve(&flows, common.log_format, &view, grace).await;
    view.clear();
    let served = served?;
    match common.output {
        Output::Json => terminal::print_json(&Summary::of(&served))?,
        Output::Table => terminal::print(&format!("{served}\n"))?,
    }
    verdict(&served, common.log_format)
}

/// What `--output json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    complete: bool,
    flows: BTreeMap<&'a str, &'a Ledger>,
}

impl<'a> Summary<'a> {
    fn of(served: &'a Served) -> Self {
        let flows = served.flows.iter().map(|(name, flow)| (name.as_str(), &flow.ledger));
        Self { complete: served.is_complete(), flows: flows.collect() }
    }
}

/// Rows that were given back are no failure: their source has them. Whoever stopped the process, such
/// as systemd or Kubernetes, would take another status for a crash.
fn verdict(served: &Served, log_format: LogFormat) -> Result<(), Failure> {
    if served.flows.values().any(|flow| flow.ledger.unaccounted() != 0) {
        return Err(Failure::no("not every row is accounted for: that is a bug in kisflow"));
    }
    let returned: u64 = served.flows.values().map(|flow| flow.ledger.returned).sum();
    if returned > 0 {
        let message =
            format!("rows that were not done when it stopped, and come again: {returned}");
        match log_format {
            LogFormat::Text => terminal::say(&format!("{message}\n")),
            LogFormat::Json => warn!("{message}"),
        }
    }
    Ok(())
}

/// Serves until every source has ended, or until told to stop; told twice, the process ends.
async fn serve(
    flows: &Flows,
    log_format: LogFormat,
    view: &View,
    grace: Duration,
) -> Result<Served, Failure> {
    let stop = CancellationToken::new();
    // Before a source is opened: from here on a signal is ours.
    let mut signals = Signals::new();
    let stopping = async {
        signals.next().await;
        view.say(&stopping(in_flight(flows), grace, view.is_shown()));
        stop.cancel();
        signals.next().await;
        in_flight(flows)
    };
    let state = Mutex::new(State::default());
    tokio::select! {
        served = flows.serve(stop.cancelled()) => served.map_err(Failure::usage),
        left = stopping => {
            view.clear();
            let message = format!("stopped at once: {left} rows in flight come again");
            match log_format {
                LogFormat::Text => terminal::say(&format!("{message}\n")),
                LogFormat::Json => error!("{message}"),
            }
            // Returning would wait for functions that hold a thread.
            process::exit(1)
        }
        never = check(flows, &stop, &state), if view.is_shown() => match never {},
        never = draw(flows, view, &state), if view.is_shown() => match never {},
        never = report(flows), if !view.is_shown() => match never {},
    }
}

fn in_flight(flows: &Flows) -> u64 {
    flows.ledgers().values().map(|ledger| ledger.in_flight).sum()
}

fn stopping(rows: u64, grace: Duration, is_watched: bool) -> String {
    let grace = match (grace.as_secs(), grace.subsec_millis()) {
        (seconds, 0) => format!("{seconds} s"),
        _ => format!("{} ms", grace.as_millis()),
    };
    let again = if is_watched { "press again to stop" } else { "a second signal stops" };
    format!("stopping: {rows} rows in flight, up to {grace}; {again} at once")
}

/// Asks what is wrong, again and again. A store may take a second to answer, which the view must
/// not wait for.
async fn check(flows: &Flows, stop: &CancellationToken, state: &Mutex<State>) -> Infallible {
    loop {
        sleep(CHECK).await;
        let mut found = flows.health().problems();
        // What was asked for is not wrong.
        found.retain(|problem| !stop.is_cancelled() || !problem.ends_with("has been stopped"));
        let quarantine = match flows.quarantine() {
            Ok(quarantine) => timeout(CHECK, quarantine.usage()).await.ok(),
            Err(_) => None,
        };
        let quarantine = quarantine.and_then(Result::ok).map(|usage| usage.entries);
        let found = State { problems: found, quarantine };
        *state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = found;
    }
}

async fn draw(flows: &Flows, view: &View, state: &Mutex<State>) -> Infallible {
    let mut resized = Resized::new();
    let mut pace = Pace::new(WINDOW);
    let mut ticks = interval(LOOK);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = resized.next() => {}
        }
        let figures = pace.figures(Instant::now(), &flows.ledgers(), &Lag::of(flows));
        let state = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        view.show(&figures, &state);
    }
}

/// The figures as log lines: a flow of which nothing has changed is left out.
async fn report(flows: &Flows) -> Infallible {
    let mut pace = Pace::new(REPORT);
    let mut told: BTreeMap<String, Figures> = BTreeMap::new();
    let mut ticks = interval(REPORT);
    loop {
        ticks.tick().await;
        for figures in pace.figures(Instant::now(), &flows.ledgers(), &Lag::of(flows)) {
            let known = told.insert(figures.flow.clone(), figures.clone());
            if figures.read == 0 || known.is_some_and(|known| known.is_same_state(&figures)) {
                continue;
            }
            let Figures { flow, per_second, read, lag, in_flight, quarantined } = figures;
            let lag = lag.map(tracing::field::display);
            info!(flow, per_second, read, lag, in_flight, quarantined, "rows");
        }
    }
}
