//! `test`: every `kistype: test` of the conf, on empty memories or private engines.

mod action;
mod choose;
mod compare;
mod diff;
mod mistake;
mod prepare;
mod print;
mod run;
#[cfg(test)]
mod tests;
mod value;

use std::{
    io, thread,
    time::{Duration, Instant},
};

use kisflow_core::{Conf, Problem, Registry, TestConf};
use serde::Serialize;
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::timeout,
};

use self::{diff::Difference, prepare::prepare};
use crate::{
    args::{Common, Output, TestArgs},
    conf,
    failure::Failure,
    terminal,
};

/// How long one test may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long linking may take, and starting private engines: more than any of them takes to give up.
const START: Duration = Duration::from_secs(90);

/// A test that has been run.
#[derive(Serialize)]
struct Tested<'a> {
    test: &'a str,
    /// `file:line`.
    place: String,
    passed: bool,
    seconds: f64,
    /// In what the flow or function is not as expected; none for a test that passes.
    differences: Vec<Difference>,
}

/// What `--output json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    passed: usize,
    failed: usize,
    tests: &'a [Tested<'a>],
}

pub(crate) async fn run(
    registry: Registry,
    common: &Common,
    args: TestArgs,
) -> Result<(), Failure> {
    let dirs = common.dir(&args.dir);
    let conf = conf::inspect(registry.clone(), dirs)?.conf;
    if conf.tests.is_empty() {
        return Err(Failure::usage(print::how_to(&conf, dirs)));
    }
    let only = args.only.unwrap_or_default();
    let chosen: Vec<&TestConf> =
        conf.tests.values().filter(|test| choose::is_called(test, &only)).collect();
    if chosen.is_empty() {
        return Err(Failure::usage(print::none_of(conf.tests.len(), &only)));
    }
    let mut tested = Vec::new();
    for test in chosen {
        let done = one(&registry, &conf, test, LIMIT).await;
        if common.output == Output::Table {
            terminal::print(&print::line(&done))?;
        }
        tested.push(done);
    }
    let failed = tested.iter().filter(|test| !test.passed).count();
    match common.output {
        Output::Json => terminal::print_json(&Summary {
            passed: tested.len() - failed,
            failed,
            tests: &tested,
        })?,
        Output::Table => terminal::print(&print::summary(&tested, failed))?,
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Silent) }
}

/// The mistakes of every test of a conf: what `check` tells beside those of the conf itself.
pub(crate) fn mistakes(registry: &Registry, conf: &Conf) -> Vec<Problem> {
    conf.tests.values().flat_map(|test| mistake::all(registry, conf, test)).collect()
}

async fn one<'a>(
    registry: &Registry,
    conf: &Conf,
    test: &'a TestConf,
    limit: Duration,
) -> Tested<'a> {
    let started = Instant::now();
    let mistakes = mistake::all(registry, conf, test);
    let mut differences: Vec<Difference> = mistakes.into_iter().map(Difference::from).collect();
    if differences.is_empty() {
        differences = apart(registry.clone(), conf.clone(), test.clone(), limit).await;
    }
    Tested {
        test: &test.tname,
        place: test.place("tname"),
        passed: differences.is_empty(),
        seconds: started.elapsed().as_secs_f64(),
        differences,
    }
}

/// Runs a test on a thread of its own: a function that neither ends nor awaits can be left behind
/// there, and nowhere else.
async fn apart(registry: Registry, conf: Conf, test: TestConf, limit: Duration) -> Vec<Difference> {
    let at = |message: String| vec![Difference::new(test.place("tname"), message)];
    let (started, start) = oneshot::channel();
    let (done, answer) = oneshot::channel();
    let given = test.clone();
    let spawned = thread::Builder::new().name(test.tname.clone()).spawn(move || {
        let run = async {
            let flows = prepare(registry, conf, &given).await?;
            // Nobody listens to a test that took too long.
            let _ = started.send(());
            Ok(run::run(&flows, &given).await)
        };
        let came = runtime().map(|own| own.block_on(run).unwrap_or_else(|differences| differences));
        drop(done.send(came));
    });
    if let Err(error) = spawned {
        return at(format!("the test has no thread: {error}"));
    }
    if timeout(START, start).await.is_err() {
        return at(format!("the test does not start within {START:?}"));
    }
    match timeout(limit, answer).await {
        Ok(Ok(Ok(differences))) => differences,
        Ok(Ok(Err(error))) => at(format!("the test has no runtime: {error}")),
        Ok(Err(_)) => at("the test panicked".to_owned()),
        Err(_) => at(format!(
            "the test takes longer than {limit:?}; a function of it does not end, or waits for what a test does not have"
        )),
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}
