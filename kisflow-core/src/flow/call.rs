//! One function of a run: `must`, attempts, timeouts, and the boundary that panics do not cross.

use std::{
    any::Any,
    collections::HashSet,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, task::spawn_blocking, time};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span, debug_span, warn};

use super::{Lineage, Node, RunContext};
use crate::{
    backoff::pause,
    batch::Batch,
    conf::{OnReject, RETRY_PAUSE},
    error::{BoxError, Result, Unavailable},
    function::{Answer, Call, Outcome},
    keyed::{RowStates, StateKeys},
    parameter::{Cx, Rejects},
    reject::Fault,
    row::{LackLog, LackWarning},
    text::{excerpt, excerpt_chain},
};

/// Why a call failed.
pub(super) enum Fail {
    Error(BoxError),
    /// Something is unavailable for each row.
    EachRowAway(BoxError),
    Panic(String),
    Timeout(Duration),
    Cancelled,
    /// The function aborted, which is meant for some rows of its batch.
    Aborted,
    /// The function jumped, in a flow whose functions keep state.
    StatefulJump(String),
}

/// Calls the function as often as its conf allows; a failure has the attempt. The positions of
/// faults are those in `input`, whichever stage found them.
///
/// A sync function that succeeds is answered at once, without its own future.
pub(super) async fn call(
    node: &Arc<Node>,
    input: &Batch,
    run: &RunContext,
) -> Result<Outcome, (u32, Fail)> {
    let mut lacking = if node.must.is_empty() {
        input.faults()
    } else {
        // Reading rows runs code of the row types and codecs, as a function does.
        catch_unwind(AssertUnwindSafe(|| input.lacking(&node.must)))
            .map_err(|panic| (1, Fail::of(panicked(&*panic))))?
    };
    if let Some(log) = node.must.lack_log()
        && !lacking.is_empty()
    {
        lacking = pass_on(node, input, run, log, lacking);
    }
    if let Some(keys) = &node.keyed {
        return Box::pin(call_with_states(node, keys, input, run, lacking)).await;
    }
    if !lacking.is_empty() {
        return Box::pin(call_without(node, input, run, lacking)).await;
    }
    let rejects = Rejects::default();
    match begin(node, input, run, &rejects, None, 1) {
        Answer::Ready(Ok(outcome)) => {
            node.metrics.ok.increment(1);
            Ok(outcome)
        }
        first => Box::pin(attempts(node, input, run, &rejects, None, first)).await,
    }
}

/// Counts the rows that lack a field of `must`, and logs the warnings that are due. Returns the rows
/// that their source could not read, which no function gets.
#[cold]
fn pass_on(
    node: &Node,
    input: &Batch,
    run: &RunContext,
    log: &LackLog,
    mut lacking: Vec<Fault>,
) -> Vec<Fault> {
    let unreadable = input.faults();
    let is_read = |index| unreadable.binary_search_by_key(&index, |fault| fault.index).is_err();
    lacking.retain(|fault| is_read(fault.index));
    node.metrics.incomplete.increment(lacking.len() as u64);
    for LackWarning { field, rows, cause } in log.count(&lacking, Instant::now()) {
        let (flow, function, must) = (&*run.flow.name, &*node.name, node.must.cite());
        let cause = excerpt_chain(&*cause, run.flow.log_rows);
        let field = field.as_deref();
        warn!(flow, function, field, rows, must, cause, "the function gets rows that lack a field");
    }
    unreadable
}

/// Calls the function with the rows that can be read and have what `must` demands.
async fn call_without(
    node: &Arc<Node>,
    input: &Batch,
    run: &RunContext,
    lacking: Vec<Fault>,
) -> Result<Outcome, (u32, Fail)> {
    if run.on_reject == OnReject::Fail || lacking.len() == input.len() {
        // Skip the call: on an empty batch a function could still emit rows or fail.
        return Ok(Outcome { faults: lacking, ..Outcome::default() });
    }
    let good = rows_without(input, &lacking);
    let rest = input.pick(good.clone());
    let rejects = Rejects::default();
    let first = begin(node, &rest, run, &rejects, None, 1);
    let outcome = attempts(node, &rest, run, &rejects, None, first).await?;
    Ok(of_whole_input(outcome, good, lacking))
}

/// Calls a function that keeps state with the rows that can be read, have what `must` demands, and
/// have a key.
async fn call_with_states(
    node: &Arc<Node>,
    keys: &StateKeys,
    input: &Batch,
    run: &RunContext,
    mut lacking: Vec<Fault>,
) -> Result<Outcome, (u32, Fail)> {
    let fail = |error: BoxError| (1, Fail::Error(error));
    let Some(states) = &run.states else {
        return Err(fail("the flow has no store for the states of its functions".into()));
    };
    let read = catch_unwind(AssertUnwindSafe(|| keys.of(input, states.key_bytes())));
    let read = read.map_err(|panic| (1, Fail::of(panicked(&*panic))))?;
    let lacks: HashSet<usize> = lacking.iter().map(|fault| fault.index).collect();
    let mut of_rows = Vec::with_capacity(read.len());
    for (_, key) in read.into_iter().enumerate().filter(|(index, _)| !lacks.contains(index)) {
        match key {
            Ok(key) => of_rows.push(key),
            Err(fault) => lacking.push(fault),
        }
    }
    if run.on_reject == OnReject::Fail && !lacking.is_empty() || lacking.len() == input.len() {
        return Ok(Outcome { faults: lacking, ..Outcome::default() });
    }
    let good = rows_without(input, &lacking);
    let rest = input.pick(good.clone());
    let mut of_rows = RowStates::new(of_rows);
    let stored = states.read(of_rows.keys()).await;
    // The rows are not at fault.
    of_rows.set(stored.map_err(|error| fail(Unavailable::new(error).into()))?);
    let (rejects, of_rows) = (Rejects::default(), Arc::new(of_rows));
    let first = begin(node, &rest, run, &rejects, Some(&of_rows), 1);
    let outcome = attempts(node, &rest, run, &rejects, Some(&of_rows), first).await;
    if outcome.is_err() {
        // It may be that a state does not fit, which somebody mends in the store.
        states.forget(of_rows.keys());
    }
    let outcome = outcome?;
    Ok(of_whole_input(outcome, good, lacking))
}

/// The positions of the rows without a fault.
fn rows_without(input: &Batch, faults: &[Fault]) -> Vec<usize> {
    let bad: HashSet<usize> = faults.iter().map(|fault| fault.index).collect();
    (0..input.len()).filter(|index| !bad.contains(index)).collect()
}

/// The outcome of a call with the `good` rows of an input, as one of the whole.
fn of_whole_input(mut outcome: Outcome, good: Vec<usize>, lacking: Vec<Fault>) -> Outcome {
    if lacking.is_empty() {
        return outcome;
    }
    for fault in &mut outcome.faults {
        fault.index = good.get(fault.index).copied().unwrap_or(fault.index);
    }
    if let Lineage::Rows(rows) = outcome.lineage {
        outcome.lineage = Lineage::Rows(good.into()).pick(rows.iter().copied());
    }
    outcome.faults.extend(lacking);
    outcome
}

/// Finishes the first attempt, and makes the others.
async fn attempts(
    node: &Arc<Node>,
    input: &Batch,
    run: &RunContext,
    rejects: &Rejects,
    states: Option<&Arc<RowStates>>,
    first: Answer<'_>,
) -> Result<Outcome, (u32, Fail)> {
    let mut result = settle(node, run, first).await;
    let mut number = 1;
    loop {
        let metrics = &node.metrics;
        let (counter, cause) = match &result {
            Ok(_) => {
                metrics.ok.increment(1);
                return result.map_err(|fail| (number, fail));
            }
            Err(Fail::Cancelled | Fail::Aborted | Fail::StatefulJump(_)) => {
                return result.map_err(|fail| (number, fail));
            }
            Err(Fail::Panic(message)) => {
                (&metrics.panic, format!("panicked: {}", excerpt(message, run.flow.log_rows)))
            }
            Err(Fail::Timeout(limit)) => (&metrics.timeout, format!("took longer than {limit:?}")),
            Err(Fail::Error(error) | Fail::EachRowAway(error)) => {
                (&metrics.error, excerpt_chain(&**error, run.flow.log_rows))
            }
        };
        counter.increment(1);
        if number > node.conf.option.retry_times {
            return result.map_err(|fail| (number, fail));
        }
        let base = node.conf.option.retry_duration.unwrap_or(RETRY_PAUSE);
        let pause = pause(base, number, Duration::from_secs(60));
        let (flow, function) = (&*run.flow.name, &*node.name);
        warn!(flow, function, run = %run.id, attempt = number, ?pause, cause, "a call failed and is repeated");
        metrics.retries.increment(1);
        if until_cancelled(run, time::sleep(pause)).await.is_none() {
            return Err((number, Fail::Cancelled));
        }
        number += 1;
        // The next attempt decides again about the rows that a failed one rejected.
        if let Some(rejects) = rejects.get() {
            rejects.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        result = settle(node, run, begin(node, input, run, rejects, states, number)).await;
    }
}

/// Calls the function once; a panic is an error like any other.
fn begin<'a>(
    node: &'a Arc<Node>,
    input: &'a Batch,
    run: &'a RunContext,
    rejects: &'a Rejects,
    states: Option<&'a Arc<RowStates>>,
    attempt: u32,
) -> Answer<'a> {
    let span = debug_span!(
        "function",
        flow = &*run.flow.name,
        function = &*node.name,
        mode = node.conf.fmode.as_str(),
        run = %run.id,
        attempt,
        rows_in = input.len(),
        handled = tracing::field::Empty,
        filtered = tracing::field::Empty,
        rejected = tracing::field::Empty,
    );
    let answer = if node.timeout.is_some() && !node.is_async {
        on_a_thread(node, input, run, states, attempt, span.clone())
    } else {
        let states = states.map(|states| &**states);
        let call = Call { input, cx: Cx { run, node, rejects, states, attempt } };
        let answer = span.in_scope(|| catch_unwind(AssertUnwindSafe(|| node.function.call(call))));
        answer.unwrap_or_else(|panic| Answer::Ready(Err(panicked(&*panic))))
    };
    match answer {
        _ if span.is_disabled() => answer,
        Answer::Ready(result) => Answer::Ready(observed(&span, result)),
        Answer::Later(future) => {
            let within = span.clone();
            Answer::later(async move { observed(&span, future.instrument(within).await) })
        }
    }
}

/// Writes what became of the rows to the span.
fn observed(span: &Span, result: Result<Outcome>) -> Result<Outcome> {
    if let Ok(Outcome { handled, filtered, faults, .. }) = &result {
        span.record("handled", handled).record("filtered", filtered);
        span.record("rejected", faults.len());
    }
    result
}

/// Awaits the answer, within the function's timeout and until the run's token is cancelled.
async fn settle(node: &Node, run: &RunContext, answer: Answer<'_>) -> Result<Outcome, Fail> {
    let mut future = match answer {
        Answer::Ready(result) => return result.map_err(Fail::of),
        Answer::Later(future) => future,
    };
    let guarded = poll_fn(move |cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| Poll::Ready(Err(panicked(&*panic))))
    });
    let bounded = async move {
        let Some(limit) = node.timeout else { return guarded.await.map_err(Fail::of) };
        match time::timeout(limit, guarded).await {
            Ok(result) => result.map_err(Fail::of),
            Err(_) => Err(Fail::Timeout(limit)),
        }
    };
    until_cancelled(run, bounded).await.unwrap_or(Err(Fail::Cancelled))
}

/// Calls a sync function that has a timeout: it cannot be stopped, only abandoned, and must not
/// block the runtime meanwhile.
fn on_a_thread<'a>(
    node: &Arc<Node>,
    input: &Batch,
    run: &RunContext,
    states: Option<&Arc<RowStates>>,
    attempt: u32,
    span: Span,
) -> Answer<'a> {
    let (node, input, run) = (node.clone(), input.clone(), run.clone());
    let states = states.cloned();
    // A call that has not begun when its run ends must not begin at all.
    let task = AbortOnDropHandle::new(spawn_blocking(move || {
        let rejects = Rejects::default();
        let states = states.as_deref();
        let cx = Cx { run: &run, node: &node, rejects: &rejects, states, attempt };
        match span.in_scope(|| node.function.call(Call { input: &input, cx })) {
            Answer::Ready(result) => result,
            Answer::Later(future) => Handle::current().block_on(future),
        }
    }));
    Answer::later(async move {
        task.await.unwrap_or_else(|join| {
            Err(match join.try_into_panic() {
                Ok(panic) => panicked(&*panic),
                Err(join) => Box::new(join),
            })
        })
    })
}

async fn until_cancelled<T>(run: &RunContext, future: impl Future<Output = T>) -> Option<T> {
    match &run.cancel {
        Some(token) => token.run_until_cancelled(future).await,
        None => Some(future.await),
    }
}

/// A panic, on its way to being a [`Fail`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Panicked(String);

/// What a panic said.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> BoxError {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Box::new(Panicked(text.unwrap_or_else(|| "(a panic without a message)".to_owned())))
}

impl Fail {
    pub(super) fn of(error: BoxError) -> Self {
        match error.downcast::<Panicked>() {
            Ok(panic) => Self::Panic(panic.0),
            Err(error) => Self::Error(error),
        }
    }
}
