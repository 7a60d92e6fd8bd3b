//! How a command ends when it does not end well.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// A check found something; the details are already printed.
    Check(String),
    /// A file could not be read, or a program not be started.
    Io { what: String, source: io::Error },
    /// A program ended badly, and has told why itself.
    Program { what: String, code: u8 },
}

impl Failure {
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }

    /// Tells the user, on stderr, as the last words of a command.
    pub(crate) fn report(&self) {
        match self {
            // The program has had them, so that `test` ends with cargo's own lines.
            Self::Program { .. } => {}
            Self::Usage(_) => eprintln!("error: {self}; see `cargo xtask --help`"),
            Self::Check(_) | Self::Io { .. } => eprintln!("error: {}", self.in_full()),
        }
    }

    /// Tells the user about a failure that the command can live with.
    pub(crate) fn warn(&self) {
        eprintln!("warning: {}", self.in_full());
    }

    fn in_full(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |source| format!("{self}: {source}"))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Check(_) | Self::Io { .. } => ExitCode::FAILURE,
            Self::Program { code, .. } => ExitCode::from(*code),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Check(message) => f.write_str(message),
            Self::Io { what, .. } => write!(f, "cannot {what}"),
            Self::Program { what, code } => write!(f, "`{what}` ended with status {code}"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Usage(_) | Self::Check(_) | Self::Program { .. } => None,
        }
    }
}
