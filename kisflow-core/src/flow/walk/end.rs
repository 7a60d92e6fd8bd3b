//! The end of a walk: its report, or its error.

use super::{End, Walk};
use crate::{
    batch::Batch,
    flow::{
        Report, RowCounts, RunError, RunOutcome,
        error::{Inner, Kind},
    },
};

impl Walk<'_> {
    /// A disabled flow hands its rows back.
    pub(in crate::flow) fn refuse(self) -> Report {
        let rows = RowCounts { rows_out: self.input.len(), ..self.rows };
        let output = self.input.clone();
        self.report(RunOutcome::Disabled, rows, Some(output))
    }

    /// The report, or the error that contains it.
    pub(in crate::flow) fn finish(mut self, end: End) -> Result<Report, RunError> {
        if let End::Arrived = end {
            self.hand_over_rest();
        }
        let rows = RowCounts { rows_out: self.out, ..self.rows };
        let (attempt, kind) = match end {
            End::Completed | End::Arrived => {
                let output = self.output.take();
                return Ok(self.report(RunOutcome::Completed, rows, output));
            }
            End::Aborted => {
                let output = self.output.take();
                return Ok(self.report(RunOutcome::Aborted, rows, output));
            }
            End::Failed { attempt, kind } => (attempt, kind),
        };
        let outcome = match kind {
            Kind::Cancelled => RunOutcome::Cancelled,
            Kind::Aborted => RunOutcome::Aborted,
            _ => RunOutcome::Failed,
        };
        let function =
            self.chain.nodes.get(self.at).filter(|_| attempt > 0).map(|node| node.name.clone());
        let input = self.current.clone();
        let (at, lineage) = (self.at, std::mem::take(&mut self.lineage));
        let report = self.report(outcome, rows, None);
        Err(RunError {
            inner: Box::new(Inner { function, at, attempt, kind, report, input, lineage }),
        })
    }

    fn report(mut self, outcome: RunOutcome, rows: RowCounts, output: Option<Batch>) -> Report {
        // A report outlives its run; the rows between functions do not need to.
        self.steps.iter_mut().for_each(|step| step.produced = None);
        Report {
            chain: self.chain.clone(),
            run: self.context.id,
            outcome,
            rows,
            steps: self.steps,
            rejected: self.rejected,
            deferred: self.deferred,
            output,
            jumps: self.jumps,
            visits: self.visits.unwrap_or_default(),
            elapsed: self.clock - self.started,
        }
    }
}
