//! Finds the rows of a batch that cannot be processed: splits what fails until they are isolated,
//! and everything else gets through.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tracing::{debug, info, warn};

use super::{
    delivery::{BadRow, Desk, Interrupted, Work},
    outage::Onward,
    piece::Piece,
    provenance::Provenance,
    wait::Wait,
};
use crate::{
    backoff::pause,
    conf::Ordered,
    error::error_chain,
    flow::{Deferred, Isolation, Lineage, Report, RunError, Stage},
    quarantine::Quarantined,
    reject::Reject,
    text::excerpt_chain,
};

/// How often the rows of a delivery are sent through the flow from its first function again, for each
/// of them, because a function jumped back. A row may become several that all jump, so a count for
/// each of those would not end.
const RESTARTS: usize = 16;

/// The result of an attempt with a piece.
enum Attempt {
    /// All its rows got through.
    Through,
    /// None of its rows got through: they are among the bad ones, or wait in the store.
    GivenUp,
    /// It failed, and has to be split.
    Failed(Piece),
}

/// A piece that waits for its turn.
struct Pending {
    piece: Piece,
    /// If it is the second part of one that failed: how many pieces had failed by then. Unless
    /// others fail, the first part got through, and the fault is in this one.
    failed_before: Option<usize>,
}

impl Desk {
    /// Runs rows until each is through or among the bad ones.
    pub(super) async fn process(
        &self,
        from: &Provenance<'_>,
        piece: Piece,
        work: &mut Work,
        stage: Option<&Stage>,
    ) -> Result<(), Interrupted> {
        let mut pending = vec![Pending { piece, failed_before: None }];
        let mut failed = 0;
        while let Some(Pending { mut piece, failed_before }) = pending.pop() {
            if stage.is_some_and(|stage| piece.at >= stage.until) {
                work.arrived.push(piece);
                continue;
            }
            piece.suspect = failed_before == Some(failed);
            let attempt = self.attempt(from, piece, work, stage).await?;
            if !work.deferred.is_empty() {
                // Last: what they wait for may be away for long.
                let deferred = work.deferred.drain(..).rev();
                pending.splice(0..0, deferred.map(|piece| Pending { piece, failed_before: None }));
                failed += 1;
            }
            match attempt {
                Attempt::Through => {}
                Attempt::GivenUp => failed += 1,
                Attempt::Failed(piece) => {
                    failed += 1;
                    self.books.metrics.splits.increment(1);
                    let (first, second) = piece.split();
                    pending.push(Pending { piece: second, failed_before: Some(failed) });
                    pending.push(Pending { piece: first, failed_before: None });
                }
            }
        }
        Ok(())
    }

    /// Runs a piece, again and again while it waits for what is away.
    async fn attempt(
        &self,
        from: &Provenance<'_>,
        mut piece: Piece,
        work: &mut Work,
        stage: Option<&Stage>,
    ) -> Result<Attempt, Interrupted> {
        let mut outage = Wait::default();
        if piece.len() == 0 {
            // A source may hand out an empty batch: there is nothing to call a function for.
            return Ok(Attempt::Through);
        }
        if piece.suspect && piece.len() > 1 {
            return Ok(Attempt::Failed(piece));
        }
        loop {
            let (rows, stop) = (piece.rows.clone(), self.hard_stop.clone());
            let isolation = self.isolation(&piece, stage);
            let run = self.flow.run_served(rows, piece.at, stop, isolation, stage.cloned());
            let error = match run.await {
                Ok(report) => {
                    if outage.over() {
                        info!(flow = self.flow.name(), "what the batch waited for is back");
                    }
                    self.finish(from, &piece, &report, work, stage);
                    return Ok(Attempt::Through);
                }
                Err(error) if error.is_cancelled() => return Err(Interrupted),
                Err(error) => error,
            };
            if stage.is_none()
                && error.is_early_jump()
                && work.restarts < RESTARTS * from.len()
                && let Some(anew) = from_the_start(from, &piece, work)
            {
                piece = anew;
                continue;
            }
            if error.is_abort() {
                return Ok(Attempt::Failed(self.failed(from, piece, &error, work, stage)));
            }
            if let Some(found) = self.outage(&error).await {
                // The functions before have done their work; the rows continue where they were.
                let (at, failures, waits_since) = (piece.at, piece.failures, piece.waits_since);
                let left = self.failed(from, piece, &error, work, stage);
                // They have not waited at another function yet.
                let waits_since = waits_since.filter(|_| left.at == at);
                let left = Piece { failures, waits_since, ..left };
                match self.wait(from, left, (&error, found), &mut outage, work).await? {
                    Onward::Again(left) => piece = left,
                    Onward::Split(left) => return Ok(Attempt::Failed(left)),
                    Onward::Waiting => return Ok(Attempt::GivenUp),
                }
                continue;
            }
            // Everything answers: if something was away, it is back, and this is about the rows.
            outage.over();
            let failures = piece.failures;
            let mut failed = self.failed(from, piece, &error, work, stage);
            if failed.len() > 1 && self.source.isolate {
                debug!(
                    flow = self.flow.name(),
                    rows = failed.len(),
                    error = excerpt_chain(&error, self.flow.log_rows()),
                    "a batch failed and is split"
                );
                return Ok(Attempt::Failed(failed));
            }
            if failures < self.source.retry_times {
                failed.failures = failures + 1;
                let base = self.source.retry_duration;
                self.sleep(pause(base, failed.failures, Duration::from_secs(60))).await?;
                piece = failed;
                continue;
            }
            if failed.len() == 0 {
                // A function that was called by force has no row that could be kept, and those that
                // led to it must not change a state twice.
                let (flow, function) = (self.flow.name(), error.function().unwrap_or_default());
                let error = excerpt_chain(&error, self.flow.log_rows());
                warn!(flow, function, error, "a function that was called without rows has failed");
                return Ok(Attempt::Through);
            }
            self.give_up(from, &failed, failures + 1, &error, work);
            return Ok(Attempt::GivenUp);
        }
    }

    /// Returns what is left of a piece whose run failed: the input of the function that failed.
    /// Rows that ended before it are counted.
    fn failed(
        &self,
        from: &Provenance<'_>,
        piece: Piece,
        error: &RunError,
        work: &mut Work,
        stage: Option<&Stage>,
    ) -> Piece {
        let report = error.report();
        if let Some(keyed) = self.flow.keyed()
            && stage.is_none()
            && piece.at < keyed.end
            && error.at() >= keyed.start
        {
            // The run was a round of its own, and its states are as before.
            return piece;
        }
        // Where functions keep state, none jumps: the jump was refused.
        let jumped = || self.flow.may_jump() || report.jumps() > 0 || error.is_jump();
        if stage.is_none() && jumped() || error.function().is_none() {
            // Rows may have passed more than once: start again from the first function.
            return piece;
        }
        let is_inside = stage.is_some_and(|stage| stage.states.is_some());
        if error.input().is_empty() && !is_inside {
            // A function that was entered by force has failed. It has no row that could be tried
            // again or kept, so those that led to it are not done.
            return piece;
        }
        self.finish(from, &piece, report, work, stage);
        let lineage = compose(&piece.lineage, error.lineage(), error.input().len());
        Piece::new(error.at(), error.input().clone(), lineage)
    }

    /// What is done with rows by themselves. None passes another that waits in a flow that is
    /// ordered; in one that jumps, a batch that waits starts again from its first function. A row that
    /// is alone is not split, however many it becomes: its run is aborted as a whole.
    fn isolation(&self, piece: &Piece, stage: Option<&Stage>) -> Isolation {
        // Before they are behind the states, rows of a key keep their order.
        let is_free = stage.is_none_or(|stage| stage.until == usize::MAX && stage.states.is_none());
        let defers = self.source.ordered == Ordered::No && !self.flow.may_jump() && is_free;
        Isolation { defers, splits: self.source.isolate && piece.len() > 1 }
    }

    /// Counts what a run did, and records what it rejected.
    fn finish(
        &self,
        from: &Provenance<'_>,
        piece: &Piece,
        report: &Report,
        work: &mut Work,
        stage: Option<&Stage>,
    ) {
        work.tally.run(report.rows());
        self.waiting.note(report);
        for reject in report.rejected() {
            work.bad.push(self.rejected(from, piece, reject));
            work.tally.quarantined += 1;
        }
        for Deferred { at, rows, lineage } in report.deferred() {
            let lineage = compose(&piece.lineage, lineage, rows.len());
            if stage.is_some_and(|stage| *at >= stage.until) {
                work.arrived.push(Piece::new(*at, rows.clone(), lineage));
                continue;
            }
            let waits_since = piece.waits_since.filter(|_| piece.at == *at);
            let waits_since = waits_since.or_else(|| Some(Instant::now()));
            work.deferred.push(Piece { waits_since, ..Piece::new(*at, rows.clone(), lineage) });
        }
    }

    fn rejected(&self, from: &Provenance<'_>, piece: &Piece, reject: &Reject) -> BadRow {
        self.bad_row(
            from,
            Bad {
                function: reject.function().to_owned(),
                at: reject.at,
                source_row: reject.origin.and_then(|origin| piece.lineage.of(origin)),
                row: reject.row().clone(),
                field: reject.field().map(str::to_owned),
                cause: error_chain(reject.cause()).to_string(),
                attempt: 1,
            },
        )
    }

    /// Records every row of a piece that failed for good.
    fn give_up(
        &self,
        from: &Provenance<'_>,
        piece: &Piece,
        attempt: u32,
        error: &RunError,
        work: &mut Work,
    ) {
        let cause = error_chain(error).to_string();
        for index in 0..piece.len() {
            self.give_up_row(from, piece, index, (&cause, attempt), work);
        }
    }

    /// Records a row of a piece that failed for good, in this attempt.
    pub(super) fn give_up_row(
        &self,
        from: &Provenance<'_>,
        piece: &Piece,
        index: usize,
        (cause, attempt): (&str, u32),
        work: &mut Work,
    ) {
        let bad = Bad {
            function: self.function_at(piece.at),
            at: piece.at,
            source_row: piece.lineage.of(index),
            row: piece.rows.row_text(index),
            field: None,
            cause: cause.to_owned(),
            attempt,
        };
        let bad = self.bad_row(from, bad);
        let why = "a row cannot be processed and goes to quarantine";
        bad.row.warn(why, self.flow.log_rows());
        work.bad.push(bad);
        work.tally.quarantined += 1;
    }

    /// The function at which rows are and from which they can be sent on: not the one that failed, if
    /// the whole chain has to start again.
    pub(super) fn function_at(&self, at: usize) -> String {
        let conf = self.flow.conf();
        conf.flows.get(at).map(|step| step.fname.clone()).unwrap_or_default()
    }

    pub(super) fn bad_row(&self, from: &Provenance<'_>, bad: Bad) -> BadRow {
        let Bad { function, at, source_row, row, field, cause, attempt } = bad;
        let mut kept = Quarantined::of(self.flow.name(), &self.source.sname);
        (kept.function, kept.at, kept.attempt) = (function, at, attempt);
        (kept.row, kept.field, kept.cause) = (row.into(), field, cause);
        from.describe(&mut kept, source_row, at);
        BadRow { row: kept, source_row }
    }
}

/// A row that cannot be processed, or not now.
pub(super) struct Bad {
    pub(super) function: String,
    pub(super) at: usize,
    /// The row that it was made from, by its position among those that came, if known.
    pub(super) source_row: Option<usize>,
    pub(super) row: Bytes,
    pub(super) field: Option<String>,
    pub(super) cause: String,
    pub(super) attempt: u32,
}

/// Rows that continued where they had failed, and jump to before that place: as they came from the
/// source, if known.
fn from_the_start(from: &Provenance<'_>, piece: &Piece, work: &mut Work) -> Option<Piece> {
    let rows: Option<BTreeSet<usize>> = (0..piece.len()).map(|row| piece.lineage.of(row)).collect();
    let rows = rows?;
    let batch = from.batch(rows.iter().copied().collect())?;
    // Several that one row had become are that row again.
    work.tally.folded += (piece.len() - rows.len()) as u64;
    let lineage = Lineage::Same.pick(rows.into_iter());
    work.restarts += 1;
    Some(Piece { failures: piece.failures, ..Piece::new(0, batch, lineage) })
}

/// The positions of rows in the delivery, through the piece that they were in.
fn compose(outer: &Lineage, inner: &Lineage, len: usize) -> Lineage {
    match inner {
        Lineage::Unknown => Lineage::Unknown,
        Lineage::Same => outer.clone(),
        Lineage::Rows(_) => outer.pick((0..len).filter_map(|row| inner.of(row))),
    }
}
