//! Log lines on standard error: which are written, and how. Above the live view where there is one.

use std::{
    env, fmt,
    io::{self, Write},
};

use indicatif::ProgressBar;
use serde_json::{Map, Value};
use tracing_subscriber::{
    EnvFilter,
    filter::ParseError,
    fmt::{
        SubscriberBuilder,
        format::{DefaultFields, Format, Writer},
        time::{FormatTime, SystemTime},
    },
};

use crate::{
    args::{Common, LogFormat},
    failure::Failure,
};

/// What is logged where nobody says.
const VARIABLE: &str = "RUST_LOG";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Logs what `--log-level` says, or `RUST_LOG`, or else `level`; nothing of it, nothing is logged. A
/// program that has a subscriber of its own keeps it.
pub(crate) fn start(
    common: &Common,
    level: Option<&str>,
    bar: Option<ProgressBar>,
) -> Result<(), Failure> {
    let variable = env::var(VARIABLE).ok().filter(|level| !level.trim().is_empty());
    let filter = match (&common.log_level, variable, level) {
        (Some(level), _, _) => EnvFilter::new(level),
        (None, Some(level), _) => {
            let wrong = |error: ParseError| {
                Failure::usage(format!("the environment variable {VARIABLE}: {error}"))
            };
            EnvFilter::try_new(level).map_err(wrong)?
        }
        (None, None, Some(level)) => EnvFilter::new(level),
        (None, None, None) => return Ok(()),
    };
    let writer = move || Above { bar: bar.clone() };
    let lines = builder().with_env_filter(filter).with_writer(writer);
    let started = match common.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .try_init(),
    };
    drop(started);
    Ok(())
}

fn builder() -> SubscriberBuilder<DefaultFields, Format> {
    tracing_subscriber::fmt().with_ansi(false)
}

/// The last words of a program as a log line.
pub(crate) fn json_line(level: &str, program: &str, message: &str) -> String {
    let mut time = String::new();
    let mut line = Map::new();
    if SystemTime.format_time(&mut Writer::new(&mut time)).is_ok() {
        line.insert("timestamp".to_owned(), time.into());
    }
    for (field, text) in [("level", level), ("message", message), ("target", program)] {
        line.insert(field.to_owned(), text.into());
    }
    Value::Object(line).to_string()
}

/// Reads `--log-level`: a level, or directives such as `info,kisflow_redis=debug`.
pub(crate) fn level(text: &str) -> Result<String, String> {
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    let wrong = |why: &dyn fmt::Display| {
        format!("{why}; expected {}, or such as info,kisflow_redis=debug", LEVELS.join(", "))
    };
    let odd = text.split(',').map(str::trim).find(|word| !is_level(word) && !word.contains('='));
    if let Some(word) = odd {
        return Err(wrong(&format!("\"{word}\" is no level")));
    }
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| wrong(&error))
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

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(text: &str, why: Option<&str>) {
        match (super::level(text), why) {
            (Ok(level), None) => assert_eq!(level, text),
            (Err(error), Some(why)) => assert!(error.starts_with(why), "{text}: {error}"),
            (result, _) => panic!("{text}: {result:?}"),
        }
    }

    #[test]
    fn a_level_is_a_word_or_directives_and_no_other_word() {
        for text in ["info", "WARN", "off", "info,kisflow_redis=debug", "fred=warn"] {
            check(text, None);
        }
        check("inof", Some("\"inof\" is no level; expected off, error, warn, info, debug, trace"));
        check("", Some("\"\" is no level"));
        check("info,", Some("\"\" is no level"));
        check("a=loud", Some("error parsing level filter"));
    }
}
