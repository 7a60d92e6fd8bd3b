//! A run from outside: its span, its metrics, its result.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug_span, error};

use super::{
    Inner, Isolation, Report, RowCounts, RunContext, RunError, RunOutcome,
    call::{Fail, panicked},
    walk::{End, Walk},
};
use crate::{
    batch::Batch,
    conf::{OnReject, Status},
    metrics::FlowMetrics,
    round::{Rounds, Settlement, States},
    text::excerpt_chain,
};

/// Where a run begins, and for which caller.
#[derive(Clone)]
pub(super) struct Begin {
    pub(super) input: Batch,
    /// The function that it starts at.
    pub(super) at: usize,
    pub(super) cancel: Option<CancellationToken>,
    /// Whether a source feeds it: rejected rows are then kept whatever the flow's conf says, and
    /// the code that keeps them decides what to log.
    pub(super) served: bool,
    pub(super) isolation: Isolation,
    /// The part of the chain that it is for, if the caller has a round for its states. Otherwise the
    /// run is a delivery of its own.
    pub(super) stage: Option<Stage>,
    /// Whether the report has what each function was given and handed on.
    pub(super) visits: bool,
}

impl Begin {
    /// A run of the whole chain, from outside.
    pub(super) fn new(input: Batch) -> Self {
        let isolation = Isolation::default();
        Self { input, at: 0, cancel: None, served: false, isolation, stage: None, visits: false }
    }

    fn context(&self, flow: &Inner, on_reject: OnReject) -> RunContext {
        RunContext {
            id: flow.context.next_run(),
            flow: flow.context.clone(),
            cancel: self.cancel.clone(),
            on_reject: if self.served { OnReject::Quarantine } else { on_reject },
            traced: self.served,
            isolation: self.isolation,
            states: self.stage.as_ref().and_then(|stage| stage.states.clone()),
        }
    }
}

/// A part of a chain, for a run of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stage {
    /// The function at which its rows stop.
    pub(crate) until: usize,
    /// The states of the functions, inside a round.
    pub(crate) states: Option<States>,
}

/// A run that fails with all its rows if code of theirs panics outside of a call: when a row is
/// dropped, for example.
pub(super) async fn run_guarded(flow: Arc<Inner>, begin: Begin) -> Result<Report, RunError> {
    let run = AssertUnwindSafe(run(flow.clone(), begin.clone())).catch_unwind();
    let states = begin.stage.as_ref().and_then(|stage| stage.states.clone());
    let changes = states.as_ref().map_or(0, States::changes);
    run.await.unwrap_or_else(|panic| {
        if let Some(states) = states {
            // Its rows are all run again.
            states.undo(changes);
        }
        let chain = flow.chain.load_full();
        let context = begin.context(&flow, chain.conf.on_reject);
        let mut walk = Walk::new(&chain, context, begin.input, begin.at, begin.visits);
        let end = walk.fail(1, Fail::of(panicked(&*panic)));
        walk.finish(end)
    })
}

pub(super) async fn run(flow: Arc<Inner>, begin: Begin) -> Result<Report, RunError> {
    let chain = flow.chain.load_full();
    let context = begin.context(&flow, chain.conf.on_reject);
    let id = context.id;
    let Begin { input, at, served, visits, stage, .. } = begin;
    let metrics = &*flow.metrics;
    let input_rows = input.len();
    let mut walk = Walk::new(&chain, context, input, at, visits);
    if chain.conf.status == Status::Disabled {
        metrics.disabled.increment(1);
        return Ok(walk.refuse());
    }
    let span = debug_span!(
        "flow",
        flow = &*flow.context.name,
        run = %id,
        rows_in = input_rows,
        rows_out = tracing::field::Empty,
        outcome = tracing::field::Empty,
    );
    let mut running = Running::start(metrics, walk.started(), input_rows);
    // Wrapping a future moves it: only if the span is enabled.
    let keyed = chain.keyed.as_ref().filter(|keyed| stage.is_none() && at < keyed.end);
    let end = match (keyed, &flow.rounds) {
        (Some(keyed), Some(rounds)) => {
            Box::pin(in_round(&mut walk, rounds, keyed.start)).instrument(span.clone()).await
        }
        _ => {
            let until = stage.map_or(usize::MAX, |stage| stage.until);
            match span.is_disabled() {
                true => walk.walk(until).await,
                false => walk.walk(until).instrument(span.clone()).await,
            }
        }
    };
    let has_arrived = matches!(end, End::Arrived);
    let result = walk.finish(end);
    let report = result.as_ref().unwrap_or_else(|error| error.report());
    running.end(report, has_arrived);
    span.record("rows_out", report.rows_out())
        .record("outcome", tracing::field::debug(report.outcome));
    if let Err(error) = &result
        && !error.is_cancelled()
        && !served
    {
        let (function, attempt) = (error.function().unwrap_or_default(), error.attempt());
        let log_rows = flow.context.log_rows;
        error!(flow = error.flow(), function, run = %error.run(), attempt, error = excerpt_chain(error, log_rows), "a run failed");
    }
    result
}

/// Walks to the end, as a delivery of its own round: what the functions keep is committed, or the run
/// has failed.
async fn in_round(walk: &mut Walk<'_>, rounds: &Rounds, first: usize) -> End {
    match walk.walk(first).await {
        End::Arrived => {}
        end => return end,
    }
    let at_entry = walk.clone();
    let cancel = walk.context.cancel.clone().unwrap_or_default();
    let mut ticket = rounds.ticket();
    loop {
        let entered = cancel.run_until_cancelled(ticket.enter()).await;
        let Some(states) = entered.flatten() else { return walk.cancelled() };
        walk.context.states = Some(states);
        // Inside to the end: if it fails, what it changed is taken back.
        let end = walk.walk(usize::MAX).await;
        if let End::Failed { .. } = end {
            ticket.give_up();
            return end;
        }
        let settled = ticket.settle_unless(cancel.cancelled()).await;
        if settled == Some(Settlement::Committed) {
            return end;
        }
        *walk = at_entry.clone();
        match settled {
            None => return walk.cancelled(),
            Some(Settlement::Failed(why)) => {
                return walk.fail(1, Fail::Error(why.to_string().into()));
            }
            // Only deliveries of a source can be gone.
            Some(_) => {}
        }
    }
}

/// Counts a run in progress; if it is dropped before its end, it was cancelled.
struct Running<'a> {
    metrics: &'a FlowMetrics,
    started: Instant,
    rows_in: usize,
    ended: bool,
}

impl<'a> Running<'a> {
    fn start(metrics: &'a FlowMetrics, started: Instant, rows_in: usize) -> Self {
        metrics.running.increment(1);
        Self { metrics, started, rows_in, ended: false }
    }

    /// With `has_arrived` its rows go on in another run, which counts as the same one.
    fn end(&mut self, report: &Report, has_arrived: bool) {
        self.ended = true;
        if has_arrived {
            let last = report.deferred.last().map_or(0, |rest| rest.rows.len());
            let RowCounts { rows_in, failed, .. } = report.rows;
            let (rows_in, failed) = (rows_in.saturating_sub(last), failed.saturating_sub(last));
            self.metrics.rows.add(&RowCounts { rows_in, failed, ..report.rows });
            return;
        }
        match report.outcome {
            RunOutcome::Completed => &self.metrics.completed,
            RunOutcome::Aborted => &self.metrics.aborted,
            RunOutcome::Failed => &self.metrics.failed,
            RunOutcome::Cancelled => &self.metrics.cancelled,
            RunOutcome::Disabled => &self.metrics.disabled,
        }
        .increment(1);
        self.metrics.rows.add(&report.rows);
        self.metrics.seconds.record(report.elapsed);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.metrics.running.decrement(1);
        if !self.ended {
            self.metrics.cancelled.increment(1);
            // It is unknown how far they came.
            let (rows_in, failed) = (self.rows_in, self.rows_in);
            self.metrics.rows.add(&RowCounts { rows_in, failed, ..RowCounts::default() });
            self.metrics.seconds.record(self.started.elapsed());
        }
    }
}
