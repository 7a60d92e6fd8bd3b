//! Why a run failed.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use super::{Lineage, Report, RunId};
use crate::{batch::Batch, conf::suggest, error::BoxError, reject::Reject};

/// Why a run failed: where, in which attempt, and everything needed to lose no row.
pub struct RunError {
    pub(super) inner: Box<Inner>,
}

pub(super) struct Inner {
    pub(super) function: Option<Arc<str>>,
    pub(super) attempt: u32,
    pub(super) kind: Kind,
    pub(super) report: Report,
    pub(super) input: Batch,
    /// Which function of the chain failed.
    pub(super) at: usize,
    /// Where the rows of `input` come from in the run's input, when the run is traced.
    pub(super) lineage: Lineage,
}

pub(super) enum Kind {
    Function(BoxError),
    /// The function said of each row that something is unavailable.
    EachRowAway(BoxError),
    Panic(String),
    Timeout(Duration),
    /// The rejected rows are in the report.
    Rejected,
    UnknownJump {
        target: String,
        hint: String,
    },
    TwoJumps(Vec<String>),
    /// A run that began in the middle of the chain jumps to a place before its beginning.
    EarlierJump {
        target: String,
    },
    /// The flow has functions that keep state.
    StatefulJump {
        target: String,
    },
    JumpLimit {
        limit: u32,
        cycle: String,
    },
    Cancelled,
    /// The function aborted, which is meant for some rows of its batch.
    Aborted,
}

impl RunError {
    /// Returns the flow's name.
    #[must_use]
    pub fn flow(&self) -> &str {
        self.inner.report.flow()
    }

    /// Returns the function that failed; `None` if the run was cancelled between two functions.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        self.inner.function.as_deref()
    }

    /// Returns the id of the run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.inner.report.run()
    }

    /// Returns the attempt that failed, from 1; those before it failed as well.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner.attempt
    }

    /// Returns the report of the run until the failure.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.inner.report
    }

    /// Returns every rejected row, with its cause.
    #[must_use]
    pub fn rejected(&self) -> &[Reject] {
        self.inner.report.rejected()
    }

    /// Returns the batch that the function was given, to try it again or keep it.
    #[must_use]
    pub fn input(&self) -> &Batch {
        &self.inner.input
    }

    /// Which function of the chain failed, from 0.
    pub(crate) fn at(&self) -> usize {
        self.inner.at
    }

    /// Where the rows of `input` come from in the run's input.
    pub(crate) fn lineage(&self) -> &Lineage {
        &self.inner.lineage
    }

    /// Returns `true` if rows were rejected in a flow with `on_reject: fail`.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        matches!(self.inner.kind, Kind::Rejected)
    }

    /// Returns `true` if the function panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.inner.kind, Kind::Panic(_))
    }

    /// Returns `true` if the function took longer than its `timeout`.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.inner.kind, Kind::Timeout(_))
    }

    /// Returns `true` if the run was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.inner.kind, Kind::Cancelled)
    }

    /// Returns `true` if a function aborted, which is meant for some rows of its batch.
    pub(crate) fn is_abort(&self) -> bool {
        matches!(self.inner.kind, Kind::Aborted)
    }

    /// Returns `true` if the function said of each row by itself that something is unavailable.
    pub(crate) fn is_each_row_away(&self) -> bool {
        matches!(self.inner.kind, Kind::EachRowAway(_))
    }

    /// Returns `true` if a run that began in the middle of the chain was to jump to a place before
    /// its beginning.
    pub(crate) fn is_early_jump(&self) -> bool {
        matches!(self.inner.kind, Kind::EarlierJump { .. })
    }

    /// Returns `true` if the function jumped nowhere, to two places, or forever.
    #[must_use]
    pub fn is_jump(&self) -> bool {
        matches!(
            self.inner.kind,
            Kind::UnknownJump { .. }
                | Kind::TwoJumps(_)
                | Kind::EarlierJump { .. }
                | Kind::StatefulJump { .. }
                | Kind::JumpLimit { .. }
        )
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "flow `{}`", self.flow())?;
        if let Some(function) = self.function() {
            write!(formatter, ", function `{function}`")?;
        }
        if self.attempt() > 1 {
            write!(formatter, ", attempt {}", self.attempt())?;
        }
        match &self.inner.kind {
            Kind::Function(_) | Kind::EachRowAway(_) => formatter.write_str(" failed"),
            Kind::Panic(message) => write!(formatter, " panicked: {message}"),
            Kind::Timeout(limit) => write!(formatter, " took longer than its timeout of {limit:?}"),
            Kind::Rejected => {
                let (rejected, all) = (self.rejected().len(), self.inner.input.len());
                write!(formatter, " rejected {rejected} of {all} rows")
            }
            Kind::UnknownJump { target, hint } => {
                write!(formatter, " jumps to \"{target}\", which is not in the flow{hint}")
            }
            Kind::EarlierJump { target } => {
                write!(
                    formatter,
                    " jumps to \"{target}\", and this run began behind it; name the target in the function's `option.jump`, or send the row from the start"
                )
            }
            Kind::StatefulJump { target } => {
                write!(
                    formatter,
                    " jumps to \"{target}\", and in a flow whose functions keep state none may jump: its rows would change the state twice"
                )
            }
            Kind::TwoJumps(targets) => {
                write!(formatter, " jumps to several places at once: {}", targets.join(", "))
            }
            Kind::JumpLimit { limit, cycle } => {
                write!(
                    formatter,
                    " jumped more often than the flow's `jump_limit` of {limit} allows: {cycle}"
                )
            }
            Kind::Cancelled => formatter.write_str(" was cancelled"),
            Kind::Aborted => formatter.write_str(" aborted the run of a batch"),
        }
    }
}

impl fmt::Debug for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", crate::error_chain(self))
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.inner.kind {
            Kind::Function(cause) | Kind::EachRowAway(cause) => Some(&**cause),
            Kind::Rejected => {
                self.rejected().first().map(|reject| reject as &(dyn Error + 'static))
            }
            _ => None,
        }
    }
}

/// No flow has this name.
pub struct UnknownFlow {
    message: String,
}

impl UnknownFlow {
    /// `known` are the names of the existing flows.
    pub(crate) fn new<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self { message: format!("no flow is named \"{name}\"{}", suggest(name, known)) }
    }
}

impl fmt::Display for UnknownFlow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// A `main` that returns it prints this.
impl fmt::Debug for UnknownFlow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for UnknownFlow {}
