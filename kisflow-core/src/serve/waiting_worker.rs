//! [`WaitingWorker`]: tries the rows that wait in the store for what is unavailable.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    delivery::{Desk, Interrupted, Work},
    ledger::Tally,
    names::Names,
    piece::Piece,
    provenance::Provenance,
    wait::Wait,
};
use crate::{
    backoff::{Backoff, pause},
    batch::Batch,
    durable::{HeldLease, LeaseTaken, SeenLease},
    error::{BoxError, error_chain},
    flow::Lineage,
    millis::since_epoch::now,
    quarantine::{CommitMarker, Quarantined, Stored},
};

/// How often a flow without waiting rows looks whether another process has left some.
const IDLE_INTERVAL: Duration = Duration::from_secs(60);
/// How often it looks whether another process still tries them.
const LEASE_INTERVAL: Duration = Duration::from_secs(5);
/// The pause after a pass over the waiting rows, at least, for each page that was read.
const PASS_INTERVAL: Duration = Duration::from_millis(50);
/// The pause before a row is tried again: it doubles up to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MOST_PAUSE: Duration = Duration::from_secs(10);

/// The task that tries the waiting rows of a flow.
pub(super) struct WaitingWorker {
    pub(super) desk: Arc<Desk>,
    /// Cancelled when it is to try no more.
    pub(super) stop: CancellationToken,
    /// Cancelled when it is to end as soon as no row waits.
    pub(super) source_ended: CancellationToken,
}

/// Where a pass over the waiting rows is.
#[derive(Default)]
struct Pass {
    /// The lease of the flow's waiting rows, while this process has it.
    lease: Option<HeldLease>,
    /// What is known of that of another process.
    seen: Option<SeenLease>,
    /// The row that was visited last.
    cursor: Option<String>,
    /// How many pages were read.
    pages: u32,
    /// The pauses while no row gets through.
    backoff: Backoff,
    /// When the first of the rows that were passed over is to be tried.
    next: Option<SystemTime>,
}

impl Pass {
    fn has_lease(&self) -> bool {
        self.lease.as_ref().is_some_and(HeldLease::is_held)
    }
}

/// What is to be done next.
enum NextStep {
    /// No row waits.
    Idle,
    /// Nothing for now: another process tries the rows, or all have been tried.
    Pause(Duration),
    Try(Vec<Stored>),
}

/// What became of rows that were tried.
#[derive(Default)]
struct Tried {
    rows: usize,
    /// Those that wait on.
    waiting: usize,
}

/// Rows that were tried and did not get through, by where they go.
struct Sorted {
    /// To quarantine.
    bad: Vec<Quarantined>,
    /// They wait on, at the same function.
    stay: Vec<Quarantined>,
    /// They wait at a later function.
    further: Vec<Quarantined>,
    /// The rows from which those of `bad` and `further` come, by their positions; `None` among them if
    /// it is not known of one.
    sources: HashSet<Option<usize>>,
    tally: Tally,
}

/// When a row is to be tried again: after pauses that double.
fn due(row: &Quarantined) -> SystemTime {
    row.tried + pause(FIRST_PAUSE, row.attempt, MOST_PAUSE)
}

impl WaitingWorker {
    /// Tries waiting rows until it is told to stop, or until the source has ended and no row waits.
    /// Returns `true` in the latter case.
    pub(super) async fn run(&self) -> bool {
        let mut pass = Pass::default();
        let is_done = self.desk.hard_stop.run_until_cancelled(self.work(&mut pass)).await;
        if let Some(lease) = pass.lease {
            lease.release().await;
        }
        is_done.unwrap_or(false)
    }

    async fn work(&self, pass: &mut Pass) -> bool {
        let flow = self.desk.flow.name();
        let mut store = Wait::default();
        while !self.stop.is_cancelled() {
            // What it gave before its end is counted then.
            let has_ended = self.source_ended.is_cancelled();
            let step = self.stop.run_until_cancelled(self.step(pass)).await;
            let Some(step) = step else { return false };
            if step.is_ok() {
                store.over();
            }
            let pause = match step {
                Ok(NextStep::Idle) if has_ended => return true,
                Ok(NextStep::Idle) => {
                    let added = timeout(IDLE_INTERVAL, self.desk.waiting.added.notified());
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        () = self.source_ended.cancelled() => {}
                        _ = added => {}
                    }
                    continue;
                }
                Ok(NextStep::Pause(pause)) => pause,
                Ok(NextStep::Try(rows)) => {
                    let Ok(tried) = self.try_rows(rows, pass).await else { return false };
                    if tried.waiting < tried.rows {
                        pass.backoff.reset();
                        continue;
                    }
                    pass.backoff.next()
                }
                Err(error) => {
                    let error = error_chain(&*error).to_string();
                    if store.tell(&self.desk, format!("waiting rows cannot be read: {error}")) {
                        warn!(flow, error, "waiting rows cannot be read");
                    }
                    self.stop.run_until_cancelled(store.pause(&self.desk)).await;
                    continue;
                }
            };
            self.stop.run_until_cancelled(sleep(pause)).await;
        }
        false
    }

    /// Looks what is to be done next.
    async fn step(&self, pass: &mut Pass) -> Result<NextStep, BoxError> {
        let (flow, quarantine) = (self.desk.flow.name(), &self.desk.quarantine);
        if pass.cursor.is_none() || !pass.has_lease() {
            let waiting = quarantine.waiting_usage(flow).await?.entries;
            self.desk.books.waits(waiting);
            if waiting == 0 {
                let lease = std::mem::take(pass).lease;
                if let Some(lease) = lease {
                    lease.release().await;
                }
                return Ok(NextStep::Idle);
            }
            if !pass.has_lease() {
                (pass.cursor, pass.lease) = (None, None);
                match quarantine.waiting_lease(flow).take(&mut pass.seen).await? {
                    LeaseTaken::Held(lease) => pass.lease = Some(lease),
                    LeaseTaken::Elsewhere(left) => {
                        return Ok(NextStep::Pause(left.min(LEASE_INTERVAL)));
                    }
                }
            }
        }
        let rows = quarantine.waiting_page(flow, pass.cursor.as_deref()).await?;
        let Some(last) = rows.last() else {
            // All were visited, and there were pauses while none got through.
            pass.cursor = None;
            // Many rows are not read again and again for the few that are due.
            let least = PASS_INTERVAL * std::mem::take(&mut pass.pages).max(1);
            let next = pass.next.take().and_then(|next| next.duration_since(now()).ok());
            return Ok(NextStep::Pause(next.unwrap_or_default().max(least)));
        };
        pass.cursor = Some(last.row.cursor());
        pass.pages = pass.pages.saturating_add(1);
        let (rows, later): (Vec<Stored>, Vec<Stored>) =
            rows.into_iter().partition(|stored| due(&stored.row) <= now());
        pass.next = later.iter().map(|stored| due(&stored.row)).chain(pass.next).min();
        Ok(if rows.is_empty() { NextStep::Pause(Duration::ZERO) } else { NextStep::Try(rows) })
    }

    /// Tries rows once, as long as the lease is held and the flow goes on. Rows at the same function
    /// are tried together, in batches as from the source.
    async fn try_rows(&self, rows: Vec<Stored>, pass: &Pass) -> Result<Tried, Interrupted> {
        let mut gone = Vec::new();
        let mut places: BTreeMap<usize, Vec<Stored>> = BTreeMap::new();
        let mut all = Tried::default();
        for stored in rows {
            match self.desk.quarantine.place_of(&stored.row) {
                Ok(at) => places.entry(at).or_default().push(stored),
                Err(error) => gone.push((stored, error_chain(&error).to_string())),
            }
        }
        all.rows += gone.len();
        self.give_up(gone).await?;
        let size = usize::try_from(self.desk.source.batch.rows).unwrap_or(usize::MAX).max(1);
        for (at, rows) in places {
            for rows in rows.chunks(size) {
                if self.stop.is_cancelled() || !pass.has_lease() {
                    return Ok(all);
                }
                let tried = self.try_batch(at, rows).await?;
                all.rows += tried.rows;
                all.waiting += tried.waiting;
            }
        }
        Ok(all)
    }

    /// Tries rows of one function once, and records what became of them.
    async fn try_batch(&self, at: usize, stored: &[Stored]) -> Result<Tried, Interrupted> {
        let rows: Vec<Quarantined> = stored.iter().map(|stored| stored.row.clone()).collect();
        let from = Provenance::Waiting(&rows);
        let batch = Batch::json(rows.iter().map(|row| row.row.bytes().clone()));
        let mut work = Work::default();
        self.desk.process(&from, Piece::new(at, batch, Lineage::Same), &mut work, None).await?;
        let Sorted { bad, stay, further, sources, tally } = self.sort(&rows, work);
        // What got through is settled first: a full quarantine must not keep it from that.
        let (mut kept, mut done) = (Vec::new(), Vec::new());
        for (row, stored) in stored.iter().enumerate() {
            let is_kept = sources.contains(&Some(row)) || sources.contains(&None);
            if is_kept { &mut kept } else { &mut done }.push(stored.clone());
        }
        self.settle(&done, &stay).await?;
        self.desk.keep(self.desk.quarantine.keeping(bad)).await?;
        if !further.is_empty() {
            let marker = CommitMarker::new(self.desk.flow.name());
            let further = self.desk.quarantine.keeping_waiting(further, true, marker);
            if let Some(marker) = self.desk.keep(further).await? {
                self.desk.quarantine.remove_marker(&marker).await;
            }
        }
        self.settle(&kept, &stay).await?;
        self.desk.books.resumed((rows.len() - stay.len()) as u64, &tally);
        Ok(Tried { rows: rows.len(), waiting: stay.len() })
    }

    /// Sorts rows that were tried and did not get through by where they go.
    fn sort(&self, rows: &[Quarantined], work: Work) -> Sorted {
        let from = Provenance::Waiting(rows);
        let Work { mut tally, bad, waiting, .. } = work;
        let mut sources: HashSet<Option<usize>> = bad.iter().map(|bad| bad.source_row).collect();
        let mut bad = Names::of_bad().name(bad, &from);
        let origins: Vec<(Option<usize>, Option<usize>)> =
            waiting.iter().map(|waiting| (waiting.away, waiting.row.source_row)).collect();
        let waiting = waiting.into_iter().map(|waiting| waiting.row).collect();
        let waiting = Names::of_waiting().name(waiting, &from);
        let (mut stay, mut further) = (Vec::new(), Vec::new());
        for (row, (away, source_row)) in waiting.into_iter().zip(origins) {
            // A row that is where it was has the id and the text that it had.
            let before = source_row.and_then(|source_row| rows.get(source_row));
            match before.filter(|before| before.id == row.id && before.row == row.row) {
                None => {
                    sources.insert(source_row);
                    further.push(row);
                }
                Some(before) if self.desk.waiting.is_overdue(before, away, now()) => {
                    let why = "a row has waited for as long as it may and goes to quarantine";
                    row.warn(why, self.desk.flow.log_rows());
                    sources.insert(source_row);
                    bad.push(row);
                    tally.quarantined += 1;
                }
                Some(before) => stay.push(Quarantined { since: before.since, ..row }),
            }
        }
        tally.waiting += further.len() as u64;
        Sorted { bad, stay, further, sources, tally }
    }

    /// Puts rows into quarantine whose function is gone.
    async fn give_up(&self, gone: Vec<(Stored, String)>) -> Result<(), Interrupted> {
        if gone.is_empty() {
            return Ok(());
        }
        let (stored, bad): (Vec<Stored>, Vec<Quarantined>) = gone
            .into_iter()
            .map(|(stored, cause)| {
                let since = now();
                let row = Quarantined { cause, since, tried: since, ..stored.row.clone() };
                row.warn("a waiting row goes to quarantine", self.desk.flow.log_rows());
                (stored, row)
            })
            .unzip();
        let rows = bad.len() as u64;
        self.desk.keep(self.desk.quarantine.keeping(bad)).await?;
        self.settle(&stored, &[]).await?;
        self.desk.books.resumed(rows, &Tally { quarantined: rows, ..Tally::default() });
        Ok(())
    }

    /// Records which rows wait on, in their new state; the others are not among the waiting ones any
    /// more.
    async fn settle(&self, stored: &[Stored], stay: &[Quarantined]) -> Result<(), Interrupted> {
        let mut wait = Wait::default();
        while let Err(error) = self.desk.quarantine.settle_waiting(stored, stay).await {
            let flow = self.desk.flow.name();
            let error = error_chain(&error).to_string();
            if wait.tell(&self.desk, format!("what became of waiting rows cannot be kept: {error}"))
            {
                warn!(flow, error, "what became of waiting rows cannot be kept");
            }
            wait.pause(&self.desk).await?;
        }
        Ok(())
    }
}
