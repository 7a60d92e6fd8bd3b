//! [`Answer`]: the answer of a call, at once or later.

use std::{fmt, future::Future, pin::Pin};

use super::{BatchResult, Call};
use crate::{
    action::{Action, Plan},
    batch::Batch,
    error::Result,
    flow::Lineage,
    keyed::StateChange,
    reject::Fault,
};

/// The answer to one call: at once from a sync function, in one box from an async one.
#[non_exhaustive]
pub enum Answer<'a> {
    /// The function has returned.
    Ready(Result<Outcome>),
    /// The function has to be awaited.
    Later(Pin<Box<dyn Future<Output = Result<Outcome>> + Send + 'a>>),
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(result) => formatter.debug_tuple("Ready").field(result).finish(),
            Self::Later(_) => formatter.write_str("Later"),
        }
    }
}

impl<'a> Answer<'a> {
    /// An answer to await. The future must be `Send`: flows run as tokio tasks.
    pub fn later(future: impl Future<Output = Result<Outcome>> + Send + 'a) -> Self {
        Self::Later(Box::pin(future))
    }

    /// No rows, only an action; every row of the input counts as handled.
    #[must_use]
    pub fn action(call: Call<'_>, action: Action) -> Self {
        Self::Ready(action.outcome(call.input().len()))
    }

    /// Rows for the next function; every row of the input counts as handled.
    pub fn rows(call: Call<'_>, rows: impl Into<Batch>) -> Self {
        Self::Ready(rows.into().outcome(call.input().len()))
    }
}

/// The result of a function for a batch.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The rows that it hands on; `None` from a sink, which has none.
    pub(crate) produced: Option<Batch>,
    pub(crate) plan: Plan,
    /// Rows of the input that were neither filtered nor rejected.
    pub(crate) handled: usize,
    pub(crate) filtered: usize,
    pub(crate) faults: Vec<Fault>,
    /// Whether each handled row became exactly one.
    pub(crate) is_one_to_one: bool,
    /// From which row each new one was made; only for runs that ask for it.
    pub(crate) lineage: Lineage,
    /// The states that it has changed.
    pub(crate) states: Vec<StateChange>,
}
