//! One call of a function: its input, its context, and the loops that `#[faas]` expands to.

use std::{fmt, future::Future};

use super::{Answer, BatchResult, Collector, Outcome, RowResult};
use crate::{
    batch::{Batch, View},
    conf::OnReject,
    error::{BoxError, Result},
    keyed::{KeyedState, OpenStates},
    parameter::Cx,
    reject::Fault,
    row::Row,
};

/// What is said of a function of one row that rejects rows by their positions.
const ONE_ROW_REJECTS: &str =
    "`Cx::reject` is for functions of a batch; a function of one row returns `Err` to reject it";

/// One call, which borrows everything that belongs to it.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub(crate) input: &'a Batch,
    pub(crate) cx: Cx<'a>,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Call").field("input", self.input).field("cx", &self.cx).finish()
    }
}

impl<'a> Call<'a> {
    /// Returns the rows that reached the function.
    #[must_use]
    pub fn input(&self) -> &'a Batch {
        self.input
    }

    /// Returns the call's context.
    #[must_use]
    pub fn cx(&self) -> Cx<'a> {
        self.cx
    }

    /// Calls a function that takes the whole batch.
    #[inline]
    pub fn batch<T: Row, R: BatchResult>(self, function: impl FnOnce(&[T]) -> R) -> Answer<'a> {
        Answer::Ready(
            self.readable(self.input.contiguous::<T>(self.cx.row_defaults())).map_or_else(
                rejected,
                |view| {
                    let result = function(view.held());
                    self.finish(&view, result)
                },
            ),
        )
    }

    /// Calls an async function that takes the whole batch. `function` gets a value from which its
    /// own future can borrow the rows.
    #[inline]
    pub fn batch_async<T: Row, F>(self, function: impl FnOnce(Borrowed<T>) -> F) -> Answer<'a>
    where
        F: Future<Output = Result<Outcome>> + Send + 'a,
    {
        match self.readable(self.input.contiguous::<T>(self.cx.row_defaults())) {
            Ok(view) => Answer::later(function(Borrowed { view })),
            Err(faults) => Answer::Ready(rejected(faults)),
        }
    }

    /// Calls a function once for each row.
    #[inline]
    pub fn each<T: Row, R: RowResult>(self, function: impl Fn(&T) -> R) -> Answer<'a> {
        Answer::Ready(self.readable(self.input.view::<T>(self.cx.row_defaults())).map_or_else(
            rejected,
            |view| {
                let mut rows = Collector::new(view.len(), self.cx.is_traced());
                view.for_each(|index, row| function(row).collect(index, &mut rows));
                rows.reject(view.faults());
                let outcome = R::outcome(rows, self.input);
                if self.cx.take_rejects().is_empty() {
                    return Ok(outcome);
                }
                Err(ONE_ROW_REJECTS.into())
            },
        ))
    }

    /// Calls a function once for each row, with the state of the row's key. A row that it rejects
    /// leaves the state unchanged.
    #[inline]
    pub fn each_keyed<T: Row, S: KeyedState, R: RowResult>(
        self,
        function: impl Fn(&T, &mut S) -> R,
    ) -> Answer<'a> {
        let Some(states) = self.cx.states else {
            return Answer::Ready(Err("this call has no states; call the function itself".into()));
        };
        Answer::Ready(match self.readable(self.input.view::<T>(self.cx.row_defaults())) {
            Ok(view) => self.with_states(&view, states.open(), function),
            Err(faults) => rejected(faults),
        })
    }

    fn with_states<T: Row, S: KeyedState, R: RowResult>(
        self,
        view: &View<T>,
        mut states: OpenStates<'_, S>,
        function: impl Fn(&T, &mut S) -> R,
    ) -> Result<Outcome> {
        let mut rows = Collector::new(view.len(), self.cx.is_traced());
        let mut failed = None;
        view.for_each(|index, row| {
            if failed.is_some() {
                return;
            }
            match states.state(index, R::REJECTS) {
                Ok(state) => {
                    let before = rows.rejected();
                    function(row, state).collect(index, &mut rows);
                    if rows.rejected() > before {
                        states.undo(index);
                    }
                }
                Err(error) => failed = Some(error),
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if !self.cx.take_rejects().is_empty() {
            return Err(ONE_ROW_REJECTS.into());
        }
        rows.reject(view.faults());
        let states = states.changes()?;
        Ok(Outcome { states, ..R::outcome(rows, self.input) })
    }

    /// The outcome of an async batch function.
    pub fn finish_async<T: Row, R: BatchResult>(
        self,
        rows: &Borrowed<T>,
        result: R,
    ) -> Result<Outcome> {
        self.finish(&rows.view, result)
    }

    fn finish<T: Row, R: BatchResult>(self, view: &View<T>, result: R) -> Result<Outcome> {
        let rejects = self.cx.take_rejects();
        if rejects.is_empty() && view.faults().is_empty() {
            return result.outcome(view.len());
        }
        self.finish_rejected(view, rejects, result)
    }

    #[cold]
    fn finish_rejected<T: Row, R: BatchResult>(
        self,
        view: &View<T>,
        mut rejects: Vec<(usize, BoxError)>,
        result: R,
    ) -> Result<Outcome> {
        rejects.sort_by_key(|(position, _)| *position);
        rejects.dedup_by_key(|(position, _)| *position);
        if let Some((position, _)) = rejects.last().filter(|(position, _)| *position >= view.len())
        {
            return Err(format!(
                "`Cx::reject({position}, …)` names a row past the last of {}",
                view.len()
            )
            .into());
        }
        let mut outcome = result.outcome(view.len() - rejects.len())?;
        outcome.faults.extend_from_slice(view.faults());
        outcome.faults.extend(rejects.into_iter().map(|(position, cause)| Fault {
            index: view.index(position),
            field: None,
            cause: cause.into(),
        }));
        Ok(outcome)
    }

    /// The view, unless a row that is not a `T` fails the run, or no row is a `T`: the function is
    /// not called then. (On an empty batch it could still emit rows or fail.)
    fn readable<T: Row>(self, view: View<T>) -> Result<View<T>, Vec<Fault>> {
        let faults = view.faults();
        if faults.is_empty() || view.len() > 0 && self.cx.on_reject() != OnReject::Fail {
            return Ok(view);
        }
        Err(faults.to_vec())
    }
}

/// The outcome of a call for rows that are all rejected before it.
fn rejected(faults: Vec<Fault>) -> Result<Outcome> {
    Ok(Outcome { faults, ..Outcome::default() })
}

/// The rows of an async call, owned by its future.
pub struct Borrowed<T> {
    view: View<T>,
}

impl<T> fmt::Debug for Borrowed<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Borrowed").finish_non_exhaustive()
    }
}

impl<T: Row> Borrowed<T> {
    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[T] {
        self.view.held()
    }
}
