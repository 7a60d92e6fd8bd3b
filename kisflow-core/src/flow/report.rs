//! [`Report`]: the result of one run, with every row accounted for.

use std::{fmt, sync::Arc, time::Duration};

use super::{Chain, Lineage, RunId, walk::Step};
use crate::{action::Action, batch::Batch, conf::Mode, reject::Reject};

/// The result of one run.
///
/// Every row is accounted for, in the run and in each function:
/// `rows_in + added = rows_out + filtered + aborted + rejected + failed + folded`, where functions that map
/// and filter add and fold nothing.
#[derive(Clone)]
pub struct Report {
    pub(super) chain: Arc<Chain>,
    pub(super) run: RunId,
    pub(super) outcome: RunOutcome,
    pub(super) rows: RowCounts,
    pub(super) steps: Vec<Step>,
    pub(super) rejected: Vec<Reject>,
    pub(super) deferred: Vec<Deferred>,
    pub(super) output: Option<Batch>,
    pub(super) jumps: u32,
    pub(super) visits: Vec<Visit>,
    pub(super) elapsed: Duration,
}

/// Rows that a function rejected during an outage, while others went on.
#[derive(Clone, Debug)]
pub(crate) struct Deferred {
    /// Which function of the chain has to be called with them, from 0.
    pub(crate) at: usize,
    pub(crate) rows: Batch,
    /// Where they come from in the run's input.
    pub(crate) lineage: Lineage,
}

/// One call of a function, in a run that was [traced](super::Flow::trace).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Visit {
    /// The function.
    pub function: Arc<str>,
    /// The rows that it was given.
    pub given: Batch,
    /// The action that it asked for; `None` if it failed.
    pub action: Option<Action>,
    /// The rows that it handed on, if any.
    pub handed_on: Option<Batch>,
    /// The rows that it rejected.
    pub rejected: Vec<Reject>,
}

impl Visit {
    pub(super) fn new(function: Arc<str>, given: Batch) -> Self {
        Self { function, given, action: None, handed_on: None, rejected: Vec::new() }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunOutcome {
    /// At the end of the chain, or when no rows were left.
    Completed,
    /// A function asked to abort.
    Aborted,
    /// Before it began: the flow has `status: 0`. The output is the input.
    Disabled,
    /// With an error.
    Failed,
    /// By a cancellation from outside.
    Cancelled,
}

/// Counts of rows by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowCounts {
    /// Rows that came in.
    pub rows_in: usize,
    /// Rows that were handed on, or delivered by a function that hands nothing on.
    pub rows_out: usize,
    /// Rows that a function dropped on purpose.
    pub filtered: usize,
    /// Rows whose run a function ended with `Abort`, without handing them on.
    pub aborted: usize,
    /// Rows that a function rejected; each is in [`Report::rejected`].
    pub rejected: usize,
    /// Rows whose batch failed in this function, which `RunError::input` has; and, in a flow that is
    /// served, rows that wait for what is away while others of their batch went on.
    pub failed: usize,
    /// Rows made from others: one row became several, or came again after a jump.
    pub added: usize,
    /// Rows that became part of others: several became one, or were left behind by a jump.
    pub folded: usize,
}

impl RowCounts {
    /// Returns `true` if every row is accounted for.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.rows_in + self.added
            == self.rows_out
                + self.filtered
                + self.aborted
                + self.rejected
                + self.failed
                + self.folded
    }

    /// Adds the counts of another call.
    pub(super) fn add(&mut self, call: &Self) {
        self.rows_in += call.rows_in;
        self.rows_out += call.rows_out;
        self.filtered += call.filtered;
        self.aborted += call.aborted;
        self.rejected += call.rejected;
        self.failed += call.failed;
        self.added += call.added;
        self.folded += call.folded;
    }

    /// Counts the difference in rows between two functions of a run as added or folded.
    pub(super) fn hand_over(&mut self, out: usize, next_in: usize) {
        self.added += next_in.saturating_sub(out);
        self.folded += out.saturating_sub(next_in);
    }
}

/// The result of one function in a run, over all its calls.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FunctionReport {
    /// Its name.
    pub function: Arc<str>,
    /// Its mode.
    pub mode: Mode,
    /// How often the run called it; more than once only after jumps. Repeated attempts do not
    /// count.
    pub calls: usize,
    /// The counts of the rows that reached it.
    pub rows: RowCounts,
}

impl Report {
    /// Returns the flow's name.
    #[must_use]
    pub fn flow(&self) -> &str {
        &self.chain.conf.flow_name
    }

    /// Returns the run's id.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Returns how the run ended.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        self.outcome
    }

    /// Returns the counts of rows.
    #[must_use]
    pub fn rows(&self) -> &RowCounts {
        &self.rows
    }

    /// Returns the number of rows that came in.
    #[must_use]
    pub fn rows_in(&self) -> usize {
        self.rows.rows_in
    }

    /// Returns the number of rows that the last function handed on or delivered.
    #[must_use]
    pub fn rows_out(&self) -> usize {
        self.rows.rows_out
    }

    /// Returns each function of the chain, in order, including those that did not run.
    pub fn functions(&self) -> impl Iterator<Item = FunctionReport> {
        self.chain.nodes.iter().zip(&self.steps).map(|(node, step)| FunctionReport {
            function: node.name.clone(),
            mode: node.conf.fmode,
            calls: step.calls,
            rows: step.rows,
        })
    }

    /// Returns the first function with this name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<FunctionReport> {
        self.functions().find(|function| &*function.function == name)
    }

    /// Returns for each function of the chain whether it did its work for a row.
    pub(crate) fn worked(&self) -> impl Iterator<Item = bool> {
        self.steps.iter().map(|step| {
            let RowCounts { rows_out, filtered, aborted, .. } = step.rows;
            rows_out + filtered + aborted > 0
        })
    }

    /// Returns how many jumps the run made.
    pub(crate) fn jumps(&self) -> u32 {
        self.jumps
    }

    /// Returns every rejected row, with its cause.
    #[must_use]
    pub fn rejected(&self) -> &[Reject] {
        &self.rejected
    }

    /// Returns the rows that wait for an outage.
    pub(crate) fn deferred(&self) -> &[Deferred] {
        &self.deferred
    }

    /// Returns the rows that the last function handed on; none from one that hands nothing on.
    #[must_use]
    pub fn output(&self) -> Batch {
        self.output.clone().unwrap_or_default()
    }

    /// Returns each call of a function, in order; empty unless the run was
    /// [traced](super::Flow::trace).
    #[must_use]
    pub fn visits(&self) -> &[Visit] {
        &self.visits
    }

    /// Returns how long the run took.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Panics unless every row of the run and of each function is accounted for. For tests.
    #[track_caller]
    pub fn assert_balanced(&self) {
        assert!(
            self.rows.is_balanced(),
            "rows of flow `{}` are unaccounted for: {:?}",
            self.flow(),
            self.rows
        );
        for function in self.functions() {
            assert!(
                function.rows.is_balanced(),
                "rows of function `{}` are unaccounted for: {:?}",
                function.function,
                function.rows
            );
        }
        assert_eq!(
            self.rows.rejected,
            self.rejected.len(),
            "rejected rows of flow `{}` were counted but not kept",
            self.flow()
        );
    }
}

/// `flow CalStuAvgScore: completed, 2 rows in, 2 out`, and further counts that are not 0.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = format!("{:?}", self.outcome).to_lowercase();
        let RowCounts { rows_in, rows_out, filtered, aborted, rejected, failed, added, folded } =
            self.rows;
        write!(formatter, "flow {}: {outcome}, {rows_in} rows in, {rows_out} out", self.flow())?;
        let rest = [
            ("filtered", filtered),
            ("aborted", aborted),
            ("rejected", rejected),
            ("failed", failed),
            ("added", added),
            ("folded", folded),
        ];
        rest.iter()
            .filter(|(_, rows)| *rows > 0)
            .try_for_each(|(word, rows)| write!(formatter, ", {rows} {word}"))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self} (run {}, {:?})", self.run, self.elapsed)?;
        for FunctionReport { function, calls, rows, .. } in self.functions() {
            write!(formatter, "\n  {function}: {calls} calls, {rows:?}")?;
        }
        self.rejected.iter().try_for_each(|reject| write!(formatter, "\n  {reject:?}"))
    }
}
