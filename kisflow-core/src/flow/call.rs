//! One function of a run: `must`, attempts, timeouts, and the boundary that panics do not cross.

use std::{
    any::Any,
    collections::HashSet,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{runtime::Handle, task::spawn_blocking, time};
use tracing::{Instrument, debug_span, warn};

use super::{Node, RunContext};
use crate::{
    batch::Batch,
    conf::OnReject,
    error::{BoxError, Result, error_chain},
    function::{Answer, Call, Outcome},
    parameter::{Cx, Rejects},
};

/// Why a call failed.
pub(super) enum Fail {
    Error(BoxError),
    Panic(String),
    Timeout(Duration),
    Cancelled,
}

/// Calls the function as often as its conf allows; on failure says in which attempt. Faults are
/// counted within `input`, whichever stage found them.
pub(super) async fn call(
    node: &Arc<Node>,
    input: &Batch,
    run: &Arc<RunContext>,
) -> Result<Outcome, (u32, Fail)> {
    if node.must.is_empty() {
        return attempts(node, input, run).await;
    }
    let lacking = input.lacking(&node.must);
    if lacking.is_empty() {
        return attempts(node, input, run).await;
    }
    if run.on_reject == OnReject::Fail {
        return Ok(Outcome { faults: lacking, ..Outcome::default() });
    }
    let bad: HashSet<usize> = lacking.iter().map(|fault| fault.index).collect();
    let good: Vec<usize> = (0..input.len()).filter(|index| !bad.contains(index)).collect();
    let mut outcome = attempts(node, &input.pick(good.clone()), run).await?;
    for fault in &mut outcome.faults {
        fault.index = good.get(fault.index).copied().unwrap_or(fault.index);
    }
    outcome.faults.extend(lacking);
    Ok(outcome)
}

async fn attempts(
    node: &Arc<Node>,
    input: &Batch,
    run: &Arc<RunContext>,
) -> Result<Outcome, (u32, Fail)> {
    let mut number = 1;
    loop {
        let result = attempt(node, input, run, number).await;
        let metrics = &node.metrics;
        let fail = match result {
            Ok(outcome) => {
                metrics.ok.increment(1);
                return Ok(outcome);
            }
            Err(Fail::Cancelled) => return Err((number, Fail::Cancelled)),
            Err(fail) => fail,
        };
        let cause = match &fail {
            Fail::Panic(message) => {
                metrics.panic.increment(1);
                format!("panicked: {message}")
            }
            Fail::Timeout(limit) => {
                metrics.timeout.increment(1);
                format!("took longer than {limit:?}")
            }
            Fail::Error(error) => {
                metrics.error.increment(1);
                error_chain(&**error).to_string()
            }
            Fail::Cancelled => String::new(),
        };
        if number > node.conf.option.retry_times {
            return Err((number, fail));
        }
        let pause = pause(node.conf.option.retry_duration, number);
        warn!(flow = &*run.flow.name, function = &*node.name, run = %run.id, attempt = number, ?pause, cause, "a call failed and is repeated");
        metrics.retries.increment(1);
        if until_cancelled(run, time::sleep(pause)).await.is_none() {
            return Err((number, Fail::Cancelled));
        }
        number += 1;
    }
}

/// Doubles from the conf's base (milliseconds), up to a minute; between a half and the whole of
/// that, so that what failed together does not come back together.
fn pause(base: Option<u64>, attempt: u32) -> Duration {
    let base = Duration::from_millis(base.unwrap_or(100));
    let full = base
        .saturating_mul(1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX))
        .min(Duration::from_secs(60));
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

async fn attempt(
    node: &Arc<Node>,
    input: &Batch,
    run: &Arc<RunContext>,
    attempt: u32,
) -> Result<Outcome, Fail> {
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
    let result = match node.timeout {
        Some(limit) if !node.is_async => {
            on_a_thread(node, input, run, attempt, limit).instrument(span.clone()).await
        }
        limit => {
            let rejects = Rejects::default();
            let cx = Cx { run, node, rejects: &rejects, attempt };
            let answer = span.in_scope(|| {
                catch_unwind(AssertUnwindSafe(|| node.function.call(Call { input, cx })))
            });
            match answer {
                Ok(Answer::Ready(result)) => result.map_err(Fail::Error),
                Ok(Answer::Later(future)) => {
                    later(run, future, limit).instrument(span.clone()).await
                }
                Err(panic) => Err(Fail::Panic(message(&*panic))),
            }
        }
    };
    if let Ok(outcome) = &result {
        span.record("handled", outcome.handled)
            .record("filtered", outcome.filtered)
            .record("rejected", outcome.faults.len());
    }
    result
}

/// Awaits an async function.
async fn later(
    run: &RunContext,
    mut future: Pin<Box<dyn Future<Output = Result<Outcome>> + Send + '_>>,
    limit: Option<Duration>,
) -> Result<Outcome, Fail> {
    let guarded =
        poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(result.map_err(Fail::Error)),
            Err(panic) => Poll::Ready(Err(Fail::Panic(message(&*panic)))),
        });
    let bounded = async move {
        match limit {
            None => guarded.await,
            Some(limit) => time::timeout(limit, guarded).await.unwrap_or(Err(Fail::Timeout(limit))),
        }
    };
    until_cancelled(run, bounded).await.unwrap_or(Err(Fail::Cancelled))
}

/// Calls a sync function that has a timeout: it cannot be stopped, only left behind, and must not
/// hold up the runtime meanwhile.
async fn on_a_thread(
    node: &Arc<Node>,
    input: &Batch,
    run: &Arc<RunContext>,
    attempt: u32,
    limit: Duration,
) -> Result<Outcome, Fail> {
    let (node, input, owned_run) = (node.clone(), input.clone(), run.clone());
    let task = spawn_blocking(move || {
        let rejects = Rejects::default();
        let cx = Cx { run: &owned_run, node: &node, rejects: &rejects, attempt };
        match node.function.call(Call { input: &input, cx }) {
            Answer::Ready(result) => result,
            Answer::Later(future) => Handle::current().block_on(future),
        }
    });
    match until_cancelled(run, time::timeout(limit, task)).await {
        None => Err(Fail::Cancelled),
        Some(Err(_)) => Err(Fail::Timeout(limit)),
        Some(Ok(Ok(result))) => result.map_err(Fail::Error),
        Some(Ok(Err(join))) => match join.try_into_panic() {
            Ok(panic) => Err(Fail::Panic(message(&*panic))),
            Err(join) => Err(Fail::Error(Box::new(join))),
        },
    }
}

async fn until_cancelled<T>(run: &RunContext, future: impl Future<Output = T>) -> Option<T> {
    match &run.cancel {
        Some(token) => token.run_until_cancelled(future).await,
        None => Some(future.await),
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(a panic without a message)".to_owned())
}
