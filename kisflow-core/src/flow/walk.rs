//! The walk of a batch through the chain: which function is next, and with which rows.

mod end;
mod jump;

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use super::{
    Chain, Lineage, RowCounts, RunContext, Visit,
    call::{Fail, call},
    error::Kind,
    outage::{Away, rejected_in},
    report::Deferred,
};
use crate::{
    action::{Action, Plan},
    batch::Batch,
    conf::{AbortScope, Mode, OnReject},
    function::Outcome,
    reject::Fault,
};

/// How many functions of the walk are remembered for the error of an endless jump.
const TRACE: usize = 64;

/// The state of a run.
#[derive(Clone)]
pub(super) struct Walk<'a> {
    chain: &'a Arc<Chain>,
    pub(super) context: RunContext,
    started: Instant,
    /// When the last function ended.
    clock: Instant,
    input: Batch,
    /// The function that the run started at.
    from: usize,
    /// The next function, and its input.
    at: usize,
    current: Batch,
    /// Where the rows of `current` come from in `input`, when the run is traced.
    lineage: Lineage,
    /// What the last function handed on, once there is no next function.
    output: Option<Batch>,
    /// How many rows the function before it handed on or delivered.
    out: usize,
    jumps: u32,
    trace: VecDeque<usize>,
    rows: RowCounts,
    /// One for each function of the chain.
    steps: Vec<Step>,
    rejected: Vec<crate::Reject>,
    /// Rows that wait for an outage.
    deferred: Vec<Deferred>,
    /// Whether the function before handed its rows to this one: the same number then. It did not
    /// before a jump, and if it was a sink that forced the next one.
    is_handed_on: bool,
    /// Each call so far, if the run is traced.
    visits: Option<Vec<Visit>>,
}

/// The results of one function in a run.
#[derive(Clone, Default)]
pub(super) struct Step {
    pub(super) calls: usize,
    pub(super) rows: RowCounts,
    /// What it handed on, for jumps, and from which rows of the run's input it was made.
    produced: Option<(Batch, Lineage)>,
}

/// How a walk ended.
pub(super) enum End {
    Completed,
    Aborted,
    Failed {
        attempt: u32,
        kind: Kind,
    },
    /// At a function that it was not to call.
    Arrived,
}

impl<'a> Walk<'a> {
    /// A walk that starts at the function at `from`.
    pub(super) fn new(
        chain: &'a Arc<Chain>,
        context: RunContext,
        input: Batch,
        from: usize,
        visits: bool,
    ) -> Self {
        let started = Instant::now();
        Self {
            context,
            started,
            clock: started,
            from,
            at: from,
            current: input.clone(),
            lineage: Lineage::Same,
            output: None,
            out: input.len(),
            jumps: 0,
            trace: VecDeque::new(),
            rows: RowCounts { rows_in: input.len(), ..RowCounts::default() },
            steps: vec![Step::default(); chain.nodes.len()],
            rejected: Vec::new(),
            deferred: Vec::new(),
            is_handed_on: true,
            visits: visits.then(Vec::new),
            input,
            chain,
        }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Walks to the end, or to the function at `until` or one behind it.
    pub(super) async fn walk(&mut self, until: usize) -> End {
        let chain = self.chain;
        loop {
            let Some(node) = chain.nodes.get(self.at) else { return End::Completed };
            if self.at >= until {
                return End::Arrived;
            }
            if self.context.cancel.as_ref().is_some_and(|token| token.is_cancelled()) {
                return self.cancelled();
            }
            self.arrive();
            if let Some(visits) = &mut self.visits {
                visits.push(Visit::new(node.name.clone(), self.current.clone()));
            }
            let answer = call(node, &self.current, &self.context).await;
            let now = Instant::now();
            node.metrics.seconds.record(now - self.clock);
            self.clock = now;
            for connector in &node.connectors {
                connector.noticed(matches!(&answer, Ok(outcome) if outcome.faults.is_empty()));
            }
            let outage = match &answer {
                // A served run retries later. A direct run has no one to retry it, so it fails.
                Ok(outcome) if self.context.traced && !outcome.faults.is_empty() => {
                    Box::pin(rejected_in(node, &outcome.faults)).await
                }
                _ => None,
            };
            let next = match (answer, outage) {
                (Ok(outcome), None) => self.take(outcome, &HashSet::new()),
                (Ok(outcome), Some(away))
                    if node.keyed.is_none() && self.may_defer(&outcome, &away) =>
                {
                    self.take(outcome, &away.rows)
                }
                (Ok(_), Some(away)) => Err(self.fail(1, away.fail(self.current.len()))),
                (Err((attempt, fail)), _) => Err(self.fail(attempt, fail)),
            };
            if let Err(end) = next {
                return end;
            }
        }
    }

    /// Counts what a jump leaves behind, or brings again. Any other difference between what a
    /// function handed on and what the next one gets is a row that is lost.
    fn arrive(&mut self) {
        if !self.is_handed_on {
            self.rows.hand_over(self.out, self.current.len());
        }
    }

    /// Whether the rows that are not at fault may wait by themselves.
    fn may_defer(&self, outcome: &Outcome, away: &Away) -> bool {
        self.context.isolation.defers
            && away.rows.len() < self.current.len()
            && outcome.plan.jump.is_empty()
    }

    /// Whether an abort of this function is meant for single rows, which the caller finds.
    fn aborts_rows(&self) -> bool {
        let Some(node) = self.chain.nodes.get(self.at).filter(|_| self.context.isolation.splits)
        else {
            return false;
        };
        match self.chain.conf.abort {
            Some(scope) => scope == AbortScope::EachRow,
            None => node.conf.fmode == Mode::Verify,
        }
    }

    /// Takes the answer of a function: sets the next function, or ends the walk. Of the rows that it
    /// rejects, those of `away` are not at fault, and wait.
    fn take(&mut self, outcome: Outcome, away: &HashSet<usize>) -> Result<(), End> {
        let Outcome {
            produced,
            plan,
            handled,
            filtered,
            mut faults,
            lineage,
            is_one_to_one,
            states,
        } = outcome;
        if plan.abort && self.current.len() > 1 && self.aborts_rows() {
            return Err(self.fail(1, Fail::Aborted));
        }
        if let Some(target) = plan.jump.first().filter(|_| self.chain.keyed.is_some()) {
            return Err(self.fail(1, Fail::StatefulJump(target.to_string())));
        }
        if let Some(of_round) = self.context.states.as_ref().filter(|_| !states.is_empty()) {
            of_round.write(states);
        }
        // How many rows those that it hands on come from, by what it did. If they are fewer than it
        // handled, one is lost.
        let origins = match (plan.reuse || is_one_to_one, lineage.origins()) {
            (true, _) => None,
            (false, Some(origins)) => Some(origins),
            (false, None) => Some(handled),
        };
        let (rest, lineage) = match plan.reuse {
            true => (Some(self.current.without(&faults)), Lineage::Same),
            false => (produced, lineage),
        };
        if let Some(visit) = self.visits.as_mut().and_then(|visits| visits.last_mut()) {
            (visit.action, visit.handed_on) = (Some(Action::from(&plan)), rest.clone());
        }
        let lineage = match self.context.traced {
            true => self.lineage.then(&lineage, self.current.len(), &faults),
            false => Lineage::Unknown,
        };
        faults.sort_by_key(|fault| fault.index);
        let (deferred, faults): (Vec<Fault>, Vec<Fault>) =
            faults.into_iter().partition(|fault| away.contains(&fault.index));
        let rejected = faults.len();
        if !deferred.is_empty() {
            let rows: Vec<usize> = deferred.iter().map(|fault| fault.index).collect();
            self.deferred.push(Deferred {
                at: self.at,
                lineage: self.lineage.pick(rows.iter().copied()),
                rows: self.current.pick(rows),
            });
        }
        if rejected > 0 {
            let name =
                self.chain.nodes.get(self.at).map(|node| node.name.clone()).unwrap_or_default();
            let before = self.rejected.len();
            self.rejected.extend(faults.into_iter().map(|fault| crate::Reject {
                origin: self.lineage.of(fault.index),
                at: self.at,
                ..self.current.reject(&name, fault)
            }));
            if let Some(visit) = self.visits.as_mut().and_then(|visits| visits.last_mut()) {
                visit.rejected.extend_from_slice(self.rejected.get(before..).unwrap_or_default());
            }
            if self.context.on_reject == OnReject::Fail {
                let failed = self.current.len() - rejected;
                self.count(RowCounts { rejected, failed, ..RowCounts::default() });
                return Err(End::Failed { attempt: 1, kind: Kind::Rejected });
            }
        }
        // A function that aborts without rows ends those of its input.
        let (handled, aborted) = match rest {
            None if plan.abort => (0, handled),
            _ => (handled, 0),
        };
        let rows_out = match &rest {
            Some(batch) => batch.len(),
            None if plan.jump.is_empty() => handled,
            None => 0,
        };
        let failed = deferred.len();
        let counts = RowCounts { rows_out, filtered, aborted, ..RowCounts::default() };
        let mut rows = RowCounts { rejected, failed, ..counts };
        match origins {
            Some(origins) if rest.is_some() => rows.hand_over(origins, rows_out),
            None if rest.is_some() => {}
            _ => rows.hand_over(handled, rows_out),
        }
        self.count(rows);
        self.advance(&plan, rest, lineage)
    }

    /// Sets the next function.
    fn advance(&mut self, plan: &Plan, rest: Option<Batch>, lineage: Lineage) -> Result<(), End> {
        if plan.abort {
            self.output = rest;
            return Err(End::Aborted);
        }
        let none = rest.as_ref().is_none_or(Batch::is_empty);
        let last = self.at + 1 >= self.steps.len();
        if plan.jump.is_empty() && (last || none && !plan.force) {
            self.output = rest;
            return Err(End::Completed);
        }
        let jump = match plan.jump.as_slice() {
            [] => None,
            [target] => Some(self.jump(target)?),
            targets => {
                let targets = targets.iter().map(ToString::to_string).collect();
                return Err(self.misled(Kind::TwoJumps(targets)));
            }
        };
        self.is_handed_on = jump.is_none() && rest.is_some();
        let rest = rest.unwrap_or_default();
        if let Some(step) = self.steps.get_mut(self.at) {
            step.produced = Some((rest.clone(), lineage.clone()));
        }
        self.at = jump.unwrap_or(self.at + 1);
        (self.current, self.lineage) = match (jump, self.at.checked_sub(1)) {
            (None, _) => (rest, lineage),
            (Some(_), None) => (self.input.clone(), Lineage::Same),
            (Some(_), Some(before)) => self
                .steps
                .get(before)
                .and_then(|step| step.produced.clone())
                .unwrap_or((rest, lineage)),
        };
        Ok(())
    }

    /// The call failed for good.
    pub(super) fn fail(&mut self, attempt: u32, fail: Fail) -> End {
        self.count(RowCounts { failed: self.current.len(), ..RowCounts::default() });
        let kind = match fail {
            Fail::Error(error) => Kind::Function(error),
            Fail::EachRowAway(error) => Kind::EachRowAway(error),
            Fail::Panic(message) => Kind::Panic(message),
            Fail::Timeout(limit) => Kind::Timeout(limit),
            Fail::Cancelled => Kind::Cancelled,
            Fail::Aborted => Kind::Aborted,
            Fail::StatefulJump(target) => Kind::StatefulJump { target },
        };
        End::Failed { attempt, kind }
    }

    /// The run was cancelled before the next function.
    pub(super) fn cancelled(&mut self) -> End {
        self.rows.failed += self.current.len();
        self.arrive();
        self.out = 0;
        End::Failed { attempt: 0, kind: Kind::Cancelled }
    }

    /// The rows go on in another run, from where they are.
    pub(super) fn hand_over_rest(&mut self) {
        self.arrive();
        self.rows.failed += self.current.len();
        self.out = 0;
        self.deferred.push(Deferred {
            at: self.at,
            lineage: self.lineage.clone(),
            rows: self.current.clone(),
        });
    }

    /// The function did its work, but the run cannot go on from it: its rows fail.
    fn misled(&mut self, kind: Kind) -> End {
        self.rows.failed += self.out;
        self.out = 0;
        End::Failed { attempt: 1, kind }
    }

    /// Adds a call to the function's counts and to the run's.
    fn count(&mut self, call: RowCounts) {
        let call = RowCounts { rows_in: self.current.len(), ..call };
        self.out = call.rows_out;
        self.rows.filtered += call.filtered;
        self.rows.aborted += call.aborted;
        self.rows.rejected += call.rejected;
        self.rows.failed += call.failed;
        self.rows.added += call.added;
        self.rows.folded += call.folded;
        if let Some(step) = self.steps.get_mut(self.at) {
            step.calls += 1;
            step.rows.add(&call);
        }
        if let Some(node) = self.chain.nodes.get(self.at) {
            node.metrics.rows.add(&call);
        }
    }
}
