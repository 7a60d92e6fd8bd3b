//! The task of one flow: reads its source while there is room, and processes what it read to the
//! end.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    commits::Commits,
    delivery::{Desk, Task},
    lanes::Lanes,
    room::{Room, Rooms},
    served::ServedOutcome,
    wait::Wait,
};
use crate::{
    backoff::Backoff,
    error::{BoxError, error_chain},
    health::SourceState,
    source::{Delivery, ErasedSource, SourceContext, SourceDef, Tell},
};

/// How often lag and age are measured, while rows come and while none do.
const TICK: Duration = Duration::from_secs(1);
const IDLE_TICK: Duration = Duration::from_secs(5);
/// How long a source may take to report its lag, and to close.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How many deliveries may be done behind one that is not, or whose positions are being kept.
const MOST_OPEN: usize = 4096;

/// One flow and its source.
pub(super) struct Reader {
    pub(super) desk: Arc<Desk>,
    pub(super) def: SourceDef,
    pub(super) context: SourceContext,
    /// Cancelled when the flow is to stop reading.
    pub(super) stop: CancellationToken,
    /// Cancelled when the grace time ends early.
    pub(super) at_once: CancellationToken,
    pub(super) grace: Duration,
}

/// Why reading ended.
enum End {
    /// There is nothing more to read.
    Exhausted,
    Stopped,
    /// Positions are not kept any more.
    Unkept,
    /// A delivery's task panicked.
    Died(JoinError),
}

/// How serving the flow ended.
pub(super) enum Ended {
    As(ServedOutcome),
    /// Others have changed positions of the source, which has to be opened anew.
    Moved,
    /// The task that keeps positions died.
    Unkept,
}

/// What happens next.
enum Event {
    Stop,
    Unkept,
    Room(Option<Room>),
    Done(Result<(), JoinError>),
    Tick,
    Read(Result<Option<Delivery>, BoxError>),
}

impl Reader {
    /// Serves the flow until it is asked to stop, its source ends, or has to be opened anew.
    ///
    /// # Errors
    ///
    /// When the task of a delivery died; its rows are redelivered.
    pub(super) async fn run(&self) -> Result<Ended, JoinError> {
        let Some(mut source) = self.open().await else {
            self.state(SourceState::Stopped);
            return Ok(Ended::As(ServedOutcome::NotOpened));
        };
        let positions = self.context.positions().clone();
        let commits = Commits::start(&self.desk.flow, positions, self.tells_failures());
        self.state(SourceState::Reading);
        info!(flow = self.flow(), source = self.desk.source.sname, "the source is open");
        let mut tasks = JoinSet::new();
        let end = self.read(&mut *source, &commits, &mut tasks).await;
        if let End::Stopped = end {
            self.state(SourceState::Stopped);
        }
        self.context.draining().cancel();
        if let End::Died(_) = end {
            commits.leave_gap();
        }
        let drained = self.drain(&mut tasks, &commits, matches!(end, End::Exhausted)).await;
        if let Ok(Err(error)) = timeout(PATIENCE, source.close()).await {
            let error = error_chain(&*error).to_string();
            warn!(flow = self.flow(), error, "a source could not be closed");
        }
        self.desk.books.observe();
        match (end, drained) {
            (End::Died(panic), _) | (_, Err(panic)) => Err(panic),
            (End::Stopped, Ok(())) => Ok(Ended::As(ServedOutcome::Stopped)),
            // The commit of the last delivery may have found it.
            (_, Ok(())) if commits.is_moved() => Ok(Ended::Moved),
            (_, Ok(())) if commits.ended().is_cancelled() => Ok(Ended::Unkept),
            (_, Ok(())) => {
                self.state(SourceState::Ended);
                info!(flow = self.flow(), ledger = %self.desk.books.ledger(), "the source has ended");
                Ok(Ended::As(ServedOutcome::Ended))
            }
        }
    }

    /// Opens the source, as often as it takes; `None` if asked to stop.
    async fn open(&self) -> Option<Box<dyn ErasedSource>> {
        let mut backoff = Backoff::default();
        loop {
            let opening = (self.def.open)(&self.desk.source, self.context.clone());
            match self.stop.run_until_cancelled(opening).await? {
                Ok(source) => return Some(source),
                Err(error) => {
                    let pause = backoff.next();
                    self.fail("cannot be opened", &error, pause);
                    self.stop.run_until_cancelled(sleep(pause)).await?;
                }
            }
        }
    }

    async fn read(
        &self,
        source: &mut dyn ErasedSource,
        commits: &Commits,
        tasks: &mut JoinSet<()>,
    ) -> End {
        let conf = &self.desk.source;
        let in_flight = usize::try_from(conf.in_flight).unwrap_or(usize::MAX);
        let rooms = Rooms::new(in_flight, conf.in_flight_bytes);
        // For the next delivery, if there is any.
        let mut room = None;
        // Whether a row has been read.
        let mut has_begun = false;
        let mut lanes =
            Lanes::new(conf.ordered.clone(), conf.in_flight, self.desk.flow.keyed().is_some());
        let mut backoff = Backoff::default();
        // Since when it is read without an error.
        let mut resumed = Instant::now();
        let mut tick = pin!(sleep(Duration::ZERO));
        let mut pause = TICK;
        // Whether a delivery has been read since the last tick.
        let mut has_read = false;
        loop {
            room = room.or_else(|| rooms.try_enter());
            // Where reading began is durable before the first row: it may be found nowhere later.
            let is_beginning = !has_begun && !tasks.is_empty();
            let is_full = tasks.len() >= MOST_OPEN.max(in_flight) || commits.is_behind();
            let event = tokio::select! {
                biased;
                () = self.stop.cancelled() => Event::Stop,
                () = commits.ended().cancelled() => Event::Unkept,
                Some(done) = tasks.join_next() => Event::Done(done),
                () = &mut tick => Event::Tick,
                free = rooms.enter(), if room.is_none() => Event::Room(free),
                read = source.next(), if room.is_some() && !is_full && !is_beginning => Event::Read(read),
            };
            match event {
                Event::Stop => return End::Stopped,
                Event::Unkept => return End::Unkept,
                Event::Room(free) => room = free,
                Event::Done(Ok(())) => {}
                Event::Done(Err(panic)) => return End::Died(panic),
                Event::Tick => {
                    let steady = resumed.elapsed() >= TICK;
                    // An idle source still counts as recovered.
                    let answered = self.observe(source).await;
                    if answered && steady {
                        self.mended(&mut backoff);
                    }
                    let is_idle = answered && !std::mem::take(&mut has_read) && tasks.is_empty();
                    pause = if is_idle { (pause * 2).min(IDLE_TICK) } else { TICK };
                    // One that takes longer than a tick to answer is read in between.
                    tick.as_mut().reset(Instant::now() + pause);
                }
                Event::Read(Ok(Some(mut delivery))) => {
                    self.mended(&mut backoff);
                    has_read = true;
                    if pause > TICK {
                        pause = TICK;
                        tick.as_mut().reset(Instant::now() + pause);
                    }
                    has_begun |= !delivery.batch.is_empty();
                    let Some(mut room) = room.take() else { continue };
                    room.holds(delivery.batch.bytes());
                    let parts = lanes.parts(&delivery);
                    let pending = commits.begin(&mut delivery);
                    let desk = self.desk.clone();
                    tasks.spawn(async move {
                        let entry = desk.books.open(delivery.batch.len());
                        desk.deliver(Task { delivery, parts, pending, entry, room }).await;
                    });
                }
                Event::Read(Ok(None)) => return End::Exhausted,
                Event::Read(Err(error)) => {
                    let wait = backoff.next();
                    self.fail("cannot be read", &error, wait);
                    if self.stop.run_until_cancelled(sleep(wait)).await.is_none() {
                        return End::Stopped;
                    }
                    resumed = Instant::now();
                    pause = TICK;
                    tick.as_mut().reset(resumed + pause);
                }
            }
        }
    }

    /// Marks the source as readable, if it was not before.
    fn mended(&self, backoff: &mut Backoff) {
        if backoff.attempts() > 0 {
            backoff.reset();
            self.state(SourceState::Reading);
            info!(flow = self.flow(), "the source is read again");
        }
    }

    /// Waits for what was read; after the end of the source, as long as it takes.
    async fn drain(
        &self,
        tasks: &mut JoinSet<()>,
        commits: &Commits,
        unhurried: bool,
    ) -> Result<(), JoinError> {
        let all = async |tasks: &mut JoinSet<()>| {
            // One that dies does not take the others with it.
            let mut result = Ok(());
            while let Some(done) = tasks.join_next().await {
                if done.is_err() {
                    commits.leave_gap();
                }
                result = result.and(done);
            }
            result
        };
        if unhurried && let Some(done) = self.stop.run_until_cancelled(all(tasks)).await {
            return done;
        }
        let in_grace = self.at_once.run_until_cancelled(timeout(self.grace, all(tasks))).await;
        if let Some(Ok(done)) = in_grace {
            return done;
        }
        warn!(
            flow = self.flow(),
            batches = tasks.len(),
            "the grace time is over; what is not done is given back"
        );
        self.desk.hard_stop.cancel();
        match timeout(PATIENCE, all(tasks)).await {
            Ok(done) => done,
            Err(_) => {
                warn!(
                    flow = self.flow(),
                    batches = tasks.len(),
                    "functions that do not stop are left behind; their rows come again"
                );
                // One that holds its thread cannot even be dropped.
                drop(timeout(PATIENCE, tasks.shutdown()).await);
                Ok(())
            }
        }
    }

    /// Reports that positions cannot be kept, while that is so.
    fn tells_failures(&self) -> Tell {
        let desk = self.desk.clone();
        let mut wait = Wait::default();
        Box::new(move |error| {
            let Some(error) = error else {
                wait.over();
                return;
            };
            desk.books.metrics.errors.increment(1);
            let error = error_chain(&**error).to_string();
            let cause = format!(
                "the position of the source cannot be kept; see to the store of positions: {error}"
            );
            if wait.tell_again(&desk, cause) {
                warn!(flow = desk.flow.name(), error, "the position of the source cannot be kept");
            }
        })
    }

    /// Measures lag and age. Returns whether the source answered.
    async fn observe(&self, source: &mut dyn ErasedSource) -> bool {
        self.desk.books.observe();
        let lag = self.stop.run_until_cancelled(timeout(PATIENCE, source.lag()));
        let Some(Ok(Ok(lag))) = lag.await else { return false };
        if let Some(rows) = lag {
            self.desk.books.lags(rows);
        }
        let bytes = self.stop.run_until_cancelled(timeout(PATIENCE, source.lag_bytes()));
        let Some(Ok(Ok(bytes))) = bytes.await else { return false };
        if let Some(bytes) = bytes {
            self.desk.books.lags_bytes(bytes);
        }
        true
    }

    fn fail(&self, what: &str, error: &BoxError, pause: Duration) {
        self.desk.books.metrics.errors.increment(1);
        let error = error_chain(&**error).to_string();
        warn!(
            flow = self.flow(),
            source = self.desk.source.sname,
            error,
            ?pause,
            "the source {what}, and is tried again"
        );
        let message = format!("source `{}` {what}: {error}", self.desk.source.sname);
        self.state(SourceState::Failing(message));
    }

    pub(super) fn state(&self, state: SourceState) {
        self.desk.health.source(self.flow(), state);
    }

    pub(super) fn flow(&self) -> &str {
        self.desk.flow.name()
    }
}
