//! [`Keeping`]: rows on their way into quarantine.

use std::collections::{HashSet, VecDeque};

use super::{
    Draft, Quarantine, QuarantineError, Quarantined,
    layout::{KEPT, Stored, bytes, open},
};
use crate::{
    conf::WhenFull,
    durable::{Commit, CommitError, Key, Usage, commit_all},
};

/// The rows of a delivery, of one flow, on their way into quarantine.
///
/// A delivery that was not acknowledged comes again with the same rows. So each row has a second
/// entry until then, by which it is found: it is not kept twice, and what an operator has changed
/// stays. The same row in another delivery, of a file that was replaced for example, is another row.
pub(crate) struct Keeping {
    quarantine: Quarantine,
    /// The rows that are not kept yet. Their ids are what they would be by themselves.
    rows: VecDeque<Quarantined>,
    /// A commit without an answer, and for how many rows it is.
    sent: Option<(Commit, usize)>,
    /// The second entries.
    open: Vec<Key>,
}

/// What to do with the first rows.
enum Step {
    /// The commit, and for how many rows it is.
    Commit(Commit, usize),
    /// So many are there already.
    Known(usize),
}

impl Quarantine {
    /// Begins to keep the rows of a delivery.
    pub(crate) fn keeping(&self, rows: Vec<Quarantined>) -> Keeping {
        let open = rows.iter().map(|row| open(&row.id)).collect();
        Keeping { quarantine: self.clone(), rows: rows.into(), sent: None, open }
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
        quarantine.drop_expired().await?;
        let mut most = self.most();
        // An empty quarantine takes any row.
        let mut bounded = true;
        while !self.rows.is_empty() {
            let (commit, rows) = match self.sent.take() {
                // Nothing may take its place before its outcome is known.
                Some((commit, rows)) => (commit.sent_again(), rows),
                None => match self.next(most, bounded).await? {
                    Step::Commit(commit, rows) => (commit, rows),
                    Step::Known(rows) => {
                        self.rows.drain(..rows);
                        continue;
                    }
                },
            };
            self.sent = Some((commit.clone(), rows));
            let committed = quarantine.commit(&commit).await;
            if !matches!(committed, Err(CommitError::Outage(_))) {
                self.sent = None;
            }
            match committed {
                Ok(()) => {
                    self.rows.drain(..rows);
                    (most, bounded) = (self.most(), true);
                }
                // The entries that are there now are read.
                Err(CommitError::Conflict(_) | CommitError::Lost) => {}
                Err(CommitError::TooLarge { .. }) if rows > 1 => most = rows / 2,
                Err(CommitError::Exceeded(_)) => (most, bounded) = self.make_room(rows).await?,
                Err(error) => return Err(QuarantineError::storage("written")(error.into_cause())),
            }
        }
        Ok(())
    }

    /// Marks the rows as acknowledged: they do not come again. If this fails, the same row in a
    /// later delivery is taken for one of these while that is in quarantine.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub(crate) async fn acknowledged(self) -> Result<(), QuarantineError> {
        let removed = self.open.into_iter().map(|key| (key, None));
        let committed = commit_all(&*self.quarantine.inner.durable, removed).await;
        committed.map_err(QuarantineError::storage("written"))
    }

    /// The most rows of a commit: each has three entries, and the flow two counters.
    fn most(&self) -> usize {
        (self.quarantine.inner.durable.limits().keys.saturating_sub(2) / 3).max(1)
    }

    /// The next step, for at most so many rows.
    async fn next(&self, most: usize, bounded: bool) -> Result<Step, QuarantineError> {
        let quarantine = &self.quarantine;
        let rows: Vec<&Quarantined> = self.rows.iter().take(most).collect();
        let keys: Vec<Key> = rows.iter().map(|row| open(&row.id)).collect();
        let opened = quarantine.inner.durable.read(&keys).await;
        let opened = opened.map_err(QuarantineError::storage("read"))?;
        // By its second entry, or by itself.
        let ids: Vec<String> = rows
            .iter()
            .zip(&opened)
            .map(|(row, opened)| match opened {
                Some(entry) => String::from_utf8_lossy(&entry.value).into_owned(),
                None => row.id.clone(),
            })
            .collect();
        let there = quarantine.read(KEPT, &ids).await?;
        let is_known =
            |(opened, there): (&Option<_>, &Option<Stored>)| opened.is_some() && there.is_some();
        let known = opened.iter().zip(&there).take_while(|pair| is_known(*pair)).count();
        if known > 0 {
            return Ok(Step::Known(known));
        }
        let mut taken: HashSet<&str> = HashSet::new();
        let mut draft = Draft::default();
        let mut count = 0;
        let found = opened.iter().zip(&ids).zip(&there);
        for ((row, key), ((opened, id), there)) in rows.into_iter().zip(keys).zip(found) {
            if is_known((opened, there)) {
                break;
            }
            // Another row may have its own id: one that came before, and is acknowledged.
            let is_free = *id == row.id && there.is_none() && taken.insert(&row.id);
            let id = if is_free { row.id.clone() } else { row.another_id() };
            let row = Quarantined { id: id.clone(), ..row.clone() };
            draft = draft.set(KEPT, None, Some(&row)).replace(key, opened.as_ref(), id);
            count += 1;
        }
        let conf = bounded.then_some(&quarantine.inner.conf);
        Ok(Step::Commit(draft.commit(conf), count))
    }

    /// The flow has no room for so many rows: makes room, or returns how many to try, and whether
    /// within the bounds.
    async fn make_room(&self, rows: usize) -> Result<(usize, bool), QuarantineError> {
        let (quarantine, conf) = (&self.quarantine, &self.quarantine.inner.conf);
        let Some(first) = self.rows.front() else { return Ok((rows, true)) };
        let new = self.size(rows);
        let usage = quarantine.usage_of(KEPT, &first.flow).await?;
        if usage.entries == 0 || conf.when_full == WhenFull::Stop {
            return match rows {
                1 if usage.entries == 0 => Ok((1, false)),
                1 => Err(self.full(usage)),
                _ => Ok((rows / 2, true)),
            };
        }
        quarantine.drop_oldest(KEPT, &first.flow, new).await?;
        Ok((rows, true))
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
