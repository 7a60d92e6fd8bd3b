//! [`Keeping`]: rows on their way into the store.

use std::collections::VecDeque;

use super::{
    CommitMarker, Draft, Quarantine, QuarantineError, Quarantined,
    layout::{KEPT, Quota, Spaces, Stored, WAITING, bytes},
};
use crate::{
    conf::WhenFull,
    durable::{Commit, CommitError, Entry, Usage},
};

/// How often room for a row may be taken by others before it counts as full.
const MOST_REFUSALS: u32 = 100;

/// The rows of a delivery, of one flow, on their way into quarantine, or to those that wait.
///
/// A delivery that was not acknowledged is redelivered with the same rows, and they have the same
/// ids. A row that is there already is not kept twice, and stays as an operator left it.
pub(crate) struct Keeping {
    quarantine: Quarantine,
    target: Target,
    /// The rows that are not kept yet.
    rows: VecDeque<Quarantined>,
    /// The most rows of a commit that fits the store's limits, as far as is known.
    most: usize,
    /// A commit without an answer.
    sent: Option<Sent>,
    /// Tells whether it took effect, where others may remove the rows meanwhile.
    marker: Option<CommitMarker>,
}

/// A commit, and for how many rows it is.
#[derive(Clone)]
struct Sent {
    commit: Commit,
    rows: usize,
    /// What the marker is if it takes effect.
    marker: Option<Entry>,
}

/// Where rows are kept.
#[derive(Clone, Copy)]
struct Target {
    spaces: Spaces,
    quota: Quota,
    when_full: WhenFull,
    /// Whether a flow that has none there may keep any row.
    takes_any: bool,
}

impl Quarantine {
    /// Begins to keep the rows of a delivery. Each has an id of its own.
    pub(crate) fn keeping(&self, rows: Vec<Quarantined>) -> Keeping {
        let conf = &self.inner.conf;
        let (quota, when_full) = (conf.into(), conf.when_full);
        self.keeping_in(Target { spaces: KEPT, quota, when_full, takes_any: true }, rows, None)
    }

    /// Begins to move rows to those that wait. Each has an id of its own. With `is_moved` they were
    /// among them before, and need no further room.
    pub(crate) fn keeping_waiting(
        &self,
        rows: Vec<Quarantined>,
        is_moved: bool,
        marker: CommitMarker,
    ) -> Keeping {
        let quota = match is_moved {
            true => Quota { rows: u64::MAX, bytes: u64::MAX },
            false => (&self.inner.waiting).into(),
        };
        let when_full = WhenFull::Stop;
        let target = Target { spaces: WAITING, quota, when_full, takes_any: false };
        self.keeping_in(target, rows, Some(marker))
    }

    fn keeping_in(
        &self,
        target: Target,
        rows: Vec<Quarantined>,
        marker: Option<CommitMarker>,
    ) -> Keeping {
        // A row has two entries, and the flow two counters and a marker.
        let most = (self.inner.durable.limits().keys.saturating_sub(3) / 2).max(1);
        Keeping { quarantine: self.clone(), target, rows: rows.into(), most, sent: None, marker }
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
        if self.target.spaces == KEPT {
            quarantine.drop_expired().await;
        }
        // A full flow may have room for fewer; an empty one takes any row.
        let (mut most, mut is_bounded) = (self.most, true);
        let mut refusals = 0;
        while !self.rows.is_empty() {
            let sent = match self.sent.take() {
                // Nothing may take its place before its outcome is known.
                Some(sent) => Sent { commit: sent.commit.sent_again(), ..sent },
                None => self.next(most, is_bounded).await?,
            };
            let Sent { commit, rows, marker } = sent.clone();
            self.sent = Some(sent);
            let committed = match commit.is_empty() {
                true => Ok(()),
                false => quarantine.commit_in(self.target.spaces, &commit).await,
            };
            if !matches!(committed, Err(CommitError::Outage(_))) {
                self.sent = None;
            }
            match committed {
                Ok(()) => {
                    if let (Some(own), Some(entry)) = (&mut self.marker, marker) {
                        own.passed(entry);
                    }
                    self.rows.drain(..rows);
                    (most, is_bounded) = (self.most, true);
                    refusals = 0;
                }
                // The entries that are there now are read.
                Err(error @ (CommitError::Conflict(_) | CommitError::Lost)) => {
                    // A store that has fallen back to an older copy, for example.
                    if let (Some(marker), Some(row)) = (&mut self.marker, self.rows.front())
                        && marker.is_changed(&error)
                    {
                        *marker = CommitMarker::new(&row.flow);
                    }
                }
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

    /// The commit for the first rows, at most so many.
    async fn next(&self, most: usize, is_bounded: bool) -> Result<Sent, QuarantineError> {
        let quarantine = &self.quarantine;
        let rows: Vec<&Quarantined> = self.rows.iter().take(most).collect();
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let Target { spaces, quota, .. } = self.target;
        let there = quarantine.read(spaces, &ids).await?;
        let draft =
            rows.iter().zip(&there).fold(Draft::default(), |draft, (row, there)| {
                match there.as_ref().map(|there| Existing::of(there, row)) {
                    None => draft.set(spaces, None, Some(row)),
                    Some(Existing::Same) => draft,
                    Some(Existing::Older(there)) => {
                        let row = Quarantined { since: there.row.since, ..(*row).clone() };
                        draft.set(spaces, Some(there), Some(&row))
                    }
                    Some(Existing::Other) => {
                        let row = Quarantined { id: row.another_id(), ..(*row).clone() };
                        draft.set(spaces, None, Some(&row))
                    }
                }
            });
        let commit = draft.commit(is_bounded.then_some(quota));
        let (commit, marker) = match &self.marker {
            Some(marker) if !commit.is_empty() => {
                let (commit, entry) = marker.guard(commit);
                (commit, Some(entry))
            }
            _ => (commit, None),
        };
        Ok(Sent { commit, rows: rows.len(), marker })
    }

    /// A commit that keeps all rows, for a caller who adds it to one of its own.
    pub(crate) async fn draft(&self, is_bounded: bool) -> Result<Commit, QuarantineError> {
        self.quarantine.drop_expired().await;
        Ok(self.next(usize::MAX, is_bounded).await?.commit)
    }

    /// The flow has no room for all rows at once: makes room, or returns `false` if it takes them
    /// although they are more than it may have. `refusals` is how often there was none in succession.
    pub(crate) async fn make_room_for_all(&self, refusals: u32) -> Result<bool, QuarantineError> {
        let rows = self.left();
        match self.make_room(rows, refusals).await? {
            (fitting, is_bounded) if fitting == rows => Ok(is_bounded),
            _ => {
                let Some(first) = self.rows.front() else { return Ok(true) };
                let usage = self.quarantine.usage_of(self.target.spaces, &first.flow).await?;
                if usage.entries == 0 { Ok(false) } else { Err(self.full(usage)) }
            }
        }
    }

    /// Updates the size of the quarantine in the metrics.
    pub(crate) async fn look(&self) {
        self.quarantine.look().await;
    }

    /// The marker, once nothing is unknown any more.
    pub(crate) fn into_marker(self) -> Option<CommitMarker> {
        self.marker.filter(|_| self.sent.is_none())
    }

    /// What is said when it fails.
    pub(crate) fn failure(&self) -> &'static str {
        match self.target.spaces {
            WAITING => "rows cannot be moved to those that wait",
            _ => "rows cannot be put into quarantine",
        }
    }

    /// How many rows are not kept yet: the last ones.
    pub(crate) fn left(&self) -> usize {
        self.rows.len()
    }

    /// Whether it is unknown if some rows are kept: [`keep`](Self::keep) has to be called until it
    /// is known.
    pub(crate) fn is_unknown(&self) -> bool {
        self.sent.is_some()
    }

    /// The flow has no room for so many rows: makes room, or returns how many to try, and whether
    /// within the bounds. `refusals` is how often there was none in succession.
    async fn make_room(
        &self,
        rows: usize,
        refusals: u32,
    ) -> Result<(usize, bool), QuarantineError> {
        let (quarantine, target) = (&self.quarantine, self.target);
        let drops = target.when_full == WhenFull::DropOldest;
        let Some(first) = self.rows.front() else { return Ok((rows, true)) };
        if drops && quarantine.drop_oldest(target.spaces, &first.flow, self.size(rows)).await? {
            return Ok((rows, true));
        }
        // Others may have taken the room that was made, and may do so again.
        let is_raced = drops && refusals < MOST_REFUSALS;
        let usage = quarantine.usage_of(target.spaces, &first.flow).await?;
        match rows {
            1 if usage.entries == 0 && target.takes_any => Ok((1, false)),
            1 if self.fits(usage) || is_raced => Ok((1, true)),
            1 => Err(self.full(usage)),
            _ => Ok((rows / 2, true)),
        }
    }

    /// Whether there is room for one row by now.
    fn fits(&self, usage: Usage) -> bool {
        let (quota, new) = (self.target.quota, self.size(1));
        usage.entries + new.entries <= quota.rows && usage.bytes + new.bytes <= quota.bytes
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
        let (quota, new) = (self.target.quota, self.size(usize::MAX));
        let (what, way_out) = match self.target.spaces {
            WAITING => (
                "there is no room for more waiting rows",
                "what is unavailable stays with its source; raise `waiting.max_rows` or `max_bytes`",
            ),
            _ => (
                "the quarantine is full",
                "what cannot be processed stays with its source; mend or discard rows, or raise `quarantine.max_rows` or `max_bytes`, or set `when_full: drop_oldest`",
            ),
        };
        QuarantineError::full(format!(
            "{what} ({} of {} rows of this flow, {} of {} bytes, and {} rows of {} bytes come), so {way_out}",
            usage.entries, quota.rows, usage.bytes, quota.bytes, new.entries, new.bytes
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
