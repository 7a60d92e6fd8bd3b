//! `feed`: the rows of files through a flow, and what became of them.

mod args;
mod input;
mod link;
mod part;
mod progress;
mod rejected;
mod report;
mod sink;
#[cfg(test)]
mod tests;
mod trace;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use kisflow_core::{GivenFile, Problem, Registry};
use tokio::{select, task::yield_now};

pub(crate) use self::args::{AFTER_HELP, AFTER_LONG_HELP, FeedArgs};
use self::{
    input::{Input, Taken},
    link::{Linked, link},
    progress::Progress,
    rejected::Rejected,
    report::Fed,
    sink::Sinks,
};
use crate::{
    args::{Common, Output},
    failure::Failure,
    problem,
    signal::told_to_stop,
    terminal,
    text::{harmless, one_line},
};

pub(crate) async fn run(
    registry: Registry,
    common: &Common,
    args: FeedArgs,
) -> Result<(), Failure> {
    let given = given(&args)?;
    let mut input = Input::new(&args)?;
    let linked = link(registry, &common.conf, &args, given.as_ref()).await?;
    if let Some(row) = args.trace {
        return trace::run(&linked, input, row, &args, common.output).await;
    }
    input.skip(args.skip).await?;
    let sinks = Sinks::open(&args)?;
    let fed = Feed { linked: &linked, args: &args, fed: Fed::new(&linked, &args), sinks };
    let fed = fed.feed(&mut input).await;
    finish(&fed, common.output, &args)
}

/// Reads the records of `--given`.
///
/// # Errors
///
/// When the run is no dry run, or the file has problems.
fn given(args: &FeedArgs) -> Result<Option<GivenFile>, Failure> {
    let Some(file) = &args.given else { return Ok(None) };
    if !args.dry_run {
        return Err(Failure::usage(
            "`--given` is for the memories of a dry run, and would change records of the real connectors; add `--dry-run`",
        ));
    }
    let read = GivenFile::read(file);
    read.map(Some).map_err(|error| no_given(args, error.problems()))
}

/// What is wrong with the file of `--given`.
fn no_given(args: &FeedArgs, problems: &[Problem]) -> Failure {
    let file = args.given.as_deref().unwrap_or(Path::new("")).display().to_string();
    Failure::Usage(problem::render_all_of(&one_line(&file), problems))
}

/// Prints the report; the last word has what is wrong.
fn finish(fed: &Fed, output: Output, args: &FeedArgs) -> Result<(), Failure> {
    if fed.is_closed() {
        return Err(Failure::Closed);
    }
    let text = match output {
        Output::Table => harmless(&fed.render(terminal::width())),
        Output::Json => terminal::json(fed)? + "\n",
    };
    let printed = match is_stdout(args.out.as_deref()) || is_stdout(args.rejected.as_deref()) {
        true => {
            terminal::say(&text);
            Ok(())
        }
        false => terminal::print(&text),
    };
    match (printed, fed.why_stopped()) {
        (Err(failure @ (Failure::No(_) | Failure::Usage(_))), _) => Err(failure),
        (_, Some(why)) => Err(Failure::No(why)),
        _ if !fed.is_fine() => Err(Failure::Silent),
        (printed, None) => printed,
    }
}

fn is_stdout(path: Option<&Path>) -> bool {
    path == Some(Path::new("-"))
}

/// What feeds the flow.
struct Feed<'a> {
    linked: &'a Linked,
    args: &'a FeedArgs,
    fed: Fed,
    sinks: Sinks,
}

impl Feed<'_> {
    /// One run after the other, to the end of the input or until something stops it.
    async fn feed(mut self, input: &mut Input) -> Fed {
        let begun = Instant::now();
        // The bar would stand between the rows.
        let between = is_stdout(self.args.out.as_deref()) && terminal::width().is_some();
        let progress = Progress::new(input.size(), terminal::is_watched() && !between);
        let told = told_to_stop();
        let mut after = self.args.skip;
        let mut stop = loop {
            // Where neither the input nor the functions wait, nobody would hear of a signal.
            yield_now().await;
            let taken = select! {
                biased;
                () = told.cancelled() => break Some(Stop::Told),
                taken = input.next(self.args.batch) => taken,
            };
            let taken = match taken {
                Ok(Some(taken)) => taken,
                Ok(None) => break None,
                Err(why) => break Some(Stop::Unread(why)),
            };
            let stop = self.run(&taken).await;
            progress.update(&self.fed, input.read());
            if stop.is_some() {
                break stop;
            }
            after = taken.last();
        };
        drop(progress);
        if stop.is_none() {
            stop = self.sinks.finish().err();
        }
        if let Some(stop) = stop {
            self.fed.stop(after, stop);
        }
        self.fed.end(begun.elapsed());
        self.fed
    }

    /// Runs a batch; why that is the last one, if it is. Of one that is to be fed again nothing is
    /// written.
    async fn run(&mut self, taken: &Taken) -> Option<Stop> {
        let result = self.linked.flow.feed(taken.rows.batch().clone()).await;
        let report = result.as_ref().unwrap_or_else(|error| error.report());
        let rejected = Rejected::of(taken, report);
        let stop = match &result {
            Err(_) if !self.args.keep_going => Some(Stop::Failed),
            _ => self.sinks.write(report, &rejected, taken.last()).err(),
        };
        self.fed.add(report, rejected);
        if let Err(error) = &result {
            self.fed.fail(taken, error);
        }
        stop
    }
}

/// Why no more is run.
enum Stop {
    Told,
    /// The input cannot be read.
    Unread(String),
    Failed,
    /// What came of the last batch could not be written.
    Unwritten(String),
    /// All rows are done, and the file did not get its name.
    Unnamed(String),
    /// Nobody reads what is written.
    Closed,
}

const WHY_FAILED: &str =
    "the run of the rows behind it failed; mend what failed, or go on past it with `--keep-going`";

/// The path of a file that may not be there yet, the same however it is written.
fn whole(path: &Path) -> PathBuf {
    let below = || {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()?;
        Some(parent.join(path.file_name()?))
    };
    fs::canonicalize(path).ok().or_else(below).unwrap_or_else(|| path.to_owned())
}
