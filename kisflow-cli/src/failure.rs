//! [`Failure`]: why a command did not do what it was told, and its exit code.

use std::{fmt, io, process::ExitCode};

use kisflow_core::error_chain;

use crate::{args::LogFormat, log::json_line, terminal};

/// Why a command did not do what it was told.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The flow's answer is no: rows were rejected, a test fails, a connector is away.
    No(String),
    /// The flow's answer is no, and everything has been printed.
    Silent,
    /// Wrong usage, or wrong conf; what is wrong has been rendered.
    Usage(String),
    /// Whoever reads our output has gone away.
    Closed,
}

impl Failure {
    /// The flow's answer is no.
    pub(crate) fn no(message: impl fmt::Display) -> Self {
        Self::No(message.to_string())
    }

    /// The flow's answer is no, because of an error.
    pub(crate) fn because(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::No(error_chain(error).to_string())
    }

    /// Wrong usage.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// Something could not be read or written: `what` says what, as in "cannot write rows.ndjson".
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::No(format!("{what}: {error}"))
    }

    /// Tells the user, as the last words of the command.
    pub(crate) fn report(self, program: &str, log_format: LogFormat) -> ExitCode {
        let (message, code) = match self {
            // `head` has read enough.
            Self::Closed => return ExitCode::SUCCESS,
            Self::Silent => return ExitCode::from(1),
            Self::No(message) => (message, 1),
            Self::Usage(message) => (message, 2),
        };
        terminal::say(&match log_format {
            LogFormat::Text => format!("{program}: {message}\n"),
            LogFormat::Json => {
                let plain = console::strip_ansi_codes(&message);
                format!("{}\n", json_line("ERROR", program, &plain))
            }
        });
        ExitCode::from(code)
    }
}
