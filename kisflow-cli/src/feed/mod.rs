//! `feed`: the rows of files through a flow, and what became of them.

mod args;
mod input;
mod link;
mod progress;
mod rejected;
mod report;
mod sink;
#[cfg(test)]
mod tests;
mod trace;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Instant,
};

use kisflow_core::{Registry, Report};
use tokio::{select, task::yield_now};

pub(crate) use self::args::{AFTER_HELP, AFTER_LONG_HELP, FeedArgs};
use self::{
    input::{Input, Taken},
    link::{Linked, link},
    progress::Progress,
    rejected::Rejected,
    report::Fed,
    sink::Sink,
};
use crate::{
    args::{Common, Output},
    failure::Failure,
    signal::told_to_stop,
    terminal,
    text::harmless,
};

pub(crate) async fn run(
    registry: Registry,
    common: &Common,
    args: FeedArgs,
) -> Result<(), Failure> {
    let mut input = Input::new(&args)?;
    let linked = link(registry, &common.conf, &args.flow, args.dry_run).await?;
    if let Some(row) = args.trace {
        return trace::run(&linked, input, row, &args, common.output).await;
    }
    input.skip(args.skip).await?;
    let sinks = Sinks::open(&args)?;
    let fed = Feed { linked: &linked, args: &args, fed: Fed::new(&linked, args.dry_run), sinks };
    let fed = fed.feed(&mut input).await;
    finish(&fed, common.output, &args)
}

/// Prints the report; the last word has what is wrong.
fn finish(fed: &Fed, output: Output, args: &FeedArgs) -> Result<(), Failure> {
    let text = match output {
        Output::Table => harmless(&fed.render(terminal::width())),
        Output::Json => {
            let json = serde_json::to_string_pretty(fed);
            json.map_err(|error| Failure::because(&error))? + "\n"
        }
    };
    let printed = match is_stdout(args.out.as_deref()) || is_stdout(args.rejected.as_deref()) {
        true => anstream::stderr()
            .write_all(text.as_bytes())
            .map_err(|error| Failure::io("cannot write to standard error", &error)),
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
        let why = loop {
            // Where neither the input nor the functions wait, nobody would hear of a signal.
            yield_now().await;
            let taken = select! {
                biased;
                () = told.cancelled() => break Some("told to stop".to_owned()),
                taken = input.next(self.args.batch) => taken,
            };
            let taken = match taken {
                Ok(Some(taken)) => taken,
                Ok(None) => break None,
                Err(why) => break Some(why),
            };
            let stop = self.run(&taken).await;
            progress.update(&self.fed, input.read());
            match stop {
                Some(Stop::Failed) => break Some(WHY_FAILED.to_owned()),
                Some(Stop::Unwritten(why)) => {
                    after = taken.last();
                    break Some(why);
                }
                None => after = taken.last(),
            }
        };
        drop(progress);
        let why = why.or(self.sinks.finish().err());
        if let Some(why) = why {
            self.fed.stop(after, why);
        }
        self.fed.end(begun.elapsed());
        self.fed
    }

    /// Runs a batch; why that is the last one, if it is.
    async fn run(&mut self, taken: &Taken) -> Option<Stop> {
        let result = self.linked.flow.feed(taken.rows.batch().clone()).await;
        let report = result.as_ref().unwrap_or_else(|error| error.report());
        let rejected = Rejected::of(taken, report);
        let written = self.sinks.write(report, &rejected);
        self.fed.add(report, rejected);
        if let Err(error) = &result {
            self.fed.fail(taken, error);
        }
        match (written, result) {
            (Err(why), _) => Some(Stop::Unwritten(why)),
            (Ok(()), Err(_)) if !self.args.keep_going => Some(Stop::Failed),
            (Ok(()), _) => None,
        }
    }
}

/// Why no more is run.
enum Stop {
    Failed,
    Unwritten(String),
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

/// Where rows are written.
struct Sinks {
    out: Option<Sink>,
    rejected: Option<Sink>,
}

impl Sinks {
    fn open(args: &FeedArgs) -> Result<Self, Failure> {
        let open = |path: &Option<_>| path.as_deref().map(Sink::open).transpose();
        let written = [("--out", &args.out), ("--rejected", &args.rejected)];
        for (option, path) in written {
            let Some(path) = path.as_deref().filter(|path| path.is_file()) else { continue };
            if let Some(input) = args.files.iter().find(|input| whole(input) == whole(path)) {
                let input = input.display();
                let message = format!("`{option}` would write over {input}, which is fed");
                return Err(Failure::Usage(message));
            }
        }
        let whole = |path: &Option<PathBuf>| path.as_deref().map(whole);
        if args.out.is_some() && whole(&args.out) == whole(&args.rejected) {
            return Err(Failure::usage("`--out` and `--rejected` name the same file"));
        }
        Ok(Self { out: open(&args.out)?, rejected: open(&args.rejected)? })
    }

    fn write(&mut self, report: &Report, rejected: &[Rejected]) -> Result<(), String> {
        if let Some(out) = &mut self.out {
            let rows = report.output().to_ndjson();
            let rows =
                rows.map_err(|error| format!("a row that came out has no JSON form: {error}"));
            out.write(rows?.as_bytes())?;
        }
        self.rejected.as_mut().map_or(Ok(()), |sink| sink.write_each(rejected))
    }

    fn finish(self) -> Result<(), String> {
        [self.out, self.rejected].into_iter().flatten().try_for_each(Sink::finish)
    }
}
