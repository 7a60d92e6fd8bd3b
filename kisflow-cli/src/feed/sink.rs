//! [`Sink`]: where rows are written, and [`Sinks`]: both of a feed.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, IsTerminal, Write},
    path::{Path, PathBuf},
};

use kisflow_core::Report;
use serde::Serialize;

use super::{
    Stop,
    args::FeedArgs,
    part::{Fed, Part},
    rejected::Rejected,
    whole,
};
use crate::{failure::Failure, text::harmless_json};

/// Where the rows go that come out, and those that are rejected.
pub(super) struct Sinks {
    out: Option<Sink>,
    rejected: Option<Sink>,
}

impl Sinks {
    /// # Errors
    ///
    /// When a file would be written over, does not belong to this feed, or cannot be made.
    pub(super) fn open(args: &FeedArgs) -> Result<Self, Failure> {
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
        let open =
            |path: &Option<PathBuf>| path.as_deref().map(|path| Sink::open(path, args)).transpose();
        Ok(Self { out: open(&args.out)?, rejected: open(&args.rejected)? })
    }

    /// Writes what became of a batch, of which row `last` is the last one.
    ///
    /// # Errors
    ///
    /// When it cannot be written; in files nothing of it is left then.
    pub(super) fn write(
        &mut self,
        report: &Report,
        rejected: &[Rejected],
        last: u64,
    ) -> Result<(), Stop> {
        self.write_all(report, rejected, last).inspect_err(|_| {
            for sink in [&mut self.out, &mut self.rejected].into_iter().flatten() {
                sink.take_back();
            }
        })
    }

    fn write_all(&mut self, report: &Report, rejected: &[Rejected], last: u64) -> Result<(), Stop> {
        if let Some(out) = &mut self.out {
            let rows = report.output().to_ndjson();
            let rows = rows.map_err(|error| {
                Stop::Unwritten(format!("a row that came out has no JSON form: {error}"))
            })?;
            out.write(&rows)?;
        }
        if let Some(sink) = &mut self.rejected {
            sink.write(&lines(rejected)?)?;
        }
        [&mut self.out, &mut self.rejected]
            .into_iter()
            .flatten()
            .try_for_each(|sink| sink.done(last))
    }

    /// Gives files their names.
    ///
    /// # Errors
    ///
    /// When one does not reach the disk, or another file has its name.
    pub(super) fn finish(self) -> Result<(), Stop> {
        [self.out, self.rejected].into_iter().flatten().try_for_each(Sink::finish)
    }
}

/// Takes rows as NDJSON. A file has the ending `.part` until it is complete, so that nobody takes a
/// part of it for all of it; a device or a pipe is written as it is.
struct Sink {
    path: PathBuf,
    to: To,
}

enum To {
    Stdout { is_terminal: bool },
    Special(File),
    Part(Box<Part>),
}

impl Sink {
    fn open(path: &Path, args: &FeedArgs) -> Result<Self, Failure> {
        if path == Path::new("-") {
            let to = To::Stdout { is_terminal: io::stdout().is_terminal() };
            return Ok(Self { path: path.to_owned(), to });
        }
        // A link stays one.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let to = match fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            true => {
                let cannot =
                    |error| Failure::io(format!("cannot write {}", path.display()), &error);
                To::Special(File::options().write(true).open(&path).map_err(cannot)?)
            }
            false => To::Part(Box::new(Part::open(&path, Fed::of(args), args.skip, args.force)?)),
        };
        Ok(Self { path, to })
    }

    fn write(&mut self, lines: &str) -> Result<(), Stop> {
        let written = match &mut self.to {
            To::Stdout { is_terminal: true } => write_stdout(&harmless_json(lines)),
            To::Stdout { is_terminal: false } => write_stdout(lines),
            To::Special(file) => file.write_all(lines.as_bytes()),
            To::Part(part) => part.write(lines.as_bytes()),
        };
        written.map_err(|error| self.cannot(&error))
    }

    fn done(&mut self, last: u64) -> Result<(), Stop> {
        let To::Part(part) = &mut self.to else { return Ok(()) };
        part.done(last).map_err(|error| self.cannot(&error))
    }

    fn take_back(&mut self) {
        if let To::Part(part) = &mut self.to {
            part.take_back();
        }
    }

    fn finish(self) -> Result<(), Stop> {
        let To::Part(part) = self.to else { return Ok(()) };
        let (path, there) = (self.path.display().to_string(), part.file().display().to_string());
        part.finish().map_err(|error| {
            Stop::Unnamed(match error.kind() {
                ErrorKind::AlreadyExists => format!(
                    "another file was made at {path} meanwhile; all rows are in {there}: give it another name"
                ),
                _ => format!("cannot write {path}: {error} (what could be written is {there})"),
            })
        })
    }

    fn cannot(&self, error: &io::Error) -> Stop {
        let path = self.path.display();
        Stop::Unwritten(match &self.to {
            To::Stdout { .. } | To::Special(_) if error.kind() == ErrorKind::BrokenPipe => {
                return Stop::Closed;
            }
            To::Stdout { .. } => format!("cannot write to standard output: {error}"),
            To::Special(_) => format!("cannot write {path}: {error}"),
            To::Part(part) => {
                let part = part.file().display();
                format!("cannot write {path}: {error} (what could be written is {part})")
            }
        })
    }
}

fn write_stdout(lines: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush())
}

/// Values, one a line.
fn lines(values: &[impl Serialize]) -> Result<String, Stop> {
    let mut lines = String::new();
    for value in values {
        lines +=
            &serde_json::to_string(value).map_err(|error| Stop::Unwritten(error.to_string()))?;
        lines.push('\n');
    }
    Ok(lines)
}
