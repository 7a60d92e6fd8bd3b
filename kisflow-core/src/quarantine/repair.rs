//! Sending rows on, edited or not.

use tokio_util::sync::CancellationToken;

use super::{
    PAGE, Quarantine, QuarantineError, QuarantineFilter, Quarantined, RowText, SPACE, decode, put,
    remove,
};
use crate::{
    batch::Batch,
    conf::{Status, suggest},
    durable::Scan,
    error::error_chain,
    flow::{Flow, RunError},
    millis::since_epoch,
    reject::Reject,
};

/// The function at which a row that is sent on starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryFrom {
    /// The function that could not process it: those before it have done their work.
    #[default]
    Function,
    /// The first function, with the row as it came from the source.
    Start,
}

/// The results of rows that were sent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryReport {
    /// Rows that got through, and are out of quarantine.
    pub delivered: u64,
    /// Rows that failed again, and stay in quarantine.
    pub failed: u64,
}

impl Quarantine {
    /// Sends a row on. If it gets through, it leaves the quarantine; if it fails again, it stays
    /// with the new cause, which the result says and which is no error. A row that its [source
    /// could not read](Quarantined::unreadable) stays unchanged until it is edited.
    ///
    /// If the process dies in between, the row was sent on and is still in quarantine: it is
    /// delivered at least once.
    ///
    /// # Errors
    ///
    /// When there is no row with this id; when its flow or function is gone; when it is to start at
    /// the first function and its original text is unknown; when the store cannot be read or
    /// written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the row in quarantine, possibly sent on in part.
    pub async fn retry(&self, id: &str, from: RetryFrom) -> Result<RetryReport, QuarantineError> {
        let row = self.show(id).await?;
        self.send(row, from).await
    }

    /// Replaces a row's text, with JSON or what its first function reads, and sends it on. If it
    /// fails again, the new text stays.
    ///
    /// # Errors
    ///
    /// As [`retry`](Self::retry).
    ///
    /// # Cancel safety
    ///
    /// As [`retry`](Self::retry); the text may have been replaced.
    pub async fn edit(
        &self,
        id: &str,
        text: impl Into<RowText>,
        from: RetryFrom,
    ) -> Result<RetryReport, QuarantineError> {
        let mut row = self.show(id).await?;
        row.unreadable = false;
        match from {
            RetryFrom::Function => row.row = text.into(),
            RetryFrom::Start if row.at == 0 => row.row = text.into(),
            RetryFrom::Start => row.origin = Some(text.into()),
        }
        self.write(vec![put(SPACE, &row)]).await?;
        self.send(row, from).await
    }

    /// Sends on all rows of a kind that are in quarantine now, one after the other, and calls
    /// `progress` after each.
    ///
    /// # Errors
    ///
    /// As [`retry`](Self::retry), at the first row that cannot be sent on at all; those before it
    /// were sent on.
    ///
    /// # Cancel safety
    ///
    /// As [`retry`](Self::retry).
    pub async fn retry_all(
        &self,
        filter: &QuarantineFilter,
        from: RetryFrom,
        mut progress: impl FnMut(RetryReport),
    ) -> Result<RetryReport, QuarantineError> {
        let begun = since_epoch::now();
        let mut report = RetryReport::default();
        let mut scan = Scan::of(SPACE).limit(PAGE);
        loop {
            let page = self.inner.durable.scan(&scan).await;
            let page = page.map_err(QuarantineError::storage("read"))?;
            let Some((last, _)) = page.last() else { return Ok(report) };
            scan = scan.after(last.clone());
            for (id, entry) in &page {
                let row = decode(&String::from_utf8_lossy(id), &entry.value)?;
                if row.since <= begun && filter.takes(&row) {
                    let one = self.send(row, from).await?;
                    report.delivered += one.delivered;
                    report.failed += one.failed;
                    progress(report);
                }
            }
        }
    }

    async fn send(
        &self,
        row: Quarantined,
        from: RetryFrom,
    ) -> Result<RetryReport, QuarantineError> {
        let (flow, text, at) = self.way(&row, from)?;
        if row.unreadable {
            // Its source could not read this text, so no function may get it.
            self.write(vec![put(SPACE, &tried(&row))]).await?;
            return Ok(RetryReport { delivered: 0, failed: 1 });
        }
        let batch = Batch::json([text.bytes().clone()]);
        let run = flow.run_served(batch, at, CancellationToken::new()).await;
        let source_row = row.source_row().cloned();
        let mut rejects = match &run {
            Ok(report) => report.rejected(),
            // If it had become several rows, all of them are processed again: none is left out.
            Err(error) if error.input().len() != 1 => &[],
            Err(error) => error.rejected(),
        };
        let stays = match &run {
            Ok(_) => {
                rejects.split_off_first().map(|reject| again(&row, source_row.clone(), reject))
            }
            Err(error) => Some(failed(&row, source_row.clone(), error)),
        };
        let got_through = stays.is_none();
        let mut changes = Vec::with_capacity(1 + rejects.len());
        // One row may have become several, and more than one of them may have been rejected.
        for (ordinal, reject) in rejects.iter().enumerate() {
            let mut other = again(&row, source_row.clone(), reject);
            (other.since, other.attempt) = (other.tried, 1);
            // Separate from what its source may redeliver.
            other.id = other.id(false, ordinal + 1);
            changes.push(put(SPACE, &other));
        }
        // Last: what came of the row is there before the row is gone.
        changes.push(match &stays {
            Some(row) => put(SPACE, row),
            None => remove(SPACE, &row.id),
        });
        self.write(changes).await?;
        if got_through {
            self.inner.metrics.delivered.increment(1);
        }
        Ok(RetryReport { delivered: u64::from(got_through), failed: u64::from(!got_through) })
    }

    /// The flow for the row, the row's text, and the function at which it starts.
    fn way(
        &self,
        row: &Quarantined,
        from: RetryFrom,
    ) -> Result<(Flow, RowText, usize), QuarantineError> {
        let flows = &self.inner.flows;
        let flow = flows.get(&row.flow).ok_or_else(|| {
            let hint = suggest(&row.flow, flows.keys().map(String::as_str));
            QuarantineError::stuck(
                &row.id,
                format!("there is no flow \"{}\" any more{hint}", row.flow),
            )
        })?;
        let conf = flow.conf();
        if conf.status == Status::Disabled {
            return Err(QuarantineError::stuck(
                &row.id,
                format!("flow `{}` has `status: 0`", row.flow),
            ));
        }
        match from {
            RetryFrom::Start => {
                let text = row.source_row().cloned().ok_or_else(|| {
                    QuarantineError::stuck(
                        &row.id,
                        format!(
                            "a function before `{}` made new rows of its batch, so nobody knows what this one was at the start; send it on from the function, or edit it",
                            row.function
                        ),
                    )
                })?;
                Ok((flow.clone(), text, 0))
            }
            RetryFrom::Function => {
                let stands =
                    |at: usize| conf.flows.get(at).is_some_and(|step| step.fname == row.function);
                // The chain may have changed since.
                let at = Some(row.at)
                    .filter(|at| stands(*at))
                    .or_else(|| (0..conf.flows.len()).find(|at| stands(*at)));
                let at = at.ok_or_else(|| {
                    let hint = suggest(&row.function, conf.flows.iter().map(|step| step.fname.as_str()));
                    QuarantineError::stuck(
                        &row.id,
                        format!("flow `{}` has no function \"{}\" any more{hint}; send it from the start", row.flow, row.function),
                    )
                })?;
                Ok((flow.clone(), row.row.clone(), at))
            }
        }
    }
}

/// The row's new state where it was rejected. It keeps the id by which its editor knows it.
fn again(row: &Quarantined, source_row: Option<RowText>, reject: &Reject) -> Quarantined {
    Quarantined {
        function: reject.function().to_owned(),
        at: reject.at,
        row: reject.row().clone().into(),
        origin: source_row.filter(|_| reject.at > 0),
        field: reject.field().map(str::to_owned),
        cause: error_chain(reject.cause()).to_string(),
        ..tried(row)
    }
}

/// The row's new state where its run failed.
fn failed(row: &Quarantined, source_row: Option<RowText>, error: &RunError) -> Quarantined {
    let now = Quarantined { field: None, cause: error_chain(error).to_string(), ..tried(row) };
    match (error.input().len(), error.function()) {
        (1, Some(function)) => Quarantined {
            function: function.to_owned(),
            at: error.at(),
            row: error.input().row_text(0).into(),
            origin: source_row.filter(|_| error.at() > 0),
            ..now
        },
        _ => now,
    }
}

fn tried(row: &Quarantined) -> Quarantined {
    Quarantined { attempt: row.attempt.saturating_add(1), tried: since_epoch::now(), ..row.clone() }
}
