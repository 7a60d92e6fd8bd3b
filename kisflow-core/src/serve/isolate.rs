//! Finds the rows of a batch that cannot be processed: splits what fails until they are isolated,
//! and everything else gets through.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use tracing::{debug, info, warn};

use super::{
    delivery::{BadRow, Desk, Interrupted, Work},
    piece::Piece,
    wait::Wait,
};
use crate::{
    backoff::pause,
    caas::BoxFuture,
    error::error_chain,
    flow::{Lineage, Report, RunError},
    millis::since_epoch::now,
    quarantine::Quarantined,
    reject::Reject,
    source::Delivery,
    text::excerpt_chain,
};

impl Desk {
    /// Runs a piece until each of its rows is through or among the bad ones. Returns whether all
    /// got through.
    pub(super) fn process<'a>(
        &'a self,
        delivery: &'a Delivery,
        mut piece: Piece,
        work: &'a mut Work,
    ) -> BoxFuture<'a, Result<bool, Interrupted>> {
        Box::pin(async move {
            let mut outage = Wait::default();
            if piece.len() == 0 {
                // A source may hand out an empty batch: there is nothing to call a function for.
                return Ok(true);
            }
            loop {
                if piece.suspect && piece.len() > 1 {
                    self.split(delivery, piece, work).await?;
                    return Ok(false);
                }
                let run =
                    self.flow.run_served(piece.rows.clone(), piece.at, self.hard_stop.clone());
                let error = match run.await {
                    Ok(report) => {
                        if outage.over() {
                            info!(flow = self.flow.name(), "what the batch waited for is back");
                        }
                        self.finish(delivery, &piece, &report, work);
                        return Ok(true);
                    }
                    Err(error) if error.is_cancelled() => return Err(Interrupted),
                    Err(error) => error,
                };
                if error.is_early_jump()
                    && let Some(anew) = from_the_start(delivery, &piece, work)
                {
                    piece = anew;
                    continue;
                }
                if let Some(cause) = self.outage(&error).await {
                    self.wait_out(&mut outage, &error, &cause).await?;
                    // The functions before have done their work; the rows continue where they were.
                    let failures = piece.failures;
                    piece = Piece { failures, ..self.failed(delivery, piece, &error, work) };
                    continue;
                }
                // Everything answers: if something was away, it is back, and this is about the rows.
                outage.over();
                let failures = piece.failures;
                let mut failed = self.failed(delivery, piece, &error, work);
                if failed.len() > 1 && self.source.isolate {
                    debug!(
                        flow = self.flow.name(),
                        rows = failed.len(),
                        error = excerpt_chain(&error, self.flow.log_rows()),
                        "a batch failed and is split"
                    );
                    self.split(delivery, failed, work).await?;
                    return Ok(false);
                }
                if failures < self.source.retry_times {
                    failed.failures = failures + 1;
                    let base = self.source.retry_duration;
                    self.sleep(pause(base, failed.failures, Duration::from_secs(60))).await?;
                    piece = failed;
                    continue;
                }
                self.give_up(delivery, &failed, failures + 1, &error, work);
                return Ok(false);
            }
        })
    }

    /// Waits a while for something that the flow needs and that is away.
    async fn wait_out(
        &self,
        outage: &mut Wait,
        error: &RunError,
        cause: &str,
    ) -> Result<(), Interrupted> {
        if !outage.has_begun() {
            self.books.metrics.outages.increment(1);
        }
        if outage.tell(self, cause) {
            let (flow, function) = (self.flow.name(), error.function().unwrap_or_default());
            let error = excerpt_chain(error, self.flow.log_rows());
            warn!(flow, function, cause, error, "a batch waits for what it needs");
        }
        outage.pause(self).await
    }

    async fn split(
        &self,
        delivery: &Delivery,
        piece: Piece,
        work: &mut Work,
    ) -> Result<(), Interrupted> {
        self.books.metrics.splits.increment(1);
        let (first, second) = piece.split();
        let through = self.process(delivery, first, work).await?;
        self.process(delivery, Piece { suspect: through, ..second }, work).await?;
        Ok(())
    }

    /// Returns what is left of a piece whose run failed: the input of the function that failed.
    /// Rows that ended before it are counted.
    fn failed(
        &self,
        delivery: &Delivery,
        piece: Piece,
        error: &RunError,
        work: &mut Work,
    ) -> Piece {
        let report = error.report();
        if self.jumps || report.jumps() > 0 || error.is_jump() || error.function().is_none() {
            // Rows may have passed more than once: start again from the first function.
            return piece;
        }
        if error.input().is_empty() {
            // A function that was entered by force has failed. It has no row that could be tried
            // again or kept, so those that led to it are not done.
            return piece;
        }
        self.finish(delivery, &piece, report, work);
        let lineage = compose(&piece.lineage, error.lineage(), error.input().len());
        Piece::new(error.at(), error.input().clone(), lineage)
    }

    /// Counts what a run did, and records what it rejected.
    fn finish(&self, delivery: &Delivery, piece: &Piece, report: &Report, work: &mut Work) {
        work.tally.run(report.rows());
        for reject in report.rejected() {
            work.bad.push(self.rejected(delivery, piece, reject));
            work.tally.quarantined += 1;
        }
    }

    fn rejected(&self, delivery: &Delivery, piece: &Piece, reject: &Reject) -> BadRow {
        self.bad_row(
            delivery,
            Bad {
                function: reject.function(),
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
        delivery: &Delivery,
        piece: &Piece,
        attempt: u32,
        error: &RunError,
        work: &mut Work,
    ) {
        let cause = error_chain(error).to_string();
        // The function at which the rows are and from which they can be sent on: not the one that
        // failed, if the whole chain has to start again.
        let conf = self.flow.conf();
        let function = conf.flows.get(piece.at).map_or("", |step| step.fname.as_str());
        for index in 0..piece.len() {
            let bad = Bad {
                function,
                at: piece.at,
                source_row: piece.lineage.of(index),
                row: piece.rows.row_text(index),
                field: None,
                cause: cause.clone(),
                attempt,
            };
            let bad = self.bad_row(delivery, bad);
            let why = "a row cannot be processed and goes to quarantine";
            bad.row.warn(why, self.flow.log_rows());
            work.bad.push(bad);
        }
        work.tally.quarantined += piece.len() as u64;
    }

    fn bad_row(&self, delivery: &Delivery, bad: Bad<'_>) -> BadRow {
        let Bad { function, at, source_row, row, field, cause, attempt } = bad;
        let receipt = &*delivery.receipt;
        let last = delivery.batch.len().saturating_sub(1);
        let position = match source_row {
            Some(row) => receipt.position(row),
            None => format!("{}..{}", receipt.position(0), receipt.position(last)),
        };
        let origin = source_row.filter(|_| at > 0).map(|row| delivery.batch.row_text(row).into());
        let row = Quarantined {
            id: String::new(),
            flow: self.flow.name().to_owned(),
            source: self.source.sname.clone(),
            position,
            function: function.to_owned(),
            at,
            attempt,
            since: now(),
            tried: now(),
            field,
            cause,
            row: row.into(),
            origin,
            unreadable: at == 0 && source_row.is_some_and(|row| delivery.batch.is_unreadable(row)),
            csv: source_row.and_then(|_| delivery.batch.csv_form()).map(|form| (*form).clone()),
            discarded: None,
        };
        BadRow { row, source_row }
    }
}

/// A row that cannot be processed.
struct Bad<'a> {
    function: &'a str,
    at: usize,
    /// Its position in the delivery, if known.
    source_row: Option<usize>,
    row: Bytes,
    field: Option<String>,
    cause: String,
    attempt: u32,
}

/// Rows that continued where they had failed, and jump to before that place: as they came from the
/// source, if known.
fn from_the_start(delivery: &Delivery, piece: &Piece, work: &mut Work) -> Option<Piece> {
    let rows: Option<BTreeSet<usize>> = (0..piece.len()).map(|row| piece.lineage.of(row)).collect();
    let rows = rows?;
    // Several that one row had become are that row again.
    work.tally.folded += (piece.len() - rows.len()) as u64;
    let lineage = Lineage::Same.pick(rows.iter().copied());
    let batch = delivery.batch.pick(rows.into_iter().collect());
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
