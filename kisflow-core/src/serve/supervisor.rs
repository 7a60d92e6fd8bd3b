//! [`Supervisor`]: starts the tasks of a flow, and starts them again when they die.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{error, warn};

use super::{
    delivery::Desk,
    ledger::Books,
    reader::{Ended, PATIENCE, Reader},
    served::ServedOutcome,
    waiting::Waiting,
    waiting_worker::WaitingWorker,
};
use crate::{
    backoff::Backoff,
    conf::Status,
    flow::{Flow, Flows},
    health::SourceState,
    metrics::SourceMetrics,
    source::{Positions, SharedByType, SourceContext, SourceCount, SourceReport},
};

/// A task that lived this long is past the failure of the one before.
const LONG: Duration = Duration::from_secs(60);

/// What is said when the position in the store is not the one that this reader kept.
const MOVED: &str = "the position of its source was changed by another process with the same store, or by a command; the source is read from there, and what was in progress is redelivered (processes that read different files of one path need sources of different names)";

/// What is said when the task that keeps positions is gone, or its last commit has no answer.
const UNKEPT: &str = "it is not known up to where the positions of its source are kept; the source is opened anew, and what was in progress is redelivered";

/// Starts the task of a flow, and restarts it when it dies or its source is to be opened anew.
pub(super) struct Supervisor {
    flows: Flows,
    flow: Flow,
    shared: Arc<SharedByType>,
    stop: CancellationToken,
    at_once: CancellationToken,
    pub(super) books: Arc<Books>,
    waiting: Arc<Waiting>,
    report: Arc<SourceReport>,
}

impl Supervisor {
    /// `None` if the flow has no source.
    pub(super) fn new(
        flows: &Flows,
        flow: &Flow,
        shared: &Arc<SharedByType>,
        stop: &CancellationToken,
        at_once: &CancellationToken,
    ) -> Option<Self> {
        let conf = flow.conf();
        let source = conf.source.filter(|_| conf.status == Status::Enabled)?;
        let metrics = flows.with_recorder(|| SourceMetrics::new(flow.name(), &source));
        let report = SourceReport {
            health: flows.health().clone(),
            lost: SourceCount::new(metrics.lost.clone()),
            skipped: SourceCount::new(metrics.skipped.clone()),
            repeated: SourceCount::new(metrics.repeated.clone()),
        };
        Some(Self {
            flows: flows.clone(),
            flow: flow.clone(),
            shared: shared.clone(),
            stop: stop.clone(),
            at_once: at_once.clone(),
            books: Arc::new(Books::new(metrics)),
            waiting: Arc::new(Waiting::new(flows.conf().global.waiting.clone())),
            report: Arc::new(report),
        })
    }

    /// Serves the flow until it is asked to stop, or its source has ended and no row waits.
    pub(super) async fn run(self) -> ServedOutcome {
        let (source_ended, hard_stop) = (CancellationToken::new(), CancellationToken::new());
        let worker = self.desk(hard_stop.clone()).map(|desk| WaitingWorker {
            desk: Arc::new(desk),
            stop: self.stop.clone(),
            source_ended: source_ended.clone(),
        });
        let waiting = async {
            let mut retrying = pin!(self.retry_waiting(worker));
            tokio::select! {
                is_done = &mut retrying => return is_done,
                () = self.grace_is_over() => hard_stop.cancel(),
            }
            timeout(PATIENCE, retrying).await.unwrap_or(false)
        };
        let reading = async {
            let outcome = self.read().await;
            if outcome == ServedOutcome::Ended {
                source_ended.cancel();
            }
            outcome
        };
        let ended = tokio::join!(reading, waiting);
        let marker = self.waiting.marker.try_lock().ok().and_then(|mut marker| marker.take());
        if let (Some(marker), Ok(quarantine)) = (marker, self.flows.quarantine()) {
            timeout(PATIENCE, quarantine.remove_marker(&marker)).await.ok();
        }
        match ended {
            // It was asked to stop before it was known whether rows wait.
            (ServedOutcome::Ended, false) if self.may_wait().await => ServedOutcome::Stopped,
            (outcome, _) => outcome,
        }
    }

    /// Whether rows of the flow wait in the store, for all that is known.
    async fn may_wait(&self) -> bool {
        let Ok(quarantine) = self.flows.quarantine() else { return false };
        let usage = timeout(PATIENCE, quarantine.waiting_usage(self.flow.name())).await;
        !matches!(usage, Ok(Ok(usage)) if usage.entries == 0)
    }

    /// Returns when what is in progress is to be left.
    async fn grace_is_over(&self) {
        self.stop.cancelled().await;
        self.at_once.run_until_cancelled(sleep(self.flows.grace())).await;
    }

    /// Tries waiting rows until it is asked to stop, or until the source has ended and no row waits.
    /// Returns `true` in the latter case.
    async fn retry_waiting(&self, worker: Option<WaitingWorker>) -> bool {
        let Some(worker) = worker.map(Arc::new) else { return true };
        let mut backoff = Backoff::default();
        loop {
            // A task of its own, so that a panic ends no more than that.
            let task = worker.clone();
            let task = AbortOnDropHandle::new(tokio::spawn(async move { task.run().await }));
            let died = match task.await {
                Ok(is_done) => return is_done,
                Err(died) => died,
            };
            self.books.metrics.restarts.increment(1);
            let (flow, pause) = (self.flow.name(), backoff.next());
            error!(flow, error = %died, ?pause, "the task that tries waiting rows died, and is started again");
            if self.stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return false;
            }
        }
    }

    /// Reads the source until it ends or is asked to stop.
    async fn read(&self) -> ServedOutcome {
        let mut backoff = Backoff::default();
        while let Some(reader) = self.reader() {
            let begun = Instant::now();
            // A task of its own, so that a panic ends no more than that.
            let task = AbortOnDropHandle::new(tokio::spawn(async move { reader.run().await }));
            let ended = task.await.flatten();
            let flow = self.flow.name();
            if begun.elapsed() > LONG {
                backoff.reset();
            }
            let pause = backoff.next();
            let (why, if_stopped) = match ended {
                Ok(Ended::As(outcome)) => return outcome,
                Ok(Ended::Moved) => {
                    self.books.metrics.moved.increment(1);
                    warn!(flow, ?pause, "{MOVED}");
                    (MOVED.to_owned(), ServedOutcome::Stopped)
                }
                Ok(Ended::Unkept) => {
                    self.books.metrics.restarts.increment(1);
                    error!(flow, ?pause, "{UNKEPT}");
                    (UNKEPT.to_owned(), ServedOutcome::Stopped)
                }
                Err(died) => {
                    self.books.metrics.restarts.increment(1);
                    error!(flow, error = %died, ?pause, "the task of a flow died, and is started again");
                    (format!("its task died: {died}"), ServedOutcome::Died(died.to_string()))
                }
            };
            self.flows.health().source(flow, SourceState::Failing(why));
            if self.stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return if_stopped;
            }
        }
        ServedOutcome::NotOpened
    }

    /// `None` if linking would have refused the flow.
    fn reader(&self) -> Option<Reader> {
        let (source, def) = self.flows.source_of(&self.flow)?;
        let durable = self.flows.durable()?;
        let flow: Arc<str> = self.flow.conf().flow_name.as_str().into();
        let context = SourceContext {
            positions: Positions::new(durable, &source.sname, &flow),
            flow,
            source: source.sname.as_str().into(),
            shared: self.shared.clone(),
            draining: CancellationToken::new(),
            report: self.report.clone(),
            guarantee: self.flow.conf().guarantee,
        };
        let desk = Arc::new(self.desk(CancellationToken::new())?);
        let grace = self.flows.grace();
        let (stop, at_once) = (self.stop.clone(), self.at_once.clone());
        Some(Reader { desk, def, context, stop, at_once, grace })
    }

    /// `None` if linking would have refused the flow.
    fn desk(&self, hard_stop: CancellationToken) -> Option<Desk> {
        let (source, _) = self.flows.source_of(&self.flow)?;
        Some(Desk {
            flow: self.flow.clone(),
            quarantine: self.flows.quarantine().ok()?,
            waiting: self.waiting.clone(),
            books: self.books.clone(),
            health: self.flows.health().clone(),
            hard_stop,
            source,
        })
    }
}
