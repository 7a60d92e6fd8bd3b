//! Sending rows on, edited or not.

use std::collections::HashSet;

use tokio_util::sync::CancellationToken;

use super::{
    Quarantine, QuarantineError, QuarantineFilter, Quarantined, RowText,
    by_time::ByTime,
    draft::Draft,
    layout::{KEPT, Stored},
};
use crate::{
    batch::Batch,
    conf::{Status, suggest},
    durable::CommitError,
    error::error_chain,
    flow::{Flow, Isolation, RunError},
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
    /// the first function and its original text is unknown; when somebody else has changed the row
    /// meanwhile, which then stays as they left it; when the store cannot be read or written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the row in quarantine, possibly sent on in part.
    pub async fn retry(&self, id: &str, from: RetryFrom) -> Result<RetryReport, QuarantineError> {
        let stored = self.stored(KEPT, id).await?;
        Ok(self.send(stored, from).await?.report)
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
        let stored = self.stored(KEPT, id).await?;
        let mut row = Quarantined { unreadable: false, ..stored.row.clone() };
        match from {
            RetryFrom::Function => row.row = text.into(),
            RetryFrom::Start if row.at == 0 => row.row = text.into(),
            RetryFrom::Start => row.origin = Some(text.into()),
        }
        // What cannot be sent on is not changed either.
        self.way(&row, from)?;
        self.change(&stored, Draft::default().set(KEPT, Some(&stored), Some(&row))).await?;
        Ok(self.send(self.stored(KEPT, id).await?, from).await?.report)
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
        let mut report = RetryReport::default();
        // What comes meanwhile is not sent on, nor what this makes.
        let order = ByTime::open(&*self.inner.durable, KEPT, filter, None).await?;
        let mut order = order.up_to_now().await?;
        let mut made = HashSet::new();
        loop {
            let ids = order.next().await?;
            if ids.is_empty() {
                return Ok(report);
            }
            for stored in self.read(KEPT, &ids).await?.into_iter().flatten() {
                if !filter.takes(&stored.row) || made.contains(&stored.row.id) {
                    continue;
                }
                let one = self.send(stored, from).await?;
                made.extend(one.made);
                report.delivered += one.report.delivered;
                report.failed += one.report.failed;
                progress(report);
            }
        }
    }

    async fn send(&self, stored: Stored, from: RetryFrom) -> Result<Sent, QuarantineError> {
        let row = &stored.row;
        let (flow, text, at) = self.way(row, from)?;
        if row.unreadable {
            // Its source could not read this text, so no function may get it.
            let tried = Draft::default().set(KEPT, Some(&stored), Some(&tried(row)));
            self.change(&stored, tried).await?;
            let report = RetryReport { delivered: 0, failed: 1 };
            return Ok(Sent { report, made: Vec::new() });
        }
        let batch = Batch::json([text.bytes().clone()]);
        let run =
            flow.run_served(batch, at, CancellationToken::new(), Isolation::default(), None).await;
        let source_row = row.source_row().cloned();
        // The run was a round of its own: if it failed, the states are as before, and the row is where
        // it was.
        let is_undone = |error: &RunError| {
            flow.keyed().is_some_and(|keyed| at < keyed.end && error.at() >= keyed.start)
        };
        let mut rejects = match &run {
            Ok(report) => report.rejected(),
            Err(error) if is_undone(error) => &[],
            // If it had become several rows, all of them are processed again: none is left out.
            Err(error) if error.input().len() != 1 => &[],
            Err(error) => error.rejected(),
        };
        let stays = match &run {
            Ok(_) => rejects.split_off_first().map(|reject| again(row, source_row.clone(), reject)),
            Err(error) if is_undone(error) => {
                let cause = error_chain(error).to_string();
                Some(Quarantined { field: None, cause, ..tried(row) })
            }
            Err(error) => Some(failed(row, source_row.clone(), error)),
        };
        let got_through = stays.is_none();
        // One row may have become several, and more than one of them may have been rejected.
        let made = rejects.iter().map(|reject| {
            let mut other = again(row, source_row.clone(), reject);
            (other.since, other.attempt) = (other.tried, 1);
            other.id = other.another_id();
            other
        });
        let made: Vec<Quarantined> = made.collect();
        self.become_these(&stored, stays.as_ref(), &made).await?;
        let made = made.into_iter().map(|row| row.id).collect();
        if got_through {
            self.inner.metrics.delivered.increment(1);
        }
        let report =
            RetryReport { delivered: u64::from(got_through), failed: u64::from(!got_through) };
        Ok(Sent { report, made })
    }

    /// Replaces a row by what it became. If that is too much for one commit, what is new comes first.
    pub(super) async fn become_these(
        &self,
        stored: &Stored,
        stays: Option<&Quarantined>,
        made: &[Quarantined],
    ) -> Result<(), QuarantineError> {
        let put = |draft, made: &[Quarantined]| {
            made.iter().fold(draft, |draft: Draft, row| draft.set(KEPT, None, Some(row)))
        };
        let draft = Draft::default().set(KEPT, Some(stored), stays);
        match self.commit(&put(draft, made).commit(None)).await {
            Err(CommitError::TooLarge { .. }) if !made.is_empty() => {}
            result => return result.map_err(|error| unchanged(stored, error)),
        }
        let mut waiting = vec![made];
        while let Some(made) = waiting.pop() {
            match self.commit(&put(Draft::default(), made).commit(None)).await {
                Err(CommitError::TooLarge { .. }) if made.len() > 1 => {
                    let (first, second) = made.split_at(made.len() / 2);
                    waiting.extend([second, first]);
                }
                result => result.map_err(|error| unchanged(stored, error))?,
            }
        }
        self.change(stored, Draft::default().set(KEPT, Some(stored), stays)).await
    }

    /// Makes changes that rely on a row as it was read.
    async fn change(&self, stored: &Stored, draft: Draft) -> Result<(), QuarantineError> {
        self.commit(&draft.commit(None)).await.map_err(|error| unchanged(stored, error))
    }

    /// The flow for the row, the row's text, and the function at which it starts.
    pub(super) fn way(
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
                if flow.keyed().is_some_and(|keyed| row.at > keyed.start) {
                    return Err(QuarantineError::stuck(
                        &row.id,
                        format!(
                            "a function before `{}` keeps state, in which this row is already, so that it would count twice; send it on from its function",
                            row.function
                        ),
                    ));
                }
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

/// Why a row could not be changed.
fn unchanged(stored: &Stored, error: CommitError) -> QuarantineError {
    match error {
        CommitError::Conflict(_) => QuarantineError::stuck(
            &stored.row.id,
            "somebody else has changed it, or sent it on, meanwhile; look at it again",
        ),
        error => QuarantineError::storage("written")(error.into_cause()),
    }
}

/// What came of a row that was sent on.
struct Sent {
    report: RetryReport,
    /// The ids of further rows that it became and that failed.
    made: Vec<String>,
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
