//! [`Keeping`]: rows on their way into quarantine.

use std::collections::VecDeque;

use super::{
    Draft, Quarantine, QuarantineError, Quarantined,
    layout::{KEPT, Stored, bytes},
};
use crate::{
    conf::WhenFull,
    durable::{Commit, CommitError, Usage},
};

/// How often room for a row may be taken by others before it counts as full.
const MOST_REFUSALS: u32 = 100;

/// The rows of a delivery, of one flow, on their way into quarantine.
///
/// A delivery that was not acknowledged is redelivered with the same rows, and they have the same
/// ids. A row that is there already is not kept twice, and stays as an operator left it.
pub(crate) struct Keeping {
    quarantine: Quarantine,
    /// The rows that are not kept yet.
    rows: VecDeque<Quarantined>,
    /// The most rows of a commit that fits the store's limits, as far as is known.
    most: usize,
    /// A commit without an answer, and for how many rows it is.
    sent: Option<(Commit, usize)>,
}

impl Quarantine {
    /// Begins to keep the rows of a delivery. Each has an id of its own.
    pub(crate) fn keeping(&self, rows: Vec<Quarantined>) -> Keeping {
        // A row has two entries, and the flow two counters.
        let most = (self.inner.durable.limits().keys.saturating_sub(2) / 2).max(1);
        Keeping { quarantine: self.clone(), rows: rows.into(), most, sent: None }
    }
}

impl Keeping {
    /// Keeps what is not kept yet. All rows are durable when this returns.
    ///
    /// # Errors
    ///
    /// When they cannot be kept now: call it again.
    pub(crate) async fn keep(&mut self) -> Result<(), QuarantineError> {
        let quarantine = self.quarantine.clone();
        quarantine.drop_expired().await;
        // A full flow may have room for fewer; an empty one takes any row.
        let (mut most, mut is_bounded) = (self.most, true);
        let mut refusals = 0;
        while !self.rows.is_empty() {
            let (commit, rows) = match self.sent.take() {
                // Nothing may take its place before its outcome is known.
                Some((commit, rows)) => (commit.sent_again(), rows),
                None => self.next(most, is_bounded).await?,
            };
            self.sent = Some((commit.clone(), rows));
            let committed = match commit.is_empty() {
                true => Ok(()),
                false => quarantine.commit(&commit).await,
            };
            if !matches!(committed, Err(CommitError::Outage(_))) {
                self.sent = None;
            }
            match committed {
                Ok(()) => {
                    self.rows.drain(..rows);
                    (most, is_bounded) = (self.most, true);
                    refusals = 0;
                }
                // The entries that are there now are read.
                Err(CommitError::Conflict(_) | CommitError::Lost) => {}
                Err(CommitError::TooLarge { .. }) if rows > 1 => {
                    self.most = rows / 2;
                    most = self.most;
                }
                Err(CommitError::Exceeded(_)) => {
                    refusals += 1;
                    (most, is_bounded) = self.make_room(rows, refusals).await?;
                }
                Err(error) => return Err(QuarantineError::storage("written")(error.into_cause())),
            }
        }
        Ok(())
    }

    /// The commit for the first rows, at most so many, and for how many it is.
    async fn next(
        &self,
        most: usize,
        is_bounded: bool,
    ) -> Result<(Commit, usize), QuarantineError> {
        let quarantine = &self.quarantine;
        let rows: Vec<&Quarantined> = self.rows.iter().take(most).collect();
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let there = quarantine.read(KEPT, &ids).await?;
        let draft =
            rows.iter().zip(&there).fold(Draft::default(), |draft, (row, there)| {
                match there.as_ref().map(|there| Existing::of(there, row)) {
                    None => draft.set(KEPT, None, Some(row)),
                    Some(Existing::Same) => draft,
                    Some(Existing::Older(there)) => {
                        let row = Quarantined { since: there.row.since, ..(*row).clone() };
                        draft.set(KEPT, Some(there), Some(&row))
                    }
                    Some(Existing::Other) => {
                        let row = Quarantined { id: row.another_id(), ..(*row).clone() };
                        draft.set(KEPT, None, Some(&row))
                    }
                }
            });
        let conf = is_bounded.then_some(&quarantine.inner.conf);
        Ok((draft.commit(conf), rows.len()))
    }

    /// The flow has no room for so many rows: makes room, or returns how many to try, and whether
    /// within the bounds. `refusals` is how often there was none in succession.
    async fn make_room(
        &self,
        rows: usize,
        refusals: u32,
    ) -> Result<(usize, bool), QuarantineError> {
        let (quarantine, conf) = (&self.quarantine, &self.quarantine.inner.conf);
        let Some(first) = self.rows.front() else { return Ok((rows, true)) };
        if conf.when_full == WhenFull::DropOldest
            && quarantine.drop_oldest(KEPT, &first.flow, self.size(rows)).await?
        {
            return Ok((rows, true));
        }
        // Others may have taken the room that was made, and may do so again.
        let is_raced = conf.when_full == WhenFull::DropOldest && refusals < MOST_REFUSALS;
        let usage = quarantine.usage_of(KEPT, &first.flow).await?;
        match rows {
            1 if usage.entries == 0 => Ok((1, false)),
            1 if self.fits(usage) || is_raced => Ok((1, true)),
            1 => Err(self.full(usage)),
            _ => Ok((rows / 2, true)),
        }
    }

    /// Whether there is room for one row by now.
    fn fits(&self, usage: Usage) -> bool {
        let (conf, new) = (&self.quarantine.inner.conf, self.size(1));
        usage.entries + new.entries <= conf.max_rows && usage.bytes + new.bytes <= conf.max_bytes
    }

    fn size(&self, rows: usize) -> Usage {
        let size = |row: &Quarantined| bytes(&row.id, &serde_json::to_vec(row).unwrap_or_default());
        let rows = self.rows.iter().take(rows);
        rows.fold(Usage::default(), |sum, row| Usage {
            entries: sum.entries + 1,
            bytes: sum.bytes + size(row),
        })
    }

    fn full(&self, usage: Usage) -> QuarantineError {
        let conf = &self.quarantine.inner.conf;
        let new = self.size(usize::MAX);
        QuarantineError::full(format!(
            "the quarantine is full ({} of {} rows of this flow, {} of {} bytes, and {} rows of {} bytes come), so what cannot be processed stays with its source; mend or discard rows, or raise `quarantine.max_rows` or `max_bytes`, or set `when_full: drop_oldest`",
            usage.entries, conf.max_rows, usage.bytes, conf.max_bytes, new.entries, new.bytes
        ))
    }
}

/// What the entry is that has the id of a row already.
enum Existing<'s> {
    /// The row.
    Same,
    /// An earlier text of the row, untouched since. A function may make a different text of the same
    /// source row each time.
    Older(&'s Stored),
    /// An earlier text that an operator has touched, or another of the rows that the source row
    /// became.
    Other,
}

impl<'s> Existing<'s> {
    fn of(there: &'s Stored, row: &Quarantined) -> Self {
        let Quarantined { row: text, since, tried, .. } = &there.row;
        // At the first function, the text is part of the id.
        if row.at == 0 || *text == row.row {
            Self::Same
        } else if since == tried {
            Self::Older(there)
        } else {
            Self::Other
        }
    }
}
