//! What a call answers: at once, or later.

use std::{fmt, future::Future, pin::Pin};

use super::{BatchResult, Call};
use crate::{
    action::{Action, Plan},
    batch::Batch,
    error::Result,
    flow::Lineage,
    reject::Fault,
};

/// The answer to one call: a sync function's on the spot, an async one's in one box.
pub enum Answer<'a> {
    /// The function is done.
    Ready(Result<Outcome>),
    /// The function awaits something.
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
    /// An answer that has to be awaited. The future must be `Send`: flows run as tokio tasks.
    pub fn later(future: impl Future<Output = Result<Outcome>> + Send + 'a) -> Self {
        Self::Later(Box::pin(future))
    }

    /// No rows, only an action; every row of the input counts as handled.
    pub fn action(call: Call<'_>, action: Action) -> Self {
        Self::Ready(action.outcome(call.input().len()))
    }

    /// Rows for the next function; every row of the input counts as handled.
    pub fn rows(call: Call<'_>, rows: impl Into<Batch>) -> Self {
        Self::Ready(rows.into().outcome(call.input().len()))
    }
}

/// What a function made of a batch.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The rows that it hands on; `None` from a function that has none to give, a sink.
    pub(crate) produced: Option<Batch>,
    pub(crate) plan: Plan,
    /// Rows of the input that were neither filtered nor rejected.
    pub(crate) handled: usize,
    pub(crate) filtered: usize,
    pub(crate) faults: Vec<Fault>,
    /// Of which row each produced one was made; told only to runs that ask.
    pub(crate) lineage: Lineage,
}
