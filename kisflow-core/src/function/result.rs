//! The results of functions, and their effect in the flow.

use std::collections::HashSet;

use super::Outcome;
use crate::{
    action::Action,
    batch::Batch,
    error::{BoxError, Result},
    flow::Lineage,
    reject::Fault,
    row::Emit,
};

/// A result that a batch function may return.
#[diagnostic::on_unimplemented(
    message = "a function of a batch cannot return `{Self}`",
    label = "not a result of a batch function",
    note = "return `()`, `Vec<U>`, `Batch`, `Action`, `(Vec<U>, Action)`, or any of them in a `Result`; a function of one row (`&T` instead of `&[T]`) may return others"
)]
pub trait BatchResult {
    /// Returns the outcome of a call that handled `handled` rows.
    ///
    /// # Errors
    ///
    /// When the function failed.
    fn outcome(self, handled: usize) -> Result<Outcome>;
}

impl BatchResult for () {
    fn outcome(self, handled: usize) -> Result<Outcome> {
        Ok(Outcome { handled, ..Outcome::default() })
    }
}

impl BatchResult for Action {
    fn outcome(self, handled: usize) -> Result<Outcome> {
        Ok(Outcome { handled, plan: self.plan(), ..Outcome::default() })
    }
}

impl BatchResult for Batch {
    fn outcome(self, handled: usize) -> Result<Outcome> {
        Ok(Outcome { handled, produced: Some(self), ..Outcome::default() })
    }
}

impl<U: Emit> BatchResult for Vec<U> {
    fn outcome(self, handled: usize) -> Result<Outcome> {
        Batch::typed(self).outcome(handled)
    }
}

impl BatchResult for (Batch, Action) {
    fn outcome(self, handled: usize) -> Result<Outcome> {
        let (batch, action) = self;
        Ok(Outcome { handled, produced: Some(batch), plan: action.plan(), ..Outcome::default() })
    }
}

impl<U: Emit> BatchResult for (Vec<U>, Action) {
    fn outcome(self, handled: usize) -> Result<Outcome> {
        let (rows, action) = self;
        (Batch::typed(rows), action).outcome(handled)
    }
}

#[diagnostic::do_not_recommend]
impl<R: BatchResult, E: Into<BoxError>> BatchResult for Result<R, E> {
    fn outcome(self, handled: usize) -> Result<Outcome> {
        self.map_err(Into::into)?.outcome(handled)
    }
}

/// The result of a one-row function; `#[faas]` wraps the function's result in one of [`Map`],
/// [`FilterMap`], [`Filter`], [`FlatMap`], or leaves `()`, or any of them in a `Result`.
pub trait RowResult {
    /// The rows that it emits.
    type Out: Send + Sync + 'static;
    /// Whether it may reject the row.
    const REJECTS: bool = false;

    /// Takes the result of the row at `index`.
    fn collect(self, index: usize, rows: &mut Collector<Self::Out>);

    /// Returns the outcome of the whole batch.
    fn outcome(rows: Collector<Self::Out>, input: &Batch) -> Outcome;
}

/// The results of a one-row function so far.
#[derive(Debug)]
pub struct Collector<U> {
    rows: Vec<U>,
    handled: usize,
    filtered: usize,
    /// The rows that a filter keeps, from the first that it drops.
    kept: Option<Vec<usize>>,
    /// Whether the run asks from which row each new one was made.
    traced: bool,
    faults: Vec<Fault>,
}

impl<U> Collector<U> {
    pub(super) fn new(rows: usize, traced: bool) -> Self {
        // A filter and a sink emit nothing of their own: `U` is `()`, and this allocates nothing.
        Self {
            rows: Vec::with_capacity(rows),
            handled: 0,
            filtered: 0,
            kept: None,
            traced,
            faults: Vec::new(),
        }
    }

    /// How many rows were rejected.
    pub(super) fn rejected(&self) -> usize {
        self.faults.len()
    }

    /// Adds the rows that the function never saw.
    pub(super) fn reject(&mut self, faults: &[Fault]) {
        self.faults.extend_from_slice(faults);
    }

    /// Takes the rows with faults out of those that are kept.
    fn drop_faulty(&mut self) {
        if let Some(kept) = &mut self.kept
            && !self.faults.is_empty()
        {
            let bad: HashSet<usize> = self.faults.iter().map(|fault| fault.index).collect();
            kept.retain(|index| !bad.contains(index));
        }
    }

    fn into_outcome(self, produced: Option<Batch>, lineage: Lineage) -> Outcome {
        Outcome {
            lineage,
            produced,
            handled: self.handled,
            filtered: self.filtered,
            faults: self.faults,
            plan: crate::action::Plan::default(),
            is_one_to_one: false,
            states: Vec::new(),
        }
    }
}

/// One row in, one row out.
#[derive(Debug)]
pub struct Map<U>(pub U);

impl<U: Emit> RowResult for Map<U> {
    type Out = U;

    #[inline]
    fn collect(self, _: usize, rows: &mut Collector<U>) {
        rows.handled += 1;
        rows.rows.push(self.0);
    }

    fn outcome(mut rows: Collector<U>, _: &Batch) -> Outcome {
        let batch = Batch::typed(std::mem::take(&mut rows.rows));
        let lineage = rows.kept.take().map_or(Lineage::Same, |kept| Lineage::Rows(kept.into()));
        Outcome { is_one_to_one: true, ..rows.into_outcome(Some(batch), lineage) }
    }
}

/// One row in, one row or none out.
#[derive(Debug)]
pub struct FilterMap<U>(pub Option<U>);

impl<U: Emit> RowResult for FilterMap<U> {
    type Out = U;

    #[inline]
    fn collect(self, index: usize, rows: &mut Collector<U>) {
        match self.0 {
            Some(row) => {
                if let Some(kept) = &mut rows.kept {
                    kept.push(index);
                }
                Map(row).collect(index, rows);
            }
            None => {
                rows.filtered += 1;
                if rows.traced {
                    rows.kept.get_or_insert_with(|| (0..index).collect());
                }
            }
        }
    }

    fn outcome(mut rows: Collector<U>, input: &Batch) -> Outcome {
        rows.drop_faulty();
        Map::outcome(rows, input)
    }
}

/// One row in, any number out; a row that becomes none is filtered.
#[derive(Debug)]
pub struct FlatMap<U>(pub Vec<U>);

impl<U: Emit> RowResult for FlatMap<U> {
    type Out = U;

    #[inline]
    fn collect(self, index: usize, rows: &mut Collector<U>) {
        if rows.traced {
            rows.kept.get_or_insert_default().extend(std::iter::repeat_n(index, self.0.len()));
        }
        match self.0.is_empty() {
            true => rows.filtered += 1,
            false => rows.handled += 1,
        }
        rows.rows.extend(self.0);
    }

    fn outcome(mut rows: Collector<U>, input: &Batch) -> Outcome {
        // No rows give nothing.
        if rows.traced {
            rows.kept.get_or_insert_default();
        }
        Outcome { is_one_to_one: false, ..Map::outcome(rows, input) }
    }
}

/// Keeps the row unchanged, or filters it.
#[derive(Debug)]
pub struct Filter(pub bool);

impl RowResult for Filter {
    type Out = ();

    #[inline]
    fn collect(self, index: usize, rows: &mut Collector<()>) {
        if self.0 {
            rows.handled += 1;
            if let Some(kept) = &mut rows.kept {
                kept.push(index);
            }
        } else {
            // Remember positions only from now on: all rows before this one were kept, except those
            // with faults, which are removed at the end.
            rows.filtered += 1;
            rows.kept.get_or_insert_with(|| (0..index).collect());
        }
    }

    fn outcome(mut rows: Collector<()>, input: &Batch) -> Outcome {
        rows.drop_faulty();
        let (kept, lineage) = match rows.kept.take() {
            None => (input.without(&rows.faults), Lineage::Same),
            Some(kept) => {
                let lineage =
                    if rows.traced { Lineage::Rows((&*kept).into()) } else { Lineage::Unknown };
                (input.pick(kept), lineage)
            }
        };
        Outcome { is_one_to_one: true, ..rows.into_outcome(Some(kept), lineage) }
    }
}

/// A sink: the row is handled, and ends here.
impl RowResult for () {
    type Out = ();

    #[inline]
    fn collect(self, _: usize, rows: &mut Collector<()>) {
        rows.handled += 1;
    }

    fn outcome(rows: Collector<()>, _: &Batch) -> Outcome {
        rows.into_outcome(None, Lineage::Unknown)
    }
}

impl<R: RowResult, E: Into<BoxError>> RowResult for Result<R, E> {
    type Out = R::Out;
    const REJECTS: bool = true;

    #[inline]
    fn collect(self, index: usize, rows: &mut Collector<R::Out>) {
        match self {
            Ok(row) => row.collect(index, rows),
            Err(cause) => {
                rows.faults.push(Fault { index, field: None, cause: cause.into().into() })
            }
        }
    }

    fn outcome(rows: Collector<R::Out>, input: &Batch) -> Outcome {
        R::outcome(rows, input)
    }
}
