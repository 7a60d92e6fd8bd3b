//! Log lines on standard error, above the view where there is one.

use std::io::{self, Write};

use indicatif::ProgressBar;
use tracing_subscriber::{EnvFilter, fmt};

use super::view::View;

/// Logs what `RUST_LOG` says, `info` without it. A program that has a subscriber of its own keeps it.
pub(super) fn start(view: &View) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let bar = view.bar();
    let writer = move || Above { bar: bar.clone() };
    let started = fmt().with_env_filter(filter).with_writer(writer).with_ansi(false).try_init();
    drop(started);
}

/// Writes above the view, which is drawn again below: a line is written whole.
struct Above {
    bar: Option<ProgressBar>,
}

impl Write for Above {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let write = || io::stderr().write_all(line);
        match &self.bar {
            Some(bar) => bar.suspend(write)?,
            None => write()?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
